"""Run the real program many times a second, by a clock that tests can set forward.

A helper process has imported what the program needs of others, and nothing of the
program. It forks for each run, gives the child descriptors, environment and words of
its own, and there `python -m llmwrap` starts as in a new interpreter. What a run sees
of the clock is real time and a shift: nothing has to be waited for until it is old.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from .runner import ROOT

_PROGRAM = """
import os, sys, json, runpy, time
import argparse, collections.abc, functools, re, tomllib, typing  # of the standard
import http.client, http.cookies, queue, select, signal, socket, ssl, stat, threading
import msgpack, requests

def run(job, report):
    ways = os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        opened = os.open(job[name], ways[number > 0], 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environ"])
    sys.argv = ["llmwrap", *job["argv"]]
    now, now_ns, shift_s = time.time, time.time_ns, job["shift_s"]
    time.time = lambda: now() + shift_s
    time.time_ns = lambda: now_ns() + shift_s * 10**9
    really_leave = os._exit
    def leave(status):
        os.write(report, b"ordinary" if "llmwrap.cli" in sys.modules else b"direct")
        really_leave(status)
    os._exit = leave  # how the program ends
    runpy.run_module("llmwrap", run_name="__main__", alter_sys=True)

for line in sys.stdin.buffer:
    reader, report = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        try:
            run(json.loads(line), report)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.close(report)
    with open(reader, "rb") as told:
        way = told.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.stdout.buffer.write(json.dumps([status, way]).encode() + b"\\n")
    sys.stdout.buffer.flush()
"""


class Job(NamedTuple):
    """One run. `stdin` is a file; `shift_s` is how far ahead its clock is."""

    argv: Sequence[str]
    environ: Mapping[str, str]
    cwd: Path
    stdin: str
    shift_s: int


class Outcome(NamedTuple):
    """How a run ended, what it wrote, and whether direct mode had answered by then."""

    status: int
    stdout: bytes
    stderr: str
    is_direct: bool


class Forker:
    """Run jobs one after the other; a context manager. Of one thread."""

    def __init__(self, directory: Path) -> None:
        self._stdout = directory / "stdout"
        self._stderr = directory / "stderr"
        self._helper = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Not our own: it may forbid to keep the bytecode, for all the runs.
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._helper.communicate()

    def run(self, job: Job) -> Outcome:
        """Run a job to its end."""
        assert self._helper.stdin
        assert self._helper.stdout
        outputs = {"stdout": str(self._stdout), "stderr": str(self._stderr)}
        line = json.dumps({**job._asdict(), "cwd": str(job.cwd), **outputs})
        self._helper.stdin.write(line.encode() + b"\n")
        self._helper.stdin.flush()
        status, way = json.loads(self._helper.stdout.readline())
        return Outcome(
            status,
            self._stdout.read_bytes(),
            self._stderr.read_text("utf-8"),
            way == "direct",
        )
