"""Figures of metrics: recording runs, and reading a million of them."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from llmwrap.log import SILENT
from llmwrap.metrics.classes import packed
from llmwrap.metrics.layout import LARGEST_BYTES, RUNS, runs_path
from llmwrap.metrics.recorder import Recorder
from llmwrap.metrics.rollup import roll_up
from llmwrap.metrics.run import Run, pack_run

from .measure import Row, environment, run
from .peak import peak_bytes

_MIB = 1 << 20
_RECORDED = 5_000
_MANY = int(os.environ.get("BENCH_RUNS", "1000000"))
_DAYS_S = 30 * 86400
_BLOCK = 5_000
_ROUNDS = 5
_MODELS = ("llama3.2:latest", "qwen3:4b", "gemma3:12b")
_TEMPLATES = ("", "summary", "review")


def metrics_rows(llmwrap: Sequence[str], directory: str) -> Iterator[Row]:
    """Measure the write of a run, rolling older ones up, and `stats`."""
    home = Path(directory, "metrics")
    yield _writing(home / "few")
    environ = environment(str(home / "many"))
    took_s = _fill(environ)
    longest = f"{max(took_s) * 1e3:.0f} ms, n {len(took_s)}"
    what = "the same, once in some thousand runs: older ones rolled up, longest"
    yield Row(what, "-", longest)
    found = [run([*llmwrap, "stats"], environ) for _ in range(_ROUNDS)]
    walls = sorted(one.wall_s for one in found)
    spread = f"[{walls[0]:.2f} to {walls[-1]:.2f}], n {_ROUNDS}"
    shown = f"{statistics.median(walls):.2f} s {spread}"
    yield Row(f"`stats` over {_MANY:,} runs, whole process", "<= 2 s", shown)
    peak = peak_bytes([*llmwrap, "stats"], environ) / _MIB
    yield Row("the same, peak memory", "<= 150 MiB", f"{peak:.1f} MiB")


def _writing(home: Path) -> Row:
    recorder = Recorder({"HOME": str(home)}, SILENT)
    took_s = []
    for one in _runs(_RECORDED):
        started = time.perf_counter()
        recorder.record(one)
        took_s.append(time.perf_counter() - started)
    took_s.sort()
    p50, p99 = (took_s[_RECORDED * part // 100] * 1e3 for part in (50, 99))
    measured = f"p50 {p50:.3f} ms, p99 {p99:.3f} ms, n {_RECORDED}"
    return Row("the metrics write, per run", "p99 <= 0.5 ms", measured)


def _fill(environ: dict[str, str]) -> list[float]:
    """Record many runs; return what each rolling up took, in seconds.

    Many at once: a million writes one by one take minutes, and the file is the same.
    """
    path = Path(runs_path(environ))
    path.parent.mkdir(mode=0o700, parents=True)
    took_s = []
    block = b""
    recorded = 0
    for one in _runs(_MANY):
        block += RUNS.record(b"", pack_run(one))
        recorded += 1
        if recorded % _BLOCK and recorded < _MANY:
            continue
        with path.open("ab") as file:
            file.write(block)
        block = b""
        # The last ones stay, so that `stats` has as many single runs as there may be.
        if path.stat().st_size > LARGEST_BYTES:
            started = time.perf_counter()
            roll_up(str(path), one.started_at)
            took_s.append(time.perf_counter() - started)
    return took_s


def _runs(count: int) -> Iterator[Run]:
    """Yield runs of a month, most of them hits."""
    draw = random.Random(4)
    gaps = [
        tuple(packed([draw.lognormvariate(-4, 0.5) for _ in range(200)]))
        for _ in range(100)
    ]
    first_at = time.time() - _DAYS_S
    for number in range(count):
        started_at = first_at + number * _DAYS_S / count
        lookup_s = draw.lognormvariate(-6, 0.5)
        model = draw.choice(_MODELS)
        known = Run(started_at, lookup_s, 0.001, 0.001, queued_s=0.0, outcome="hit")
        known = known._replace(backend="ollama", model=model, completion_tokens=200)
        if draw.random() < 0.6:
            yield known
            continue
        ttft_s = draw.lognormvariate(-2, 0.6)
        yield known._replace(
            ttft_s=ttft_s,
            e2e_s=ttft_s + draw.uniform(1, 3),
            tpot_s=0.01,
            outcome="miss",
            error="timeout" if draw.random() < 0.02 else "",
            prompt_tokens=draw.randrange(20, 2000),
            attempts=1,
            template=draw.choice(_TEMPLATES),
            rendering_s=draw.uniform(0.001, 0.004),
            gaps=draw.choice(gaps),
        )
