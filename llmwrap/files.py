"""Files of the user's: read within a time, written whole or not at all, locked.

Not for the answer of `ask`, which follows the file it replaces: see
cli/output_file.py.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from typing import NamedTuple

from .errors import DeadlineError, OutputError, UsageError
from .paths import ensure_private_dir

_READ_BYTES = 1 << 20
_LONGEST_WAIT_S = 0.5
_POLL_S = 0.05  # a blocking flock could not give up in time


class Content(NamedTuple):
    """What a file held, and its mode."""

    data: bytes
    mode: int


def read_named(path: str, limit_bytes: int, until: float | None) -> Content:
    """Return what a file that the user named holds, one byte above the limit at most.

    A pipe (`<(...)`, a FIFO) or a terminal is read to its end, which is waited for
    until the deadline on the monotonic clock. Raises: OSError, ValueError for a path
    that cannot be one, DeadlineError.
    """
    number = open_named(path)
    try:
        mode = os.fstat(number).st_mode
        data = b"".join(pieces_of(number, path, limit_bytes + 1, until))
        return Content(data, mode)
    finally:
        os.close(number)


def open_named(path: str) -> int:
    """Return a descriptor to read a file that the user named.

    Not blocking: opening a FIFO would wait for its writer, whom nothing hurries.
    Raises: OSError, ValueError.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    return os.open(path, flags)


def pieces_of(
    number: int, path: str, limit_bytes: int, until: float | None
) -> Iterator[bytes]:
    """Yield what can be read of such a descriptor. Raises: as `read_named`."""
    is_regular = stat.S_ISREG(os.fstat(number).st_mode)
    while limit_bytes > 0:
        if not is_regular:
            _await(number, path, until)
        try:
            part = os.read(number, min(limit_bytes, _READ_BYTES))
        except BlockingIOError:
            continue
        if not part:
            return
        yield part
        limit_bytes -= len(part)


def is_read_once(path: str) -> bool:
    """Tell whether what a file holds is gone once it was read."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _await(number: int, path: str, until: float | None) -> None:
    """Wait until there is something to read, or the end. Raises: DeadlineError."""
    import select  # late: only a pipe needs it

    poll = select.poll()
    poll.register(number, select.POLLIN)
    while True:
        left_s = _LONGEST_WAIT_S
        if until is not None:
            left_s = min(left_s, max(0.0, until - time.monotonic()))
        if poll.poll(left_s * 1000):
            return
        if until is not None and time.monotonic() >= until:
            raise DeadlineError(f"'{path}' did not end before the deadline")


def write_whole(path: str, content: bytes, *, is_replaced: bool) -> None:
    """Write a file for its owner's eyes only (0600), whole or not at all.

    Missing directories are made 0700. A link at `path` is replaced, not followed.
    Raises: UsageError for a file that exists (unless `is_replaced`), OutputError,
    ConfigError when a directory cannot be made.
    """
    directory, name = os.path.split(path)
    if not os.path.isdir(directory):
        ensure_private_dir(directory)
    temporary = os.path.join(directory, f".{name[:200]}.{os.urandom(4).hex()}")
    try:
        try:
            _write(temporary, content)
            if is_replaced:
                os.replace(temporary, path)
            else:
                # Unlike rename, link never takes the place of what is there.
                os.link(temporary, path)
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)
    except FileExistsError as error:
        raise UsageError(
            f"'{path}' exists already", hint="--force replaces it"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error.strerror}") from error


def lock_file(path: str, wait_s: float = 0.0) -> int | None:
    """Lock a private file, made if need be; return the descriptor that holds it.

    None when another process holds it for all of `wait_s`. Closing the descriptor
    frees it, and so does the end of the process, however it ends; no program started
    meanwhile inherits it. The file stays: if it were removed, two could each lock one
    of that name. Raises: OSError. See: flock(2).
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    number = os.open(path, flags, 0o600)
    try:
        if _is_locked(number, time.monotonic() + wait_s):
            return number
    except BaseException:
        os.close(number)
        raise
    os.close(number)
    return None


def _is_locked(number: int, until: float) -> bool:
    import fcntl  # late: few runs lock anything

    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(_POLL_S, left_s))
        else:
            return True


def _write(path: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
