"""`tokens`: how many tokens words, files and stdin are, beside the context."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

from ..errors import LLMWrapError, UsageError
from ..messages import Json
from .context import Context
from .options import add_files
from .parser import Command, Parser, add_backend, add_common, add_json
from .session import Session
from .tables import Column

if TYPE_CHECKING:
    from ..engine.targets import Target

COMMAND = Command(
    name="tokens",
    summary="Count the tokens of a prompt, of files and of what is piped in. By the"
    " server's own tokenizer where it has one, else an estimate that says so.",
    operands="[PROMPT...]",
)

_BYTES_PER_TOKEN = 4
"""What English text comes to with the tokenizers of today."""

_COLUMNS = (Column("TOKENS", is_right=True), Column("OF"))


class Length(NamedTuple):
    """One text and its length in tokens."""

    name: str
    tokens: int
    size_bytes: int


def add_arguments(parser: Parser) -> None:
    """Add the options of `tokens`."""
    add_json(parser)
    group = parser.add_argument_group("tokens")
    add_files(
        group, "count the tokens of a text file, on a line of its own; repeatable"
    )
    group.add_argument("-n", "--no-stdin", action="store_true", help="never read stdin")
    group.add_argument(
        "-m", "--model", metavar="M", help="the model whose tokens are counted"
    )
    add_backend(parser)
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Count and print; return 0."""
    from ..upkeep.survey import LOOKUP_S, limited  # late: help needs none of it

    with context.output.errors_as_json(is_wanted=args.json):
        session = Session.of(args, context)
        texts = _texts(args, session)
        with session.engine(is_one_shot=True) as engine, context.interruptible():
            target = engine.target()
            counts = [
                _count(target, text, limited(LOOKUP_S, session.until))
                for _, text in texts
            ]
            size = _context_tokens(session, target)
        is_estimate = None in counts
        rows = [
            Length(name, _estimated(text) if is_estimate else count or 0, _size(text))
            for (name, text), count in zip(texts, counts, strict=True)
        ]
        _print(args, session, rows, target, size, is_estimate=is_estimate)
    return 0


def _texts(args: argparse.Namespace, session: Session) -> list[tuple[str, str]]:
    """Return what is to be counted, each under its name. Raises: UsageError."""
    words = list(args.operands)
    names = ["stdin" if name == "-" else name for name in args.file]
    texts = [(n, session.text_of(f)) for n, f in zip(names, args.file, strict=True)]
    if words == ["-"]:
        words = []
        texts.append(("stdin", session.text_of("-")))
    elif session.reads_stdin and not args.no_stdin:
        piped = session.text_of("-")
        texts += [("stdin", piped)] if piped else []
    if words:
        texts.insert(0, ("prompt", " ".join(words)))
    if not texts:
        raise UsageError("there is nothing to count")
    return texts


def _count(target: Target, text: str, limit_s: float) -> int | None:
    return target.backend.count_tokens(text, target.model, timeout_s=limit_s)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _estimated(text: str) -> int:
    return -(-_size(text) // _BYTES_PER_TOKEN)


def _context_tokens(session: Session, target: Target) -> int | None:
    """Return the context that holds for a question, None when nobody says."""
    from ..upkeep.survey import LOOKUP_S, find_model, limited  # late, as above

    option = getattr(target.backend, "context_option", "")
    asked = session.layers().options.get(option) if option else None
    if isinstance(asked, int):
        return asked
    try:
        models = target.backend.models(timeout_s=limited(LOOKUP_S, session.until))
    except LLMWrapError as error:
        session.log.debug(str(error))
        return None
    found = find_model(models, target.model)
    return found.context_tokens if found else None


def _print(
    args: argparse.Namespace,
    session: Session,
    rows: list[Length],
    target: Target,
    context_tokens: int | None,
    *,
    is_estimate: bool,
) -> None:
    total = sum(row.tokens for row in rows)
    if is_estimate:
        session.log.note(
            f"an estimate, {_BYTES_PER_TOKEN} bytes a token: {target.backend.name} does"
            " not count tokens without answering"
        )
    if args.json:
        fields: dict[str, Json] = {
            "total": total,
            "context_tokens": context_tokens,
            "estimated": is_estimate,
            "model": target.model,
            "backend": target.backend.name,
        }
        session.output.json_rows("tokens", [row._asdict() for row in rows], **fields)
        return
    cells = [[str(row.tokens), row.name] for row in rows]
    holds = f", the context holds {context_tokens}" if context_tokens else ""
    cells.append([str(total), f"in all{holds}"])
    session.output.rows(_COLUMNS, cells)
