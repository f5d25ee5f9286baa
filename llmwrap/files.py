"""Private files: read, put in the place of others whole, locked.

The one shelf: nothing else renames a file over another, or locks one. Nothing here
follows a symbolic link, opens what is no regular file of the user's own, or reads more
than it was told to. A reader needs no lock: it sees a file before or after it was
replaced. A writer locks the file itself and then looks whether it is still the one of
that name, as whoever had it locked may have renamed another over it.

Needs next to nothing: the fast way of a hit uses it. See: flock(2); git's lockfile.h
for new files that are renamed over old ones.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from struct import pack

from .errors import OutputError, UsageError
from .paths import ensure_private_dir

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from typing import Self

LOCK_WAIT_S = 1.0
LARGEST_BYTES = 128 << 20
"""What no private file outgrows; a longer one is somebody else's."""

State = tuple[int, int, int]
"""What of a file changes when it does: which one it is, its length, its date."""

SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How a private file is opened, besides what is to be done with it."""

# A lock has no queue, so who looks rarely never gets it; after a second it is held by
# somebody who does not hurry.
_POLLS_S = (0.001, 0.002, *(0.005,) * 200, 0.05)
_TRIES = 1000
_MORE_BYTES = 4096  # what somebody may add while it is read; else it is read on
_STALE_S = 3600.0

_OPEN_FILE_LOCK = getattr(fcntl, "F_OFD_SETLK", None)
_KINDS = {
    fcntl.LOCK_SH: fcntl.F_RDLCK,
    fcntl.LOCK_EX: fcntl.F_WRLCK,
    fcntl.LOCK_UN: fcntl.F_UNLCK,
}


class BusyError(OSError):
    """Report that another process kept a file locked for too long."""


def read(path: str, limit_bytes: int = LARGEST_BYTES) -> bytes:
    """Return what a private file holds, nothing where there is none.

    Raises: OSError for whatever makes it unsafe or unreadable.
    """
    return read_with_state(path, limit_bytes)[0]


def read_with_state(
    path: str, limit_bytes: int = LARGEST_BYTES
) -> tuple[bytes, State | None]:
    """Return what `read` does, and the file's state before; None for no file."""
    try:
        number = os.open(path, os.O_RDONLY | SAFE)
    except FileNotFoundError:
        return b"", None
    try:
        status = _safe_status(number, path)
        return _content(number, path, status.st_size, limit_bytes), _state(status)
    finally:
        os.close(number)


def state(path: str) -> State | None:
    """Return the state of a private file, None where it is missing or unreadable."""
    try:
        return _state(os.stat(path, follow_symlinks=False))
    except OSError:
        return None


def _state(status: os.stat_result) -> State:
    return status.st_ino, status.st_size, status.st_mtime_ns


class NewFile:
    """A file for its owner's eyes only (0600), to take the place of another.

    A context manager for one thread: what was not put is gone at its end, and nothing
    has changed. Raises, all methods: OSError.
    """

    def __init__(self, path: str) -> None:
        directory, name = os.path.split(path)
        # 40 characters, of four bytes at most: a name may have 255 bytes.
        unique = f".{name[:40]}.{os.urandom(4).hex()}"
        self.number = -1
        self._path = path
        self._temporary = os.path.join(directory, unique)

    def __enter__(self) -> Self:
        self.make()
        return self

    def __exit__(self, *exception: object) -> None:
        self.discard()

    def make(self) -> None:
        """Make it, empty, beside its place."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | SAFE
        try:
            self.number = os.open(self._temporary, flags, 0o600)
        except BaseException:
            self.discard()  # A signal may strike right behind the call that made it.
            raise

    def write(self, data: bytes) -> None:
        """Add bytes."""
        _write_all(self.number, data)

    def sync(self) -> None:
        """Wait until it is safe on the disk."""
        os.fsync(self.number)

    def put(self) -> None:
        """Take the place of what is there, if anything is."""
        self._close()
        os.replace(self._temporary, self._path)
        self._temporary = ""

    def put_if_free(self) -> None:
        """Take the place unless something is there: FileExistsError."""
        self._close()
        # Unlike rename, link never takes the place of what is there.
        os.link(self._temporary, self._path)

    def discard(self) -> None:
        """Leave everything as it was; nothing happens once it was put."""
        try:
            try:
                self._close()
            finally:
                if self._temporary:
                    os.unlink(self._temporary)
        except OSError:
            pass  # The first error counts; `sweep` finds what stays.
        self._temporary = ""

    def _close(self) -> None:
        number, self.number = self.number, -1
        if number >= 0:
            os.close(number)


def write_private(path: str, content: bytes, *, is_synced: bool) -> None:
    """Put a new file in the place of `path`: complete or not at all.

    Raises: OSError, and then nothing is changed.
    """
    with NewFile(path) as new:
        new.write(content)
        if is_synced:
            new.sync()
        new.put()
    if is_synced:
        sync_directory(os.path.dirname(path))


def write_whole(path: str, content: bytes, *, is_replaced: bool) -> None:
    """Write a private file that the user asked for, whole or not at all.

    Missing directories are made 0700. A link at `path` is replaced, not followed.
    Raises: UsageError for a file that exists (unless `is_replaced`), OutputError,
    ConfigError when a directory cannot be made.
    """
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        ensure_private_dir(directory)
    try:
        with NewFile(path) as new:
            new.write(content)
            new.sync()
            if is_replaced:
                new.put()
            else:
                new.put_if_free()
    except FileExistsError as error:
        raise UsageError(
            f"'{path}' exists already", hint="--force replaces it"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error.strerror}") from error


def put_in_place(number: int, temporary: str, path: str) -> None:
    """Rename an open file that has grown to its end, safe on the disk.

    Raises: OSError.
    """
    os.fsync(number)
    os.replace(temporary, path)
    sync_directory(os.path.dirname(path) or ".")


def sync_file(path: str) -> None:
    """Wait until what was added to a file is safe on disk. Raises: OSError."""
    number = os.open(path, os.O_RDONLY | SAFE)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def sync_directory(path: str) -> None:
    """Wait until the names in a directory are safe on disk. Raises: OSError."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def sweep(directory: str, now: float) -> None:
    """Remove what those who were killed left behind, once it is an hour old.

    Never raises: nothing depends on it.
    """
    try:
        names = [name for name in os.listdir(directory) if name.startswith(".")]
    except OSError:
        return
    for name in names:
        path = os.path.join(directory, name)
        try:
            if os.lstat(path).st_mtime < now - _STALE_S:
                os.unlink(path)
        except OSError:
            continue  # Another process was faster.


