"""Measured figures on disk: one JSON file for each run of the benchmarks.

{"version": 1, "at": "2026-11-27T14:00:00+00:00", "commit": "abc1234",
 "machine": {...}, "figures": [{"name", "what", "goal", "measured", "value", "limit",
 "is_upper", "span"}], "inner": [{"name", "median_s", ...}]}
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from .figures import Figure, Span

VERSION = 1
_ROOT = Path(__file__).parents[2]
KEPT = _ROOT / ".benchmarks" / "figures"
"""Where runs are kept; git does not."""


class Inner(NamedTuple):
    """How long one inner path took, in seconds, over many rounds."""

    name: str
    least_s: float
    q1_s: float
    median_s: float
    q3_s: float
    most_s: float
    rounds: int


class Kept(NamedTuple):
    """One run of the benchmarks."""

    at: str
    commit: str
    machine: dict[str, str]
    figures: list[Figure]
    inner: list[Inner]

    @property
    def title(self) -> str:
        """Return when and of what it was, for people."""
        return f"{self.at[:16].replace('T', ' ')} {self.commit}"


def this_run(figures: Sequence[Figure], inner: Sequence[Inner]) -> Kept:
    """Return what was measured just now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Kept(now, _commit(), machine(), list(figures), list(inner))


def keep(run: Kept) -> Path:
    """Write a run into a file of its own and return it."""
    KEPT.mkdir(parents=True, exist_ok=True)
    name = run.at[:19].replace(":", "").replace("-", "")
    path = KEPT / f"{name}-{run.commit}.json"
    document = {
        **run._asdict(),
        "version": VERSION,
        "figures": [figure._asdict() for figure in run.figures],
        "inner": [inner._asdict() for inner in run.inner],
    }
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")
    temporary.replace(path)
    return path


def kept_runs() -> list[Kept]:
    """Return all runs that can be read, the oldest first."""
    found = []
    for path in sorted(KEPT.glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        if document.pop("version") != VERSION:
            continue
        figures = [_figure(fields) for fields in document.pop("figures")]
        inner = [Inner(**fields) for fields in document.pop("inner")]
        found.append(Kept(**document, figures=figures, inner=inner))
    return found


def machine() -> dict[str, str]:
    """Return what figures depend on beside the program."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
    }


def _figure(fields: dict[str, object]) -> Figure:
    span = fields.pop("span")
    figure = Figure(**fields)  # type: ignore[arg-type]  # JSON that we wrote
    return figure._replace(span=Span(*span) if isinstance(span, list) else None)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return names[0].strip() if names else platform.processor()


def _commit() -> str:
    done = subprocess.run(
        ["git", "-C", str(_ROOT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
