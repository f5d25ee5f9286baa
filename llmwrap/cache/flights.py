"""One request in flight for a key, over all threads and processes. Floor F3.

Whoever asks a server for an answer holds a file locked meanwhile; who comes second
waits until the lock is gone and looks the answer up. The kernel frees the lock of one
who dies. One who is stopped, or hangs, no longer touches the file, and after a second
nobody waits for him.

Not the lock of a shard: that one is held for microseconds.

See: flock(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time

from .layout import flight_path

TOUCH_S = 0.5
"""How often the files that are held have to be touched."""

_STALLED_S = 1.0
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_FILE = -1
_TRIES = 1000


class Held:
    """A flight of ours: others wait until it is released. Any thread may call it."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.thread = threading.get_ident()
        self.is_released = False
        self._path = path
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def touch(self) -> None:
        """Show that we are alive."""
        with self._lock:
            if not self.is_released and self._descriptor != _NO_FILE:
                os.utime(self._descriptor)

    def release(self) -> None:
        """Let the others go; may be called again."""
        with self._lock:
            if self.is_released:
                return
            self.is_released = True
            if self._descriptor == _NO_FILE:
                return
            try:
                if _is_current(self._descriptor, self._path):
                    os.unlink(self._path)
            except OSError:
                pass  # The cache was cleared; the lock goes all the same.
            os.close(self._descriptor)


class Waiting:
    """A flight of somebody else; belongs to the thread that waits.

    `held` is set when it is one of this process and there is no file.
    """

    def __init__(self, descriptor: int, held: Held | None = None) -> None:
        self._descriptor = descriptor
        self._held = held
        self._touched_ns = 0
        self._seen_at = time.monotonic()

    def is_over(self) -> bool:
        """Tell whether there is nobody to wait for any more."""
        if self._held:
            return self._held.is_released
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._has_stalled()
        except OSError:
            pass  # Whoever cannot see how it goes on does not wait for it.
        return True

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
    """The flights of one process; any thread may call everything.

    `root` None means that there are no other processes to agree with.
    """

    def __init__(self, root: str | None) -> None:
        self._root = root
        self._held: dict[bytes, Held] = {}
        self._lock = threading.Lock()

    def begin(self, key: bytes) -> Held | Waiting | None:
        """Hold the flight of a key, or return that of somebody else.

        None when the same thread holds it already: waiting for oneself would last for
        ever. Raises: OSError.
        """
        with self._lock:
            held = self._held.get(key)
            if held:
                is_mine = held.thread == threading.get_ident()
                return None if is_mine else Waiting(_NO_FILE, held)
            if self._root is None:
                flight: Held | Waiting = Held("", _NO_FILE)
            else:
                flight = _opened(flight_path(self._root, key))
            if isinstance(flight, Held):
                self._held[key] = flight
            return flight

    def end(self, key: bytes) -> None:
        """Release a flight of ours; nothing happens when there is none."""
        with self._lock:
            held = self._held.pop(key, None)
        if held:
            held.release()

    def touch(self) -> None:
        """Show that we are alive."""
        with self._lock:
            flights = [*self._held.values()]
        for held in flights:
            held.touch()


def _opened(path: str) -> Held | Waiting:
    for _ in range(_TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _SAFE, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return Waiting(descriptor)
            if _is_current(descriptor, path):
                os.utime(descriptor)
                return Held(path, descriptor)
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # The one who held it removed it just now.
    raise OSError(errno.EAGAIN, "it is replaced all the time", path)


def _is_current(descriptor: int, path: str) -> bool:
    mine = os.fstat(descriptor)
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino)
