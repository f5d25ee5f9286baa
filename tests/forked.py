"""Start the real program a hundred times a second.

A server has imported what llmwrap imports, and forks for each program: the child gets
descriptors, environment, directory and words of its own, a program's signals, and runs
what `python -m llmwrap` runs, to the same end. It costs a tenth of the processor time.
What it does not show: imports, what Python does before them, and the memory they take.
"""

from __future__ import annotations

import atexit
import marshal
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .forkserver import LENGTH_BYTES, NUMBER_BYTES, PEAK, PID, STATUS, WAY

_SERVER = Path(__file__).with_name("forkserver.py")
_ROOT = str(_SERVER.parent.parent)
_ENVIRON = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
_LOCALE = ("LANG", "LC_ALL", "LC_CTYPE")
_HARMLESS = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
_OPTIONS = {"stdin", "stdout", "stderr", "bufsize", "umask", "start_new_session"}
_OPTIONS |= {"ahead_s", "tells_way", "memory_bytes", "is_held"}


def is_possible(environ: Mapping[str, str], options: Mapping[str, Any]) -> bool:
    """Tell whether a forked program is as good as a started one.

    What Python or the C library read when they start is the server's; `environ` may
    not ask for anything else, but for more places to import from. `options` are those
    of Popen.
    """
    is_ours = environ.get("PYTHONPATH", _ROOT).split(os.pathsep)[0] == _ROOT
    is_locale = all(_ENVIRON.get(name) == environ.get(name) for name in _LOCALE)
    told = [name for name in environ if name.startswith("PYTHON")]
    is_usual = set(told) <= set(_HARMLESS)
    return is_ours and is_locale and is_usual and set(options) <= _OPTIONS


class Forked(subprocess.Popen[bytes]):
    """A program that runs, and what Popen offers of it. `options` are those of Popen.

    Its clock is `ahead_s` ahead; it has `memory_bytes` of addresses at most, 0 meaning
    no limit; one that `is_held` does nothing before SIGUSR1 reaches it. Once it has
    ended, `peak_bytes` is the most memory that it had, and `is_direct` says whether
    direct mode had answered it, if `tells_way`.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        ahead_s: int = 0,
        tells_way: bool = False,
        memory_bytes: int = 0,
        is_held: bool = False,
        **options: Any,
    ) -> None:
        self.is_direct = False
        self.peak_bytes = 0
        self._waitpid_lock: threading.Lock  # Popen's own
        self._handle_exitstatus: Callable[[int], None]
        self._more = {
            "ahead_s": ahead_s,
            "tells_way": tells_way,
            "memory_bytes": memory_bytes,
            "is_held": is_held,
        }
        self.told = -1
        super().__init__(["llmwrap", *argv], **options)

    # Popen has prepared the descriptors; those of parent and child alternate.
    def _execute_child(self, args: list[str], *given: Any) -> None:
        cwd, environ, pipes = given[4], given[5], given[9:15]
        umask, is_session = given[19:21]
        theirs = [pipes[0], pipes[3], pipes[5]]
        job = {
            "argv": args[1:],
            "cwd": os.fspath(cwd),
            "environ": environ,
            "umask": umask if umask >= 0 else _umask(),
            "is_session": is_session,
            **self._more,
        }
        self.told, telling = os.pipe()
        try:
            inherited = [own if one == -1 else one for own, one in enumerate(theirs)]
            _server().send(job, [*inherited, telling])
        finally:
            os.close(telling)
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # Popen's own
        self._child_created = True
        self.pid = self._hear(PID)

    def _hear(self, expected: bytes) -> int:
        """Return what the server, or the program, tells next."""
        while told := os.read(self.told, 1 + NUMBER_BYTES):
            number = int.from_bytes(told[1:], "little", signed=True)
            if told[:1] == expected:
                return number
            if told[:1] == WAY:
                self.is_direct = not number
            elif told[:1] == PEAK:
                self.peak_bytes = number * 1024
        raise ChildProcessError("the fork server has gone")

    def _try_wait(self, flags: int) -> tuple[int, int]:
        if flags & os.WNOHANG and not select.select([self.told], [], [], 0)[0]:
            return 0, 0
        status = self._hear(STATUS)
        os.close(self.told)
        return self.pid, status

    # Called by poll(), and by Popen's finalizer with what to say of one that is lost.
    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)
            except ChildProcessError:
                if _deadstate is None:
                    raise
                self.returncode = _deadstate
            finally:
                self._waitpid_lock.release()
        return self.returncode


class _Server:
    """The server that forks, started at once; its end is that of the connection."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(_SERVER), str(theirs.fileno())],
                env={**_ENVIRON, "PYTHONPATH": _ROOT},
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.close)

    def send(self, job: dict[str, Any], descriptors: Sequence[int]) -> None:
        """Have a program started; any thread may call it."""
        data = marshal.dumps(job)
        head = len(data).to_bytes(LENGTH_BYTES, "little")
        with self._lock:
            socket.send_fds(self._connection, [head], descriptors)
            self._connection.sendall(data)

    def close(self) -> None:
        """Let the server end; what it started runs on."""
        self._connection.close()
        self._process.wait()


@cache
def _server() -> _Server:
    """Return the server of this process."""
    return _Server()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
