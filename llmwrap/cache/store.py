"""Answers on disk, in 256 journals that all processes share.

What a key is and what an answer holds is other modules' business; here they are bytes
with two moments in front. Room is made shard by shard, where it is wanted and never
before: what has expired goes first, then what was not used for longest.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from .. import lives
from ..files import sync_directory, sync_file
from ..journal.keyed import KeyedJournal, RememberedJournal
from ..journal.records import Record
from ..threads import start_together
from . import layout
from .payload import parse

_MOST_ENTRIES = 16384  # of one shard: a hundred times what answers of 1 KB make likely
_SYNCS_AT_ONCE = 16
_SYNC_S = 30.0
_KEPT_RATIO = 0.75  # of a shard that is full, so that not every answer rewrites it


class Damage:
    """A file with bytes that belong to no record, or that cannot be read at all."""

    __slots__ = ("damaged_bytes", "path", "problem")

    def __init__(self, path: str, damaged_bytes: int, problem: str = "") -> None:
        self.path = path
        self.damaged_bytes = damaged_bytes
        self.problem = problem


class _Kept(NamedTuple):
    """An answer of a shard, in the order in which answers stay when room is wanted."""

    has_time: bool
    used_at_s: int
    number: int
    record: Record


class Store:
    """The answers below one directory.

    `max_bytes` is for all shards together. `is_late` is for those who put hundreds a
    second: what is put waits for `sync` until it is safe from more than a kill, and
    short shards stay in memory. Any thread and any process may call
    everything at any time. Raises, all methods: OSError.
    """

    def __init__(
        self, root: str, *, max_bytes: int, is_synced: bool, is_late: bool = False
    ) -> None:
        self._root = root
        self._shard_bytes = max_bytes // len(layout.SHARDS)
        self._is_synced = is_synced
        self._is_late = is_late
        self._has_directories = False
        self._unsynced: set[str] = set()
        self._journals: dict[str, KeyedJournal] = {}
        lives.enter(self)

    def start_anew(self) -> None:
        """Leave it to the parent to sync what it put, in a forked child."""
        self._unsynced = set()

    @property
    def largest_bytes(self) -> int:
        """Return what no answer is larger than that can be kept."""
        return self._shard_bytes

    def get(self, key: bytes) -> bytes | None:
        """Return the payload of a key, expired or not."""
        return self._shard(key[:1].hex()).find(key)

    def put(self, key: bytes, payload: bytes) -> bool:
        """Keep a payload. Returns False when it is too large to be kept."""
        name = key[:1].hex()
        if self._is_late:
            self._unsynced.add(name)
        shard = self._shard(name)
        if self._has_directories:
            try:
                return shard.put(key, payload, is_late=self._is_late)
            except FileNotFoundError:
                pass  # Somebody removed them meanwhile.
        self._make_directories()
        return shard.put(key, payload, is_late=self._is_late)

    def sync(self) -> None:
        """Wait until what was put late is safe on disk."""
        names, self._unsynced = sorted(self._unsynced), set()
        if not (names and self._is_synced):
            return
        # At once: the disk writes many down as fast as a few.
        parts = [names[at::_SYNCS_AT_ONCE] for at in range(_SYNCS_AT_ONCE)]
        calls = [lambda part=part: self._sync(part) for part in parts]
        for part, outcome in zip(parts, start_together(calls), strict=True):
            if outcome.is_refused:
                self._sync(part)
            else:
                outcome.result(_SYNC_S)
        with suppress(FileNotFoundError):
            sync_directory(os.path.join(self._root, "answers"))

    def _sync(self, names: list[str]) -> None:
        for name in names:
            with suppress(FileNotFoundError):  # It was removed, or never written.
                sync_file(self._shard(name).path)

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
        """Write every shard anew, without what is dead or damaged.

        One that is over its budget loses more; returns how many answers went.
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
        if found := self._journals.get(name):
            return found
        kind = RememberedJournal if self._is_late else KeyedJournal
        made = self._journals[name] = kind(
            os.path.join(self._root, "answers", name),
            layout.ANSWERS,
            budget_bytes=self._shard_bytes,
            select=partial(_kept, self._root, name, self._shard_bytes),
            is_synced=self._is_synced,
        )
        return made

    def _make_directories(self) -> None:
        self._make_directory(os.path.join(self._root, "answers"))
        try:
            self._make_directory(os.path.join(self._root, "used"))
        except OSError:
            pass  # Answers are only thought older than they are.
        self._has_directories = True

    def _make_directory(self, path: str) -> None:
        if not os.path.isdir(path):
            os.makedirs(path, 0o700, exist_ok=True)
            if self._is_synced:
                sync_directory(os.path.dirname(path))


def _kept(
    root: str, name: str, most_bytes: int, records: list[Record], room_bytes: int
) -> list[Record]:
    """Return the answers that stay, with those used last at the end.

    There they are found first. All stay where there is room, expired or not: what
    is too old for one reader is not for another, and `--cache-only` takes all.
    """
    moments = layout.moments_of_use(root, name)
    now_ns = time.time_ns()
    stay: list[_Kept] = []
    for number, record in enumerate(records):
        if payload := parse(record.payload):
            used_at_s = layout.used_at_s(moments, record.key)
            used_at_s = max(used_at_s, payload.stored_ns // 10**9)
            has_time = not payload.has_expired(now_ns)
            stay.append(_Kept(has_time, used_at_s, number, record))
    sizes = [layout.ANSWERS.record_bytes(one.record.payload) for one in stay]
    if sum(sizes) > room_bytes or len(stay) > _MOST_ENTRIES:
        room_bytes = int(_KEPT_RATIO * min(room_bytes, most_bytes))
        stay = _that_fit(stay, room_bytes)
    stay.sort(key=lambda one: one[1:3])
    return [one.record for one in stay]


def _that_fit(answers: list[_Kept], room_bytes: int) -> list[_Kept]:
    """Return as many as fit: those with time left first, then those used last."""
    stay: list[_Kept] = []
    for one in sorted(answers, key=lambda one: one[:3], reverse=True):
        room_bytes -= layout.ANSWERS.record_bytes(one.record.payload)
        if room_bytes < 0 or len(stay) >= _MOST_ENTRIES:
            break
        stay.append(one)
    return stay
