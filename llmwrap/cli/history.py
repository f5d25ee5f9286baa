"""`history`: the conversations that are kept."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..errors import UsageError
from .context import Context
from .parser import (
    Command,
    Parser,
    add_common,
    add_json,
    count,
    duration,
    verb_and_operands,
)
from .session import Session

COMMAND = Command(
    name="history",
    summary="List the conversations that are kept. Or show, search, export or remove"
    " them.",
    usage="llmwrap history [list | show [ID] | search TEXT | export [ID...] |"
    " delete ID... | prune] [OPTION...]",
    verbs=("list", "show", "search", "export", "delete", "prune"),
)


def add_arguments(parser: Parser) -> None:
    """Add the options of `history`."""
    group = parser.add_argument_group("export")
    group.add_argument(
        "--format",
        choices=("json", "markdown"),
        help="json (default): one object with everything; markdown: to be read",
    )
    group.add_argument(
        "-O",
        "--output",
        metavar="FILE",
        help="write to FILE, complete or not at all; - is stdout",
    )
    group = parser.add_argument_group("prune")
    group.add_argument(
        "--older-than",
        metavar="AGE",
        type=duration,
        help="remove what was last used longer ago, such as 12h or 30d",
    )
    group.add_argument(
        "--keep", metavar="N", type=count, help="remove all but the N used last"
    )
    add_json(parser)
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do what the verb says; return 0."""
    verb, operands = verb_and_operands(COMMAND, args.operands)
    _check(args, verb, operands)
    with context.output.errors_as_json(is_wanted=args.json):
        session = Session.of(args, context, stdout_is_data=_has_data(args, verb))
        from .history_verbs import HistoryVerbs  # late: help needs none of it

        HistoryVerbs(args, session).do(verb, operands)
    return 0


def _has_data(args: argparse.Namespace, verb: str) -> bool:
    if verb == "export":
        return args.output in (None, "-")
    return args.json or verb in ("list", "show", "search")


def _check(args: argparse.Namespace, verb: str, operands: Sequence[str]) -> None:
    """Raise UsageError for options and operands that a verb does not take."""
    usage = f"usage: {COMMAND.usage}"
    most = {"list": 0, "show": 1, "prune": 0}.get(verb, len(operands))
    if len(operands) > most:
        raise UsageError(f"'history {verb}' takes no '{operands[most]}'", hint=usage)
    if verb in ("search", "delete") and not "".join(operands):
        raise UsageError(f"'history {verb}' wants to know what", hint=usage)
    has_limit = args.older_than is not None or args.keep is not None
    if has_limit != (verb == "prune"):
        hint = "--older-than AGE, --keep N or both"
        what = f"'history {verb}' takes no" if has_limit else "'history prune' wants a"
        raise UsageError(f"{what} limit", hint=hint)
    if verb != "export" and (args.format or args.output):
        raise UsageError(f"'history {verb}' exports nothing", hint=usage)
