"""The response cache: memory in front of the disk, one question at a time. F3.

Not for deciding when to look or to store: the engine does. A cache that cannot be
used never fails a run: there is one warning, and then it is as if it were empty.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from ..config import CacheConfig
from ..errors import ConfigError
from ..journal.records import Record
from ..log import Log
from ..messages import Request
from ..paths import ensure_private_dir
from . import layout
from .entry import Entry, pack_entry, unpack_entry
from .fingerprint import GGUF, Place, fingerprint
from .flights import Flights, Held, Waiting
from .generations import Generations
from .payload import is_fresh
from .store import Damage, Store

TYPE_CHECKING = False  # its home loads lru, late
if TYPE_CHECKING:
    from .memory import MemoryCache

_LOOK_S = 1.0

T = TypeVar("T")


class Found(NamedTuple):
    """An entry of the disk, its key, and how many bytes it takes."""

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


class ResponseCache:
    """The answers of one configuration, shared with every other process.

    `has_memory` False leaves out the memory, which a process that asks once has no
    use for. Any thread may call everything. What serves an answer never raises: what
    goes wrong is one warning, and `problem`. What looks after the cache (`entries`,
    `remove`, `clear`, `compact`, `damage`, `size_bytes`) raises OSError.
    """

    def __init__(
        self,
        config: CacheConfig,
        log: Log,
        *,
        has_memory: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = config.path
        self.problem = ""
        """Why the cache could not be used, if so."""
        self._log = log
        self._is_on_disk = config.enable_persistence
        self._is_prepared = False
        self._ttl_ns = None if config.ttl_s is None else int(config.ttl_s * 1e9)
        self._memory: MemoryCache | None = None
        if has_memory or not self._is_on_disk:
            self._memory = _memory(config)
        self._cleared_ns = 0
        self._clock = clock
        self._looked_at = 0.0
        self._store = Store(
            self.root,
            max_bytes=config.max_disk_bytes,
            ttl_s=config.ttl_s,
            is_synced=config.sync,
        )
        root = self.root if self._is_on_disk else None
        self._flights = Flights(root)
        self._generations = Generations(root)

    def get(self, key: bytes, *, expired_too: bool = False) -> Entry | None:
        """Return the answer of a key, and note that it was used."""
        payload = self._remembered(key)
        if payload is None and self._is_on_disk:
            payload = self._tried(lambda: self._store.get(key), None)
            if payload is not None:
                self._note_use(key, payload)
        entry = None if payload is None else unpack_entry(payload)
        if entry is None or not (expired_too or self.is_fresh(entry)):
            return None
        return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep the answer of a key."""
        payload = pack_entry(entry)
        if self._memory is not None:
            self._memory.put(key, payload)
        if self._is_on_disk and not self._tried(lambda: self._put(key, payload), True):
            self._log.info("the answer is too large for the cache")

    def is_fresh(self, entry: Entry) -> bool:
        """Tell whether an entry still counts."""
        return is_fresh(entry.stored_ns, self._ttl_ns, time.time_ns())

    def stored_as(self, request: Request, place: Place) -> StoredAs:
        """Return where the answer of a request is, whether it is there or not."""
        generation = self.generation(place, request.model)
        return StoredAs(
            root=self.root,
            key=fingerprint(request, place, generation),
            ttl_ns=self._ttl_ns,
            generation_path=self._generations.path(place, request.model),
            generation=generation,
            is_on_disk=self._is_on_disk and not self.problem,
            is_file=place.kind == GGUF,
        )

    def generation(self, place: Place, model: str) -> bytes:
        """Return what is known of the weights of a model; it is part of the key."""
        return self._tried(lambda: self._generations.current(place, model), b"")

    def learn(self, place: Place, model: str, digest: str) -> None:
        """Keep the digest that a server named for a model.

        The answers of its old weights are out of reach from now on.
        """
        self._tried(lambda: self._learn(place, model, digest), None)

    def begin_flight(self, key: bytes) -> Held | Waiting | None:
        """Return the flight of a key: ours, somebody's, or none. See `Flights`."""
        return self._tried(lambda: self._begin(key), None)

    def end_flight(self, key: bytes) -> None:
        """Release the flight of a key, if it is ours."""
        self._tried(lambda: self._flights.end(key), None)

    def touch_flights(self) -> None:
        """Show those who wait for us that we are alive."""
        self._tried(self._flights.touch, None)

    def entries(self) -> Iterator[Found]:
        """Yield all answers on disk, expired ones too."""
        for record in self._store.records():
            if entry := unpack_entry(record.payload):
                yield Found(
                    record.key, entry, layout.ANSWERS.record_bytes(record.payload)
                )

    def remove(self, is_meant: Callable[[Found], bool]) -> int:
        """Remove answers from disk and memory; return how many there were."""

        def is_meant_record(record: Record) -> bool:
            entry = unpack_entry(record.payload)
            size_bytes = layout.ANSWERS.record_bytes(record.payload)
            return entry is not None and is_meant(Found(record.key, entry, size_bytes))

        count = self._store.remove(is_meant_record)
        self._forget()
        return count

    def clear(self) -> int:
        """Remove everything; return how many answers there were."""
        count = self._store.clear()
        self._forget()
        return count

    def compact(self) -> int:
        """Drop what is dead, damaged or expired; return how many answers went."""
        return self._store.compact()

    def damage(self) -> list[Damage]:
        """Return every file that is damaged, looking at every byte."""
        return list(self._store.damage())

    def size_bytes(self) -> int:
        """Return what the answers take on disk."""
        return self._store.size_bytes()

    def _note_use(self, key: bytes, payload: bytes) -> None:
        # What is in memory is not noted each time: that takes longer than the hit.
        self._store.note_use(key)
        if self._memory is not None:
            self._memory.put(key, payload)

    def _put(self, key: bytes, payload: bytes) -> bool:
        self._prepare()
        return self._store.put(key, payload)

    def _learn(self, place: Place, model: str, digest: str) -> None:
        if self._is_on_disk:
            self._prepare()
        self._generations.learn(place, model, digest)

    def _begin(self, key: bytes) -> Held | Waiting | None:
        if self._is_on_disk:
            self._prepare()
            os.makedirs(os.path.join(self.root, "flights"), 0o700, exist_ok=True)
        return self._flights.begin(key)

    def _prepare(self) -> None:
        """Make the directory, once. Raises: OSError when it is not ours."""
        if not self._is_prepared:
            try:
                ensure_private_dir(self.root)
            except ConfigError as error:
                raise OSError(errno.EPERM, error.message) from error
            self._is_prepared = True

    def _remembered(self, key: bytes) -> bytes | None:
        if self._memory is None:
            return None
        if self._is_on_disk:
            self._heed_clearing()
        return self._memory.get(key)

    def _heed_clearing(self) -> None:
        """Forget what is in memory when some process has removed answers."""
        now = self._clock()
        if now - self._looked_at < _LOOK_S or self._memory is None:
            return
        self._looked_at = now
        cleared_ns = layout.cleared_ns(self.root)
        if cleared_ns != self._cleared_ns:
            self._cleared_ns = cleared_ns
            self._memory.clear()

    def _forget(self) -> None:
        if self._memory is not None:
            self._memory.clear()
        if os.path.isdir(self.root):
            layout.note_clearing(self.root)

    def _tried(self, call: Callable[[], T], otherwise: T) -> T:
        try:
            if self._is_on_disk and not self._is_prepared:
                layout.check_owner(self.root)
            return call()
        except OSError as error:
            reason = error.strerror or str(error)
            reason = reason[:1].lower() + reason[1:]
            where = f" ({error.filename})" if error.filename else ""
            if not self.problem:
                self._log.warning(f"the cache cannot be used: {reason}{where}")
            self.problem = reason
            return otherwise


def _memory(config: CacheConfig) -> MemoryCache:
    from .memory import MemoryCache  # late: one question needs neither it nor lru
    from .pressure import give_back, watch

    return MemoryCache(
        config.max_memory_entries,
        pressure=watch(config.memory_pressure_ratio),
        give_back=give_back,
    )
