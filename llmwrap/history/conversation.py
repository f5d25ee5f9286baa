"""One conversation: its turns, in memory or in a journal."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from contextlib import suppress

from ..errors import CacheError, ConfigError
from ..files import LARGEST_BYTES, LockedFile, read
from ..journal import records
from ..journal.records import HEADER_BYTES, LARGEST_PAYLOAD_BYTES
from ..messages import Message, Usage
from ..paths import ensure_private_dir
from .turns import (
    HISTORY,
    KeptTurn,
    Turn,
    exchanges,
    new_exchange,
    pack_entry,
    pack_title,
    unpack_entry,
    unpack_title,
)

_LOCK_WAIT_S = 10.0  # many may stand in line, and each waits for the disk
_TAIL_BYTES = 64  # more than a record's head: a checksum tells records apart


class Conversation:
    """The turns of one conversation, kept nowhere: it is gone with the process.

    `id` is empty for one that is kept nowhere. One thread at a time may call it.
    """

    def __init__(self, name: str = "") -> None:
        self.id = name
        self._entries: list[KeptTurn] = []
        self._exchange = b""
        self._others: list[KeptTurn] = []

    @property
    def is_kept(self) -> bool:
        """Tell whether it is still there after the process."""
        return False

    def check(self) -> None:
        """Raise CacheError if nothing could be kept."""

    def turns(self) -> list[Turn]:
        """Return the turns that count, each answer behind its question.

        A question has no answer if that is still under way, in some process, or if
        none came. Raises: CacheError.
        """
        return [turn for turns in self._exchanges().values() for turn in turns]

    def add(
        self,
        message: Message,
        *,
        model: str = "",
        backend: str = "",
        is_interrupted: bool = False,
        is_cached: bool = False,
        usage: Usage = Usage(),
    ) -> None:
        """Add a message; it is kept when this returns.

        An answer belongs to the question that was added last through this object, or
        else to the last one there is. Raises: CacheError, and then nothing is added.
        """
        now = time.time()
        self.extend(
            [Turn(message, model, backend, now, is_interrupted, is_cached, usage)]
        )

    def extend(self, turns: Sequence[Turn]) -> None:
        """Add turns together: all of them or none. Raises: CacheError."""
        exchange = self._exchange
        entries = []
        for turn in turns:
            role = turn.message.role
            if role == "user":
                exchange = new_exchange()
            elif role == "assistant" and not exchange:
                exchange = self._last_exchange() or new_exchange()
            number = new_exchange() if role == "system" else exchange
            entries.append(KeptTurn(number, turn))
        self._store(entries)
        self._exchange = exchange

    def last_question(self) -> KeptTurn | None:
        """Return the last question that is not another process's.

        What was there at the beginning is nobody else's. Raises: CacheError.
        """
        found = self._exchanges()
        others = {entry.exchange for entry in self._others}
        for exchange, turns in reversed(found.items()):
            if turns[0].message.role == "user" and exchange not in others:
                return KeptTurn(exchange, turns[0])
        return None

    def take_back(self, exchange: bytes) -> None:
        """Let a question no longer count, nor its answer. Raises: CacheError."""
        self._store([KeptTurn(exchange, None)])
        self._exchange = b""

    def undo(self) -> Turn | None:
        """Take the last question of one's own back, with its answer, and return it.

        None if there is no question. Raises: CacheError.
        """
        last = self.last_question()
        if last is None:
            return None
        self.take_back(last.exchange)
        return last.turn

    def questions_of_others(self) -> list[Turn]:
        """Return what other processes asked here since this object first looked.

        As far as it looked by now, and what they took back since is in it too.
        """
        turns = [entry.turn for entry in self._others]
        return [turn for turn in turns if turn and turn.message.role == "user"]

    def _exchanges(self) -> dict[bytes, list[Turn]]:
        self._look()
        return exchanges(self._entries)

    def _last_exchange(self) -> bytes:
        for exchange, turns in reversed(self._exchanges().items()):
            if turns[0].message.role != "system":
                return exchange
        return b""

    def _look(self) -> None:
        """Take in what others added. Raises: CacheError."""

    def _store(self, entries: Sequence[KeptTurn]) -> None:
        """Keep entries, together. Raises: CacheError."""
        self._entries += entries


class KeptConversation(Conversation):
    """A conversation in a journal, which several processes may add to at once.

    Its file comes into being with its first turn. What is read never changes it: a
    damaged record is passed over, and what a newer llmwrap wrote is left alone.
    """

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self.path = path
        self._seen = (0, 0, 0)
        self._read_to = 0
        self._tail = b""
        self._own: set[bytes] = set()
        self._has_looked = False

    @property
    def is_kept(self) -> bool:
        """Tell whether it is still there after the process."""
        return True

    def check(self) -> None:
        """Raise CacheError if nothing could be kept."""
        directory = os.path.dirname(self.path)
        try:
            ensure_private_dir(directory)
            if not os.access(directory, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            self._look()
        except (OSError, ConfigError) as error:
            raise unusable(error, directory) from error

    def _look(self) -> None:
        try:
            status = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            self._take_in(b"")
            self._seen = (0, 0, 0)
            return
        except OSError as error:
            raise self._unusable(error) from error
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if seen == self._seen:
            return
        try:
            data = read_journal(self.path)
        except OSError as error:
            raise self._unusable(error) from error
        self._take_in(data)
        self._seen = seen

    def _take_in(self, data: bytes) -> None:
        """Add what is new in the file; take all of it if it is another one."""
        known = {entry.exchange for entry in self._entries}
        if data[self._read_to - len(self._tail) : self._read_to] != self._tail:
            self._entries, self._read_to = [], 0
        found, self._read_to = _entries(data, self._read_to)
        self._entries += found
        if not self._has_looked:
            self._own.update(entry.exchange for entry in found)
        self._has_looked = True
        known |= self._own
        self._others += [one for one in found if one.exchange not in known]
        self._tail = data[max(0, self._read_to - _TAIL_BYTES) : self._read_to]

    def _store(self, entries: Sequence[KeptTurn]) -> None:
        if not self._has_looked:
            with suppress(CacheError):  # what follows says what is wrong
                self._look()
        # An answer is worth waiting for the disk; a question is a turn in flight.
        last = entries[-1].turn
        is_synced = last is None or last.message.role != "user"
        self._append([pack_entry(entry) for entry in entries], is_synced=is_synced)
        self._own.update(entry.exchange for entry in entries)

    def rename(self, title: str) -> None:
        """Give it a title. Raises: CacheError."""
        self._append([pack_title(title)], is_synced=True)

    def _append(self, payloads: Sequence[bytes], *, is_synced: bool) -> None:
        if any(len(payload) > LARGEST_PAYLOAD_BYTES for payload in payloads):
            raise CacheError("the turn is too large to be kept")
        data = b"".join(HISTORY.record(b"", payload) for payload in payloads)
        try:
            ensure_private_dir(os.path.dirname(self.path))
            with LockedFile(
                self.path, is_synced=is_synced, wait_s=_LOCK_WAIT_S
            ) as file:
                _check_room(file, len(data))
                file.append(records.headed(data, file.size_bytes))
        except (OSError, ConfigError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError | ConfigError) -> CacheError:
        what = f"the conversation '{self.id}'"
        return unusable(error, self.path, what)


def _check_room(file: LockedFile, added_bytes: int) -> None:
    records.check_version(file.beginning(HEADER_BYTES), file.path)
    if file.size_bytes + added_bytes > LARGEST_BYTES:
        raise OSError(errno.EFBIG, "it is too large")


def read_journal(path: str) -> bytes:
    """Return the bytes of a journal. Raises: OSError, NewerError."""
    data = read(path)
    records.check_version(data, path)
    return data


def read_entries(path: str) -> list[KeptTurn]:
    """Return what a journal holds, passing over what is damaged.

    Raises: OSError, NewerError.
    """
    return _entries(read_journal(path), 0)[0]


def read_title(path: str) -> str:
    """Return the title that was given, empty where none was. Raises: OSError."""
    payloads = (record.payload for record in HISTORY.walk(read_journal(path)))
    titles = [title for one in payloads if (title := unpack_title(one)) is not None]
    return titles[-1] if titles else ""


def _entries(data: bytes, start: int) -> tuple[list[KeptTurn], int]:
    """Return the entries from a place on, and where the last whole record ends."""
    found, end = [], start
    for record in HISTORY.walk(data[start:]):
        end = start + record.start + HISTORY.record_bytes(record.payload)
        if entry := unpack_entry(record.payload):
            found.append(entry)
    return found, end


def unusable(
    error: OSError | ConfigError, path: str, what: str = "the history"
) -> CacheError:
    """Return the error about something of the history that cannot be used."""
    if isinstance(error, ConfigError):
        return CacheError(f"the history cannot be used: {error.message}")
    return CacheError(f"{what} cannot be used: {reason(error)} ('{path}')")


def reason(error: OSError) -> str:
    """Return why something failed, as a part of a message."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
