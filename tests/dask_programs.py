"""Schedulers and workers of Dask, real programs on 127.0.0.1, forked from one.

Importing Dask takes longer than most tests; here it is imported once for all.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from .runner import ROOT, Home

READY_S = 60.0
"""How long a program may take to start; only a failing test waits it out."""

_QUIET = ("--host=127.0.0.1", "--no-dashboard")


class DaskPrograms:
    """What forks programs; a context manager that ends with them."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(self, *exception: object) -> None:
        with self._process as process:
            process.kill()

    def start(
        self,
        name: str,
        argv: list[str],
        environ: dict[str, str],
        log: Path,
        version: str,
    ) -> int:
        """Start `scheduler` or `worker`, and return its process id."""
        job = [name, argv, environ, str(log), version]
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


class DaskCluster:
    """A scheduler and workers, each with a home and a server of its own."""

    def __init__(self, path: Path, programs: DaskPrograms) -> None:
        self._path = path
        self._programs = programs
        self._pids: list[int] = []
        file = path / "scheduler.json"
        argv = [*_QUIET, "--port=0", "--no-show", f"--scheduler-file={file}"]
        self._start("scheduler", argv, {"HOME": str(path)}, path)
        _wait_for(file, "}")
        self.address: str = json.loads(file.read_text())["address"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for number in range(len(self._pids)):
            self.kill(number)

    def worker(
        self, server: str, *, version: str = "", environ: dict[str, str] | None = None
    ) -> Home:
        """Start one that finds a server, and wait until the scheduler knows it.

        `version` is that of its llmwrap, where it is another one.
        """
        home = Home(self._path / f"worker{len(self._pids)}", server)
        home.path.mkdir(mode=0o700)
        argv = [self.address, *_QUIET, "--nthreads=2", "--no-nanny"]
        argv.append(f"--local-directory={home.path}")
        variables = {**home.environ, **(environ or {})}
        self._start("worker", argv, variables, home.path, version)
        _wait_for(home.path / "log", "Registered to")
        return home

    def kill(self, number: int) -> None:
        """Kill a program: 0 is the scheduler, others are workers."""
        try:
            os.kill(self._pids[number], signal.SIGKILL)
        except ProcessLookupError:
            pass  # It is dead already.

    def _start(
        self,
        name: str,
        argv: list[str],
        environ: dict[str, str],
        path: Path,
        version: str = "",
    ) -> None:
        started = self._programs.start(name, argv, environ, path / "log", version)
        self._pids.append(started)


def _wait_for(file: Path, text: str) -> None:
    until = time.monotonic() + READY_S
    while not (file.exists() and text in file.read_text()):
        assert time.monotonic() < until, f"no {text} in {file}"
        time.sleep(0.02)


def main() -> None:
    """Fork the programs that stdin names, a line each."""
    from distributed.cli import dask_scheduler, dask_worker

    from llmwrap.batch import cluster

    # Nobody waits for the dead: a process id that is free again tells that they are.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        name, argv, environ, log, version = json.loads(line)
        if pid := os.fork():
            os.write(1, b"%d\n" % pid)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        number = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(number, stream)
        os.environ.clear()
        os.environ.update(environ)
        if version:
            vars(cluster)["__version__"] = version
        main_of = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}[name]
        main_of(argv)


if __name__ == "__main__":
    main()
