"""The percentiles that are shown everywhere: p50, p90, p95, p99."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

TYPE_CHECKING = False  # who has samples needs no library
if TYPE_CHECKING:
    from .histogram import Histogram

RATIOS = (0.5, 0.9, 0.95, 0.99)


class Percentiles(NamedTuple):
    """Percentiles and the most of some values, in the unit of the values."""

    p50: float
    p90: float
    p95: float
    p99: float
    max: float


def percentiles(samples: Iterable[float]) -> Percentiles | None:
    """Return the exact percentiles of samples, None without any."""
    ordered = sorted(samples)
    if not ordered:
        return None
    found = (percentile(ordered, ratio) for ratio in RATIOS)
    return Percentiles._make((*found, ordered[-1]))


def percentile(ordered: Sequence[float], ratio: float) -> float:
    """Return a percentile of sorted samples, at least one; `ratio` is 0 to 1.

    Between two samples it lies on the line from one to the other, as numpy's default
    and `statistics.quantiles(method="inclusive")` have it.
    """
    place = ratio * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def percentiles_of(histogram: Histogram) -> Percentiles | None:
    """Return the percentiles of a histogram, as exact as it is; None without values."""
    found = [value for r in RATIOS if (value := histogram.quantile(r)) is not None]
    return Percentiles._make((*found, histogram.most)) if found else None
