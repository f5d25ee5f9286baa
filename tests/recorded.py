"""Runs as they are recorded, and what `stats` says of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llmwrap.metrics.layout import RUNS, append_run, runs_path
from llmwrap.metrics.rollup import Budget
from llmwrap.metrics.run import Run, pack_run

from .runner import Home, Runner

ODD = 'a "b"\\c\nd\x1b[31m'
"""A model's name that no format likes."""

NOW = 1_800_000_000.0
HOUR_S, DAY_S = 3600.0, 86400.0
ALL = Budget(0, 1 << 20)
"""Leaves no run as it is."""


def journal(payloads: Iterable[bytes]) -> bytes:
    return b"".join(RUNS.record(b"", payload) for payload in payloads)


def runs(count: int = 1, *, at: float = NOW, **fields: Any) -> list[bytes]:
    known = Run(at, 0.001, 0.1, 0.5, 0.01, 0.0, "miss", "ollama", "alpha")
    return [pack_run(known._replace(**fields))] * count


def record(home: Home, *runs: Run) -> None:
    path = Path(runs_path(home.environ))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for run in runs:
        append_run(str(path), pack_run(run))


def a_run(**fields: Any) -> Run:
    known = Run(
        time.time(), 0.001, 0.1, 1.1, 0.01, 0.002, "miss", "ollama", "alpha", attempts=1
    )
    return known._replace(**fields)


def stats(cli: Runner, *argv: str) -> Any:
    result = cli.run("stats", "--json", *argv)
    assert (result.status, result.stderr) == (0, "")
    return json.loads(result.stdout)


def row(cli: Runner, **labels: str) -> Any:
    """Return the one row that has these labels."""
    (found,) = [
        one for one in stats(cli)["stats"] if labels.items() <= dict(one).items()
    ]
    return found