def lock(number: int, until: float = 0.0, *, is_shared: bool = False) -> bool:
    """Lock an open file; False while another has it, until then (monotonic clock).

    It lasts until the last copy of the descriptor is closed, and no longer than the
    processes that have one, however they end. Raises: OSError.
    """
    kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
    polls = 0
    while True:
        try:
            fcntl.flock(number, kind | fcntl.LOCK_NB)  # blocking, it never gives up
        except BlockingIOError:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(_POLLS_S[min(polls, len(_POLLS_S) - 1)], left_s))
            polls += 1
        else:
            return True


def lock_byte(number: int, at: int, *, is_shared: bool = False) -> bool:
    """Lock one byte of an open file, which need not be there; False if another has it.

    It lasts until it is unlocked or the file closed, by the end of the process at the
    latest. Where there is F_OFD_SETLK (Linux) it is the open file's, as that of `lock`
    is. Elsewhere it is the process's: opened twice, it is locked twice, and closing one
    of them unlocks. Raises: OSError.
    """
    try:
        _set_byte_lock(number, at, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX)
    except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, says POSIX
        return False
    return True


def unlock_byte(number: int, at: int) -> None:
    """Unlock a byte. Raises: OSError."""
    _set_byte_lock(number, at, fcntl.LOCK_UN)


def _set_byte_lock(number: int, at: int, kind: int) -> None:
    if _OPEN_FILE_LOCK is None:
        fcntl.lockf(number, kind | fcntl.LOCK_NB, 1, at)
        return
    # Linux: struct flock of fcntl(2), the last one has to be 0.
    asked = pack("hhqqi", _KINDS[kind], os.SEEK_SET, at, 1, 0)
    fcntl.fcntl(number, _OPEN_FILE_LOCK, asked)


def is_current(number: int, path: str) -> bool:
    """Tell whether an open file is still the one of that name. Raises: OSError."""
    return _is_named(os.fstat(number), path)


def open_private(path: str) -> int:
    """Open a private file, made if need be, and return its descriptor.

    No program started meanwhile inherits it. Raises: OSError for what is no safe file.
    """
    number = os.open(path, os.O_RDWR | os.O_CREAT | SAFE, 0o600)
    try:
        _safe_status(number, path)
    except OSError:
        os.close(number)
        raise
    return number


def lock_file(path: str, wait_s: float = 0.0, flags: int = 0) -> int | None:
    """Lock a private file, made if need be; return the descriptor that holds it.

    None when another process holds it for all of `wait_s`. No program started
    meanwhile inherits it. Who removes the file does so while it is locked, or two
    could each lock one of that name. Raises: OSError.
    """
    locked = _locked(path, wait_s, flags)
    return locked[0] if locked else None


