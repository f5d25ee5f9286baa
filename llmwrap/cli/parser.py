"""Parsers of the commands: options that mean the same everywhere."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from ..errors import UsageError
from ..jsontext import parse_json_text
from ..messages import Json
from ..units import parse_duration


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        raise UsageError(message, hint=f"see '{self.prog} --help'")

    def given(self, args: argparse.Namespace) -> frozenset[str]:
        """Return the names of the options that are not as they are by default."""
        defaults: dict[str, object] = {}
        for action in self._actions:
            if defaults.get(action.dest) is None:  # of several, one may have it
                defaults[action.dest] = action.default
        values = vars(args)
        return frozenset(n for n, value in defaults.items() if values.get(n) != value)


Group = argparse._ArgumentGroup  # noqa: SLF001  it has no other name


class Command(NamedTuple):
    """What one command is: its words for the manual, its options, what it runs.

    `add_arguments` and `run` stand in the command's own module. `verbs` are the
    words that may follow, the first being meant when none does.
    """

    name: str
    summary: str
    usage: str
    verbs: tuple[str, ...] = ()


def duration(text: str) -> float:
    """Return the seconds of an option; for argparse."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return seconds


def positive_duration(text: str) -> float:
    """Return the seconds of a time-out, which cannot be 0; for argparse."""
    seconds = duration(text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError("a time-out must be longer than 0")
    return seconds


def count(text: str) -> int:
    """Return a whole number that is not negative; for argparse."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number")
    return int(text)


def number(text: str) -> float:
    """Return a finite number; for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"'{text}' is no number")
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
) -> tuple[str, list[str]]:
    """Return the verb of a group and what follows it. Raises: UsageError."""
    if not operands:
        return command.verbs[0], []
    verb, *others = operands
    if verb not in command.verbs:
        raise UsageError(
            f"'{verb}' is nothing that '{command.name}' does",
            hint=f"it does {', '.join(command.verbs)}",
        )
    return verb, others


def new_parser(command: Command) -> Parser:
    """Return an empty parser for a command."""
    return Parser(
        prog=f"llmwrap {command.name}",
        usage=command.usage,
        description=command.summary,
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
    has_several: bool = False,
) -> None:
    """Add the options that say whom to ask and how long to wait.

    `whole` says what --timeout bounds; with `has_several` -b makes a list.
    """
    group = parser.add_argument_group("backend")
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
    for name, kind, text in _WAITING:
        group.add_argument(name, metavar="S", type=kind, help=text.format(whole))
    group.add_argument(
        "--retries",
        metavar="N",
        type=count,
        help="attempts after the first, while nothing of the answer has come",
    )


_WAITING: tuple[tuple[str, Callable[[str], float], str], ...] = (
    ("--connect-timeout", positive_duration, "how long connecting may take"),
    ("--first-token-timeout", positive_duration, "how long the first token may take"),
    ("--idle-timeout", positive_duration, "the longest silence within an answer"),
    ("--timeout", positive_duration, "how long {} may take"),
    ("--retry-delay", duration, "wait before the first retry; doubles each time"),
)


def add_json(parser: argparse._ActionsContainer) -> None:
    """Add `--json` for a command that prints data."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object instead of a table"
    )


class _Formatter(argparse.HelpFormatter):
    """argparse's layout at one width, so that help does not depend on the terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=88)
