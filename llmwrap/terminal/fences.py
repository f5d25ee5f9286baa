"""The blocks of code in a text, as they were written. Pure; imports no rich.

They are those that the screen shows: `blocks` reads the Markdown, and what of the
lines is code is looked up in the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .blocks import Splitter
from .leaf import Block
from .sanitize import lines_ended

_TAB = "    "  # what the splitter makes of one
_DEEPEST = 400  # columns that containers take, at most: see lines.DEPTH_LIMIT


class CodeBlock(NamedTuple):
    """A block of code; each line of `text` has its end.

    `language` is the first word behind the fence. Indented code has no fence.
    """

    language: str
    text: str
    is_fenced: bool


def code_blocks(text: str) -> list[CodeBlock]:
    """Return the blocks of code of a text, in their order; empty ones are none.

    A fence that is not closed ends with the text, as in CommonMark.
    """
    found: list[tuple[Block, list[str]]] = []
    for block, line in _code_lines(text):
        if block.joint == "none":
            found.append((block, []))
        found[-1][1].append(f"{line}\n")
    return [
        CodeBlock(block.language, "".join(lines), block.is_fenced)
        for block, lines in found
    ]


def _code_lines(text: str) -> Iterator[tuple[Block, str]]:
    """Yield each line of code: as it is shown, and as it was written."""
    splitter = Splitter()
    for source in lines_ended(text).removesuffix("\n").split("\n"):
        for block in splitter.feed(f"{source}\n"):
            if block.kind == "code":
                yield block, _written(block.text, source)


def _written(shown: str, source: str) -> str:
    """Return the end of a line that is shown so: with the tabs that it had."""
    for start in range(min(len(source), _DEEPEST) + 1):
        if source[start:].replace("\t", _TAB) == shown:
            return source[start:]
    return shown
