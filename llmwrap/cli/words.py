"""Which command a command line means, and where its operands are.

Options and operands may be mixed and a command word may stand behind options, so
something must know which options take a value before any parser is built. That is
the table below; a test holds it against every parser.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

BUILT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ask": (),
        "backends": ("list", "stop"),
        "batch": (),
        "cache": ("stats", "list", "show", "clear", "verify", "compact", "path"),
        "chat": (),
        "chat-template": (),
        "completion": ("bash", "zsh", "fish"),
        "config": ("show", "get", "set", "edit", "path", "validate", "init"),
        "doctor": (),
        "history": ("list", "show", "search", "export", "rename", "delete", "prune"),
        "interactive": (),
        "loadtest": (),
        "models": ("list", "show", "pull", "install", "warm", "rm"),
        "stats": (),
        "template": (
            "list",
            "show",
            "render",
            "create",
            "edit",
            "delete",
            "validate",
            "import",
        ),
        "tokens": (),
    }
)
"""The commands that exist, each with its verbs; the parsers have the same."""

HELP = "help"
"""The word that shows a page, alone or before the words of one."""

PLANNED = frozenset(
    {
        "compare",
    }
)
"""Command words that mean a command already, so that no script comes to rely on them
being prompts; using one is an error until it is built."""

VALUE_OPTIONS = frozenset(
    {
        "--max-failures",
        "--limit",
        "--input-format",
        "--files-from",
        "--column",
        "--arrival",
        "--backend",
        "--base-url",
        "--baseline",
        "--cluster",
        "--color",
        "--concurrency",
        "--confidence",
        "--config",
        "--connect-timeout",
        "--conversation",
        "--export",
        "--extract",
        "--duration",
        "--file",
        "--first-token-timeout",
        "--format",
        "--header",
        "--hit-ratio",
        "--idle-timeout",
        "--image",
        "--keep",
        "--key",
        "--lock",
        "--lock-wait",
        "--max-tokens",
        "--model",
        "--older-than",
        "--option",
        "--output",
        "--prompt-tokens",
        "--prompts",
        "--rate",
        "--report",
        "--requests",
        "--retries",
        "--retry-delay",
        "--rounds",
        "--sanitize",
        "--save",
        "--schema",
        "--schema-list",
        "--schema-retries",
        "--seed",
        "--sha256",
        "--since",
        "--slo",
        "--stop",
        "--system",
        "--temperature",
        "--template",
        "--timeout",
        "--tolerance",
        "--top-p",
        "--var",
        "--vars",
        "--warmup",
        "-H",
        "-O",
        "-b",
        "-f",
        "-i",
        "-m",
        "-o",
        "-s",
        "-t",
    }
)


class Words(NamedTuple):
    """A command line taken apart.

    `options` have their values behind them. `typo` is the command that a lone word
    resembles. `is_named` tells whether the command word was given. The command `help`
    has the words of a page as its operands.
    """

    command: str
    options: list[str]
    operands: list[str]
    typo: str | None = None
    is_named: bool = True


def take_apart(argv: Sequence[str]) -> Words:
    """Return the command that `argv` means, its options and its operands.

    The first operand is the command when it is a command word and no `--` stands
    before it; otherwise the command is `ask`. `help` is one when nothing follows but
    a command and one of its verbs. `enhanced`, the specification's word, means nothing
    in front of another word.
    """
    options, operands, literal = _split(argv)
    if operands and operands[0] == "enhanced":
        operands = operands[1:]
    if operands[:1] == [HELP] and not literal and _is_page(operands[1:]):
        return Words(HELP, options, operands[1:])
    if operands and _is_command(operands[0]):
        return Words(operands[0], options, [*operands[1:], *literal])
    words = [*operands, *literal]
    typo = None
    if len(operands) == 1 and not literal:
        typo = _near_command(operands[0])
    return Words("ask", options, words, typo, is_named=False)


def expected_option(argv: Sequence[str]) -> str | None:
    """Return the option whose value the next word would be, None if there is none."""
    waiting = iter(argv)
    for word in waiting:
        if word == "--":
            break
        takes = word != "-" and word.startswith("-") and _wants_value(word)
        if takes and next(waiting, None) is None:
            return word if word.startswith("--") else f"-{word[-1]}"
    return None


def _is_command(word: str) -> bool:
    return word in BUILT or word in PLANNED


def _is_page(words: Sequence[str]) -> bool:
    """Tell whether words name a page: none, a command, or a command and its verb."""
    if len(words) == 2:
        return words[1] in BUILT.get(words[0], ())
    return not words or (
        len(words) == 1 and (_is_command(words[0]) or words[0] == HELP)
    )


def _split(argv: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Return options with their values, operands, and what follows `--`."""
    options: list[str] = []
    operands: list[str] = []
    waiting = iter(argv)
    for word in waiting:
        if word == "--":
            return options, operands, list(waiting)
        if word == "-" or not word.startswith("-") or _is_number(word):
            operands.append(word)
            continue
        options.append(word)
        if _wants_value(word) and (value := next(waiting, None)) is not None:
            if value.startswith("-") and value != "-":
                # argparse would take it for an option, unless both are one word.
                options[-1] += f"={value}" if word.startswith("--") else value
            else:
                options.append(value)
    return options, operands, []


def _is_number(word: str) -> bool:
    """Tell whether a word is a negative number, which no option begins like."""
    return word.removeprefix("-").removeprefix(".")[:1].isdecimal()


def _wants_value(option: str) -> bool:
    """Tell whether the next word is the value of `option`."""
    if option.startswith("--"):
        return option in VALUE_OPTIONS
    for index, letter in enumerate(option[1:], 1):
        if f"-{letter}" in VALUE_OPTIONS:
            return index == len(option) - 1  # else the value is the rest: -mNAME
    return False


def _near_command(word: str) -> str | None:
    for command in sorted({*BUILT, *PLANNED, HELP}):
        if word != command and _is_one_edit_away(word, command):
            return command
    return None


def _is_one_edit_away(word: str, other: str) -> bool:
    if abs(len(word) - len(other)) > 1:
        return False
    at = 0
    while at < min(len(word), len(other)) and word[at] == other[at]:
        at += 1
    left, right = word[at:], other[at:]
    return (
        left[1:] == right[1:]
        or left[1:] == right
        or left == right[1:]
        # two neighbours changed places: modles
        or (left[:2] == right[1::-1] and len(left) > 1 and left[2:] == right[2:])
    )
