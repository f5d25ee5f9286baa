"""Parsers of the commands: options that mean the same everywhere."""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn, TypeVar

from ..config import FIRST_RETRY_S, FIRST_TOKEN_TIMEOUT_S, IDLE_TIMEOUT_S
from ..config.schema import BACKENDS, SECTIONS
from ..errors import UsageError
from ..jsontext import parse_json_text
from ..messages import Json
from ..units import (
    DURATIONS,
    SIZES,
    format_duration,
    parse_duration,
    parse_number,
    parse_whole,
)

argparse._ = str  # type: ignore[attr-defined]
"""Nothing of argparse's is translated: `Parser.error` knows its words in English, and
looking for a translation takes 2 ms."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        message = message.removeprefix("argument ")
        message = message.replace("expected one argument", "a value is missing")
        message = message.replace("ignored explicit argument", "it takes no value:")
        raise UsageError(message, hint=f"see '{self.prog} --help'")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # Not argparse's own: before 3.12.5 it drops a value that is `--`.
        if not action.option_strings or action.nargs is not None:
            return super()._get_values(action, arg_strings)
        (text,) = arg_strings
        if action.metavar in _NAMES and not text:
            raise argparse.ArgumentError(action, f"{action.metavar} must not be empty")
        is_file = action.metavar in PATHS
        is_file = is_file or (text[:1] == "@" and "@FILE" in (action.help or ""))
        value = self._get_value(action, text if is_file else clean(text))
        self._check_value(action, value)
        return value

    def given(self, args: argparse.Namespace) -> frozenset[str]:
        """Return the names of the options that are not as they are by default."""
        defaults: dict[str, object] = {}
        for action in self._actions:
            if defaults.get(action.dest) is None:  # of several, one may have it
                defaults[action.dest] = action.default
        values = vars(args)
        return frozenset(n for n, value in defaults.items() if values.get(n) != value)

    @property
    def actions(self) -> Mapping[str, argparse.Action]:
        """Return the options by their names."""
        return self._option_string_actions

    def format_help(self) -> str:
        """Return the page, and how the values in it are written."""
        metavars = {
            action.metavar for action in self._actions if not _is_hidden(action)
        } | set((self.usage or "").split())
        written = [text for names, text in WRITTEN.items() if metavars & set(names)]
        return "\n".join([super().format_help(), *written]) + "\n" * bool(written)


_NAMES = {"FILE", "ID", "INPUT", "M", "NAME", "TEMPLATE", "URL"}
"""What stands for values that cannot be empty: as if not given is never meant."""

PATHS = {"FILE", "INPUT"}
"""What stands for names of files: they are bytes, and a shell completes them."""

_T = TypeVar("_T")

Group = argparse._ArgumentGroup  # noqa: SLF001  it has no other name

WRITTEN: Mapping[tuple[str, ...], str] = MappingProxyType(
    {
        ("S", "AGE", "D", "L=D,...", "VALUE"): f"Durations: {DURATIONS}; a bare number"
        " is seconds.",
        ("VALUE",): f"Sizes: {SIZES}; a bare number is bytes.",
        ("N",): "Whole numbers: 0, 42, 1000.",
        ("T", "P", "R"): "Numbers: 0.7, 2, 1e-3.",
        ("SHARE",): "Shares: 0.1, 10%.",
    }
)
"""How values are written, by what stands for them in a page."""


def settle(args: argparse.Namespace) -> None:
    """Decide between options that speak of one thing. Raises: UsageError."""
    given = vars(args)
    pairs = []
    if given.get("is_cache_only"):
        pairs.append((given["cache"] == "off", "--cache-only", "--no-cache"))
        args.cache = "only"
    if given.get("is_continued"):
        named = given["conversation"] is not None
        pairs.append((named, "--continue", "--conversation"))
    if given.get("stop"):
        from ..prompting.sampling import synonyms  # late: it is hardly ever both

        names = synonyms("stop")
        said_twice = any(name in names for name, _ in args.option)
        pairs.append((said_twice, "--stop", "-o stop"))
    for is_wrong, one, other in pairs:
        if is_wrong:
            raise UsageError(
                f"{one} and {other} contradict each other", hint="leave one of them out"
            )


def clean(text: str) -> str:
    """Return text of the command line with U+FFFD where bytes are no UTF-8.

    Only names of files stay as they are: they are bytes to the system.
    """
    return os.fsencode(text).decode("utf-8", "replace")


class Verb(NamedTuple):
    """One word behind a command: what it does, its operands, the options of its own.

    `operands` is written as in a usage line: `NAME [PROMPT...]`.
    """

    name: str
    summary: str
    operands: str = ""
    add_arguments: Callable[[Parser], None] | None = None


class Command(NamedTuple):
    """What one command is: its words for help and manual, its operands, its verbs.

    `add_arguments` and `run` stand in the command's own module; where there are verbs
    these are the options of each of them. The first verb is meant when there is none,
    unless `is_verb_needed`.
    """

    name: str
    summary: str
    operands: str = ""
    verbs: tuple[Verb, ...] = ()
    is_verb_needed: bool = False

    @property
    def verb_names(self) -> tuple[str, ...]:
        """Return the names of the verbs."""
        return tuple(verb.name for verb in self.verbs)

    @property
    def short(self) -> str:
        """Return the summary's first sentence, as it stands in lists."""
        return self.summary.split(". ")[0].rstrip(".")

    def usage(self, verb: Verb | None = None) -> str:
        """Return how the command, or one verb of it, is used; a line each."""
        if verb is None and self.verbs:
            first, *others = map(self.usage, self.verbs)
            if not self.is_verb_needed:
                first = first.replace(self.verbs[0].name, f"[{self.verbs[0].name}]", 1)
            return "\n".join([first, *others])
        name = "[ask]" if self.name == "ask" else self.words(verb)
        operands = (verb or self).operands
        return f"llmwrap {name} [OPTION...] {operands}".rstrip()

    def words(self, verb: Verb | None) -> str:
        """Return what one types to mean the command, or one verb of it."""
        return f"{self.name} {verb.name}" if verb else self.name


