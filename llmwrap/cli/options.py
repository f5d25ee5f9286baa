"""Options that several commands share: what is asked, how, and what of the cache."""

from __future__ import annotations

import argparse
from typing import Any

from ..messages import THINKING_LEVELS
from .parser import Group, Parser, count, number, option_pair, positive_count, whole


def add_question(group: Group) -> None:
    """Add the options that make up a question, and say whom to ask."""
    add_model_and_system(group)
    add_files(group, "add a text file to the prompt, under its name; repeatable")
    group.add_argument(
        "-i",
        "--image",
        metavar="FILE",
        action="append",
        default=[],
        help="image for a vision model, - for stdin; repeatable",
    )


def add_model_and_system(group: Group) -> None:
    """Add the options that name the model and the system prompt."""
    group.add_argument(
        "-m",
        "--model",
        metavar="M",
        help="model; BACKEND/M names the backend too, a path to a .gguf file means"
        " the embedded one",
    )
    group.add_argument(
        "-s", "--system", metavar="TEXT", help="system prompt; @FILE reads a file"
    )


def add_files(group: Group | Parser, text: str) -> None:
    """Add the option that names text files; `text` is its help."""
    group.add_argument(
        "-f",
        "--file",
        metavar="FILE",
        action="append",
        default=[],
        help=text,
    )


def add_sampling(parser: Parser) -> None:
    """Add the options that say how an answer is drawn."""
    group = parser.add_argument_group("sampling")
    add_drawing(group, seed="seed of the randomness")
    group.add_argument(
        "--stop",
        metavar="TEXT",
        action="append",
        default=[],
        help="end the answer before TEXT; repeatable",
    )
    add_thinking(group, think="ask a reasoning model to reason, and show it on stderr")
    group.add_argument(
        "--hide-thinking", action="store_true", help="do not show the reasoning"
    )


def add_drawing(group: Group, *, seed: str) -> None:
    """Add the options of the backend; `seed` is the help of `--seed`."""
    group.add_argument(
        "-o",
        "--option",
        metavar="K=V",
        action=_Drawing,
        default=[],
        type=option_pair,
        help="option of the backend, such as num_ctx=8192; JSON if it parses, else a"
        " string; repeatable",
    )
    for name, metavar, kind, text in (
        ("--temperature", "T", number, "randomness"),
        ("--max-tokens", "N", positive_count, "longest answer, in tokens"),
        ("--seed", "N", whole, seed),
        ("--top-p", "P", number, "nucleus sampling"),
    ):
        group.add_argument(name, action=_Drawing, metavar=metavar, type=kind, help=text)


class _Drawing(argparse.Action):
    """Of `-o K=V` and an option for the same setting, keep the one given last."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Set one, and take back what said the same before."""
        from ..prompting.sampling import synonyms  # late: it knows every backend

        names = synonyms(values[0] if self.dest == "option" else self.dest)
        pairs = [pair for pair in namespace.option if pair[0] not in names]
        if self.dest == "option":
            pairs.append(values)
            for name in names & {"temperature", "max_tokens", "seed", "top_p"}:
                setattr(namespace, name, None)
        else:
            setattr(namespace, self.dest, values)
        namespace.option = pairs


def add_thinking(group: Group, *, think: str) -> None:
    """Add what asks for reasoning; `think` is the help of `--think`."""
    # The level stands behind `=` only: operands are taken off before argparse looks.
    group.add_argument(
        "--think",
        nargs="?",
        const=True,
        choices=THINKING_LEVELS,
        metavar="LEVEL",
        help=f"{think}; LEVEL is {', '.join(THINKING_LEVELS)}: how much",
    )
    group.add_argument(
        "--no-think",
        action="store_const",
        const=False,
        dest="think",
        help="ask a reasoning model not to reason",
    )


def add_schema(parser: Parser) -> None:
    """Add the options that say what the answer must be."""
    group = parser.add_argument_group("structured answers")
    group.add_argument(
        "--schema",
        metavar="SCHEMA",
        help="the answer must be JSON of this schema: a file with a JSON Schema (with a"
        " /, the suffix .json or as @FILE), or fields such as 'name, age int, email?,"
        " tags [str]: lower case'; it is checked before anything is shown",
    )
    group.add_argument(
        "--schema-list",
        metavar="SCHEMA",
        help="the same for an array of such",
    )
    group.add_argument(
        "--schema-retries",
        metavar="N",
        type=count,
        help="ask again at most N times for an answer that is not of the schema"
        " (default: 1)",
    )


def add_cache(parser: Parser) -> None:
    """Add the options of the response cache."""
    group = parser.add_argument_group("cache")
    add_cache_use(group, off="leave the response cache alone")
    group.add_argument(
        "--refresh",
        action="store_const",
        const="refresh",
        dest="cache",
        help="ask anew and store the answer",
    )
    group.add_argument(
        "--cache-only",
        action="store_true",
        dest="is_cache_only",
        help="never ask: an answer that is not stored is status 11",
    )


def add_cache_use(group: Group, *, off: str) -> None:
    """Add what switches the cache on and off; `off` is the help of `--no-cache`."""
    group.add_argument(
        "--cache",
        action="store_const",
        const="use",
        dest="cache",
        help="use the response cache",
    )
    group.add_argument(
        "--no-cache", action="store_const", const="off", dest="cache", help=off
    )


def add_conversation(parser: Parser) -> None:
    """Add the options that say which conversation it is, and whether it is kept."""
    group = parser.add_argument_group("conversation")
    group.add_argument(
        "-c",
        "--continue",
        action="store_true",
        dest="is_continued",
        help="carry on the conversation that was used last; without any, begin one",
    )
    group.add_argument(
        "--conversation",
        metavar="ID",
        help="carry on a conversation, named by its id, the beginning or the end of it,"
        " or a title that only one has",
    )
    group.add_argument(
        "--no-history",
        action="store_true",
        help="keep neither the question nor the answer as a conversation",
    )
