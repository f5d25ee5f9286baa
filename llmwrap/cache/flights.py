"""One request in flight for a key, over all threads and processes.

Whoever asks a server for an answer holds a file locked meanwhile; who comes second
waits until the lock is gone and looks the answer up. The kernel frees the lock of one
who dies. One who is stopped, or hangs, or whose answer nobody reads, no longer touches
the file, and after a second nobody waits for him. Whoever would have to read that
answer himself does not wait at all.

Not the lock of a shard: that one is held for microseconds.
"""

from __future__ import annotations

import errno
import math
import os
import threading
import time
from contextlib import suppress

from .. import lives
from ..files import SAFE, lock
from ..threads import WATCHER
from .layout import flight_path

_TOUCH_S = 0.5
_STALLED_S = 1.0
_NO_FILE = -1
_TRIES = 1000
_LOCKS = 64


class Held:
    """A flight of ours: others wait until it is released, or nobody attends to it.

    Any thread may call it; `release` waits for nothing, so a finalizer may too.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self.is_released = False
        self._path = path
        self._descriptor = descriptor
        self._lock = threading.Lock()
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

    def is_file(self, descriptor: int) -> bool:
        """Tell whether it is the one of an open file."""
        mine = self._descriptor
        if mine == _NO_FILE:
            return False
        with suppress(OSError):
            return os.path.samestat(os.fstat(mine), os.fstat(descriptor))
        return False

    def touch(self) -> None:
        """Show other processes that somebody attends to it, if somebody does."""
        is_read = self._is_attended or self._is_recent()
        if is_read and self._lock.acquire(blocking=False):
            try:
                if self._descriptor != _NO_FILE:
                    os.utime(self._descriptor)
            except OSError:
                pass  # The disk is gone, and so is what they wait for.
            finally:
                self._lock.release()
        if self.is_released:
            self._close()  # It was released while we had the lock.

    def release(self) -> None:
        """Let the others go; may be called again."""
        self.is_released = True
        self._close()

    def start_anew(self) -> None:
        """Leave it to the parent, in a forked child: the lock is on its file too."""
        descriptor, self._descriptor = self._descriptor, _NO_FILE
        self.is_released = True
        self._lock = threading.Lock()
        if descriptor != _NO_FILE:
            os.close(descriptor)

    def _is_recent(self) -> bool:
        return time.monotonic() - self._attended_at < _STALLED_S

    def _close(self) -> None:
        if not self._lock.acquire(blocking=False):
            return  # Whoever has it does it.
        try:
            descriptor, self._descriptor = self._descriptor, _NO_FILE
            if descriptor == _NO_FILE:
                return
            # Where the cache was cleared, the lock goes all the same.
            with suppress(OSError):
                if _has_name(descriptor):
                    os.unlink(self._path)
            os.close(descriptor)
        finally:
            self._lock.release()


class Waiting:
    """A flight of somebody else; belongs to the thread that waits.

    `held` is set when it is one of this process; then there may be no file.
    """

    def __init__(self, descriptor: int, held: Held | None = None) -> None:
        self._descriptor = descriptor
        self._held = held
        self._touched_ns = 0
        self._seen_at = time.monotonic()

    def is_over(self) -> bool:
        """Tell whether there is nobody to wait for any more."""
        if self._held:
            return not self._held.is_alive()
        try:
            return lock(self._descriptor, is_shared=True) or self._has_stalled()
        except OSError:
            return True  # Whoever cannot see how it goes on does not wait for it.

    def _has_stalled(self) -> bool:
        # How long we have seen no touch, not how old the last one is: a file that a
        # dead process left is old until its new holder, who has just locked it,
        # touches it for the first time. And clocks are set now and then.
        now = time.monotonic()
        touched_ns = os.fstat(self._descriptor).st_mtime_ns
        if touched_ns != self._touched_ns:
            self._touched_ns, self._seen_at = touched_ns, now
        return now - self._seen_at > _STALLED_S

    def leave(self) -> None:
        """Wait no more; called once."""
        if self._descriptor != _NO_FILE:
            os.close(self._descriptor)


class Flights:
    """The flights of one cache in this process; any thread may call everything.

    `root` None means that there are no other processes to agree with. They are touched
    as long as there are any.
    """

    def __init__(self, root: str | None) -> None:
        self._root = root
        self._held: dict[bytes, Held] = {}
        self._locks = _locks()
        self._touched_at = 0.0
        lives.enter(self)

    def begin(self, key: bytes) -> Held | Waiting | None:
        """Hold the flight of a key, or return that of somebody else.

        None when it is one of this process that nobody reads: waiting for it could
        last for ever. Raises: OSError.
        """
        with self._locks[key[0] % _LOCKS]:
            held = self._held.get(key)
            if held:
                return Waiting(_NO_FILE, held) if held.is_alive() else None
            if self._root is None:
                flight: Held | Waiting | None = Held("", _NO_FILE)
            else:
                flight = _opened(flight_path(self._root, key))
            if isinstance(flight, Held):
                if not self._held:
                    self._touched_at = time.monotonic()  # as its file was, just now
                self._held[key] = flight
        if isinstance(flight, Held):
            WATCHER.watch(self)
        return flight

    def end(self, key: bytes) -> None:
        """Release a flight of ours; nothing happens when there is none."""
        # Without the lock, which the garbage collector may find held by this thread.
        held = self._held.pop(key, None)
        if held:
            held.release()

    def look(self, now: float) -> float:
        """Show that we are alive, as long as there is a flight."""
        if not self._held:
            WATCHER.let_go(self)
            if self._held:
                WATCHER.watch(self)  # It was begun this very moment.
            return math.inf
        if now - self._touched_at >= _TOUCH_S:
            self._touched_at = now
            for held in self._held.copy().values():
                held.touch()
        return self._touched_at + _TOUCH_S

    def start_anew(self) -> None:
        """Hold nothing, in a forked child."""
        self._locks = _locks()
        self._held = {}


def _locks() -> list[threading.Lock]:
    # One key has one lock; all keys would wait for the opening of each other's files.
    return [threading.Lock() for _ in range(_LOCKS)]


def _opened(path: str) -> Held | Waiting | None:
    for _ in range(_TRIES):
        descriptor = _open(path)
        try:
            if not lock(descriptor):
                return _waiting(descriptor)
            if _has_name(descriptor):
                os.utime(descriptor)
                return Held(path, descriptor)
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # The one who held it removed it just now.
    raise OSError(errno.EAGAIN, "it is replaced all the time", path)


def _open(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | SAFE
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        return os.open(path, flags, 0o600)


def _waiting(descriptor: int) -> Waiting | None:
    """Return what waits for a file that is locked, by another cache of ours perhaps."""
    for held in lives.living(Held):
        if held.is_file(descriptor):
            if held.is_alive():
                return Waiting(descriptor, held)
            os.close(descriptor)
            return None
    return Waiting(descriptor)


def _has_name(descriptor: int) -> bool:
    """Tell whether an open file is still the one of its name: none gets another."""
    return os.fstat(descriptor).st_nlink > 0
