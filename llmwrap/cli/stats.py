"""`stats`: the metrics of all runs, and whether the targets are met."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from ..errors import UsageError
from ..metrics.figures import Figure, bars, figures, ordered
from ..metrics.series import DURATIONS, INTERRUPTED
from ..metrics.tally import Tally
from ..metrics.targets import Target
from ..upkeep.statistics import Statistics
from .context import Context
from .parser import Command, Parser, add_common, add_json, duration
from .session import Session
from .tables import Column, table

COMMAND = Command(
    name="stats",
    summary="Show the metrics of all runs on this machine, and whether the performance"
    " targets are met.",
    usage="llmwrap stats [OPTION...]",
)


def add_arguments(parser: Parser) -> None:
    """Add the options of `stats`."""
    parser.add_argument(
        "--since",
        metavar="AGE",
        type=duration,
        help="only runs that are not older, such as 24h or 7d",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="end with status 13 when a performance target is missed",
    )
    parser.add_argument(
        "--export",
        metavar="FILE",
        help="write them to FILE instead, complete or not at all; by its name as JSON"
        " (.json), CSV (.csv) or text for Prometheus (.prom)",
    )
    add_json(parser)
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Show what was counted; return 0, or 13 through TargetMissedError."""
    if args.operands:
        raise UsageError(
            f"'stats' takes no '{args.operands[0]}'", hint=f"usage: {COMMAND.usage}"
        )
    has_data = args.json or args.export is None
    with context.output.errors_as_json(is_wanted=args.json):
        Session.of(args, context, stdout_is_data=has_data)
        # Late: the libraries of histograms are nothing that help and manual need.
        from ..upkeep.statistics import EXPORTED, exporter, read_statistics

        export = exporter(args.export) if args.export is not None else None
        if args.export is not None and export is None:
            raise UsageError(
                f"'{args.export}' does not end in {', '.join(EXPORTED)}",
                hint="the end of the name says what is written",
            )
        statistics = read_statistics(context.environ, args.since)
        if export:
            from .output_file import AtomicFile

            with AtomicFile(args.export) as file:
                file.write(export(statistics).encode())
                file.commit(lambda: None)
    if args.json:
        context.output.json(statistics.document())
    elif not export:
        context.output.text(stats_text(statistics))
    if args.check:
        statistics.check()  # JSON has said it, and needs no second object
    return 0


_BAR_CELLS = 40
_LABELS = (Column("MODEL"), Column("BACKEND"), Column("TEMPLATE"), Column("CACHE"))
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


def _target_cells(target: Target) -> list[str]:
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
