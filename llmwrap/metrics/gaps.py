"""The gaps between the pieces of one answer (ITL), in some thirty numbers. Floor F3.

A record of a run has no room for hundreds of gaps, and a histogram of them would cost
a short run the import of its library. So the gaps are sorted and put together in
groups, each given by its median: the longest by itself, then 1, 2, 4 ... until a group
has a sixteenth of all. What matters most, the longest ones, is kept as it was.
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


def summarized(gaps_s: Sequence[float]) -> tuple[int, ...]:
    """Return the gaps as their number and the medians of groups, in microseconds.

    Up to 31 gaps are there one by one. Empty without gaps.
    """
    if not gaps_s:
        return ()
    ordered = sorted(gaps_s, reverse=True)
    summary = [len(ordered)]
    at = 0
    for size in _group_sizes(len(ordered)):
        summary.append(round(ordered[at + size // 2] * _US))
        at += size
    return tuple(summary)


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
