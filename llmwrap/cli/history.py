"""`history`: the conversations that are kept."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from .context import Context
from .parser import (
    Command,
    Parser,
    Verb,
    add_common,
    add_json,
    count,
    duration,
)
from .session import Session


def _add_export(parser: Parser) -> None:
    parser.add_argument(
        "--format",
        choices=("json", "markdown"),
        help="json (default): one object with everything; markdown: to be read",
    )
    parser.add_argument(
        "-O",
        "--output",
        metavar="FILE",
        help="write to FILE, complete or not at all; - is stdout",
    )


def _add_prune(parser: Parser) -> None:
    parser.add_argument(
        "--older-than",
        metavar="AGE",
        type=duration,
        help="remove what was last used longer ago, such as 12h or 30d",
    )
    parser.add_argument(
        "--keep", metavar="N", type=count, help="remove all but the N used last"
    )


COMMAND = Command(
    name="history",
    summary="Look at the conversations that are kept, and look after them.",
    verbs=(
        Verb("list", "List them, the one used last first."),
        Verb("show", "Print one as Markdown; without an ID the one used last.", "[ID]"),
        Verb("search", "Print the turns that hold a text, in any case.", "TEXT..."),
        Verb("export", "Print them with all there is to them.", "[ID...]", _add_export),
        Verb("rename", "Give one a title.", "ID TITLE..."),
        Verb("delete", "Remove them: all that are named, or none.", "ID..."),
        Verb("prune", "Remove what is old, or too many.", "", _add_prune),
    ),
)


def add_arguments(parser: Parser) -> None:
    """Add the options of each verb."""
    add_json(parser)
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do what the verb says; return 0."""
    if args.verb == "prune" and args.older_than is None and args.keep is None:
        raise UsageError(
            "'history prune' wants a limit", hint="--older-than AGE, --keep N or both"
        )
    with context.output.errors_as_json(is_wanted=args.json):
        session = Session.of(args, context, stdout_is_data=_has_data(args))
        from .history_verbs import HistoryVerbs  # late: help needs none of it

        HistoryVerbs(args, session).do(args.verb, args.operands)
    return 0


def _has_data(args: argparse.Namespace) -> bool:
    if args.verb == "export":
        return args.output in (None, "-")
    return args.json or args.verb in ("list", "show", "search")
