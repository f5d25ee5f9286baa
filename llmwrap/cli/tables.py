"""Data as aligned tables.

A table has a line for each row and is never wrapped, so that `grep`, `awk` and a wide
terminal can all read it; programs take `--json`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..terminal.sanitize import visible

_GAP = "  "
_NOTHING = "-"


class Column(NamedTuple):
    """A column of a table; numbers stand on the right."""

    title: str
    is_right: bool = False


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> str:
    """Return lines of aligned cells, titles first; without titles if all are empty.

    Cells may come from a server: what could drive a terminal or break the line is made
    visible. An empty cell is `-`.
    """
    lines = [[column.title for column in columns]] if _has_titles(columns) else []
    lines += [[visible(cell, keep="") or _NOTHING for cell in row] for row in rows]
    widths = [max(map(cells, column)) for column in zip(*lines, strict=True)]
    return "".join(f"{_line(line, columns, widths)}\n" for line in lines)


def cut(text: str, width: int) -> str:
    """Return as much of a line as `width` terminal cells hold."""
    used = 0
    for index, char in enumerate(text):
        used += cells(char)
        if used > width:
            return text[:index]
    return text


def _has_titles(columns: Sequence[Column]) -> bool:
    return any(column.title for column in columns)


def _line(line: Sequence[str], columns: Sequence[Column], widths: list[int]) -> str:
    padded = []
    for cell, column, width in zip(line, columns, widths, strict=True):
        blanks = " " * (width - cells(cell))
        padded.append(f"{blanks}{cell}" if column.is_right else f"{cell}{blanks}")
    return _GAP.join(padded).rstrip()


def cells(text: str) -> int:
    """Return the width of a text in terminal cells, as far as Unicode alone tells."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(char)
        else 2
        if unicodedata.east_asian_width(char) in "FW"
        else 1
        for char in text
    )
