"""The cache in memory: budgets, order, pressure."""

from __future__ import annotations

import sys

import pytest

from llmwrap.cache.memory import (
    ENTRY_BYTES,
    LARGEST_RATIO,
    LOOK_EVERY_BYTES,
    LOOK_EVERY_S,
    MemoryCache,
)

_KEYS = [bytes([letter]) * 32 for letter in b"abcdefgh"]
A, B, C, D = _KEYS[:4]
_SIZE_BYTES = 1000
"""What an entry of `_value` takes."""


def _value(letter: str = "x", size_bytes: int = _SIZE_BYTES) -> bytes:
    return letter.encode() * (size_bytes - len(A) - ENTRY_BYTES)


class World:
    """A clock that stands still, and as much memory pressure as a test wants."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.excess_bytes = 0
        self.asked = 0
        self.given_back = 0

    def clock(self) -> float:
        return self.now_s

    def pressure(self) -> int:
        self.asked += 1
        return self.excess_bytes

    def give_back(self) -> None:
        self.given_back += 1

    def cache(self, max_entries: int = 1000, max_bytes: int = 1 << 30) -> MemoryCache:
        return MemoryCache(
            max_entries,
            max_bytes,
            pressure=self.pressure,
            give_back=self.give_back,
            clock=self.clock,
        )


@pytest.fixture
def world() -> World:
    return World()


def _held(cache: MemoryCache) -> list[bytes]:
    """Return the keys, least recently used first, without using them."""
    return cache._entries.keys()[::-1]


def test_what_was_put_is_got() -> None:
    cache = MemoryCache(10)

    cache.put(A, b"answer")

    assert cache.get(A) == b"answer"
    assert cache.get(B) is None


def test_a_put_of_a_known_key_replaces() -> None:
    cache = MemoryCache(10)
    cache.put(A, _value(size_bytes=5000))

    cache.put(A, _value(size_bytes=400))

    assert cache.get(A) == _value(size_bytes=400)
    assert (len(cache), cache.size_bytes, cache.evictions) == (1, 400, 0)


def test_more_entries_than_allowed_evict_the_least_recently_used() -> None:
    cache = MemoryCache(2)
    cache.put(A, b"a")
    cache.put(B, b"b")
    cache.get(A)

    cache.put(C, b"c")

    assert _held(cache) == [A, C]
    assert cache.evictions == 1


def test_more_bytes_than_allowed_evict_the_least_recently_used() -> None:
    cache = MemoryCache(100, max_bytes=4 * _SIZE_BYTES)
    for key in (A, B, C, D):
        cache.put(key, _value())

    cache.put(_KEYS[4], _value())

    assert _held(cache) == [B, C, D, _KEYS[4]]
    assert cache.size_bytes == 4 * _SIZE_BYTES


def test_a_full_cache_replaces_without_evicting() -> None:
    cache = MemoryCache(4, max_bytes=4 * _SIZE_BYTES)
    for key in (A, B, C, D):
        cache.put(key, _value())

    cache.put(B, _value("y"))

    assert _held(cache) == [A, C, D, B]
    assert cache.evictions == 0


def test_an_entry_that_would_fill_a_quarter_is_held_and_no_larger_one() -> None:
    largest_bytes = int(100_000 * LARGEST_RATIO)
    cache = MemoryCache(100, max_bytes=100_000)

    cache.put(A, _value(size_bytes=largest_bytes))
    cache.put(B, _value(size_bytes=largest_bytes + 1))

    assert _held(cache) == [A]


def test_a_new_answer_too_large_to_hold_does_not_leave_the_old_one() -> None:
    cache = MemoryCache(100, max_bytes=100_000)
    cache.put(A, b"old")

    cache.put(A, _value(size_bytes=50_000))

    assert cache.get(A) is None
    assert cache.size_bytes == 0


@pytest.mark.parametrize(("max_entries", "max_bytes"), [(0, 1 << 20), (10, 0)])
def test_a_budget_of_nothing_holds_nothing(max_entries: int, max_bytes: int) -> None:
    cache = MemoryCache(max_entries, max_bytes)

    cache.put(A, b"")

    assert cache.get(A) is None
    assert (len(cache), cache.size_bytes, cache.evictions) == (0, 0, 0)


def test_what_is_discarded_is_gone_and_no_eviction() -> None:
    cache = MemoryCache(10)
    cache.put(A, b"a")

    cache.discard(A)
    cache.discard(B)

    assert cache.get(A) is None
    assert (len(cache), cache.size_bytes, cache.evictions) == (0, 0, 0)


def test_a_cleared_cache_is_empty_and_goes_on() -> None:
    cache = MemoryCache(1)
    cache.put(A, b"a")
    cache.put(B, b"b")

    cache.clear()
    cache.put(C, _value())

    assert _held(cache) == [C]
    assert (cache.size_bytes, cache.evictions) == (_SIZE_BYTES, 1)


def test_what_leaves_the_cache_is_freed(world: World) -> None:
    """lru-dict's popitem() keeps what it returns for ever."""
    value = _value()
    references = sys.getrefcount(value)
    cache = world.cache(max_entries=2)

    for key in _KEYS:
        cache.put(key, value)
    cache.put(_KEYS[-1], b"other")
    cache.discard(_KEYS[-2])

    assert sys.getrefcount(value) == references


