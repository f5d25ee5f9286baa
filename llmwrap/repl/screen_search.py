"""Where a text stands in rows that are on the screen. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..terminal.render import Row


class Span(NamedTuple):
    """A part of a row, in characters."""

    row: int
    start: int
    end: int


def may_hold(text: str, wanted: str) -> bool:
    """Tell whether the rows of a text could hold what is wanted.

    Only letters are compared: the rest may be markup, or a number that was counted.
    """
    return _letters(wanted) in _letters(text)


def occurrences(rows: Sequence[Row], wanted: str) -> Iterator[tuple[Span, ...]]:
    """Yield where a text stands, whatever its case; over the ends of rows too."""
    wanted = wanted.lower()
    if not wanted:
        return
    parts, starts, shifts = [], [], []
    size = 0
    for row in rows:
        plain = _lowered("".join(text for _, text in row.runs))
        part = plain.strip()
        shifts.append(len(plain) - len(plain.lstrip()) if part else 0)
        starts.append(size)
        parts.append(part)
        size += len(part) + 1
    whole = " ".join(parts)
    at = whole.find(wanted)
    while at >= 0:
        yield tuple(_spans(at, at + len(wanted), parts, starts, shifts))
        at = whole.find(wanted, at + len(wanted))


def _spans(
    start: int, end: int, parts: list[str], starts: list[int], shifts: list[int]
) -> Iterator[Span]:
    row = bisect_right(starts, start) - 1
    while row < len(parts) and starts[row] < end:
        first = max(0, start - starts[row])
        last = min(len(parts[row]), end - starts[row])
        if first < last:
            yield Span(row, first + shifts[row], last + shifts[row])
        row += 1


def _lowered(text: str) -> str:
    """Return a text in small letters, as long as it was."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.lower()))
