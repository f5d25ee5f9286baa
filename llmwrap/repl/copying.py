"""What of an answer goes to the clipboard, and what of that may be pasted. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..terminal.blocks import Splitter
from ..terminal.sanitize import lines_ended, visible

_TAB = "    "  # what the splitter makes of one
_DRIVING = (
    *(code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"),
    *(*range(0x202A, 0x202F), *range(0x2066, 0x206A)),
)
_FORMS = {code: visible(chr(code)) for code in _DRIVING}
_FORMS |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def pasteable(text: str) -> str:
    """Return a text as it is, but for what drives the terminal it is pasted into.

    That is control characters, and what reorders a line; line ends become newlines.
    """
    return lines_ended(text).translate(_FORMS)


def code_blocks(text: str) -> list[str]:
    """Return the blocks of code that are shown of an answer, as they were written."""
    blocks: list[list[str]] = []
    for line, is_first in _code_lines(text):
        if is_first:
            blocks.append([])
        blocks[-1].append(f"{line}\n")
    return ["".join(lines) for lines in blocks]


def _code_lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line of code, and whether a block begins with it."""
    splitter = Splitter()
    for source in lines_ended(text).split("\n"):
        for block in splitter.feed(f"{source}\n"):
            if block.kind == "code":
                yield _written(block.text, source), block.joint == "none"


def _written(shown: str, source: str) -> str:
    """Return the end of a line that is shown so: with the tabs that it had."""
    for start in range(len(source) + 1):
        if source[start:].replace("\t", _TAB) == shown:
            return source[start:]
    return shown
