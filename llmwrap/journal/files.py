"""Journals as files: read without a lock, appended and rewritten under one.

Nothing here follows a symbolic link, opens what is no regular file of the user's own,
or reads more than it was told to. A reader needs no lock: it sees a record whole or
torn, and a file before or after it was rewritten. A writer locks the file itself and
then looks whether it is still the one with that name, as a rewrite renames another
over it.

See: flock(2); git's lockfile.h for new files that are renamed over old ones.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from . import records
from .records import HEADER_BYTES, Record, RecordFormat

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

LOCK_WAIT_S = 1.0
_SHORT_WAIT_S = 0.25
LARGEST_BYTES = 128 << 20
"""What a journal never outgrows; a longer file is somebody else's."""

_POLLS_S = (0.001, 0.002, 0.005)  # then the last one again: a lock has no queue
_STALE_S = 3600.0
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class BusyError(OSError):
    """Report that another process kept a file locked for too long."""


class NewerError(OSError):
    """Report a file that a newer llmwrap wrote: it is left alone."""


def read(path: str, limit_bytes: int = LARGEST_BYTES) -> bytes:
    """Return what a private file holds, nothing where there is none.

    Raises: OSError for whatever makes it unsafe or unreadable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _SAFE)
    except FileNotFoundError:
        return b""
    try:
        return _content(descriptor, path, limit_bytes)
    finally:
        os.close(descriptor)


def write_private(path: str, content: bytes, *, is_synced: bool) -> None:
    """Put a new file in the place of `path`: complete or not at all.

    Raises: OSError, and then nothing is changed.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{os.urandom(6).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE
    descriptor = os.open(temporary, flags, 0o600)
    try:
        try:
            _write_all(descriptor, content)
            if is_synced:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass  # The first error counts; `sweep` finds what stays.
        raise
    if is_synced:
        sync_directory(directory)


def append_record(path: str, kind: RecordFormat, payload: bytes) -> None:
    """Append a record without a key to a journal that is only ever read whole.

    Not synced: what a run of the machine lost with its power is no loss. Nor waited
    for long. Raises: OSError, BusyError, NewerError.
    """
    with LockedFile(path, is_synced=False, wait_s=_SHORT_WAIT_S) as file:
        if records.is_newer(file.beginning()):
            raise NewerError(errno.EINVAL, "a newer llmwrap wrote it", path)
        file.append(kind.record(b"", payload))


def sync_directory(path: str) -> None:
    """Wait until the names in a directory are safe on disk. Raises: OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(directory: str, now: float, prefix: str = ".") -> None:
    """Remove what those who were killed left behind, once it is an hour old.

    Never raises: nothing depends on it.
    """
    try:
        names = [name for name in os.listdir(directory) if name.startswith(prefix)]
    except OSError:
        return
    for name in names:
        path = os.path.join(directory, name)
        try:
            if os.lstat(path).st_mtime < now - _STALE_S:
                os.unlink(path)
        except OSError:
            continue  # Another process was faster.


class LockedFile:
    """A journal file, locked for one change; a context manager for one thread.

    Entering creates the file if need be and waits for other writers, `wait_s` at most.
    Raises: BusyError, and OSError for what is no safe file.
    """

    def __init__(
        self, path: str, *, is_synced: bool, wait_s: float = LOCK_WAIT_S
    ) -> None:
        self.path = path
        self._is_synced = is_synced
        self._wait_s = wait_s
        self._descriptor = -1

    def __enter__(self) -> Self:
        until = time.monotonic() + self._wait_s
        while True:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | _SAFE
            self._descriptor = os.open(self.path, flags, 0o600)
            try:
                _check_safe(self._descriptor, self.path)
                _lock(self._descriptor, self.path, until)
                if self._is_current():
                    return self
            except BaseException:
                os.close(self._descriptor)
                raise
            os.close(self._descriptor)  # It was renamed over, or removed.
            if time.monotonic() >= until:
                raise BusyError(errno.EAGAIN, "it is replaced all the time", self.path)

    def __exit__(self, *exception: object) -> None:
        os.close(self._descriptor)

    @property
    def size_bytes(self) -> int:
        """Return how long the file is."""
        return os.fstat(self._descriptor).st_size

    def beginning(self) -> bytes:
        """Return what stands where the header is. Raises: OSError."""
        return os.pread(self._descriptor, HEADER_BYTES, 0)

    def content(self) -> bytes:
        """Return what the file holds. Raises: OSError."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return _content(self._descriptor, self.path, LARGEST_BYTES)

    def append(self, data: bytes) -> None:
        """Add bytes at the end in one write, below a header: all of them or none.

        Raises: OSError.
        """
        size = self.size_bytes
        is_new = size == 0
        try:
            _write_all(self._descriptor, records.header() + data if is_new else data)
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise
        if self._is_synced:
            os.fsync(self._descriptor)
            if is_new:
                sync_directory(os.path.dirname(self.path))

    def truncate(self, size: int) -> None:
        """Cut the file: a torn tail goes. Raises: OSError."""
        os.ftruncate(self._descriptor, size)

    def kill(self, record: Record) -> None:
        """Mark a record as dead, in its place. Raises: OSError.

        Only once its successor is safe; a killed writer leaves both, and the last
        one counts.
        """
        offset, mark = records.DEATH
        # A descriptor that appends does so for pwrite too. Not opened anew by its name:
        # that may lead to another file by now, if somebody emptied the directory.
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags & ~os.O_APPEND)
        os.pwrite(self._descriptor, mark, record.start + offset)
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags)

    def replace(self, bodies: Sequence[bytes]) -> None:
        """Put a new file with these records in its place. Raises: OSError."""
        size = HEADER_BYTES + sum(map(len, bodies))
        content = b"".join((records.header(size), *bodies))
        write_private(self.path, content, is_synced=self._is_synced)

    def remove(self) -> None:
        """Remove the file. Raises: OSError."""
        os.unlink(self.path)

    def _is_current(self) -> bool:
        mine = os.fstat(self._descriptor)
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino)


def _check_safe(descriptor: int, path: str) -> int:
    """Return the size of a file that may be used. Raises: OSError."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", path)
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user", path)
    return status.st_size


def _content(descriptor: int, path: str, limit_bytes: int) -> bytes:
    if _check_safe(descriptor, path) > limit_bytes:
        raise OSError(errno.EFBIG, "it is too large", path)
    # To the end, not to the size the file had when it was opened: a reader that saw a
    # record dead must see its successor.
    parts = []
    left = limit_bytes + 1
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 22))):
        parts.append(part)
        left -= len(part)
    if left <= 0:
        raise OSError(errno.EFBIG, "it is too large", path)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):  # a disk that fills up says so at the next write
        written += os.write(descriptor, data[written:])


def _lock(descriptor: int, path: str, until: float) -> None:
    polls = 0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise BusyError(
                    errno.EAGAIN, "another process keeps it locked", path
                ) from None
            time.sleep(_POLLS_S[min(polls, len(_POLLS_S) - 1)])
            polls += 1
        else:
            return
