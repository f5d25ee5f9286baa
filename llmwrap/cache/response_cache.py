"""The response cache: memory in front of the disk, one question at a time.

Not for deciding when to look or to store: the engine does. A cache that cannot be
used never fails a run: there is one warning, and it is as if it were empty until it
can be used again.
"""

import errno
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from ..config import CacheConfig
from ..errors import ConfigError
from ..journal.records import Record
from ..log import Log
from ..paths import ensure_private_dir
from . import layout
from .entry import Entry, pack_entry, unpack_entry
from .fingerprint import GGUF, Place
from .flights import Flights, Held, Waiting
from .generations import Generation, Generations
from .payload import is_fresh
from .store import Damage, Store

TYPE_CHECKING = False  # its home loads lru, late
if TYPE_CHECKING:
    from .memory import MemoryCache

_LOOK_S = 0.005
_LOOK_MANY_S = 0.05
_NO_STAMP = bytes(layout.STAMP_BYTES)
_TOO_LARGE = "the answer is too large for the cache"

T = TypeVar("T")


class Hit(NamedTuple):
    """An entry, its key, and how many bytes it takes where it is kept."""

    key: bytes
    entry: Entry
    size_bytes: int


class StoredAs(NamedTuple):
    """Where an answer is, and all that its being there depends on.

    `ttl_ns` None is for ever. It counts as long as the file `generation_path` holds
    `generation`; a missing one holds nothing. `is_on_disk` False: it never is there.
    `is_file` tells whether a model file, which may have changed, gave it.
    """

    root: str
    key: bytes
    ttl_ns: int | None
    generation_path: str
    generation: bytes
    is_on_disk: bool
    is_file: bool


class _Seen(NamedTuple):
    """The state of a journal, and when it was looked at."""

    at: float
    stamp: bytes | None


