"""`completion`: a script that completes command lines, made from the parsers.

Not shtab: it wants one parser with subparsers and fixed positions, but here options
may stand before the command and a first word that is none is a question; and its bash
cannot complete a word with a `:`, which the names of models have.
"""

from __future__ import annotations

import argparse

from ..errors import UsageError
from .completion_bash import bash_script
from .completion_fish import fish_script
from .completion_words import vocabulary
from .completion_zsh import zsh_script
from .context import Context
from .parser import Command, Parser, add_common, verb_and_operands

COMMAND = Command(
    name="completion",
    summary="Print a script that completes command lines in a shell, live names of"
    " models included.",
    usage="llmwrap completion bash|zsh|fish [OPTION...]",
    verbs=("bash", "zsh", "fish"),
)

_SCRIPTS = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}


def add_arguments(parser: Parser) -> None:
    """Add the options of `completion`."""
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Print the script; return 0. The configuration is not read."""
    if not args.operands:
        raise UsageError("which shell?", hint=f"usage: {COMMAND.usage}")
    shell, others = verb_and_operands(COMMAND, args.operands)
    if others:
        raise UsageError(
            f"'completion {shell}' takes no '{others[0]}'",
            hint=f"usage: {COMMAND.usage}",
        )
    context.output.text(_SCRIPTS[shell](vocabulary()))
    return 0
