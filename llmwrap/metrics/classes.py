"""Classes of nearly equal values, and which one a value belongs to. No I/O.

The keys are those of ddsketch's LogarithmicMapping, computed by hand: a short run
counts its gaps and does not import the library, which takes 4 ms. What is counted so
adds up without loss with every histogram (histogram.py).

See: Masson, Rim, Lee: DDSketch, VLDB 2019.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil, fsum, log, log1p
from typing import TypeAlias

ACCURACY_RATIO = 0.01
"""How far a quantile may be from a value that was counted, over that value."""

LEAST = 1e-6
"""What is shorter than a microsecond counts as nothing."""

MOST = 1e9

Packed: TypeAlias = "list[int | float]"
"""zeros, sum, least, most; then for each class the step to its key, and its count."""

_LOG_2 = log(2)
_MULTIPLIER = 1 / log1p(2 * ACCURACY_RATIO / (1 - ACCURACY_RATIO)) * _LOG_2


def class_key(value: float) -> int:
    """Return the key of a value's class; it is `LEAST` or more."""
    # As log(value, 2) divides, which takes three times as long.
    return ceil(log(value) / _LOG_2 * _MULTIPLIER)


def bounded(value: float) -> float:
    """Return a value as it is counted."""
    return value if 0.0 <= value <= MOST else min(max(0.0, value), MOST)


def packed(values: Sequence[float]) -> Packed:
    """Return values counted, as numbers; nothing of none."""
    if not values:
        return []
    known = [bounded(value) for value in values]
    keys = Counter([class_key(value) for value in known if value >= LEAST])
    head: Packed = [len(known) - keys.total(), fsum(known), min(known), max(known)]
    return head + steps(keys)


def steps(keys: Counter[int]) -> Packed:
    """Return counts by key as pairs: the step from the key before, and the count."""
    fields: Packed = []
    before = 0
    for key in sorted(keys):
        fields += (key - before, keys[key])
        before = key
    return fields
