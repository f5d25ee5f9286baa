"""The blocks of code in a text, as they were written. Pure; imports no rich.

They are those that the screen shows: `blocks` reads the Markdown, and what of the
lines is code is looked up in the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .blocks import Splitter
from .leaf import Block
from .sanitize import lines_ended

_TAB = "    "  # what the splitter makes of one
_DEEPEST = 400  # columns that containers take, at most: see lines.DEPTH_LIMIT


PLACES = {"first": slice(1), "last": slice(-1, None), "all": slice(None)}
_NUMBER = re.compile(r"[1-9]\d{0,5}")
_ENDS_LANGUAGE = re.compile("[,:{]")  # python:main.py, rust,ignore, r{echo=FALSE}


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


def checked_wanted(text: str) -> str:
    """Return which blocks are wanted. Raises: ValueError for what says none."""
    if text in PLACES or _NUMBER.fullmatch(text):
        return text
    is_number = text.removeprefix("-").isdecimal()
    if not text or is_number or text.split() != [text]:
        raise ValueError(
            f"'{text}' is no block of code; first, last, all, a number from 1 on and a"
            " language are"
        )
    return text


def wanted_blocks(blocks: Sequence[CodeBlock], wanted: str) -> Sequence[CodeBlock]:
    """Return the blocks that are wanted; of a language, all."""
    if wanted in PLACES:
        return blocks[PLACES[wanted]]
    if wanted.isdecimal():
        return blocks[int(wanted) - 1 : int(wanted)]
    return [block for block in blocks if _is_in(block.language, wanted)]


def _is_in(language: str, wanted: str) -> bool:
    folded = language.casefold()
    plain = _ENDS_LANGUAGE.split(folded.lstrip("{."))[0]
    return wanted.casefold() in (folded, plain.rstrip("}"))


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
