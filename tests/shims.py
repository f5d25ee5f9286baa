"""Programs for the PATH of a real shell that are forked, not started.

A shell can only start what is a file. A shim is one: a Python without its site, which
imports four modules of C, hands its descriptors, directory and variables to a thread
here, has the program forked (see `forked.py`) and ends as it does. It costs a tenth of
what the program's own start does, and shows as little of it as a forked one. Where a
program has to be started, the shim becomes it.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .forked import Forked, is_possible
from .forkserver import LENGTH_BYTES, NUMBER_BYTES, received

_FRESH = b"fresh"
# The first lines are a shell's, as a path may have blanks, and a text of Python's.
_SHIM = """#!/bin/sh
'''exec' {quoted} -IS "$0" "$@"
' '''
import _signal, _socket, marshal, posix, sys

argv = [*{words!r}, *sys.argv[1:]]
code = "utf-8", "surrogateescape"
environ = {{key.decode(*code): one.decode(*code) for key, one in posix.environ.items()}}


def start():
    posix.execve({python!r}, [{python!r}, "-m", "llmwrap", *argv], environ)


if None in (sys.stdin, sys.stdout, sys.stderr):  # it was closed
    start()
umask = posix.umask(0o077)
posix.umask(umask)
job = marshal.dumps(
    {{"argv": argv, "cwd": posix.getcwd(), "environ": environ, "umask": umask}}
)
numbers = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
rights = _socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers
door = _socket.socket(_socket.AF_UNIX)
door.connect({place!r})
door.sendmsg([len(job).to_bytes({length}, "little")], [rights])
door.sendall(job)
told = door.recv({number})
if told == {fresh!r}:
    start()
status = int.from_bytes(told, "little", signed=True)
if status < 0:
    _signal.signal(-status, _signal.SIG_DFL)
    posix.kill(posix.getpid(), -status)
posix._exit(status)
"""


class Shims:
    """What shims ask to have a program forked."""

    def __init__(self) -> None:
        self._directory = tempfile.mkdtemp()  # a socket's path must be short
        self._place = f"{self._directory}/door"
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(self._place)
        self._door.listen(64)
        self.forked: list[Forked] = []
        """What was forked, ended programs too."""

    def make(self, path: Path, *words: str) -> None:
        """Make a program: llmwrap with these words before what it is given."""
        values = {
            "python": sys.executable,
            "quoted": shlex.quote(sys.executable),
            "words": words,
            "place": self._place,
            "length": LENGTH_BYTES,
            "number": max(NUMBER_BYTES, len(_FRESH)),
            "fresh": _FRESH,
        }
        path.write_text(_SHIM.format(**values))
        path.chmod(0o755)

    def close(self) -> None:
        """Serve no more."""
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        shutil.rmtree(self._directory)

    def serve(self) -> None:
        """Fork programs until it is closed, each from a thread of its own."""
        with suppress(OSError):
            while True:
                connection, _ = self._door.accept()
                threading.Thread(
                    target=self._serve_one, args=(connection,), daemon=True
                ).start()

    def _serve_one(self, connection: socket.socket) -> None:
        with connection:
            asked = received(connection)
            if asked is None:
                return
            job, descriptors = asked
            try:
                program = _forked(job, descriptors)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            with suppress(OSError):  # the shim may be gone
                if program is None:
                    connection.sendall(_FRESH)
                else:
                    self.forked.append(program)
                    _watch(program, connection)


def _forked(job: dict[str, Any], descriptors: list[int]) -> Forked | None:
    """Return the program, None where it has to be started."""
    options = {"umask": job["umask"]}
    if not is_possible(job["environ"], options):
        return None
    return Forked(
        job["argv"],
        stdin=descriptors[0],
        stdout=descriptors[1],
        stderr=descriptors[2],
        cwd=job["cwd"],
        env=job["environ"],
        umask=job["umask"],
    )


def _watch(program: Forked, connection: socket.socket) -> None:
    """Tell the shim the status; a shim that was killed takes the program with it."""
    ready, _, _ = select.select([program.told, connection.fileno()], [], [])
    if program.told not in ready:
        program.terminate()
    status = program.wait()
    connection.sendall(status.to_bytes(NUMBER_BYTES, "little", signed=True))


@contextmanager
def shims() -> Iterator[Shims]:
    """Give what makes shims, and serve them until the block is left."""
    one = Shims()
    thread = threading.Thread(target=one.serve, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.close()
        thread.join()
