"""What can be completed: commands, verbs, options and their values.

Read from the parsers, so that a script cannot know less than the program.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from .commands import load_command, parser_of
from .words import BUILT

Kind: TypeAlias = Literal[
    "none", "file", "model", "backend", "template", "conversation", "choices"
]

PROGRAMS = ("llmwrap", "llm-wrapper")

TESTERS = ("llmwrap-loadtest", "load_test")
"""Programs that are `llmwrap loadtest`; llmwrap stands beside them."""

MODEL_VERBS = (("models", "show"), ("models", "pull"), ("models", "warm"))
"""Commands and verbs whose operand is a model."""

HISTORY_VERBS = (("history", "show"), ("history", "export"), ("history", "delete"))
"""Commands and verbs whose first operand is a conversation."""

TEMPLATE_VERBS = (
    ("chat-template", ""),
    ("template", "show"),
    ("template", "render"),
    ("template", "edit"),
    ("template", "delete"),
    ("template", "validate"),
)
"""Commands and verbs whose operand is a template; one has no verb."""

FILE_VERBS = (("template", "import"),)
"""Commands and verbs whose operand is a file."""

PASSED_ON = ("-b", "--backend", "--base-url", "--config")
"""Options that decide whose models are meant, so the live names need them too."""

_KINDS: dict[object, Kind] = {
    "FILE": "file",
    "ID": "conversation",
    "M": "model",
    "TEMPLATE": "template",
}


class OptionWords(NamedTuple):
    """An option: its names, its help, and what its value can be.

    `kind` is None for one that takes no value.
    """

    names: tuple[str, ...]
    help: str
    kind: Kind | None
    choices: tuple[str, ...] = ()


class CommandWords(NamedTuple):
    """A command with its verbs and options."""

    name: str
    summary: str
    verbs: tuple[str, ...]
    options: tuple[OptionWords, ...]


def vocabulary() -> list[CommandWords]:
    """Return all commands, sorted by name."""
    found = []
    for name in sorted(BUILT):
        module = load_command(name)
        command = module.COMMAND
        summary = command.summary.split(". ")[0].rstrip(".")
        options = tuple(_options(parser_of(module)))
        found.append(CommandWords(name, summary, command.verbs, options))
    return found


def value_options(commands: list[CommandWords]) -> list[OptionWords]:
    """Return every option that takes a value, once, with all it can be anywhere.

    An option means the same in every command (tests/test_words.py).
    """
    found: dict[tuple[str, ...], OptionWords] = {}
    for command in commands:
        for option in command.options:
            if option.kind is not None:
                known = found.setdefault(option.names, option)
                choices = dict.fromkeys((*known.choices, *option.choices))
                found[option.names] = known._replace(choices=tuple(choices))
    return list(found.values())


def _options(parser: argparse.ArgumentParser) -> Iterator[OptionWords]:
    for action in parser._actions:  # noqa: SLF001  argparse has no other way to them
        if action.help == argparse.SUPPRESS:
            continue
        choices = tuple(str(choice) for choice in action.choices or ())
        kind: Kind | None = _KINDS.get(action.metavar, "none")
        if action.nargs == 0:
            kind = None
        elif choices:
            kind = "choices"
        elif "--backend" in action.option_strings:
            kind = "backend"
        names = tuple(action.option_strings)
        yield OptionWords(names, " ".join((action.help or "").split()), kind, choices)
