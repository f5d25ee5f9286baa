"""What the load tester reports, against what the server did.

In processes of its own and with a server of its own, which is stopped for a while.
"""

from __future__ import annotations

import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from .measure import Mock, Ratio, Row, environment, mock_process, run
from .scripts import BARE_LOOP

_ROUNDS = max(3, int(os.environ.get("BENCH_ROUNDS", "15")) // 3)
_WORKERS, _ANSWERS = 64, 2000
_TTFT_MS, _ITL_MS, _TOKENS = 50.0, 5.0, 20
_LOOP_WORKERS, _LOOP_S = 16, 3
_RATE, _OPEN_S, _STALL_AT_S, _STALL_S = 200, 10, 4.0, 1.0


class LoadBench:
    """The load tester under measurement; `program` is how llmwrap is started."""

    def __init__(self, program: Sequence[str], directory: str) -> None:
        self._program = [*program, "-q", "loadtest", "--json"]
        self._environ = environment(directory)

    def rows(self) -> Iterator[Row]:
        """Measure everything, one row after the other."""
        with mock_process() as mock:
            yield from self._truth(mock)
            yield self._rate(mock)
            yield self._stall(mock)

    def _truth(self, mock: Mock) -> Iterator[Row]:
        model = f"mock:ttft={_TTFT_MS:g},itl={_ITL_MS:g},n={_TOKENS}"
        load = ("--concurrency", str(_WORKERS), "--requests", str(_ANSWERS))
        found = [self._tested(mock, model, *load) for _ in range(_ROUNDS)]
        true_ms = {"ttft_s": _TTFT_MS, "e2e_s": _TTFT_MS + (_TOKENS - 1) * _ITL_MS}
        for name, figure, goal in (
            ("ttft_s", "p50", "<= 1 ms"),
            ("ttft_s", "p99", "<= 8 ms"),
            ("e2e_s", "p50", "<= 1 ms"),
            ("e2e_s", "p99", "<= 8 ms"),
        ):
            off_ms = [1e3 * one[name][figure] - true_ms[name] for one in found]
            spoken = f"{name.removesuffix('_s').upper()} {figure}"
            what = f"{spoken} of {_WORKERS} workers, reported less what the server did"
            yield Row(what, goal, _span(off_ms, " ms"))

    def _rate(self, mock: Mock) -> Row:
        load = ("--concurrency", str(_LOOP_WORKERS), "--duration", f"{_LOOP_S}s")
        count, seconds = str(_LOOP_WORKERS), str(_LOOP_S)
        bare = [sys.executable, "-c", BARE_LOOP, mock.address, count, seconds]
        found = []
        for _ in range(_ROUNDS):
            ours = self._tested(mock, "mock:n=1", *load)["requests_per_s"]
            found.append(ours / float(run(bare, self._environ).output))
        shown = Ratio(statistics.median(found), min(found), max(found), len(found))
        what = f"requests/s of {_LOOP_WORKERS} workers over a loop of requests.Session"
        return Row(what, ">= 1.5", str(shown))

    def _stall(self, mock: Mock) -> Row:
        load = ("--rate", str(_RATE), "--duration", f"{_OPEN_S}s")
        found = []
        for _ in range(_ROUNDS):
            command = self._command(mock, "mock:n=1", *load, "--arrival", "constant")
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, env=self._environ
            )
            time.sleep(_STALL_AT_S)
            stalled_s = _stall(mock)
            output, _ = process.communicate()
            reported_s = json.loads(output)["e2e_s"]["p99"]
            found.append(reported_s / _true_p99(stalled_s))
        what = f"p99 reported over the true one: {_RATE}/s, server stalls for 1 s"
        return Row(what, "0.9 to 1.1", _span(found, ""))

    def _tested(self, mock: Mock, model: str, *load: str) -> Any:
        command = self._command(mock, model, *load)
        done = subprocess.run(
            command, stdout=subprocess.PIPE, env=self._environ, check=True
        )
        return json.loads(done.stdout)

    def _command(self, mock: Mock, model: str, *load: str) -> list[str]:
        return [*self._program, "--base-url", mock.address, "-m", model, *load]


def _stall(mock: Mock) -> float:
    """Stop the server for a while; return for how long it was."""
    mock.process.send_signal(signal.SIGSTOP)
    began = time.perf_counter()
    time.sleep(_STALL_S)
    mock.process.send_signal(signal.SIGCONT)
    return time.perf_counter() - began


def _true_p99(stalled_s: float) -> float:
    """Return what the slowest hundredth waits at least, when all are sent when due.

    What is due in a stall waits for its end; the latest moment of which a hundredth of
    all requests are due earlier in it makes the percentile.
    """
    beyond = math.floor(_RATE * _OPEN_S / 100)
    return stalled_s - beyond / _RATE


def _span(found: Sequence[float], unit: str) -> str:
    least, most = min(found), max(found)
    middle = statistics.median(found)
    return f"{middle:.2f}{unit} [{least:.2f} to {most:.2f}], n {len(found)}"