def _is_hidden(action: argparse.Action) -> bool:
    return action.help == argparse.SUPPRESS


def read(parse: Callable[[str], _T], text: str) -> _T:
    """Return what `parse` makes of a text, its complaint as argparse wants it."""
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def duration(text: str) -> float:
    """Return the seconds of an option; for argparse."""
    return read(parse_duration, text)


def positive_duration(text: str) -> float:
    """Return the seconds of a time-out, which cannot be 0; for argparse."""
    seconds = duration(text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError("it must be longer than 0")
    return seconds


def count(text: str) -> int:
    """Return a whole number that is not negative; for argparse."""
    return read(parse_whole, text)


def positive_count(text: str) -> int:
    """Return a whole number of at least 1; for argparse."""
    return read(lambda text: parse_whole(text, 1), text)


def whole(text: str) -> int:
    """Return a whole number; for argparse."""
    return read(lambda text: parse_whole(text, None), text)


def number(text: str) -> float:
    """Return a finite number; for argparse."""
    return read(parse_number, text)


def positive_number(text: str) -> float:
    """Return a finite number over 0; for argparse."""
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("it must be more than 0")
    return value


def option_pair(text: str) -> tuple[str, Json]:
    """Return name and value of `-o K=V`; the value is JSON if it parses."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE")
    try:
        parsed = parse_json_text(value)
    except (ValueError, RecursionError):
        parsed = value
    return name.strip(), parsed


def verb_and_operands(
    command: Command, operands: Sequence[str]
) -> tuple[Verb | None, list[str]]:
    """Return the verb of a command and what follows it; None where there is none.

    Raises: UsageError for a word that is no verb.
    """
    if not command.verbs:
        return None, list(operands)
    if not operands:
        return None if command.is_verb_needed else command.verbs[0], []
    word, *others = operands
    for verb in command.verbs:
        if verb.name == word:
            return verb, others
    raise UsageError(
        f"'{word}' is nothing that '{command.name}' does",
        hint=f"it does {', '.join(command.verb_names)}; see 'llmwrap {command.name}"
        " --help'",
    )


def check_operands(
    command: Command, verb: Verb | None, operands: Sequence[str]
) -> list[str]:
    """Return operands that are as many as the usage says. Raises: UsageError."""
    what, shape = command.words(verb), (verb or command).operands
    if command.verbs and not verb:
        raise UsageError(f"'{what}' wants one of {', '.join(command.verb_names)}")
    names = shape.split()
    for name, given in zip_longest(names, operands):
        plain, is_needed = (name or "").strip("[.]"), (name or "[")[0] != "["
        if given is None and is_needed:
            raise UsageError(f"'{what}' wants {plain}")
        may_be_empty = plain not in _NAMES and (not is_needed or plain == "VALUE")
        if given is not None and not given.strip() and not may_be_empty:
            raise UsageError(f"'{what}': {plain} must not be empty")
    if len(operands) > len(names) and "..." not in shape:
        raise UsageError(f"'{what}' takes no '{operands[len(names)]}'")
    last = names[-1] if names else ""
    kinds = zip_longest(names[: len(operands)], operands, fillvalue=last)
    return [text if kind.strip("[.]") in PATHS else clean(text) for kind, text in kinds]


def new_parser(command: Command, verb: Verb | None = None) -> Parser:
    """Return an empty parser for a command, or for one verb of it."""
    return Parser(
        prog=f"llmwrap {command.words(verb)}",
        usage=command.usage(verb).replace("\n", "\n       "),
        description=(verb or command).summary,
        add_help=False,
        allow_abbrev=False,
        formatter_class=_Formatter,
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that hold for every command."""
    group = parser.add_argument_group("options of every command")
    group.add_argument("--config", metavar="FILE", help="read FILE as configuration")
    group.add_argument(
        "-q", "--quiet", action="store_true", help="only errors on stderr"
    )
    group.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="more on stderr; twice: all there is to know when looking for a fault",
    )
    group.add_argument(
        "--debug", action="store_const", dest="verbose", const=2, help="the same as -vv"
    )
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colour on terminals (auto), always or never; NO_COLOR and TERM=dumb are"
        " honoured",
    )
    group.add_argument(
        "--plain",
        action="store_true",
        help="for screen readers: nothing is drawn over, coloured or animated",
    )
    # Not argparse's own actions: those print and leave by themselves.
    group.add_argument("-h", "--help", action="store_true", help="show this help")
    group.add_argument("-V", "--version", action="store_true", help="show the version")


