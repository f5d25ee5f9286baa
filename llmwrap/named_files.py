"""Files that the user named: read to their end, a pipe within a time."""

import os
import stat
import time
from collections.abc import Iterator
from typing import NamedTuple

from .errors import DeadlineError

_READ_BYTES = 1 << 20
_LONGEST_WAIT_S = 0.5


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
