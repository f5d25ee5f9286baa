"""The geometry of a table: cells, widths of columns, height.

Not for: styles (`render`). Pure; imports rich's cell widths only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len

from .lines import cells
from .wrap import breaks

GAP = "  "
_NARROWEST = 5
"""Cells of a column below which a table is shown as the text it is made of."""


Align = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True)
class Columns:
    """How wide the columns of a table are, and to which side their cells go."""

    widths: tuple[int, ...]
    aligns: tuple[Align, ...]


def aligns_of(delimiter: str) -> tuple[Align, ...]:
    """Return what the colons of a delimiter row ask for."""
    return tuple(
        "left" if not mark.endswith(":") else "center" if mark[0] == ":" else "right"
        for mark in cells(delimiter)
    )


def is_tabular(header: str, width: int) -> bool:
    """Say whether `width` cells suffice for a table with this header."""
    count = len(cells(header))
    return width >= count * (_NARROWEST + len(GAP)) - len(GAP)


def fitted(wanted: Sequence[int], width: int) -> tuple[int, ...]:
    """Return widths of columns that fit into `width` cells: the widest give way."""
    room = max(len(wanted), width - len(GAP) * (len(wanted) - 1))
    limit = max(wanted)
    while sum(min(size, limit) for size in wanted) > room and limit > 1:
        limit -= 1
    widths = [max(1, min(size, limit)) for size in wanted]
    spare = room - sum(widths)
    for index, size in enumerate(wanted):  # what is left over when all are cut alike
        if size > widths[index] and spare > 0:
            widths[index] += 1
            spare -= 1
    return tuple(widths)


def spread(widths: Sequence[int], width: int) -> tuple[int, ...]:
    """Return `widths` with all room of `width` cells shared out evenly.

    For a table whose later rows are not known when the first must be shown.
    """
    spare = max(0, width - len(GAP) * (len(widths) - 1) - sum(widths))
    share, odd = divmod(spare, len(widths))
    return tuple(size + share + (i < odd) for i, size in enumerate(widths))


def row_cells(row: str, count: int) -> list[str]:
    """Return exactly `count` cells; what a row has too many stays in the last."""
    found = cells(row)
    if len(found) > count:
        found[count - 1 :] = [" | ".join(found[count - 1 :])]
    return found + [""] * (count - len(found))


def guessed_widths(rows: Sequence[str], width: int) -> tuple[int, ...]:
    """Return the widths of the columns as far as the source of the rows tells.

    It is seldom shorter than what will be shown of it.
    """
    count = len(cells(rows[0]))
    table = [row_cells(row, count) for row in rows]
    return fitted([max(cell_len(row[i]) for row in table) for i in range(count)], width)


def height(rows: Sequence[str], widths: Sequence[int]) -> int:
    """Return how many rows of the screen `rows` take in columns of these widths."""
    return sum(
        1 + max(len(breaks(cell, widths[i])) for i, cell in enumerate(cells))
        for cells in (row_cells(row, len(widths)) for row in rows)
    )
