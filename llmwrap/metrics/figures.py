"""What was counted as figures: for tables, for JSON and for CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..messages import Json
from .histogram import Histogram
from .percentiles import Percentiles, percentiles_of
from .series import METRICS, Labels, Series
from .tally import Tally
from .targets import PerformanceTarget

VERSION = 1
"""The version of the JSON document."""

_STEPS = (1, 2, 5)
_LEAST_EXPONENT, _MOST_EXPONENT = -5, 4

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would work out."""


class Figure(NamedTuple):
    """A metric of the runs with certain labels: seconds, tokens or tokens a second."""

    labels: Labels
    metric: str
    values: int
    sum: float
    percentiles: Percentiles


class Bar(NamedTuple):
    """How many values lie above the bound before, up to and with this one."""

    up_to: float
    values: int


def ordered(tally: Tally) -> list[tuple[Labels, Series]]:
    """Return the series, those with most runs first."""
    return sorted(tally.series.items(), key=lambda item: (-item[1].runs, item[0]))


def figures(labels: Labels, series: Series) -> Iterator[Figure]:
    """Yield the metrics that have values."""
    for metric in METRICS:
        histogram = series.histogram(metric)
        found = percentiles_of(histogram)
        if found:
            yield Figure(labels, metric, histogram.count, histogram.sum, found)


def document(tally: Tally, targets: Sequence[PerformanceTarget]) -> dict[str, Json]:
    """Return everything as one JSON object."""
    every = tally.total()
    return {
        "version": VERSION,
        "since": tally.since,
        "first_at": tally.first_at,
        "runs": every.runs,
        "errors": every.failed,
        "errors_by_kind": dict(sorted(every.errors.items())),
        "ends": dict(sorted(every.ends.items())),
        "asked_again": every.asked_again,
        "error_ratio": every.failed / every.runs if every.runs else None,
        "hits": tally.count("hit"),
        "misses": tally.count("miss"),
        "hit_ratio": tally.hit_ratio,
        "targets": [_target(target) for target in targets],
        "stats": [_row(labels, series) for labels, series in ordered(tally)],
    }


def as_csv(tally: Tally) -> str:
    """Return a line for each metric of each row, with titles (RFC 4180).

    Each has all columns. Models name themselves, so no cell is a formula.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        (*Labels._fields, "metric", "values", "sum", *Percentiles._fields),
    )
    for labels, series in ordered(tally):
        names = [_harmless(label) for label in labels]
        for name, count in (("runs", series.runs), ("errors", series.failed)):
            nothing = [""] * (1 + len(Percentiles._fields))
            writer.writerow((*names, name, count, *nothing))
        for figure in figures(labels, series):
            numbers = (figure.values, figure.sum, *figure.percentiles)
            writer.writerow((*names, figure.metric, *numbers))
    return text.getvalue()


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell


def bars(histogram: Histogram) -> list[Bar]:
    """Return how values are distributed, in steps of 1, 2, 5, 10 ...

    From the first step that has values to the last one.
    """
    found: list[Bar] = []
    below = 0
    for exponent in range(_LEAST_EXPONENT, _MOST_EXPONENT + 1):
        for step in _STEPS:
            bound = float(f"{step}e{exponent}")
            up_to = histogram.count_up_to(bound)
            if up_to > below or (found and up_to < histogram.count):
                found.append(Bar(bound, up_to - below))
            below = up_to
    return found


def _row(labels: Labels, series: Series) -> dict[str, Json]:
    row: dict[str, Json] = {
        **labels._asdict(),
        "runs": series.runs,
        "errors": series.failed,
        "errors_by_kind": dict(sorted(series.errors.items())),
        "ends": dict(sorted(series.ends.items())),
        "attempts": series.attempts,
        "asked_again": series.asked_again,
    }
    for figure in figures(labels, series):
        row[figure.metric] = {
            "values": figure.values,
            "sum": figure.sum,
            **figure.percentiles._asdict(),
        }
    return row


def _target(target: PerformanceTarget) -> dict[str, Json]:
    return {
        "target": target.name,
        "goal": target.goal,
        "measured": target.measured,
        "met": target.is_met,
    }
