"""Durations counted in classes of nearly equal values: the only door to ddsketch.

A histogram stands for any number of values in a few hundred numbers. Two of them are
added without loss, whatever the order, and each quantile is within `ACCURACY_RATIO` of
a value that was counted, wherever in the range it lies.

Not for the samples of one load test: those are few enough to be kept (percentiles.py).

See: Masson, Rim, Lee: DDSketch, a fast and fully-mergeable quantile sketch with
relative-error guarantees, VLDB 2019; OpenTelemetry's exponential histogram.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import DenseStore

from .classes import ACCURACY_RATIO, LEAST, Packed, bounded, class_key, steps

_HEAD_FIELDS = 4
_MOST_CLASSES = 4096


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
        self.add_counts({value: count})

    def add_all(self, values: Iterable[float]) -> None:
        """Count many values; cheaper than one after the other."""
        known = [bounded(value) for value in values]
        if not known:
            return
        self.sum += math.fsum(known)
        self.least = min(self.least, *known)
        self.most = max(self.most, *known)
        large = [value for value in known if value >= LEAST]
        self._zeros += len(known) - len(large)
        self._add_keys(Counter(map(class_key, large)))

    def add_counts(self, counts: Mapping[float, int]) -> None:
        """Count values, each so often as it says."""
        if not counts:
            return
        known = [(bounded(value), count) for value, count in counts.items()]
        self.sum += math.fsum(value * count for value, count in known)
        self.least = min(self.least, min(known)[0])
        self.most = max(self.most, max(known)[0])
        keys: Counter[int] = Counter()
        for value, count in known:
            if value < LEAST:
                self._zeros += count
            else:
                keys[class_key(value)] += count
        self._add_keys(keys)

    def _add_keys(self, keys: Mapping[int, int]) -> None:
        if not keys:
            return
        self._store.add(min(keys), 0)  # so that it grows once, not key by key
        self._store.add(max(keys), 0)
        for key, count in keys.items():
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
        """Return the least value that `ratio` (0 to 1) of all do not exceed.

        None without values. The nearest rank: of two values, p95 is the larger one.
        """
        if not self.count:
            return None
        # Rounded: 0.07 * 100 is a little more than 7.
        rank = max(0, math.ceil(round(ratio * self.count, 9)) - 1)
        if rank < self._zeros or not self._store.count:
            return 0.0
        value: float = _MAPPING.value(self._store.key_at_rank(rank - self._zeros))
        return min(max(value, self.least), self.most)

    def count_up_to(self, bound: float) -> int:
        """Return how many values are not above a bound, as exact as a class is."""
        if bound < LEAST:
            return self._zeros
        last = class_key(bound)
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
        head: Packed = [self._zeros, self.sum, self.least, self.most]
        return head + steps(Counter(dict(self._classes())))

    @classmethod
    def unpacked(cls, fields: Sequence[object]) -> Histogram:
        """Return the histogram of `packed`. Raises: ValueError for anything else."""
        found = cls()
        if fields:
            found._take([_parsed(fields)])
        return found

    def add_packed(self, many: Iterable[Sequence[object]]) -> None:
        """Count what `packed` made of others; what is none of these counts nothing."""
        parsed = []
        for fields in many:
            try:
                parsed.append(_parsed(fields))
            except ValueError:
                continue  # It loses itself alone.
        self._take(parsed)

    def _take(self, many: list[_Parsed]) -> None:
        keys: Counter[int] = Counter()
        for one in many:
            self._zeros += one.zeros
            self.least = min(self.least, one.least)
            self.most = max(self.most, one.most)
            for key, count in zip(one.keys, one.counts, strict=True):
                keys[key] += count
        self.sum += math.fsum(one.sum for one in many)
        self._add_keys(keys)

    def _classes(self) -> Iterator[tuple[int, int]]:
        store = self._store
        for index, count in enumerate(store.bins):
            if count:
                yield index + store.offset, int(count)


class _Parsed(NamedTuple):
    """What was packed: the classes by their keys, beside the exact figures."""

    zeros: int
    sum: float
    least: float
    most: float
    keys: list[int]
    counts: list[int]


def _parsed(fields: Sequence[object]) -> _Parsed:
    """Return what was packed. Raises: ValueError for anything else."""
    numbers = [field for field in fields if isinstance(field, int | float)]
    head, rest = numbers[:_HEAD_FIELDS], numbers[_HEAD_FIELDS:]
    if len(head) < _HEAD_FIELDS or len(rest) % 2 or len(rest) > 2 * _MOST_CLASSES:
        raise ValueError("no histogram of ours")
    keys = list(accumulate(map(int, rest[::2])))
    is_ours = all(map(math.isfinite, head)) and all(
        abs(key) <= _MOST_CLASSES for key in keys
    )
    if not is_ours:
        raise ValueError("no histogram of ours")
    total, least, most = map(float, head[1:])
    counts = [_natural(count) for count in rest[1::2]]
    return _Parsed(_natural(head[0]), total, least, most, keys, counts)


def _natural(number: float) -> int:
    if not 0 <= number <= 1 << 53:
        raise ValueError("no histogram of ours")
    return int(number)


_MAPPING = LogarithmicMapping(ACCURACY_RATIO)
