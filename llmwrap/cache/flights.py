"""One request in flight for a key, over all threads and processes.

Whoever asks a server for an answer holds the key locked meanwhile, in a file that all
processes share; who comes second waits until the lock is gone and looks the answer up.
The kernel frees the locks of one who dies. One who is stopped, or hangs, or whose
answer nobody reads, gives no sign any more, and after a second nobody waits for him.
Whoever would have to read that answer himself does not wait at all.

    0 to 65535     a sign of life for each key (some share one), changed twice a second
    65536 and on   a byte for each key, to be locked; nothing is ever written there

Not the lock of a shard: that one is held for microseconds. Not a file for each flight:
making and removing them in one directory took a quarter of a batch's time.
"""

from __future__ import annotations

import math
import os
import threading
import time
from contextlib import suppress
from functools import partial

from .. import lives
from ..files import is_current, lock_byte, open_private, unlock_byte
from ..threads import WATCHER
from .layout import flights_path

_SIGN_S = 0.5
_STALLED_S = 1.0
_LOOK_S = 0.5
_NO_FILE = -1
_SIGNS = 1 << 16
_KEY_LOCKS = 64


class _Locks:
    """The file in which processes see what the others ask; any thread may call it.

    Raises, all methods: OSError.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._number = _NO_FILE
        self._looked_at = -math.inf
        self._opening = threading.Lock()
        lives.enter(self)

    def lock(self, key: bytes) -> bool:
        """Lock a key; False when another process has it, or another cache of ours."""
        return lock_byte(self._file(), _lock_at(key))

    def unlock(self, key: bytes) -> None:
        """Let a key go; waits for nothing."""
        unlock_byte(self._number, _lock_at(key))

    def is_free(self, key: bytes) -> bool:
        """Tell whether nobody has a key locked, which must not be one of ours."""
        if not lock_byte(self._file(), _lock_at(key), is_shared=True):
            return False
        self.unlock(key)
        return True

    def show(self, key: bytes, sign: int) -> None:
        """Give a sign of life; one that is not the last one."""
        os.pwrite(self._number, bytes((sign % 256,)), _sign_at(key))

    def sign(self, key: bytes) -> bytes:
        """Return the last sign of life of whoever has a key locked."""
        return os.pread(self._number, 1, _sign_at(key))

    def is_file_of(self, other: _Locks) -> bool:
        """Tell whether both are about the same file."""
        return os.path.sameopenfile(self._number, other._number)

    def start_anew(self) -> None:
        """Open the file anew, in a forked child: a lock belongs to who opened it."""
        number, self._number = self._number, _NO_FILE
        self._looked_at = -math.inf
        self._opening = threading.Lock()
        if number != _NO_FILE:
            os.close(number)

    def _file(self) -> int:
        if time.monotonic() - self._looked_at > _LOOK_S:
            with self._opening:
                self._look()
        return self._number

    def _look(self) -> None:
        """Have the file of that name open: somebody may have emptied the directory."""
        if self._number == _NO_FILE:
            self._number = _opened(self._path)
            lives.on_death(self, partial(_close, self._number))
        elif not is_current(self._number, self._path):
            # In the place of the old one, which other threads may be about to use.
            opened = _opened(self._path)
            os.dup2(opened, self._number, inheritable=False)
            os.close(opened)
        self._looked_at = time.monotonic()


class Held:
    """A flight of ours: others wait until it is released, or nobody attends to it.

    Any thread may call it. `locks` None: there is nobody but this process.
    """

    def __init__(self, key: bytes, locks: _Locks | None) -> None:
        self.is_released = False
        self._key = key
        self._locks = locks
        self._ending = threading.Lock()
        self._reader = threading.get_ident()
        self._is_attended = False
        self._attended_at = time.monotonic()
        lives.enter(self)

    def attend(self) -> None:
        """Say that this thread waits for the next piece of the answer."""
        self._reader = threading.get_ident()
        self._is_attended = True

    def pause(self, now: float | None = None) -> None:
        """Say that it has got it, and does something with it."""
        self._attended_at = time.monotonic() if now is None else now
        self._is_attended = False

    def is_alive(self) -> bool:
        """Tell whether the caller's thread may expect it to end without its help."""
        if self.is_released or self._is_attended:
            return not self.is_released
        return self._reader != threading.get_ident() and self._is_recent()

    def is_of(self, key: bytes, locks: _Locks) -> bool:
        """Tell whether it is the flight of a key in a file."""
        if self.is_released or self._locks is None or self._key != key:
            return False
        return self._locks.is_file_of(locks)

    def show(self, sign: int) -> None:
        """Show other processes that somebody attends to it, if somebody does."""
        if self._locks and (self._is_attended or self._is_recent()):
            with suppress(OSError):  # The disk is full: they wait for a second.
                self._locks.show(self._key, sign)

    def release(self) -> None:
        """Let the others go; may be called again, and waits for nothing."""
        if self.is_released or not self._ending.acquire(blocking=False):
            return
        with suppress(OSError):
            if self._locks:
                self._locks.unlock(self._key)
        self.is_released = True

    def start_anew(self) -> None:
        """Leave it to the parent, in a forked child."""
        self.is_released = True

    def _is_recent(self) -> bool:
        return time.monotonic() - self._attended_at < _STALLED_S


