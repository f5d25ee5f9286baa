"""`__complete`: what may stand at the end of a command line; for completion scripts.

A shell's script hands over what was typed and offers what comes back, so what can be
completed is known here alone, from the parsers and the usage of each command: a new
one needs nothing else. Each line is a whole word, a tab, what it means; the line
`:files` asks the shell for its own names of files. Nothing is ever said on stderr.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..errors import LLMWrapError
from .commands import CommandModule, load_command, parser_of, parsers_of
from .context import Context
from .parser import PATHS, Command, Verb
from .session import Session
from .words import BUILT, HELP, expected_option, take_apart

FILES = ":files"
_TESTERS = ("llmwrap-loadtest", "load_test")
_PASSED_ON = ("-b", "--backend", "--base-url", "--config")
"""Options that decide whose models are meant, so looking them up needs them too."""


class Offer(NamedTuple):
    """A word that may stand there, and what it means."""

    word: str
    meaning: str = ""


def complete(argv: Sequence[str], context: Context) -> int:
    """Print what may stand at the end of a line; return 0.

    `argv` are the shell's name and the words from the program's on, the one that is
    completed last; for bash, where it parts words, and the line.
    """
    shell, *words = argv
    breaks = ""
    if shell == "bash":
        breaks, line = words
        words = bash_words(line)
    program, *words = words
    if os.path.basename(program) in _TESTERS:
        words.insert(0, "loadtest")
    *before, current = words
    # What bash replaces begins behind the last character that parts words.
    kept = max((current.rfind(sign) + 1 for sign in ":=" if sign in breaks), default=0)
    for word, meaning in offers(before, current, context):
        if word == FILES:
            path = current.partition("=")[2] if current.startswith("--") else current
            context.output.line(f"{FILES} {path}" if shell == "bash" else FILES)
        elif word.startswith(current):
            told = f"\t{meaning}" if meaning and shell != "bash" else ""
            context.output.line(word[kept:] + told)
    return 0


def bash_words(line: str) -> list[str]:
    """Return the words of a line as bash has them, quotes and backslashes taken off.

    Its own COMP_WORDS are parted at `:` and `=`. An open quote ends with the line;
    variables and `~` stay as they are.
    """
    found = [_unquoted(word) for word in _BASH_WORD.findall(line)]
    return [*found, ""] if not line or line[-1:].isspace() else found


_BASH_WORD = re.compile(
    r"""(?:\\.|'[^']*'?|"(?:\\.|[^"\\])*"?|[^\s'"\\]|\\$)+""", re.DOTALL
)


def _unquoted(word: str) -> str:
    parts = re.findall(r"""'([^']*)'?|"((?:\\.|[^"\\])*)"?|\\(.)|([^'"\\]+)""", word)
    return "".join(
        plain or escaped or single or re.sub(r'\\(["\\$`])', r"\1", double)
        for single, double, escaped, plain in parts
    )


def offers(before: Sequence[str], current: str, context: Context) -> Iterator[Offer]:
    """Yield what may stand behind some words; `current` is what stands there yet."""
    if "--" in before:
        return
    words = take_apart(before)
    module = load_command(words.command)
    verb, operands = _verb_and_operands(module.COMMAND, words.operands)
    actions = _actions(module, verb)
    source = _Source(before, context)
    expected = expected_option(before)
    name, equals, value = current.partition("=")
    if expected is not None:
        yield from source.values_of(actions.get(expected), current)
    elif equals and name.startswith("--"):
        for word, meaning in source.values_of(actions.get(name), value):
            yield Offer(word if word == FILES else f"{name}={word}", meaning)
    elif current.startswith("-"):
        yield from _options(actions)
    elif words.is_named or words.operands:
        if module.COMMAND.verbs and not words.operands:
            yield from (Offer(one.name, one.summary) for one in module.COMMAND.verbs)
        elif words.command == HELP:
            yield from _commands()
        else:
            shape = (verb or module.COMMAND).operands
            yield from _operands(shape, operands, current, source)
    else:
        yield from _commands()


def _options(actions: Mapping[str, argparse.Action]) -> Iterator[Offer]:
    for name, action in actions.items():
        if action.help != argparse.SUPPRESS:
            yield Offer(name, " ".join((action.help or "").split()))


def _commands() -> Iterator[Offer]:
    for name in sorted({*BUILT, HELP}):
        yield Offer(name, load_command(name).COMMAND.short)


def _actions(module: CommandModule, verb: Verb | None) -> Mapping[str, argparse.Action]:
    """Return the options by name: a verb's, or those of every verb that may follow."""
    parsers = [parser_of(module, verb)] if verb else parsers_of(module)
    return {name: action for one in parsers for name, action in one.actions.items()}


def _verb_and_operands(
    command: Command, operands: Sequence[str]
) -> tuple[Verb | None, list[str]]:
    for verb in command.verbs:
        if operands[:1] == [verb.name]:
            return verb, list(operands[1:])
    return None, list(operands)  # a verb may stand behind the options


def _operands(
    shape: str, operands: Sequence[str], current: str, source: _Source
) -> Iterator[Offer]:
    """Yield what may be the first operand, or any where the usage says `...`."""
    what = shape.partition(" ")[0].strip("[]")
    if what.endswith("...") or not operands:
        yield from source.values(what.removesuffix("..."), current)


class _Source:
    """Where the names are that only a look tells: models, templates, files."""

    def __init__(self, before: Sequence[str], context: Context) -> None:
        self._before = before
        self._context = context
        self._looks: dict[str, Callable[[Session], Sequence[str]]] = {
            "BACKEND": _backends,
            "ID": _conversations,
            "M": _models,
            "TEMPLATE": _templates,
        }

    def values_of(
        self, action: argparse.Action | None, current: str
    ) -> Iterator[Offer]:
        """Yield what the value of an option can be."""
        if action is None or action.nargs == 0:
            return
        if action.choices:
            yield from (Offer(str(choice)) for choice in action.choices)
        else:
            is_backend = "--backend" in action.option_strings
            kind = "BACKEND" if is_backend else str(action.metavar)
            yield from self.values(kind, current)

    def values(self, kind: str, current: str) -> Iterator[Offer]:
        """Yield what can stand where the usage has a word in capitals."""
        if kind in PATHS or (kind == "M" and current.startswith((".", "/", "~"))):
            yield Offer(FILES)
        elif look := self._looks.get(kind):
            try:
                yield from map(Offer, look(self._session()))
            except LLMWrapError:
                return  # nobody reads an error while typing

    def _session(self) -> Session:
        models = load_command("models")
        parser = parser_of(models, models.COMMAND.verbs[0])
        is_open = expected_option(self._before) is not None
        options = take_apart(self._before[: -1 if is_open else None]).options
        passed = []
        for at, option in enumerate(options):
            if option.partition("=")[0] in _PASSED_ON:
                passed += options[at : at + (1 if "=" in option else 2)]
        args = parser.parse_args([*passed, "--quiet"])
        return Session.of(args, self._context)


def _backends(session: Session) -> Sequence[str]:
    from ..upkeep.listing import completable

    return completable(session.config.backend_names)


def _conversations(session: Session) -> Sequence[str]:
    from ..history import Conversations

    return Conversations(session.context.environ, session.log).ids()


def _templates(session: Session) -> Sequence[str]:
    from ..prompting.templates import open_library

    return open_library(session.config, session.context.environ).names()


def _models(session: Session) -> Sequence[str]:
    from .models import names

    return names(session)
