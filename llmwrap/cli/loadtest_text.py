"""What `loadtest` shows: a line while it runs, the report at its end."""

from __future__ import annotations

from collections.abc import Sequence

from ..loadtest.compare import Change
from ..loadtest.summary import Outcome, Summary
from ..loadtest.text import (
    Row,
    change_rows,
    figure_rows,
    head_rows,
    latency_rows,
    sample_rows,
)
from ..loadtest.trial import Progress
from ..units import format_duration
from .status_line import StatusLine
from .tables import Column, cut, table

_DRAW_S = 0.2
_BAR = 24


class ProgressLine(StatusLine):
    """How far a load test is."""

    def show(self, progress: Progress) -> None:
        """Draw how far it is, unless that was done a moment ago."""
        now = self._clock()
        if self._is_shown and not self._was_drawn(now, _DRAW_S):
            self._draw(progress_line(progress, self._width), now)


def progress_line(progress: Progress, width: int) -> str:
    """Return a line of at most `width` cells."""
    filled = int(_BAR * progress.ratio)
    done = f"{progress.done}"
    if progress.expected:
        done += f" of {progress.expected}"
    parts = [
        f"{progress.phase} [{'#' * filled}{'.' * (_BAR - filled)}] {done}",
        f"{progress.done / max(progress.elapsed_s, 1e-9):.1f}/s",
        format_duration(progress.elapsed_s),
    ]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    return cut("  ".join(parts), width)


def report_text(
    outcome: Outcome,
    summary: Summary,
    found: Sequence[Change],
    *,
    has_samples: bool,
) -> str:
    """Return the report of a test."""
    parts = [_pairs(head_rows(outcome, summary)), _columns(latency_rows(summary))]
    parts.append(_pairs(figure_rows(summary)))
    if found:
        parts.append(_columns(change_rows(found)))
    if has_samples:
        parts.append(_columns(sample_rows(outcome.samples)))
    return "\n".join(parts)


def _pairs(rows: Sequence[Row]) -> str:
    return table((Column(""), Column("")), rows)


def _columns(rows: Sequence[Row]) -> str:
    titles, *others = rows
    columns = [Column(title, is_right=bool(n)) for n, title in enumerate(titles)]
    return table(columns, others)
