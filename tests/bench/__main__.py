"""Measure the figures that llmwrap promises, and print them beside their goals.

    python -m tests.bench [--compare] [--no-docs]

Every figure is a ratio, or stands beside what was measured with it in the same run:
machines differ, and this one may be busy. Nothing here fails: it reports. What was
measured is kept (keeping.py), drawn as a page (page.py) and written into the docs.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from .batches import batch_rows
from .cached import CacheBench
from .chats import ChatBench
from .load import LoadBench
from .longs import LongBench
from .measure import Ratio, Row, Run, environment, in_turn, mock_server, ratio, run
from .peak import peak_bytes
from .recorded import metrics_rows
from .report import Report, options
from .scripts import READER, SMALLEST, STREAMS
from .structured import structured_rows
from .templates import (
    Programs,
    hostile_runs,
    program_ratio,
    render_ratio,
    shown_hostile,
)

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "15"))
_FEW_ROUNDS = max(3, _ROUNDS // 3)
_TOKENS = 100_000
_MANY_TOKENS = 1_000_000
_MIB = 1 << 20


class Bench:
    """The programs under measurement and the server they talk to."""

    def __init__(self, server: str, directory: str) -> None:
        self._server = server
        self._environ = environment(directory)
        self._python = sys.executable
        self._directory = directory
        self._llmwrap = _program()

    def rows(self) -> Iterator[Row]:
        """Measure everything, one row after the other."""
        yield self._version()
        yield self._one_shot()
        yield from self._first_byte()
        yield from self._throughput()
        yield self._many_streams()
        yield from self._memory()
        yield from self._templates()
        yield from CacheBench(self._llmwrap, self._server, self._directory).rows()
        yield from metrics_rows(self._llmwrap, self._directory)
        yield from structured_rows(
            self._llmwrap, self._server, self._directory, _ROUNDS
        )
        yield from batch_rows(self._llmwrap, self._server, self._directory, _FEW_ROUNDS)
        chats = ChatBench(self._llmwrap, self._server, self._directory)
        yield from chats.rows(_FEW_ROUNDS)
        yield from LongBench(self._llmwrap, self._server).rows(_FEW_ROUNDS)
        yield from LoadBench(self._llmwrap, self._directory).rows()

    def _version(self) -> Row:
        ours, theirs = self._turns(
            [[*self._llmwrap, "--version"], [self._python, "-c", "pass"]], _ROUNDS
        )
        found = ratio(ours, theirs, _wall)
        return Row("`--version` over `python3 -c pass`", "<= 1.5", str(found))

    def _one_shot(self) -> Row:
        ours, theirs = self._turns(
            [self._ask("mock:n=1"), self._script(SMALLEST, "mock:n=1")], _ROUNDS
        )
        found = ratio(ours, theirs, _wall)
        what = "one-shot of one token over the smallest requests script"
        return Row(what, "<= 1.1", str(found))

    def _first_byte(self) -> Iterator[Row]:
        model = "mock:ttft=50,n=20,itl=1"
        ours, theirs = self._turns(
            [self._ask(model), self._script(SMALLEST, model)], _ROUNDS
        )
        found = ratio(ours, theirs, _first_byte)
        what = "time to first output byte, server at 50 ms, over that script"
        yield Row(what, "<= 0.75", str(found))
        model = "mock:ttft=100,n=20,itl=1"
        # curl writes the line of the token, and we its text.
        ours, theirs = self._turns([self._ask(model), self._curl(model, "")], _ROUNDS)
        found = ratio(ours, theirs, _first_byte)
        what = "time to first output byte, server at 100 ms, over curl"
        yield Row(what, "<= 1.4", str(found))

    def _throughput(self) -> Iterator[Row]:
        model = f"mock:n={_TOKENS}"
        for name, suffix, goal in (("NDJSON", "", 250_000), ("SSE", "/v1", 200_000)):
            commands = [
                self._ask(model, suffix),
                self._script(READER, model, suffix),
                self._curl(model, suffix),
            ]
            ours, reader, curl = self._turns(commands, _FEW_ROUNDS)
            measured = ", ".join(
                f"{label} {_rate(runs):,.0f}"
                for label, runs in (("", ours), ("reader", reader), ("curl", curl))
            )
            what = f"tokens/s of 6 bytes to a pipe, whole process, {name}"
            yield Row(what, f">= {goal:,}", measured.strip())

    def _many_streams(self) -> Row:
        command = [self._python, "-c", STREAMS, self._server, "64", "100", "10"]
        ideal_s = 99 * 0.010
        found = [
            float(run(command, self._environ).output) / ideal_s
            for _ in range(_FEW_ROUNDS)
        ]
        shown = str(Ratio(statistics.median(found), min(found), max(found), len(found)))
        what = "64 streams at once, 100 tokens 10 ms apart, over the ideal wall time"
        return Row(what, "<= 1.10", shown)

    def _memory(self) -> Iterator[Row]:
        one = peak_bytes(self._ask("mock:n=1"), self._environ)
        many = peak_bytes(self._ask(f"mock:n={_MANY_TOKENS}"), self._environ)
        yield Row("peak memory of a one-shot", "<= 45 MiB", f"{one / _MIB:.1f} MiB")
        measured = f"{many / one:.2f} ({many / _MIB:.1f} MiB)"
        yield Row("the same of 1 M tokens, over the one-shot", "<= 1.5", measured)

    def _templates(self) -> Iterator[Row]:
        programs = Programs(self._llmwrap, self._python, self._environ, self._directory)
        what = "render of the greeting with 4 tasks over pystache with it parsed"
        yield Row(what, "<= 1.2", str(render_ratio(programs, _ROUNDS)))
        what = "`template render greeting`, whole process, over `python3 -c pass`"
        yield Row(what, "<= 5.0", str(program_ratio(programs, _ROUNDS)))
        runs = [shown_hostile(name, run) for name, run in hostile_runs(programs)]
        what = "a hostile template ends with status 9"
        yield Row(what, "<= 3 s", "; ".join(runs))

    def _turns(self, commands: Sequence[Sequence[str]], rounds: int) -> list[list[Run]]:
        return in_turn(commands, rounds, self._environ)

    def _ask(self, model: str, suffix: str = "") -> list[str]:
        address = self._server + suffix
        # As the first time: asked, and stored afterwards.
        options = ("--refresh", "--base-url", address, "-m", model, "-n")
        return [*self._llmwrap, *options, "hi"]

    def _script(self, text: str, model: str, suffix: str = "") -> list[str]:
        return [self._python, "-c", text, self._server + suffix, model]

    def _curl(self, model: str, suffix: str) -> list[str]:
        path = "/chat/completions" if suffix else "/api/chat"
        body = f'{{"model":"{model}","stream":true,"messages":[]}}'
        curl = shutil.which("curl") or "curl"
        return [curl, "-sN", self._server + suffix + path, "-d", body]


def _program() -> list[str]:
    installed = Path(sys.executable).with_name("llmwrap")
    if not installed.exists():
        raise SystemExit("install llmwrap first: make bench does")
    return [str(installed)]


def _first_byte(run: Run) -> float:
    return run.first_byte_s


def _wall(run: Run) -> float:
    return run.wall_s


def _rate(runs: Sequence[Run]) -> float:
    return _TOKENS / statistics.median(run.wall_s for run in runs)


def main(report: Report) -> None:
    """Measure everything; each row is printed when it is known."""
    report.begin()
    with tempfile.TemporaryDirectory() as directory, mock_server() as server:
        report.add(Bench(server, directory).rows())
    report.end()


main(Report(options(sys.argv[1:]), sys.stdout))
