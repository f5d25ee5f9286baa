"""What a batch remembers of each id: some bytes, however many there are.

An id is known by 64 bits of its digest. A dictionary takes 100 bytes for each, 100 MB
for a million lines; arrays in 256 buckets, sorted once, take 8 and are searched by
halving. Two ids of one digest are taken for one: in a batch of a million lines once in
forty million batches.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from hashlib import blake2b
from itertools import pairwise

_BUCKETS = 256


def id_digest(text: str) -> int:
    """Return the 64 bits by which an id is known."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")


class Numbers:
    """Numbers of 64 bits: first all are added, then they are looked at.

    One that was added twice is there twice.
    """

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]
        self._taken: list[array[int] | None] = [None] * _BUCKETS
        self.count = 0
        """How many there are that were not taken."""

    def add(self, number: int) -> None:
        """Add a number."""
        self._buckets[number & (_BUCKETS - 1)].append(number)
        self.count += 1

    def double(self) -> int | None:
        """Return a number that was added twice, None when there is none."""
        for bucket in self._buckets:
            ordered = sorted(bucket)  # a list of one bucket, no more
            for number, following in pairwise(ordered):
                if number == following:
                    return number
        return None

    def take(self, number: int) -> bool:
        """Take a number away; tell whether it was there."""
        at = number & (_BUCKETS - 1)
        taken = self._taken[at]
        if taken is None:
            self._buckets[at] = array("Q", sorted(self._buckets[at]))
            taken = self._taken[at] = array("L", bytes(8 * len(self._buckets[at])))
        bucket = self._buckets[at]
        first = bisect_left(bucket, number)
        if first == len(bucket) or bucket[first] != number:
            return False
        next_one = first + taken[first]
        if next_one == len(bucket) or bucket[next_one] != number:
            return False
        taken[first] += 1
        self.count -= 1
        return True


class NumberMap:
    """A number for each of many, 64 bits both: first all are put, then looked up."""

    def __init__(self) -> None:
        self._pairs = [array("Q") for _ in range(_BUCKETS)]
        self._sorted: list[tuple[array[int], array[int]] | None] = [None] * _BUCKETS
        self.count = 0

    def put(self, number: int, value: int) -> None:
        """Let a number have a value."""
        self._pairs[number & (_BUCKETS - 1)].extend((number, value))
        self.count += 1

    def get(self, number: int) -> int | None:
        """Return the value that was put last, None when there is none."""
        at = number & (_BUCKETS - 1)
        numbers, values = self._sorted[at] or self._sort(at)
        place = bisect_left(numbers, number)
        if place < len(numbers) and numbers[place] == number:
            return values[place]
        return None

    def _sort(self, at: int) -> tuple[array[int], array[int]]:
        pairs, self._pairs[at] = self._pairs[at], array("Q")
        ordered = dict(zip(pairs[::2], pairs[1::2], strict=True))
        numbers = array("Q", sorted(ordered))
        kept = numbers, array("Q", [ordered[number] for number in numbers])
        self._sorted[at] = kept
        return kept
