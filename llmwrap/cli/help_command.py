"""`help`: the page of a command, of one of its verbs, of the program."""

from __future__ import annotations

import argparse

from .commands import page
from .context import Context
from .parser import Command, Parser, add_common

COMMAND = Command(
    name="help",
    summary="Show the page of a command or of one of its verbs. Followed by anything"
    " else the word is the first one of a question.",
    operands="[COMMAND] [VERB]",
)


def add_arguments(parser: Parser) -> None:
    """Add the options of every command."""
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Show the page; return 0."""
    context.output.text(page(args.operands))
    return 0
