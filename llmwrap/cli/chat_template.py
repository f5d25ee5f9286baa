"""`chat-template NAME`: the same as `ask -t NAME`."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from . import ask
from .ask import add_arguments
from .context import Context
from .parser import Command

__all__ = ["COMMAND", "add_arguments", "run"]

COMMAND = Command(
    name="chat-template",
    summary="Ask with a template: the same as 'ask -t TEMPLATE'. What follows the"
    " name is the prompt.",
    operands="[TEMPLATE] [PROMPT...]",
)


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask; return the exit status of a complete answer, 0."""
    if args.template is None:
        if not args.operands or not args.operands[0]:
            raise UsageError("which template?")
        args.template, *args.operands = args.operands
    return ask.run(args, context)
