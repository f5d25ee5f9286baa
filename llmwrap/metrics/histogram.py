"""Durations counted in classes of nearly equal values: the only door to ddsketch.

A histogram stands for any number of values in a few hundred numbers. Two of them are
added without loss, whatever the order, and each quantile is within `ACCURACY_RATIO` of
a value that was counted, wherever in the range it lies. Floor F3.

Not for the samples of one load test: those are few enough to be kept (percentiles.py).

See: Masson, Rim, Lee: DDSketch, a fast and fully-mergeable quantile sketch with
relative-error guarantees, VLDB 2019; OpenTelemetry's exponential histogram.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import DenseStore

ACCURACY_RATIO = 0.01
"""How far a quantile may be from a value that was counted, over that value."""

_LEAST = 1e-6  # what is shorter than a microsecond counts as nothing
_MOST = 1e9
_HEAD_FIELDS = 4
_MOST_CLASSES = 4096

Packed: TypeAlias = "list[int | float]"
"""zeros, sum, least, most; then for each class the step to its key, and its count."""


class Bucket(NamedTuple):
    """How many values there are above `above`, up to and with `up_to`."""

    above: float
    up_to: float
    values: int


class Histogram:
    """A mergeable histogram of values that are not negative; belongs to one thread.

    Seconds, mostly. What is below a microsecond counts as 0, what is above 10**9 as
    that. Count, sum, least and most are exact.
    """

    __slots__ = ("_store", "_zeros", "least", "most", "sum")

    def __init__(self) -> None:
        self._store = DenseStore()
        self._zeros = 0
        self.sum = 0.0
        self.least = math.inf
        self.most = -math.inf

    @property
    def count(self) -> int:
        """Return how many values were counted."""
        return self._zeros + int(self._store.count)

    @property
    def mean(self) -> float | None:
        """Return the mean, None without values."""
        return self.sum / self.count if self.count else None

    def add(self, value: float, count: int = 1) -> None:
        """Count a value, `count` times."""
        self.add_all((value,) * count)

    def add_all(self, values: Iterable[float]) -> None:
        """Count many values; cheaper than one after the other."""
        known = [min(max(0.0, value), _MOST) for value in values]
        if not known:
            return
        self.sum += math.fsum(known)
        self.least = min(self.least, *known)
        self.most = max(self.most, *known)
        large = [value for value in known if value >= _LEAST]
        self._zeros += len(known) - len(large)
        for key, count in Counter(map(_MAPPING.key, large)).items():
            self._store.add(key, count)

    def merge(self, other: Histogram) -> None:
        """Count what another has counted; that one stays as it is."""
        if not other.count:
            return
        self._zeros += other._zeros
        self.sum += other.sum
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        if other._store.count:
            self._store.merge(other._store)

    def quantile(self, ratio: float) -> float | None:
        """Return the value that `ratio` (0 to 1) of all do not exceed.

        None without values.
        """
        if not self.count:
            return None
        rank = ratio * (self.count - 1)
        if rank < self._zeros or not self._store.count:
            return 0.0
        value: float = _MAPPING.value(self._store.key_at_rank(rank - self._zeros))
        return min(max(value, self.least), self.most)

    def count_up_to(self, bound: float) -> int:
        """Return how many values are not above a bound, as exact as a class is."""
        if bound < _LEAST:
            return self._zeros
        last = _MAPPING.key(bound)
        within = sum(count for key, count in self._classes() if key <= last)
        return self._zeros + within

    def buckets(self) -> Iterator[Bucket]:
        """Yield the classes that have values, the lowest first."""
        if self._zeros:
            yield Bucket(0.0, 0.0, self._zeros)
        for key, count in self._classes():
            up_to = _MAPPING.value(key) / (1 - ACCURACY_RATIO)
            yield Bucket(up_to / _MAPPING.gamma, up_to, count)

    def packed(self) -> Packed:
        """Return it as numbers for `unpacked`, a few for each class."""
        if not self.count:
            return []
        fields: Packed = [self._zeros, self.sum, self.least, self.most]
        before = 0
        for key, count in self._classes():
            fields += (key - before, count)
            before = key
        return fields

    @classmethod
    def unpacked(cls, fields: Iterable[object]) -> Histogram:
        """Return the histogram of `packed`. Raises: ValueError for anything else."""
        numbers = [field for field in fields if isinstance(field, int | float)]
        found = cls()
        if not numbers:
            return found
        head, rest = numbers[:_HEAD_FIELDS], numbers[_HEAD_FIELDS:]
        if len(head) < _HEAD_FIELDS or len(rest) % 2 or len(rest) > 2 * _MOST_CLASSES:
            raise ValueError("no histogram of ours")
        found._zeros = _natural(head[0])
        found.sum, found.least, found.most = map(float, head[1:])
        key = 0
        for step, count in zip(rest[::2], rest[1::2], strict=True):
            key += int(step)
            if abs(key) > _MOST_CLASSES:
                raise ValueError("no histogram of ours")
            found._store.add(key, _natural(count))
        return found

    def _classes(self) -> Iterator[tuple[int, int]]:
        store = self._store
        for index, count in enumerate(store.bins):
            if count:
                yield index + store.offset, int(count)


def _natural(number: float) -> int:
    if not 0 <= number <= 1 << 53:
        raise ValueError("no histogram of ours")
    return int(number)


_MAPPING = LogarithmicMapping(ACCURACY_RATIO)
