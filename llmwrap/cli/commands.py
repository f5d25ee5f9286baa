"""The commands as modules: loading one, its parsers, the pages of `--help`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from ..errors import UsageError
from .context import Context
from .parser import (
    Command,
    Parser,
    Verb,
    add_common,
    new_parser,
    settle,
    verb_and_operands,
)
from .words import BUILT, HELP, PLANNED

_MODULES = {name: name.replace("-", "_") for name in BUILT}
_MODULES |= {"config": "config_command", HELP: "help_command"}


class CommandModule(Protocol):
    """What a command's module offers."""

    COMMAND: Command

    def add_arguments(self, parser: Parser) -> None:
        """Add the command's options, or those that each of its verbs has."""

    def run(self, args: argparse.Namespace, context: Context) -> int:
        """Run the command and return its exit status.

        `args.operands` has the words behind the command word, or behind its verb,
        whose name is `args.verb` then.
        """


def load_command(name: str) -> CommandModule:
    """Return the module of a command. Raises: UsageError for one that is planned."""
    if name in PLANNED:
        raise UsageError(
            f"'{name}' is not built yet",
            hint=f"to ask about the word: llmwrap ask {name}",
        )
    module = import_module(f".{_MODULES[name]}", __package__)
    return cast("CommandModule", module)


def parser_of(module: CommandModule, verb: Verb | None = None) -> Parser:
    """Return the parser of a command, or of one verb of it."""
    parser = new_parser(module.COMMAND, verb)
    if verb and verb.add_arguments:
        verb.add_arguments(parser)
    module.add_arguments(parser)
    return parser


_kept_parser_of = cache(parser_of)
"""Making one takes longer than it parses; a process may run many command lines."""


def parsers_of(module: CommandModule) -> list[Parser]:
    """Return every parser of a command: one for each verb, else the only one."""
    verbs: Sequence[Verb | None] = module.COMMAND.verbs or (None,)
    return [parser_of(module, verb) for verb in verbs]


def parsed(
    module: CommandModule, verb: Verb | None, options: Sequence[str]
) -> argparse.Namespace:
    """Return the options of a command, `given` being those that differ from defaults.

    Raises: UsageError.
    """
    # A module is hashable, though its protocol does not say so.
    parser = _kept_parser_of(module, verb)  # type: ignore[arg-type]
    args, unknown = parser.parse_known_args(options)
    if unknown:
        raise _unknown_option(module, parser, unknown[0].partition("=")[0])
    args.given = parser.given(args)
    settle(args)
    return args


def _unknown_option(module: CommandModule, parser: Parser, option: str) -> UsageError:
    from ..config.complaints import nearest  # late: only on the way to an error

    for other in parsers_of(module):
        if option in other.actions:
            what = parser.prog.removeprefix("llmwrap ")
            hint = f"see '{other.prog} --help'"
            return UsageError(f"'{what}' has no option '{option}'", hint=hint)
    best = nearest(option, parser.actions)
    hint = f"did you mean '{best}'? " if best else ""
    return UsageError(
        f"unknown option '{option}'", hint=f"{hint}see '{parser.prog} --help'"
    )


def page(words: Sequence[str]) -> str:
    """Return the help of a command, of one verb of it, or of the program."""
    if not words:
        parser = new_parser(Command(HELP, ""))
        add_common(parser)
        common = parser.format_help().partition("\n\n")[2]
        return f"{overview()}\n{common}"
    module = load_command(words[0])
    verb, _ = verb_and_operands(module.COMMAND, words[1:])
    if verb is None or not words[1:]:
        return _whole_page(module)
    return parser_of(module, verb).format_help()


def _whole_page(module: CommandModule) -> str:
    command = module.COMMAND
    text = parser_of(module).format_help()
    if not command.verbs:
        return text
    wide = max(map(len, command.verb_names))
    lines = [f"  {verb.name:<{wide}}  {verb.summary}" for verb in command.verbs]
    before, options, after = text.partition("\noptions")
    more = f"'llmwrap {command.name} VERB --help' tells the options of a verb."
    verbs = "\n".join(["", "verbs:", *lines, "", more, ""])
    return f"{before}{verbs}{options}{after}"


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
    commands = (load_command(name).COMMAND for name in sorted({*BUILT, HELP}))
    lines += [
        *(f"  {command.name:<13}  {command.short}" for command in commands),
        "",
        "'llmwrap help COMMAND [VERB]' tells the options, 'man llmwrap' all.",
    ]
    return "\n".join(lines) + "\n"
