"""Answers in this process's memory, the least recently used going first.

For packed answers under their keys, within a budget of entries and one of bytes, that
give way when memory is short. Not for what a packed answer holds: who packs it knows
its TTL, and whether it has expired. Not for measuring memory: `pressure.py` does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lru import LRU

from .. import lives

MAX_BYTES = 64 << 20
"""The budget of bytes where none is given."""

ENTRY_BYTES = 210
"""What an entry takes beside its key and value: two headers of bytes objects, a node of
lru-dict and a place in its dict (190 to 216, measured by RSS at 60,000 and more)."""

LARGEST_RATIO = 0.25
"""How much of the budget one entry may take; a larger one would empty the cache."""

LOOK_EVERY_S = 1.0
LOOK_EVERY_BYTES = 4 << 20
"""When memory pressure is looked at: after this time, or after so much was put, as a
process that reads large answers fills a small cgroup within the second."""


class MemoryCache:
    """Hold packed answers by key within `max_entries` and `max_bytes`.

    With `max_entries` 0 nothing is held. `pressure()` tells by how many bytes too much
    memory is in use, 0 or less when all is well; it is asked about once a second, in a
    `get` or `put`, never in an empty cache, and as many bytes of ours go. `give_back()`
    is called after that, to hand the freed memory to the system. `clock` is monotonic,
    in seconds.

    Any thread may call any method. Each is atomic by itself, a `put` that replaces or
    evicts included, but for pressure: other threads come in between asking, evicting
    and giving back. No sequence is atomic: not `get` and then `put`, so that two may
    put the same key and the later one stays; not `len()` beside `size_bytes` and
    `evictions`, which may tell of different moments. `pressure`, `give_back` and
    `clock` are called without the lock by whatever thread comes along, and may call the
    cache; what they raise reaches the caller of `get` or `put`.
    """

    def __init__(
        self,
        max_entries: int,
        max_bytes: int = MAX_BYTES,
        *,
        pressure: Callable[[], int] = lambda: 0,
        give_back: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._largest_bytes = int(max_bytes * LARGEST_RATIO) if max_entries > 0 else -1
        self._pressure = pressure
        self._give_back = give_back
        self._clock = clock
        self._lock = threading.Lock()
        # Its own bound is never reached: it would evict without counting bytes, and
        # a callback that counts them costs more than looking beforehand.
        self._entries: LRU[bytes, bytes] = LRU(max(1, max_entries))
        self._size_bytes = 0
        self._evictions = 0
        # Not at once: a short process shall not import what `pressure` needs.
        self._look_at = clock() + LOOK_EVERY_S
        self._put_bytes = 0
        lives.enter(self)

    def start_anew(self) -> None:
        """Wait for none of the parent's threads, in a forked child."""
        was_changing, self._lock = self._lock.locked(), threading.Lock()
        if was_changing:
            self.clear()

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """Return what the entries take, with their keys and ENTRY_BYTES for each."""
        return self._size_bytes

    @property
    def evictions(self) -> int:
        """Return how many entries a budget or memory pressure has cost so far."""
        return self._evictions

    def get(self, key: bytes) -> bytes | None:
        """Return the packed answer and make it the most recently used, or None."""
        if self._clock() >= self._look_at:
            self._look()
        with self._lock:
            return self._entries.get(key)

    def items(self) -> list[tuple[bytes, bytes]]:
        """Return what is held at the moment, the last used first."""
        with self._lock:
            return self._entries.items()

    def put(self, key: bytes, value: bytes) -> None:
        """Hold the answer as the most recently used, in place of any older one.

        An answer that is larger than LARGEST_RATIO of the budget is not held, and the
        older one goes all the same.
        """
        size_bytes = _size_bytes(key, value)
        with self._lock:
            self._remove(key)
            if size_bytes > self._largest_bytes:
                return
            self._evict_above(self._max_entries - 1, self._max_bytes - size_bytes)
            self._entries[key] = value
            self._size_bytes += size_bytes
            self._put_bytes += size_bytes
        if self._put_bytes >= LOOK_EVERY_BYTES or self._clock() >= self._look_at:
            self._look()

    def discard(self, key: bytes) -> None:
        """Forget the answer, if there is one."""
        with self._lock:
            self._remove(key)

    def clear(self) -> None:
        """Forget every answer; what was evicted stays counted."""
        with self._lock:
            self._entries.clear()
            self._size_bytes = 0

    def _remove(self, key: bytes) -> None:
        value = self._entries.pop(key, None)
        if value is not None:
            self._size_bytes -= _size_bytes(key, value)

    def _evict_above(self, entries: int, size_bytes: int) -> None:
        while len(self._entries) > entries or self._size_bytes > size_bytes:
            last = self._entries.peek_last_item()
            if last is None:
                return
            # Not popitem(): it never lets go of what it returns (lru-dict 1.4.1 and
            # before, issue 64), so that nothing evicted would ever be freed.
            del self._entries[last[0]]
            self._size_bytes -= _size_bytes(*last)
            self._evictions += 1

    def _look(self) -> None:
        now = self._clock()
        with self._lock:
            if now < self._look_at and self._put_bytes < LOOK_EVERY_BYTES:
                return  # Another thread was faster.
            self._look_at = now + LOOK_EVERY_S
            self._put_bytes = 0
            if not self._entries:
                return
        excess_bytes = self._pressure()
        if excess_bytes <= 0:
            return
        with self._lock:
            self._evict_above(self._max_entries, self._size_bytes - excess_bytes)
        self._give_back()


def _size_bytes(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + ENTRY_BYTES
