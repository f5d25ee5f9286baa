"""The commands as modules: loading one, its parser, the first page of `--help`."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Protocol, cast

from .context import Context
from .parser import Command, Parser, new_parser
from .words import BUILT

_MODULES = {name: name.replace("-", "_") for name in BUILT}
_MODULES["config"] = "config_command"


class CommandModule(Protocol):
    """What a command's module offers."""

    COMMAND: Command

    def add_arguments(self, parser: Parser) -> None:
        """Add the command's options."""

    def run(self, args: argparse.Namespace, context: Context) -> int:
        """Run the command and return its exit status.

        `args.operands` has the words behind the command word.
        """


def load_command(name: str) -> CommandModule:
    """Return the module of a command that is built."""
    module = import_module(f".{_MODULES[name]}", __package__)
    return cast("CommandModule", module)


def parser_of(module: CommandModule) -> Parser:
    """Return the parser of a command."""
    parser = new_parser(module.COMMAND)
    module.add_arguments(parser)
    return parser


def overview() -> str:
    """Return the commands with a line each."""
    lines = [
        "llmwrap - local language models in pipelines, cron jobs and terminal chats",
        "",
        "usage: llmwrap [COMMAND] [OPTION...] [OPERAND...]",
        "",
        'A first word that is no command is a question: llmwrap "Hello".',
        "",
        "commands:",
    ]
    for name in sorted(BUILT):
        summary = load_command(name).COMMAND.summary.split(". ")[0].rstrip(".")
        lines.append(f"  {name:<12} {summary}")
    lines += ["", "'llmwrap COMMAND --help' tells the options, 'man llmwrap' all."]
    return "\n".join(lines) + "\n"
