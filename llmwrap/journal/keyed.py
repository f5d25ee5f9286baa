"""A journal with one live record a key: the file of one shard."""

from __future__ import annotations

import os
import time

from ..files import (
    LARGEST_BYTES,
    LOCK_WAIT_S,
    LockedFile,
    State,
    read_with_state,
    state,
    sweep,
)
from . import records
from .records import HEADER_BYTES, LARGEST_PAYLOAD_BYTES, Record, RecordFormat

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

_LEAST_REWRITTEN_BYTES = 64 << 10
_LONGEST_SEEN_BYTES = 64 << 10  # 16 MiB where all of 256 are remembered


class KeyedJournal:
    """One file of records, at most one live record a key.

    `select` gets all live records when the file has to shrink and returns those to
    keep, in the order they are to be written; the budget is its business too, given
    the bytes that the file may have. `wait_s` is how long to wait for other writers.
    Any thread and any process may call everything at any time.
    """

    def __init__(
        self,
        path: str,
        kind: RecordFormat,
        *,
        budget_bytes: int,
        select: Callable[[list[Record], int], list[Record]],
        is_synced: bool,
        wait_s: float = LOCK_WAIT_S,
    ) -> None:
        self.path = path
        self._kind = kind
        self._budget_bytes = min(budget_bytes, LARGEST_BYTES)
        self._select = select
        self._is_synced = is_synced
        self._wait_s = wait_s

    def find(self, key: bytes) -> bytes | None:
        """Return the payload of a key, None without one.

        Raises: OSError, NewerError.
        """
        record = self._kind.find(self._read(), key)
        return record.payload if record else None

    def records(self) -> list[Record]:
        """Return the live records, oldest first. Raises: OSError, NewerError."""
        return self._kind.live(self._read())

    def damaged_bytes(self) -> int:
        """Return how many bytes are damaged. Raises: OSError, NewerError."""
        data = self._read()
        return self._kind.damaged_bytes(data) if data else 0

    def put(self, key: bytes, payload: bytes, *, is_late: bool = False) -> bool:
        """Keep a payload; it is safe when this returns True.

        With `is_late` only from a kill: the caller syncs the file, and others with it.
        False: it is larger than a record or the whole file may be. Raises: OSError,
        and then what the key had before is still there; BusyError, NewerError.
        """
        size = HEADER_BYTES + self._kind.record_bytes(payload)
        if len(payload) > LARGEST_PAYLOAD_BYTES or size > self._budget_bytes:
            return False
        record = self._kind.record(key, payload)
        with self._locked() as file:
            data = self._writable(file)
            if self._has_to_shrink(data, len(record)):
                self._shrink(file, data, but=key, record=record)
                return True
            old = self._kind.find(data, key)
            if (end := self._kind.torn_from(data)) < len(data):
                file.truncate(end)
            added = records.headed(record, file.size_bytes)
            file.append(added, is_late=is_late)
            if old:
                # Only once its successor is safe; a killed writer leaves both, and
                # the last one counts.
                offset, mark = records.DEATH
                file.overwrite(old.start + offset, mark)
            self._note(file, data[:end], added)
        return True

    def rewrite(self, keep: Callable[[Record], bool] = lambda _: True) -> int:
        """Write the file anew with what is kept; return how many records went.

        Raises: OSError, BusyError, NewerError.
        """
        if not os.path.lexists(self.path):
            return 0
        with self._locked() as file:
            found = self._kind.live(self._writable(file))
            kept = [record for record in found if keep(record)]
            kept = self._select(kept, self._budget_bytes)
            if kept:
                file.replace(records.whole(self._recorded(kept)))
            else:
                file.remove()
            sweep(os.path.dirname(self.path), time.time())
            return len(found) - len(kept)

    def _recorded(self, kept: list[Record]) -> list[bytes]:
        return [self._kind.record(record.key, record.payload) for record in kept]

    def _read(self) -> bytes:
        return self._read_with_state()[0]

    def _read_with_state(self) -> tuple[bytes, State | None]:
        data, found = read_with_state(self.path)
        records.check_version(data, self.path)
        return data, found

    def _note(self, file: LockedFile, data: bytes, added: bytes) -> None:
        """Do what there is to do once something was added to what was there."""

    def _locked(self) -> LockedFile:
        return LockedFile(self.path, is_synced=self._is_synced, wait_s=self._wait_s)

    def _writable(self, file: LockedFile) -> bytes:
        # One that is too long is no journal of ours: it is replaced.
        data = b"\0" if file.size_bytes > LARGEST_BYTES else file.content()
        records.check_version(data, self.path)
        return data

    def _has_to_shrink(self, data: bytes, added_bytes: int) -> bool:
        if not data:
            return False
        size = len(data) + added_bytes
        # Twice as long as when it was rewritten: at least half of a file whose keys
        # are put again and again is dead, and the rewriting is paid by the growth.
        limit = max(2 * records.rewritten_size(data), _LEAST_REWRITTEN_BYTES)
        return not records.is_headed(data) or size > min(limit, self._budget_bytes)

    def _shrink(
        self, file: LockedFile, data: bytes, *, but: bytes, record: bytes
    ) -> None:
        found = [r for r in self._kind.live(data) if r.key != but]
        kept = self._select(found, self._budget_bytes - len(record) - HEADER_BYTES)
        file.replace(records.whole([*self._recorded(kept), record]))
        sweep(os.path.dirname(self.path), time.time())


class RememberedJournal(KeyedJournal):
    """A journal for those who look into it all the time.

    A short file is read again only when it is another one than it was, or has grown.
    """

    _seen: tuple[State, bytes] | None = None

    def _read(self) -> bytes:
        seen = self._seen
        if seen and seen[0] == state(self.path):
            return seen[1]
        data, found = self._read_with_state()
        if found:
            self._remember(found, data)
        return data

    def _writable(self, file: LockedFile) -> bytes:
        seen = self._seen
        return seen[1] if seen and seen[0] == file.found else super()._writable(file)

    def _note(self, file: LockedFile, data: bytes, added: bytes) -> None:
        self._remember(file.state(), data + added)

    def _remember(self, found: State, data: bytes) -> None:
        is_short = len(data) <= _LONGEST_SEEN_BYTES
        self._seen = (found, data) if is_short else None