def test_pressure_takes_the_least_recently_used_until_enough_is_gone(
    world: World,
) -> None:
    cache = world.cache()
    for key in (A, B, C, D):
        cache.put(key, _value())
    cache.get(A)
    world.excess_bytes = _SIZE_BYTES + 1

    world.now_s += LOOK_EVERY_S
    cache.get(D)

    assert _held(cache) == [A, D]
    assert cache.size_bytes == 2 * _SIZE_BYTES
    assert (cache.evictions, world.given_back) == (2, 1)


def test_pressure_from_elsewhere_takes_all_there_is(world: World) -> None:
    cache = world.cache()
    cache.put(A, _value())
    cache.put(B, _value())
    world.excess_bytes = 1 << 40

    world.now_s += LOOK_EVERY_S

    assert cache.get(A) is None
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_pressure_spares_what_a_process_holds_while_all_is_well(world: World) -> None:
    cache = world.cache()
    cache.put(A, _value())
    world.excess_bytes = -(1 << 40)

    world.now_s += LOOK_EVERY_S

    assert cache.get(A) == _value()
    assert (world.asked, world.given_back) == (1, 0)


def test_pressure_is_looked_at_once_a_second(world: World) -> None:
    cache = world.cache()
    asked = []

    for _ in range(4):
        for _ in range(100):
            cache.put(A, b"a")
            cache.get(A)
        asked.append(world.asked)
        world.now_s += LOOK_EVERY_S

    assert asked == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["get", "put"])
def test_pressure_is_looked_at_by_either(kind: str, world: World) -> None:
    cache = world.cache()
    cache.put(A, b"a")
    world.now_s += LOOK_EVERY_S

    if kind == "get":
        cache.get(A)
    else:
        cache.put(A, b"a")

    assert world.asked == 1


def test_pressure_is_looked_at_when_much_comes_within_the_second(world: World) -> None:
    cache = world.cache(max_entries=1 << 40)
    world.excess_bytes = 1

    for number in range(5 * LOOK_EVERY_BYTES // _SIZE_BYTES):
        cache.put(number.to_bytes(len(A), "big"), _value())

    assert (world.asked, cache.evictions) == (4, 4)


def test_pressure_is_not_looked_at_for_an_empty_cache(world: World) -> None:
    cache = world.cache()

    world.now_s += LOOK_EVERY_S
    cache.get(A)

    assert world.asked == 0


def test_pressure_may_use_the_cache_itself(world: World) -> None:
    """Whoever calls out with a lock held waits here for ever."""
    lengths: list[int] = []
    cache: MemoryCache

    def pressure() -> int:
        lengths.append(len(cache))
        return 1

    cache = MemoryCache(
        10,
        pressure=pressure,
        give_back=lambda: lengths.append(len(cache)),
        clock=world.clock,
    )
    cache.put(A, b"a")

    world.now_s += LOOK_EVERY_S
    cache.get(A)

    assert lengths == [1, 0]