def _locked(path: str, wait_s: float, flags: int) -> tuple[int, os.stat_result] | None:
    """Return what `lock_file` does, and the status of the file then."""
    until = time.monotonic() + wait_s
    for _ in range(_TRIES):
        number = os.open(path, os.O_RDWR | os.O_CREAT | flags | SAFE, 0o600)
        try:
            is_locked = lock(number, until)
            status = _safe_status(number, path)
            if is_locked and _is_named(status, path):
                return number, status
        except BaseException:
            os.close(number)
            raise
        os.close(number)
        if not is_locked:
            break
        # Renamed over, or removed, by the one who had it.
    return None


class LockedFile:
    """A private file, locked for one change; a context manager for one thread.

    Entering creates the file if need be and waits for other writers, `wait_s` at most.
    Raises: BusyError, and OSError for what is no safe file.
    """

    def __init__(
        self, path: str, *, is_synced: bool, wait_s: float = LOCK_WAIT_S
    ) -> None:
        self.path = path
        self._is_synced = is_synced
        self._wait_s = wait_s
        self.found: State = (0, 0, 0)
        """Its state when it was locked."""
        self._number = -1
        self._size_bytes = 0

    def __enter__(self) -> Self:
        locked = _locked(self.path, self._wait_s, os.O_APPEND)
        if locked is None:
            problem = "another process keeps it locked"
            raise BusyError(errno.EAGAIN, problem, self.path)
        self._number, status = locked
        self._size_bytes = status.st_size
        self.found = _state(status)
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._number)

    @property
    def size_bytes(self) -> int:
        """Return how long the file is: nobody else changes it meanwhile."""
        return self._size_bytes

    def state(self) -> State:
        """Return its state as it is now. Raises: OSError."""
        return _state(os.fstat(self._number))

    def beginning(self, length_bytes: int) -> bytes:
        """Return its first bytes. Raises: OSError."""
        return os.pread(self._number, length_bytes, 0)

    def content(self) -> bytes:
        """Return what the file holds. Raises: OSError."""
        if self._size_bytes > LARGEST_BYTES:
            raise OSError(errno.EFBIG, "it is too large", self.path)
        return os.pread(self._number, self._size_bytes, 0)

    def append(self, data: bytes, *, is_late: bool = False) -> None:
        """Add bytes at the end in one write: all of them or none.

        `is_late` leaves it to the caller to sync it. Raises: OSError.
        """
        size = self._size_bytes
        try:
            _write_all(self._number, data)
        except OSError:
            os.ftruncate(self._number, size)
            raise
        self._size_bytes += len(data)
        if self._is_synced and not is_late:
            os.fsync(self._number)
            if size == 0:
                sync_directory(os.path.dirname(self.path))

    def truncate(self, size: int) -> None:
        """Cut the file: a torn tail goes. Raises: OSError."""
        os.ftruncate(self._number, size)
        self._size_bytes = size

    def overwrite(self, at: int, data: bytes) -> None:
        """Change bytes in their place. Raises: OSError."""
        # A descriptor that appends does so for pwrite too. Not opened anew by its name:
        # that may lead to another file by now, if somebody emptied the directory.
        flags = fcntl.fcntl(self._number, fcntl.F_GETFL)
        fcntl.fcntl(self._number, fcntl.F_SETFL, flags & ~os.O_APPEND)
        os.pwrite(self._number, data, at)
        fcntl.fcntl(self._number, fcntl.F_SETFL, flags)

    def replace(self, content: bytes) -> None:
        """Put a new file in its place. Raises: OSError."""
        write_private(self.path, content, is_synced=self._is_synced)

    def remove(self) -> None:
        """Remove the file. Raises: OSError."""
        os.unlink(self.path)


def _safe_status(number: int, path: str) -> os.stat_result:
    """Return the status of an open file that may be used. Raises: OSError."""
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", path)
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user", path)
    return status


def _is_named(status: os.stat_result, path: str) -> bool:
    """Tell whether a file is the one of that name. Raises: OSError."""
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(status, named)


def _content(number: int, path: str, size: int, limit_bytes: int) -> bytes:
    if size > limit_bytes:
        raise OSError(errno.EFBIG, "it is too large", path)
    # To the end, not to the size the file had when it was opened: a reader that saw a
    # record dead must see its successor. Behind that size, less than was wanted is the
    # end.
    parts: list[bytes] = []
    length = 0
    while length <= limit_bytes:
        wanted = min(limit_bytes + 1 - length, size + _MORE_BYTES)
        part = os.read(number, wanted)
        parts.append(part)
        length += len(part)
        if not part or (len(part) < wanted and length >= size):
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise OSError(errno.EFBIG, "it is too large", path)


def _write_all(number: int, data: bytes) -> None:
    written = os.write(number, data)
    while written < len(data):  # a disk that fills up says so at the next write
        written += os.write(number, data[written:])