class ResponseCache:
    """The answers of one configuration, shared with every other process.

    `has_memory` False leaves out the memory, which a process that asks once has no
    use for. `is_many` is for those who put hundreds a second: the disk is waited for
    once, in `sync`. Without persistence there is nothing but memory, and the disk is
    left alone. Any thread may call everything. What serves an answer never raises: what
    goes wrong is one warning, and `problem`. What looks after the cache (`entries`,
    `remove`, `clear`, `compact`, `damage`, `size_bytes`) raises OSError.
    """

    def __init__(
        self,
        config: CacheConfig,
        log: Log,
        *,
        has_memory: bool,
        is_many: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = config.path
        self.is_on_disk = config.enable_persistence
        self.hits = 0
        self.misses = 0
        self._log = log
        self._clock = clock
        self._seen: dict[int, _Seen] = {}
        self._troubles: dict[str, str] = {}
        self._is_prepared = False
        self._ttl_ns = None if config.ttl_s is None else int(config.ttl_s * 1e9)
        self._memory: MemoryCache | None = None
        if has_memory or not self.is_on_disk:
            self._memory = _memory(config)
        self._store = Store(
            self.root,
            max_bytes=config.max_disk_bytes,
            is_synced=config.sync,
            is_late=is_many,
        )
        root = self.root if self.is_on_disk else None
        self._flights = Flights(root)
        self._generations = Generations(root, look_s=_LOOK_MANY_S if is_many else 0.0)

    def sync(self) -> None:
        """Wait until all that was put is safe on disk."""
        if self.is_on_disk:
            self.tried("sync", self._store.sync, None)

    @property
    def problem(self) -> str:
        """Return why the cache cannot be used, empty when it can."""
        return next(iter([*self._troubles.values()]), "")

    def count(self, *, is_hit: bool) -> None:
        """Count a question that was looked for; a few may be lost between threads."""
        if is_hit:
            self.hits += 1
        else:
            self.misses += 1

    def get(self, key: bytes, *, expired_too: bool = False) -> Entry | None:
        """Return the answer of a key, and note that it was used."""
        entry = self._counting(self._remembered(key), expired_too)
        if entry is None and self.is_on_disk:
            payload = self.tried("look-up", lambda: self._read(key), None)
            entry = self._counting(payload, expired_too)
        return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep the answer of a key, for as long as the configuration says."""
        if len(entry.text) + len(entry.thinking) > self._store.largest_bytes:
            self._log.info(_TOO_LARGE)
            return  # and makes no copies of it to find that out
        if self._ttl_ns is not None:
            entry = entry._replace(expires_ns=entry.stored_ns + self._ttl_ns)
        payload = pack_entry(entry)
        if self.is_on_disk and not self.tried(
            "put", lambda: self._put(key, payload), True
        ):
            self._log.info(_TOO_LARGE)
        if self._memory is not None:
            self._remember(key, payload, self._stamp(key))

    def is_fresh(self, entry: Entry) -> bool:
        """Tell whether an entry still counts for this configuration."""
        return is_fresh(entry.stored_ns, entry.expires_ns, self._ttl_ns, time.time_ns())

    def stored_as(self, place: Place, generation: Generation, key: bytes) -> StoredAs:
        """Return where the answer of a key is, whether it is there or not."""
        return StoredAs(
            root=self.root,
            key=key,
            ttl_ns=self._ttl_ns,
            generation_path=generation.path,
            generation=generation.digest,
            is_on_disk=self.is_on_disk and not self.problem,
            is_file=place.kind == GGUF,
        )

    def generation(self, place: Place, model: str) -> Generation:
        """Return what is known of the weights of a model; it is part of the key."""
        return self.renewed(self._generations.unread(place, model))

    def renewed(self, generation: Generation) -> Generation:
        """Return the same again, or what somebody has learned since it was read."""
        return self.tried(
            "digest", lambda: self._generations.read(generation), generation
        )

    def learn(self, generation: Generation, digest: str) -> Generation:
        """Keep the digest that a server named for a model; return what is known then.

        The answers of its old weights are out of reach from now on.
        """
        return self.tried(
            "learning", lambda: self._learn(generation, digest), generation
        )

    def tried(self, what: str, call: Callable[[], T], otherwise: T) -> T:
        """Return what a call returns, `otherwise` where there is trouble.

        That is one warning, and forgotten when the same goes well: not when anything
        does, as a full disk can still be read.
        """
        try:
            if self.is_on_disk and not self._is_prepared:
                layout.check_owner(self.root)
            result = call()
        except OSError as error:
            reason = error.strerror or str(error)
            reason = reason[:1].lower() + reason[1:]
            where = f" ({error.filename})" if error.filename else ""
            if not self._troubles:
                self._log.warning(f"the cache cannot be used: {reason}{where}")
            self._troubles[what] = reason
            return otherwise
        if self._troubles:
            self._troubles.pop(what, None)
        return result

    def begin_flight(self, key: bytes) -> Held | Waiting | None:
        """Return the flight of a key: ours, somebody's, or none. See `Flights`."""
        return self.tried("flight", lambda: self._begin(key), None)

    def end_flight(self, key: bytes) -> None:
        """Release the flight of a key, if it is ours."""
        self.tried("landing", lambda: self._flights.end(key), None)

    def entries(self) -> Iterator[Hit]:
        """Yield all answers that are kept, expired ones too."""
        if not self.is_on_disk:
            yield from self._in_memory()
            return
        for record in self._store.records():
            if found := _found(record):
                yield found

    def remove(self, is_meant: Callable[[Hit], bool]) -> int:
        """Remove answers from disk and memory; return how many there were."""
        if not self.is_on_disk:
            meant = [found.key for found in self._in_memory() if is_meant(found)]
            for key in meant:
                self._discard(key)
            return len(meant)

        def is_meant_record(record: Record) -> bool:
            found = _found(record)
            return found is not None and is_meant(found)

        count = self._store.remove(is_meant_record)
        self._forget()
        return count

    def clear(self) -> int:
        """Remove everything; return how many answers there were."""
        if not self.is_on_disk:
            return self.remove(lambda _: True)
        count = self._store.clear()
        self._forget()
        return count

    def compact(self) -> int:
        """Drop what is dead or damaged, and what is over the budget.

        Returns how many answers went.
        """
        return self._store.compact() if self.is_on_disk else 0

    def damage(self) -> list[Damage]:
        """Return every file that is damaged, looking at every byte."""
        return [*self._store.damage()] if self.is_on_disk else []

    def size_bytes(self) -> int:
        """Return what the answers take where they are kept."""
        if self.is_on_disk:
            return self._store.size_bytes()
        return self._memory.size_bytes if self._memory else 0

    def _counting(self, payload: bytes | None, expired_too: bool) -> Entry | None:
        """Return the entry of a payload, if it counts."""
        entry = None if payload is None else unpack_entry(payload)
        if entry is None or not (expired_too or self.is_fresh(entry)):
            return None
        return entry

    def _read(self, key: bytes) -> bytes | None:
        # Taken before it is read: what somebody adds meanwhile makes it a wrong one.
        stamp = self._stamp(key)
        payload = self._store.get(key)
        if payload is not None:
            # What is in memory is not noted each time: that takes longer than the hit.
            self._store.note_use(key)
            self._remember(key, payload, stamp)
        return payload

    def _put(self, key: bytes, payload: bytes) -> bool:
        self._prepare()
        return self._store.put(key, payload)

    def _learn(self, generation: Generation, digest: str) -> Generation:
        if self.is_on_disk:
            self._prepare()
        return self._generations.learn(generation, digest)

    def _begin(self, key: bytes) -> Held | Waiting | None:
        if self.is_on_disk:
            self._prepare()
        return self._flights.begin(key)

    def _prepare(self) -> None:
        """Make the directory, once. Raises: OSError when it is not ours."""
        if not self._is_prepared:
            try:
                ensure_private_dir(self.root)
            except ConfigError as error:
                raise OSError(errno.EPERM, error.message) from error
            self._is_prepared = True

    def _remember(self, key: bytes, payload: bytes, stamp: bytes | None) -> None:
        if self._memory is not None:
            self._memory.put(key, (stamp or _NO_STAMP) + payload)

    def _remembered(self, key: bytes) -> bytes | None:
        """Return what is in memory, unless its journal has changed since.

        Another process may have removed the answer, or have a newer one: a look at
        the file's status tells. Not at each of many hits in a row, of which it would
        take a third.
        """
        held = self._memory.get(key) if self._memory is not None else None
        if held is None:
            return None
        seen = self._seen.get(key[0])
        if seen is not None and self._clock() - seen.at < _LOOK_S:
            stamp = seen.stamp
        else:
            stamp = self._stamp(key)
        if stamp is None or held.startswith(stamp):
            return held[layout.STAMP_BYTES :]
        return None

    def _stamp(self, key: bytes) -> bytes | None:
        """Return the state of the journal of a key, None where nobody can tell."""
        if self._memory is None or not self.is_on_disk:
            return None
        at = self._clock()
        stamp = layout.stamp(self.root, key)
        self._seen[key[0]] = _Seen(at, stamp)
        return stamp

    def _in_memory(self) -> Iterator[Hit]:
        for key, held in self._memory.items() if self._memory else ():
            if entry := unpack_entry(held[layout.STAMP_BYTES :]):
                yield Hit(key, entry, len(held))

    def _discard(self, key: bytes) -> None:
        if self._memory is not None:
            self._memory.discard(key)

    def _forget(self) -> None:
        if self._memory is not None:
            self._memory.clear()


def _found(record: Record) -> Hit | None:
    entry = unpack_entry(record.payload)
    if entry is None:
        return None
    return Hit(record.key, entry, layout.ANSWERS.record_bytes(record.payload))


def _memory(config: CacheConfig) -> "MemoryCache":
    from .memory import MemoryCache  # late: one question needs neither it nor lru
    from .pressure import give_back, watch

    return MemoryCache(
        config.max_memory_entries,
        pressure=watch(config.memory_pressure_ratio),
        give_back=give_back,
    )
