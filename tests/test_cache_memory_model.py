"""The cache in memory beside a plain model of it, and under four threads at once."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from llmwrap.cache.memory import ENTRY_BYTES, LOOK_EVERY_S, MemoryCache

_LONG_S = 60.0
_KEYS = [bytes([letter]) * 32 for letter in b"abcdefgh"]
_SMALLEST_BYTES = len(_KEYS[0]) + ENTRY_BYTES
_MAX_ENTRIES = 5
_MAX_BYTES = 8000
_MUCH = bytes(1 << 18)


class Model(RuleBasedStateMachine):
    """The cache, and an OrderedDict that does the same in the plainest way."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.excess_bytes = 0
        self.cache = MemoryCache(
            _MAX_ENTRIES,
            _MAX_BYTES,
            pressure=lambda: self.excess_bytes,
            clock=lambda: self.now_s,
        )
        self.model: OrderedDict[bytes, bytes] = OrderedDict()
        self.evictions = 0

    def _bytes(self) -> int:
        return sum(len(k) + len(v) + ENTRY_BYTES for k, v in self.model.items())

    def _evict(self) -> None:
        self.model.popitem(last=False)
        self.evictions += 1

    @rule(key=st.sampled_from(_KEYS), size_bytes=st.integers(_SMALLEST_BYTES, 2300))
    def put(self, key: bytes, size_bytes: int) -> None:
        value = bytes(size_bytes - _SMALLEST_BYTES)

        self.cache.put(key, value)

        self.model.pop(key, None)
        if size_bytes <= _MAX_BYTES // 4:
            self.model[key] = value
        while len(self.model) > _MAX_ENTRIES or self._bytes() > _MAX_BYTES:
            self._evict()

    @rule(key=st.sampled_from(_KEYS))
    def get(self, key: bytes) -> None:
        if key in self.model:
            self.model.move_to_end(key)

        assert self.cache.get(key) == self.model.get(key)

    @rule(key=st.sampled_from(_KEYS))
    def discard(self, key: bytes) -> None:
        self.cache.discard(key)

        self.model.pop(key, None)

    @rule()
    def clear(self) -> None:
        self.cache.clear()

        self.model.clear()

    @rule(key=st.sampled_from(_KEYS), excess_bytes=st.integers(-1000, 5000))
    def get_under_pressure(self, key: bytes, excess_bytes: int) -> None:
        self.now_s += LOOK_EVERY_S
        self.excess_bytes = excess_bytes
        until_bytes = self._bytes() - max(0, excess_bytes)
        while self.model and self._bytes() > until_bytes:
            self._evict()

        self.get(key)

    @invariant()
    def holds_the_same(self) -> None:
        assert self.cache._entries.keys()[::-1] == list(self.model)
        assert len(self.cache) == len(self.model)
        assert self.cache.size_bytes == self._bytes()
        assert self.cache.evictions == self.evictions


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=100, stateful_step_count=40)


class Answer(bytes):
    """Bytes that let other threads in whenever their length is asked."""

    __slots__ = ()

    def __len__(self) -> int:
        zlib.crc32(_MUCH)  # which lets go of the interpreter for long enough
        return super().__len__()


def _hammer(cache: MemoryCache, start: threading.Barrier, wrong: list[object]) -> None:
    start.wait(_LONG_S)
    try:
        for number in range(200):
            key = _KEYS[number * 5 % len(_KEYS)]
            cache.put(key, Answer(key * (number % 60)))
            value = cache.get(key)
            if value is not None and value.strip(key[:1]):
                wrong.append((key, value))
            if number % 50 == 0:
                cache.discard(key)
    except Exception as error:  # a thread's own would only be a warning
        wrong.append(error)


def test_threads_leave_counts_and_answers_right() -> None:
    wrong: list[object] = []
    now_s = iter(range(1 << 40))
    cache = MemoryCache(5, 6000, pressure=lambda: 500, clock=lambda: next(now_s))
    start = threading.Barrier(4)
    threads = [
        threading.Thread(target=_hammer, args=(cache, start, wrong), daemon=True)
        for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_LONG_S)

    assert wrong == []
    assert not any(thread.is_alive() for thread in threads)
    items = cache._entries.items()
    assert cache.size_bytes == sum(len(k) + len(v) + ENTRY_BYTES for k, v in items)
    assert len(items) == len(cache) <= 5
    assert cache.size_bytes <= 6000
    assert cache.evictions > 0


def test_pressure_is_looked_at_by_one_thread_of_many() -> None:
    """Another thread looks while this one has only just seen that it is time."""
    key = _KEYS[0]
    asked: list[int] = []
    # After those of making, putting and seeing that it is time comes the other thread.
    times = [0.0, 0.0, LOOK_EVERY_S, -1.0, *[LOOK_EVERY_S] * 3]

    def clock() -> float:
        now_s = times.pop(0)
        if now_s < 0:
            cache.get(key)
            return clock()
        return now_s

    def pressure() -> int:
        asked.append(1)
        return 0

    cache = MemoryCache(10, pressure=pressure, clock=clock)
    cache.put(key, b"a")

    cache.get(key)

    assert times == []
    assert asked == [1]
