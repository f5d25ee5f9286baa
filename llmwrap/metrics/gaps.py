"""The gaps between the pieces of an answer (ITL), as older records have them.

Newer ones have them counted in classes, with their exact sum (classes.py). An older
llmwrap sorted the gaps and put them together in groups, each given by its median: the
longest by itself, then 1, 2, 4 ... until a group has a sixteenth of all. That rounds
the tail away, and only what is recorded so already is still read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

_GROUPS = 16
_US = 1_000_000
_MOST_GAPS = 1 << 24


class Gap(NamedTuple):
    """A gap in seconds, and how many it stands for."""

    gap_s: float
    gaps: int


def is_of_medians(fields: Sequence[object]) -> bool:
    """Tell whether gaps are given by medians; in classes the second is a sum."""
    return len(fields) > 1 and not isinstance(fields[1], float)


def gaps_of(summary: Sequence[object]) -> Iterator[Gap]:
    """Yield the gaps that a summary stands for; nothing for what is none."""
    count = summary[0] if summary else 0
    if not isinstance(count, int) or not 0 < count < _MOST_GAPS:
        return
    for median, size in zip(summary[1:], _group_sizes(count), strict=False):
        if isinstance(median, int):
            yield Gap(median / _US, size)


@lru_cache(maxsize=256)
def _group_sizes(count: int) -> tuple[int, ...]:
    """Return the sizes of the groups of so many gaps, the longest gaps first."""
    largest = max(1, count // _GROUPS)
    sizes = [1]
    left, size = count - 1, 1
    while left > 0:
        sizes.append(min(size, left))
        left -= size
        size = min(2 * size, largest)
    return tuple(sizes)
