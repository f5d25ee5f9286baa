"""Run pytest-benchmark over the inner paths and take its figures."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from .keeping import Inner

_INNER = Path(__file__).with_name("inner.py")
_ROOT = Path(__file__).parents[2]


def inner_paths() -> list[Inner]:
    """Measure the inner paths, in a process of their own."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "inner.json")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["--benchmark-disable-gc", f"--benchmark-json={report}"]
        done = subprocess.run(
            [*command, str(_INNER)],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"the inner paths cannot be measured:\n{done.stdout}")
        found = json.loads(report.read_text("utf-8"))["benchmarks"]
    return [_inner(one["name"], one["stats"]) for one in found]


def _inner(name: str, stats: dict[str, float]) -> Inner:
    title = name.removeprefix("test_").replace("_", " ")
    quarters = (stats["q1"], stats["median"], stats["q3"])
    return Inner(title, stats["min"], *quarters, stats["max"], int(stats["rounds"]))
