"""Run whole processes and measure them: wall time, first byte, peak memory."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_SOURCE = Path(__file__).with_name("mockllm.c")
_READ_BYTES = 1 << 16


class Run(NamedTuple):
    """One finished process."""

    wall_s: float
    first_byte_s: float
    peak_bytes: int
    output_bytes: int
    output: bytes
    cpu_s: float


class Job(NamedTuple):
    """A command and the environment it is measured in."""

    command: Sequence[str]
    environ: dict[str, str]


class Ratio(NamedTuple):
    """A figure over another of the same round: median, least and most of n rounds."""

    median: float
    least: float
    most: float
    rounds: int

    def __str__(self) -> str:
        span = f"[{self.least:.2f} to {self.most:.2f}]"
        return f"{self.median:.2f} {span}, n {self.rounds}"


class Row(NamedTuple):
    """One line of the table."""

    what: str
    goal: str
    measured: str


def environment(home: str) -> dict[str, str]:
    """Return the environment of measured programs: an empty home, bytecode kept."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "PYTHONPATH")}
    return {**kept, "HOME": home}


def run(command: Sequence[str], environ: dict[str, str], *, status: int = 0) -> Run:
    """Run a command with its output to a pipe, and measure it to its end.

    It has to end with `status`; one that is to fail says why to nobody.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if status else None,
        env=environ,
    )
    assert process.stdout is not None
    first_byte_s, size, kept = 0.0, 0, b""
    while piece := os.read(process.stdout.fileno(), _READ_BYTES):
        first_byte_s = first_byte_s or time.perf_counter() - started
        size += len(piece)
        kept = kept or piece
    _, ended, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(ended)
    process.stdout.close()
    if process.returncode != status:
        raise SystemExit(f"{command[:4]} ended with {process.returncode}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return Run(wall_s, first_byte_s, usage.ru_maxrss * 1024, size, kept, cpu_s)


def in_turn(
    commands: Sequence[Sequence[str]], rounds: int, environ: dict[str, str]
) -> list[list[Run]]:
    """Run the commands in turn, after one round that is not counted."""
    return jobs_in_turn([Job(command, environ) for command in commands], rounds)


def jobs_in_turn(jobs: Sequence[Job], rounds: int) -> list[list[Run]]:
    """Run jobs in turn, after one round that is not counted."""
    for job in jobs:
        run(*job)
    turns = [[run(*job) for job in jobs] for _ in range(rounds)]
    return [list(runs) for runs in zip(*turns, strict=True)]


def ratio(
    ours: Sequence[Run], theirs: Sequence[Run], figure: Callable[[Run], float]
) -> Ratio:
    """Return a figure of ours over theirs, round by round."""
    found = [figure(a) / figure(b) for a, b in zip(ours, theirs, strict=True)]
    return Ratio(statistics.median(found), min(found), max(found), len(found))


class Mock(NamedTuple):
    """A mock server that runs: where it answers, and its process."""

    address: str
    process: subprocess.Popen[bytes]


@contextmanager
def mock_server() -> Iterator[str]:
    """Build and start the mock server; yields its address, ends it by its id."""
    with mock_process() as mock:
        yield mock.address


@contextmanager
def mock_process() -> Iterator[Mock]:
    """Build and start the mock server, for who wants to stop it for a while too."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("the benchmarks need a C compiler for their mock server")
    with tempfile.TemporaryDirectory() as directory:
        program = f"{directory}/mockllm"
        port_file = Path(directory, "port")
        subprocess.run([compiler, "-O2", "-o", program, str(_SOURCE)], check=True)
        process = subprocess.Popen(
            [program, "--port", "0", "--port-file", str(port_file), "--quiet"],
            stdout=subprocess.DEVNULL,
        )
        try:
            until = time.monotonic() + 10
            while not (port_file.exists() and port_file.read_text().strip()):
                if time.monotonic() > until or process.poll() is not None:
                    raise SystemExit("the mock server did not start")
                time.sleep(0.01)
            address = f"http://127.0.0.1:{port_file.read_text().strip()}"
            yield Mock(address, process)
        finally:
            process.terminate()
            process.wait()
