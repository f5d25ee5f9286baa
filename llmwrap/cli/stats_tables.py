"""The metrics of runs as tables, and a small histogram."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..metrics.figures import Figure, bars, figures, ordered
from ..metrics.series import DURATIONS, INTERRUPTED
from ..metrics.tally import Tally
from ..metrics.targets import PerformanceTarget
from ..upkeep.statistics import Statistics
from .tables import Column, table

_BAR_CELLS = 40
_TITLES = ("MODEL", "BACKEND", "TEMPLATE", "CACHE", "ADDRESS")
_LABELS = tuple(map(Column, _TITLES))
_COUNTS = (
    *_LABELS,
    Column("RUNS", is_right=True),
    Column("ERRORS", is_right=True),
    Column("ATTEMPTS", is_right=True),
)
_FIGURES = (
    *_LABELS,
    Column("METRIC"),
    Column("VALUES", is_right=True),
    *(Column(title, is_right=True) for title in ("P50", "P90", "P95", "P99", "MAX")),
)
_TARGETS = (
    Column("TARGET"),
    Column("GOAL", is_right=True),
    Column("MEASURED", is_right=True),
    Column("RESULT"),
)
_NAMES = {
    "ttft_p95_s": "TTFT, p95, without hits",
    "lookup_p95_s": "cache lookup, p95",
    "rendering_p95_s": "template rendering, p95",
    "hit_ratio": "cache hit ratio",
    "error_ratio": "error rate",
}
_RESULTS = {True: "met", False: "missed", None: "no runs"}


def stats_text(statistics: Statistics) -> str:
    """Return everything for people: counts, figures, the TTFT's histogram, targets."""
    tally = statistics.tally
    parts = [_summary(tally)]
    if tally.series:
        counts = [
            (*labels, *map(str, (one.runs, one.failed, one.attempts)))
            for labels, one in ordered(tally)
        ]
        parts.append(table(_COUNTS, counts))
        rows = [
            _figure_cells(figure)
            for labels, series in ordered(tally)
            for figure in figures(labels, series)
        ]
        parts += [table(_FIGURES, rows) if rows else "", "".join(_histogram(tally))]
    parts.append(table(_TARGETS, map(_target_cells, statistics.targets)))
    return "\n".join(part for part in parts if part)


def _summary(tally: Tally) -> str:
    every = tally.total()
    rows = [("runs", str(every.runs))]
    if tally.first_at is not None:
        first = time.strftime("%Y-%m-%d %H:%M", time.localtime(tally.first_at))
        rows.append(("since", first))
    names = {"hit": "hits", "miss": "misses", "refresh": "refreshed", "off": "uncached"}
    rows += [
        (name, str(tally.count(outcome)))
        for outcome, name in names.items()
        if tally.count(outcome) or outcome in ("hit", "miss")
    ]
    kinds = ", ".join(
        f"{kind} {count}"
        for kind, count in every.errors.most_common()
        if kind != INTERRUPTED
    )
    rows.append(("errors", f"{every.failed} ({kinds})" if kinds else "0"))
    if set(every.ends) - {"good"}:
        ends = ", ".join(f"{end} {count}" for end, count in every.ends.most_common())
        rows.append(("ends", ends))
    given_up = every.ends["invalid"]
    if every.asked_again or given_up:
        asked = f"{every.asked_again} asked again, {given_up} given up"
        rows.append(("not of their schema", asked))
    if every.interrupted:
        rows.append((INTERRUPTED, str(every.interrupted)))
    return table((Column(""), Column("")), rows)


def _figure_cells(figure: Figure) -> list[str]:
    shown = _duration if figure.metric in DURATIONS else _number
    name = figure.metric.removesuffix("_s").replace("_per", "/s").replace("_", " ")
    return [
        *figure.labels,
        name,
        str(figure.values),
        *map(shown, figure.percentiles),
    ]


def _histogram(tally: Tally) -> Iterator[str]:
    """Yield the lines of a histogram of the TTFT of what was asked of servers."""
    asked = tally.total(lambda labels: not labels.is_hit)
    found = bars(asked.histogram("ttft_s"))
    if not found:
        return
    most = max(bar.values for bar in found)
    yield "TTFT without hits\n"
    columns = (Column("", is_right=True), Column("", is_right=True), Column(""))
    cells = [
        (f"<= {_duration(bar.up_to)}", str(bar.values), _bar(bar.values, most))
        for bar in found
    ]
    yield table(columns, cells)


def _bar(values: int, most: int) -> str:
    # Never nothing where there is something; `table` has a dash for nothing.
    return "#" * max(1, round(_BAR_CELLS * values / most)) if values else ""


def _target_cells(target: PerformanceTarget) -> list[str]:
    is_duration = target.name.endswith("_s")
    sign = "<" if target.is_upper else ">"
    shown = _duration if is_duration else _percent
    return [
        _NAMES[target.name],
        f"{sign} {shown(target.goal)}",
        "" if target.measured is None else shown(target.measured),
        _RESULTS[target.is_met],
    ]


def _duration(seconds: float) -> str:
    for unit, length_s in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= length_s:
            return f"{_number(seconds / length_s)}{unit}"
    return f"{_number(seconds / 1e-6)}us" if seconds else "0s"


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.3g} %"