def add_backend(
    parser: argparse.ArgumentParser,
    *,
    whole: str = "the whole command",
    total: str = "",
    retries: str = "",
    has_several: bool = False,
) -> None:
    """Add the options that say whom to ask and how long to wait.

    `whole` says what --timeout bounds, `total` how long that is by default, `retries`
    how often is tried again by default; with `has_several` -b makes a list.
    """
    group = parser.add_argument_group("backend")
    _add_whom(group, has_several=has_several)
    for name, text, default in _waits():
        group.add_argument(
            name,
            metavar="S",
            type=positive_duration,
            help=f"{text} (default: {default})",
        )
    add_timeout(group, whole=whole, total=total)
    group.add_argument(
        "--retries",
        metavar="N",
        type=count,
        help="attempts after the first, while nothing of the answer has come"
        f" (default: {retries or _default('retry_attempts')})",
    )
    group.add_argument(
        "--retry-delay",
        metavar="S",
        type=duration,
        help="wait before the first retry; doubles each time"
        f" (default: {format_duration(FIRST_RETRY_S)})",
    )


def _add_whom(group: Group, *, has_several: bool) -> None:
    several = "; repeatable: each item goes to whichever is free"
    group.add_argument(
        "-b",
        "--backend",
        metavar="NAME",
        action="append" if has_several else "store",
        help="a configured backend, or ollama, lmstudio, openai, embedded"
        + (several if has_several else ""),
    )
    group.add_argument(
        "--base-url",
        metavar="URL",
        help="address of the backend for this run; with the /v1 part for openai and"
        " lmstudio",
    )
    group.add_argument(
        "-H",
        "--header",
        metavar="K: V",
        action="append",
        default=[],
        help="one more header of the requests to the backend that is asked; @FILE reads"
        " them from a file of mode 0600; repeatable",
    )


def add_timeout(
    group: argparse._ActionsContainer,
    *,
    whole: str = "the whole command",
    total: str = "",
) -> None:
    """Add `--timeout`, as in `add_backend`."""
    total = total or _default("total_timeout", "streaming")
    group.add_argument(
        "--timeout",
        metavar="S",
        type=positive_duration,
        help=f"how long {whole} may take (default: {total})",
    )


def _waits() -> tuple[tuple[str, str, str], ...]:
    connect_s = _default("connect_timeout")
    first_s, idle_s = map(format_duration, (FIRST_TOKEN_TIMEOUT_S, IDLE_TIMEOUT_S))
    return (
        ("--connect-timeout", "how long connecting may take", connect_s),
        ("--first-token-timeout", "how long the first token may take", first_s),
        ("--idle-timeout", "the longest silence within an answer", idle_s),
    )


def _default(name: str, section: str = BACKENDS) -> str:
    return next(str(key.default) for key in SECTIONS[section] if key.name == name)


def add_json(parser: argparse._ActionsContainer) -> None:
    """Add `--json` for a command that prints data."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object instead of a table"
    )


class _Formatter(argparse.HelpFormatter):
    """argparse's layout at one width, so that help does not depend on the terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=80)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        # A value that may be left out stands in the same word.
        return super()._format_action_invocation(action).replace(" [", "[=")
