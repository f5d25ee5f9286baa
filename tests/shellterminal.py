"""A shell on a pseudo-terminal, for tests that type and press Tab."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

_ROWS_AND_COLUMNS = (40, 200)
_LONG_S = 30.0


class ShellTerminal:
    """Run a shell as a user does: with a terminal of its own.

    A context manager. What is typed is what a keyboard sends: `\\t` is Tab.
    """

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        size = struct.pack("HHHH", *_ROWS_AND_COLUMNS, 0, 0)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
        # The first terminal that the leader of a session opens becomes its own.
        opening = 'exec "$@" <>"$0" >&0 2>&1'
        name = os.ttyname(slave)
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", opening, name, *argv],
            env=dict(environ),
            cwd=environ["HOME"],
            start_new_session=True,
        )
        # Kept open until the shell has it open too: the last one to close hangs up.
        self._slave = slave
        self._seen = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the shell and whatever it runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait(_LONG_S)
        os.close(self._slave)
        os.close(self._master)

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._master, text.encode())

    def wait_for(self, text: str) -> None:
        """Read until `text` has come; what came before it is forgotten."""
        until = time.monotonic() + _LONG_S
        while text.encode() not in self._seen:
            left_s = until - time.monotonic()
            ready, _, _ = select.select([self._master], [], [], max(0.0, left_s))
            assert ready, f"'{text}' never came, but {self._seen!r}"
            self._seen += os.read(self._master, 65536)
        self._seen = self._seen.partition(text.encode())[2]
