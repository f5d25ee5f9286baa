"""An answer in a file of the user's: complete or not at all.

It is written beside its name and renamed when the answer is complete. What has no
name to rename to (a pipe, a terminal, /dev/stdout) gets all of it at the end.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from typing import Self

from ..errors import DeadlineError, OutputError
from ..files import NewFile
from ..messages import Json
from ..terminal.sanitize import visible
from .descriptor import Descriptor
from .output import cleaned, json_text

_POLL_S = 0.05
# Names of descriptors: a file behind one may be open for appending, and is not ours
# to replace.
_DESCRIPTOR_PLACES = ("/dev/fd/", "/dev/stderr", "/dev/stdout", "/proc/")


class AtomicFile:
    """A file that gets its name when it is complete.

    A context manager: entered before anything is asked, so that a name that cannot
    be written costs no answer. `until` is when writing to a reader gives up, on the
    monotonic clock; `is_cleaned` makes control characters visible; `keeps_same` leaves
    a file alone that has the same bytes. Belongs to one thread.
    """

    def __init__(
        self,
        path: str,
        *,
        until: float | None = None,
        is_cleaned: bool = False,
        keeps_same: bool = False,
    ) -> None:
        """Look what is there, and change nothing. Raises: OutputError."""
        self._shown = path
        self._until = until
        self._is_cleaned = is_cleaned
        self._keeps_same = keeps_same
        self._parts: list[bytes] = []
        is_descriptor = os.path.abspath(path).startswith(_DESCRIPTOR_PLACES)
        # Through links: the file keeps being where the link points.
        self._path = path if is_descriptor else os.path.realpath(path)
        try:
            self._mode = os.stat(self._path).st_mode
        except OSError as error:
            if is_descriptor or not isinstance(error, FileNotFoundError):
                raise self._error(error) from error
            self._mode = stat.S_IFREG | (0o666 & ~_umask())
        if stat.S_ISDIR(self._mode):
            raise OutputError(f"cannot write '{path}': it is a directory")
        is_replaced = stat.S_ISREG(self._mode) and not is_descriptor
        self._new = NewFile(self._path) if is_replaced else None

    def __enter__(self) -> Self:
        """Make the temporary file. Raises: OutputError."""
        try:
            if self._new:
                self._new.make()
        except OSError as error:
            raise self._error(error) from error
        return self

    def __exit__(self, *exception: object) -> None:
        self.discard()

    def write(self, data: bytes) -> None:
        """Take a piece."""
        self._parts.append(data)

    def text(self, text: str) -> None:
        """Take a piece of text."""
        if text:
            self.write(
                (visible(text) if self._is_cleaned else text).encode("utf-8", "replace")
            )

    def end_text(self) -> None:
        """End the last line of the text, if there is one."""
        if self._parts and not self._parts[-1].endswith(b"\n"):
            self.write(b"\n")

    def json_line(self, document: Json) -> None:
        """Take a JSON document as a line."""
        shown = cleaned(document) if self._is_cleaned else document
        self.write(json_text(shown).encode("utf-8", "replace"))

    def commit(self, settle: Callable[[], None]) -> bool:
        """Put the answer in its place; tell whether that changed the file.

        `settle` is called when it will be there in a moment: a run that dies of a
        signal has not changed the file. Raises: OutputError, then nothing is
        changed; DeadlineError when nobody reads.
        """
        data = b"".join(self._parts)
        if self._keeps_same and self._has_already(data):
            settle()
            return False
        self._put(data, settle)
        return True

    def _put(self, data: bytes, settle: Callable[[], None]) -> None:
        try:
            if self._new is None:
                self._write_through(data)
                settle()
                return
            self._new.write(data)
            os.fchmod(self._new.number, stat.S_IMODE(self._mode))
            self._new.sync()
            settle()
            self._new.put()
        except OSError as error:
            self.discard()
            raise self._error(error) from error

    def discard(self) -> None:
        """Leave everything as it was."""
        if self._new:
            self._new.discard()

    def _has_already(self, data: bytes) -> bool:
        """Tell whether the file holds just this; one that cannot be read does not."""
        if self._new is None:
            return False
        try:
            number = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(number, "rb") as file:
                is_file = stat.S_ISREG(os.fstat(number).st_mode)
                return is_file and file.read(len(data) + 1) == data
        except OSError:
            return False

    def _write_through(self, data: bytes) -> None:
        number = self._opened()
        try:
            descriptor = Descriptor(number)
            descriptor.until = self._until
            if descriptor.is_tty:
                data = visible(data.decode("utf-8", "replace")).encode()
            descriptor.write(data)
        finally:
            os.close(number)

    def _opened(self) -> int:
        """Open what is no file to replace; a fifo when somebody reads it."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        while True:
            try:
                number = os.open(self._path, flags)
                os.set_blocking(number, True)
                return number
            except OSError as error:
                if error.errno != errno.ENXIO or not stat.S_ISFIFO(self._mode):
                    raise
            if self._until is not None and time.monotonic() >= self._until:
                raise DeadlineError(
                    f"nobody read '{self._shown}' before the deadline",
                    hint="--timeout sets it",
                )
            time.sleep(_POLL_S)

    def _error(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write '{self._shown}': {error.strerror}")


def _umask() -> int:
    # There is no way to read it but to set it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
