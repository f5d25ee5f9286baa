"""One of the standard descriptors, unbuffered."""

from __future__ import annotations

import os
import select
import signal
import stat
import time
from collections.abc import Callable

from ..errors import DeadlineError, Interrupted, LimitError, OutputError
from ..units import format_size

_READ_BYTES = 64 * 1024
# A pipe that select calls writable takes this much without blocking (POSIX PIPE_BUF),
# so a deadline holds even when the reader has stopped.
_WRITE_BYTES = select.PIPE_BUF
_LONGEST_WAIT_S = 0.5


class Descriptor:
    """One of the three standard descriptors, unbuffered.

    `is_open` False means that the program was started without it (`>&-`).
    """

    silence_s = 5.0
    """After how long somebody who waits for stdin may be told so."""

    def __init__(self, number: int, *, is_open: bool = True) -> None:
        self.number = number
        self.is_open = is_open
        self.is_tty = is_open and os.isatty(number)
        self.until: float | None = None
        """When reading and writing give up, on the monotonic clock."""
        self.ahead = b""
        """What was read of it already, by direct mode or to see whether it is blank."""
        self.has_ended = False
        """Whether that was all."""

    @property
    def place(self) -> tuple[int, int] | None:
        """Return which file it is: two descriptors of one agree. None if unknown."""
        try:
            found = os.fstat(self.number)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def write(self, data: bytes) -> None:
        """Write all of `data` at once.

        Raises: OutputError; Interrupted by SIGPIPE when the reader has gone;
        DeadlineError.
        """
        if not self.is_open:
            raise OutputError("stdout is closed")
        view = memoryview(data)
        try:
            while view:
                self._wait(writing=True)
                try:
                    view = view[os.write(self.number, view[:_WRITE_BYTES]) :]
                except BlockingIOError:
                    continue  # Somebody else filled it first.
        except BrokenPipeError:
            raise Interrupted(signal.SIGPIPE) from None
        except OSError as error:
            raise OutputError(f"cannot write the output: {error.strerror}") from error

    @property
    def is_piped(self) -> bool:
        """Tell whether somebody may mean to write there: it is a pipe or a file.

        cron and systemd give each job a stdin that is empty, /dev/null.
        """
        try:
            mode = os.fstat(self.number).st_mode
        except OSError:
            return False
        return self.is_open and any(
            kind(mode) for kind in (stat.S_ISFIFO, stat.S_ISREG, stat.S_ISSOCK)
        )

    def read_all(
        self,
        limit_bytes: int,
        what: str,
        on_silence: Callable[[], object] = lambda: None,
    ) -> bytes:
        """Return everything up to the end. Raises: LimitError, DeadlineError.

        `on_silence` is called where the first byte is some seconds late.
        """
        parts = [self.ahead]
        size = len(self.ahead)
        while self.is_open and not self.has_ended and size <= limit_bytes:
            self._wait(writing=False, on_silence=None if size else on_silence)
            try:
                part = os.read(self.number, _READ_BYTES)
            except BlockingIOError:
                continue
            except OSError:
                break  # A terminal that hung up, a directory: there is nothing to read.
            if not part:
                break
            parts.append(part)
            size += len(part)
        if size > limit_bytes:
            raise LimitError(
                f"{what} is longer than {format_size(limit_bytes)}",
                hint="limits.prompt sets the bound",
            )
        return b"".join(parts)

    def read_some(self, wait_s: float) -> bytes | None:
        """Return what there is to read now, empty at the end.

        None after `wait_s` without anything. A terminal that hung up is at its end.
        """
        if self.ahead:
            ahead, self.ahead = self.ahead, b""
            return ahead
        if not self.is_open or self.has_ended:
            return b""
        if not any(select.select([self.number], [], [], wait_s)):
            return None
        try:
            part = os.read(self.number, _READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            part = b""
        self.has_ended = not part and not self.is_tty
        return part

    def is_blank(self, limit_bytes: int) -> bool:
        """Tell whether nothing but white space is to be read; it is read again later.

        No more is read than tells it; blanks beyond the limit are for `read_all` to
        refuse. Raises: DeadlineError.
        """
        while not _is_text(self.ahead) and len(self.ahead) <= limit_bytes:
            before, self.ahead = self.ahead, b""
            left_s = self._left_s()
            part = self.read_some(min(left_s, _LONGEST_WAIT_S))
            self.ahead = before + (part or b"")
            if part == b"":
                return True
            if part is None and not left_s:
                raise _late("stdin did not end")
        return False

    def _left_s(self) -> float:
        until = float("inf") if self.until is None else self.until
        return max(0.0, until - time.monotonic())

    def _wait(
        self, *, writing: bool, on_silence: Callable[[], object] | None = None
    ) -> None:
        """Wait until the descriptor is ready, or raise DeadlineError."""
        silent_at = time.monotonic() + self.silence_s
        me = [self.number]
        readers, writers = ([], me) if writing else (me, [])
        while True:
            left_s = self._left_s()
            # In slices: a signal that comes right before a wait does not end it.
            ready = select.select(readers, writers, [], min(left_s, _LONGEST_WAIT_S))
            if any(ready):
                return
            if on_silence and time.monotonic() >= silent_at:
                on_silence()
                on_silence = None
            if not left_s:
                raise _late("stdout took nothing" if writing else "stdin did not end")


def _is_text(data: bytes) -> bool:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16, as some shells write it
        data = data[2:].replace(b"\0", b"")
    return bool(data.removeprefix(b"\xef\xbb\xbf").strip())


def _late(doing: str) -> DeadlineError:
    return DeadlineError(f"{doing} before the deadline", hint="--timeout sets it")
