"""Answers on disk, in 256 journals that all processes share. Floor F3.

What a key is and what an answer holds is other modules' business; here they are bytes
with a moment in front. Room is made shard by shard: what expired goes first, then what
was not used for longest.
"""

from __future__ import annotations

import os
import time

from ..journal.files import sync_directory
from ..journal.keyed import KeyedJournal
from ..journal.records import Record
from . import layout
from .payload import is_fresh, parse

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_ENTRIES = 16384  # of one shard: a hundred times what answers of 1 KB make likely
_KEPT_RATIO = 0.75  # of a shard that is full, so that not every answer rewrites it


class Damage:
    """A file with bytes that belong to no record, or that cannot be read at all."""

    __slots__ = ("damaged_bytes", "path", "problem")

    def __init__(self, path: str, damaged_bytes: int, problem: str = "") -> None:
        self.path = path
        self.damaged_bytes = damaged_bytes
        self.problem = problem


class Store:
    """The answers below one directory.

    `max_bytes` is for all shards together, `ttl_s` None keeps answers for ever. Any
    thread and any process may call everything at any time. Raises, all methods:
    OSError.
    """

    def __init__(
        self, root: str, *, max_bytes: int, ttl_s: float | None, is_synced: bool
    ) -> None:
        self._root = root
        self._shard_bytes = max_bytes // len(layout.SHARDS)
        self._ttl_ns = None if ttl_s is None else int(ttl_s * 1e9)
        self._is_synced = is_synced

    def get(self, key: bytes) -> bytes | None:
        """Return the payload of a key, expired or not."""
        return self._shard(key[:1].hex()).find(key)

    def put(self, key: bytes, payload: bytes) -> bool:
        """Keep a payload. Returns False when it is too large to be kept."""
        self._make_directory(os.path.join(self._root, "answers"))
        try:
            self._make_directory(os.path.join(self._root, "used"))
        except OSError:
            pass  # Answers are only thought older than they are.
        return self._shard(key[:1].hex()).put(key, payload)

    def note_use(self, key: bytes) -> None:
        """Note that an answer was used now; never raises."""
        layout.note_use(self._root, key, int(time.time()))

    def records(self) -> Iterator[Record]:
        """Yield all answers, expired ones too."""
        for shard in self._shards():
            yield from shard.records()

    def remove(self, is_meant: Callable[[Record], bool]) -> int:
        """Remove answers, and return how many there were."""
        count = 0
        for shard in self._shards():
            if found := sum(map(is_meant, shard.records())):
                shard.rewrite(lambda record: not is_meant(record))
                count += found
        return count

    def clear(self) -> int:
        """Remove everything, damaged or not, and return how many answers there were."""
        return sum(shard.rewrite(lambda _: False) for shard in self._shards())

    def compact(self) -> int:
        """Write every shard anew, without what is dead, damaged or expired.

        Returns how many answers went.
        """
        return sum(shard.rewrite() for shard in self._shards())

    def size_bytes(self) -> int:
        """Return what the shards take on disk."""
        return sum(os.path.getsize(shard.path) for shard in self._shards())

    def damage(self) -> Iterator[Damage]:
        """Yield what is damaged, looking at every byte."""
        for shard in self._shards():
            try:
                damaged_bytes = shard.damaged_bytes()
            except OSError as error:
                problem = error.strerror or str(error)
                yield Damage(shard.path, os.lstat(shard.path).st_size, problem)
                continue
            if damaged_bytes:
                yield Damage(shard.path, damaged_bytes)

    def _shards(self) -> Iterator[KeyedJournal]:
        layout.check_owner(self._root)
        for name in layout.SHARDS:
            shard = self._shard(name)
            try:
                os.lstat(shard.path)
            except FileNotFoundError:
                continue
            yield shard

    def _shard(self, name: str) -> KeyedJournal:
        return KeyedJournal(
            os.path.join(self._root, "answers", name),
            layout.ANSWERS,
            budget_bytes=self._shard_bytes,
            select=lambda records, room_bytes: self._kept(name, records, room_bytes),
            is_synced=self._is_synced,
        )

    def _kept(self, name: str, records: list[Record], room_bytes: int) -> list[Record]:
        """Return the answers that stay, with those used last at the end.

        There they are found first.
        """
        moments = layout.moments_of_use(self._root, name)
        now_ns = time.time_ns()
        stay: list[tuple[int, int, Record]] = []
        for number, record in enumerate(records):
            payload = parse(record.payload)
            if payload and is_fresh(payload.stored_ns, self._ttl_ns, now_ns):
                used_at = layout.used_at_s(moments, record.key)
                stay.append((max(used_at, payload.stored_ns // 10**9), number, record))
        stay.sort(key=lambda item: item[:2])
        sizes = [layout.ANSWERS.record_bytes(r.payload) for *_, r in stay]
        if sum(sizes) > room_bytes or len(stay) > _MOST_ENTRIES:
            room_bytes = int(_KEPT_RATIO * min(room_bytes, self._shard_bytes))
            stay = stay[_first_that_fits(sizes, room_bytes) :]
        return [record for *_, record in stay]

    def _make_directory(self, path: str) -> None:
        if not os.path.isdir(path):
            os.makedirs(path, 0o700, exist_ok=True)
            if self._is_synced:
                sync_directory(os.path.dirname(path))


def _first_that_fits(sizes: list[int], room_bytes: int) -> int:
    """Return from which index on all fit, looking from the end."""
    first = len(sizes)
    while first and (
        sizes[first - 1] <= room_bytes and len(sizes) - first < _MOST_ENTRIES
    ):
        first -= 1
        room_bytes -= sizes[first]
    return first
