"""Fork programs that have imported already what llmwrap imports. See `forked.py`.

    python forkserver.py DESCRIPTOR

The descriptor is a socket, from which jobs come: the length of a job, its descriptors
(stdin, stdout, stderr, and a pipe on which to tell what comes of it), the job. The
child tells its number; then it is llmwrap, from the first line of `__main__.py` on.
Nothing here catches or finalizes anything below that.
"""

from __future__ import annotations

import gc
import marshal
import os
import pkgutil
import resource
import select
import signal
import socket
import sys
import time
from importlib import import_module
from typing import Any, NoReturn

from llmwrap import __main__ as program

LENGTH_BYTES = 8
NUMBER_BYTES = 4
PID, WAY, PEAK, STATUS = b"P", b"W", b"M", b"S"
"""What is told, each with a number behind it: its number, whether it went the ordinary
way, the most memory it had in KiB, its status."""

_LARGE = ("prompt_toolkit", "matplotlib", "xllamacpp")
_LATE = ("repl", "plots", "server")
"""Packages and modules of ours that import something large: few runs need them."""


def _import_all() -> None:
    """Import the program, but for what is large and seldom used."""
    packages = ["llmwrap"]
    for package in packages:  # which grows
        for found in pkgutil.iter_modules(import_module(package).__path__):
            name = f"{package}.{found.name}"
            if found.ispkg and found.name not in _LATE:
                packages.append(name)
            elif found.name not in _LATE:
                import_module(name)
    large = [name for name in _LARGE if name in sys.modules]
    assert not large, f"{large} should be imported by few"


def _tell(pipe: int, what: bytes, number: int) -> None:
    os.write(pipe, what + number.to_bytes(NUMBER_BYTES, "little", signed=True))


def _start(job: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Be a program that was just started."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)  # the pipe too
    pipe = len(descriptors) - 1
    os.closerange(len(descriptors), os.sysconf("SC_OPEN_MAX"))
    os.set_inheritable(pipe, False)
    if job["memory_bytes"]:
        resource.setrlimit(resource.RLIMIT_AS, (job["memory_bytes"],) * 2)
    if job["is_session"]:
        os.setsid()
    os.umask(job["umask"])
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environ"])
    time.tzset()
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.argv = [str(program.__file__), *job["argv"]]
    sys.path[0] = job["cwd"]
    sys.path[2:2] = os.environ.get("PYTHONPATH", "").split(os.pathsep)[1:]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        mode = "w" if number else "r"
        stream = os.fdopen(number, mode, encoding="utf-8", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    _set_ahead(job["ahead_s"])
    if job["is_held"]:
        _let_trace()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    _tell(pipe, PID, os.getpid())
    if job["is_held"]:
        signal.sigwait({signal.SIGUSR1})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    if job["tells_way"]:
        _tell_way(pipe)
    else:
        os.close(pipe)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    program.main()


def _let_trace() -> None:
    """Let others than parents trace this process, which Linux may forbid (Yama)."""
    import ctypes

    set_tracer, any_process = 0x59616D61, ctypes.c_ulong(-1)
    ctypes.CDLL(None).prctl(set_tracer, any_process)


def _set_ahead(ahead_s: int) -> None:
    """Let the clock of the day be ahead."""
    if ahead_s:
        now, now_ns = time.time, time.time_ns
        time.time = lambda: now() + ahead_s
        time.time_ns = lambda: now_ns() + ahead_s * 10**9


def _tell_way(pipe: int) -> None:
    """Tell at the end whether direct mode had answered by then."""
    way = "llmwrap.cli.main"
    del sys.modules[way]
    really_leave = os._exit

    def leave(status: int) -> NoReturn:
        _tell(pipe, WAY, way in sys.modules)
        really_leave(status)

    os._exit = leave


class _Children:
    """The children that run, each with the pipe on which its end is told."""

    def __init__(self) -> None:
        self.pipes: dict[int, int] = {}

    def bury(self) -> None:
        """Tell of all that have ended."""
        while self.pipes:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                return
            pipe = self.pipes.pop(pid)
            try:
                _tell(pipe, PEAK, usage.ru_maxrss)
                _tell(pipe, STATUS, status)
            except BrokenPipeError:
                pass  # Nobody wants to know.
            os.close(pipe)


def received(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next job and its descriptors, None at the end, in its midst too."""
    head, descriptors, *_ = socket.recv_fds(connection, LENGTH_BYTES, 4)
    if not head:
        return None
    left, parts = int.from_bytes(head, "little"), []
    while left:
        parts.append(connection.recv(left))
        left -= len(parts[-1])
        if not parts[-1]:
            return None
    return marshal.loads(b"".join(parts)), descriptors


def main(connection: socket.socket) -> None:
    """Fork until the other end is closed."""
    children = _Children()
    awake, wake = os.pipe()
    os.set_blocking(awake, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us decides
    signal.signal(signal.SIGCHLD, lambda _, frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    gc.collect()
    gc.freeze()
    told = connection.fileno()
    while True:
        ready, _, _ = select.select([told, awake], [], [])
        if awake in ready:
            os.read(awake, 1 << 16)
            children.bury()
        if told not in ready:
            continue
        asked = received(connection)
        if asked is None:
            return
        job, descriptors = asked
        pid = os.fork()
        if not pid:
            _start(job, descriptors)
        for descriptor in descriptors[:3]:
            os.close(descriptor)
        children.pipes[pid] = descriptors[3]


if __name__ == "__main__":
    _import_all()
    main(socket.socket(fileno=int(sys.argv[1])))