class Waiting:
    """A flight of somebody else; belongs to the thread that waits.

    `held` is set when it is one of this process.
    """

    def __init__(self, flights: Flights, key: bytes, held: Held | None = None) -> None:
        self._flights = flights
        self._key = key
        self._held = held
        self._sign = b""
        self._seen_at = time.monotonic()

    def is_over(self) -> bool:
        """Tell whether there is nobody to wait for any more."""
        if self._held:
            return not self._held.is_alive()
        try:
            return self._flights.is_free(self._key) or self._has_stalled()
        except OSError:
            return True  # Whoever cannot see how it goes on does not wait for it.

    def _has_stalled(self) -> bool:
        # How long we have seen the same sign: the last one of a dead process is there
        # until the new holder gives his first.
        now = time.monotonic()
        sign = self._flights.sign(self._key)
        if sign != self._sign:
            self._sign, self._seen_at = sign, now
        return now - self._seen_at > _STALLED_S


class Flights:
    """The flights of one cache in this process; any thread may call everything.

    `root` None means that there are no other processes to agree with. Signs of life
    are given as long as there are any.
    """

    def __init__(self, root: str | None) -> None:
        self._locks = None if root is None else _Locks(flights_path(root))
        self._held: dict[bytes, Held] = {}
        self._key_locks = _key_locks()
        self._shown_at = 0.0
        lives.enter(self)

    def begin(self, key: bytes) -> Held | Waiting | None:
        """Hold the flight of a key, or return that of somebody else.

        None when it is one of this process that nobody reads: waiting for it could
        last for ever. Raises: OSError.
        """
        with self._key_locks[key[0] % _KEY_LOCKS]:
            if held := self._ours(key):
                return Waiting(self, key, held) if held.is_alive() else None
            if self._locks and not self._locks.lock(key):
                return self._whose(key, self._locks)
            flight = self._held[key] = Held(key, self._locks)
        WATCHER.watch(self)
        return flight

    def end(self, key: bytes) -> None:
        """Release a flight of ours; nothing happens when there is none."""
        if held := self._ours(key):
            held.release()
            self._forget(key)

    def is_free(self, key: bytes) -> bool:
        """Tell whether nobody has the flight of a key. Raises: OSError."""
        with self._key_locks[key[0] % _KEY_LOCKS]:
            if self._ours(key):
                return False
            return self._locks is None or self._locks.is_free(key)

    def sign(self, key: bytes) -> bytes:
        """Return the last sign of life of a flight. Raises: OSError."""
        return self._locks.sign(key) if self._locks else b""

    def look(self, now: float) -> float:
        """Show that we are alive, as long as there is a flight."""
        for key in self._held.copy():
            self._forget(key)
        if not self._held:
            WATCHER.let_go(self)
            if self._held:
                WATCHER.watch(self)  # It was begun this very moment.
            return math.inf
        if now - self._shown_at >= _SIGN_S:
            self._shown_at = now
            for held in self._held.copy().values():
                held.show(int(now / _SIGN_S))
        return self._shown_at + _SIGN_S

    def start_anew(self) -> None:
        """Hold nothing, in a forked child."""
        self._key_locks = _key_locks()
        self._held = {}

    def _ours(self, key: bytes) -> Held | None:
        held = self._held.get(key)
        return None if held is None or held.is_released else held

    def _whose(self, key: bytes, locks: _Locks) -> Waiting | None:
        """Return what waits for whoever has a key, another cache of ours perhaps."""
        for held in lives.living(Held):
            if held.is_of(key, locks):
                return Waiting(self, key, held) if held.is_alive() else None
        return Waiting(self, key)

    def _forget(self, key: bytes) -> None:
        """Forget a flight that was released, unless the same is begun right now."""
        # Not waiting: the garbage collector may find the lock held by this thread.
        key_lock = self._key_locks[key[0] % _KEY_LOCKS]
        if key_lock.acquire(blocking=False):
            try:
                if not self._ours(key):
                    self._held.pop(key, None)
            finally:
                key_lock.release()


def _key_locks() -> list[threading.Lock]:
    # One key has one lock; all keys would wait for each other.
    return [threading.Lock() for _ in range(_KEY_LOCKS)]


def _opened(path: str) -> int:
    try:
        return open_private(path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        return open_private(path)


def _close(number: int) -> None:
    with suppress(OSError):  # Nothing was written that could be lost.
        os.close(number)


def _sign_at(key: bytes) -> int:
    return int.from_bytes(key[-2:], "little")


def _lock_at(key: bytes) -> int:
    return _SIGNS + int.from_bytes(key[:7], "little")
