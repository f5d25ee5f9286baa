"""The plots of the report, as SVG by matplotlib, as those of a load test are."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from .figures import Figure
from .keeping import Inner, Kept

_ROW_INCHES = 0.28
_WIDTH_INCHES = 9.0
_GREEN, _RED, _BLUE, _GREY = "#15803d", "#dc2626", "#2563eb", "#94a3b8"
_LONGEST_NAME = 64
_NAME_BEGINNING = 26
_MOST_RUNS = 20
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": _GREY,
    "axes.grid": True,
    "axes.labelcolor": "#334155",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "grid.color": "#e2e8f0",
    "legend.frameon": False,
    # Text stays text: smaller, and it can be searched.
    "svg.fonttype": "none",
    "svg.hashsalt": "llmwrap",
    "xtick.color": "#475569",
    "ytick.color": "#475569",
}


class Plot(NamedTuple):
    """A plot: its title, how to read it, and its SVG."""

    title: str
    caption: str
    svg: str


def plots(run: Kept, history: Sequence[Kept]) -> list[Plot]:
    """Return the plots of a run; `history` has all kept runs, this one the last."""
    found = []
    with mpl.rc_context(_STYLE):
        judged = [f for f in run.figures if f.part_of_goal is not None]
        if judged:
            found.append(_goals(judged))
        if run.inner:
            found.append(_inner(run.inner))
        if len(history) > 1:
            found.append(_history(run, history[-_MOST_RUNS:]))
    return found


def _goals(judged: list[Figure]) -> Plot:
    canvas, axes = _rows_of([figure.name for figure in judged])
    parts = [figure.part_of_goal or 0.0 for figure in judged]
    colors = [_GREEN if figure.is_met else _RED for figure in judged]
    places = range(len(judged))
    axes.hlines(places, 1.0, parts, colors=colors, linewidth=5, alpha=0.35)
    axes.scatter(parts, places, c=colors, s=28, zorder=3)
    axes.axvline(1.0, color="#0f172a", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("measured over goal (logarithmic)")
    caption = "Left of the line a goal is met, whether less or more is better."
    return Plot("Goals", caption, _svg(canvas))


def _inner(inner: Sequence[Inner]) -> Plot:
    canvas, axes = _rows_of([one.name for one in inner])
    boxes = [
        {
            "med": one.median_s,
            "q1": one.q1_s,
            "q3": one.q3_s,
            "whislo": one.least_s,
            "whishi": one.most_s,
            "fliers": [],
        }
        for one in inner
    ]
    axes.bxp(
        boxes,
        positions=list(range(len(inner))),
        orientation="horizontal",
        widths=0.55,
        boxprops={"color": _BLUE},
        medianprops={"color": _BLUE, "linewidth": 2},
        whiskerprops={"color": _GREY},
        capprops={"color": _GREY},
        manage_ticks=False,
    )
    axes.set_xscale("log")
    axes.set_xlabel("seconds (logarithmic)")
    caption = "Boxes hold the middle half of all rounds, the line is the median;"
    return Plot("Inner paths", f"{caption} whiskers are least and most.", _svg(canvas))


def _history(run: Kept, history: Sequence[Kept]) -> Plot:
    names = [figure.name for figure in run.figures if figure.value]
    canvas, axes = _rows_of(names)
    for place, name in enumerate(names):
        values = [_value(kept, name) for kept in history]
        known = [value for value in values if value]
        parts = [value / known[-1] for value in known[:-1]]
        axes.scatter(parts, [place] * len(parts), color=_GREY, s=14, alpha=0.7)
    axes.scatter([1.0] * len(names), range(len(names)), color=_BLUE, s=28, zorder=3)
    axes.set_xscale("log")
    axes.set_xlabel("earlier runs over this one (logarithmic)")
    caption = f"This run is the blue point, grey ones are the {len(history) - 1} kept"
    return Plot("Earlier runs", f"{caption} before it.", _svg(canvas))


def _value(kept: Kept, name: str) -> float | None:
    values = [figure.value for figure in kept.figures if figure.name == name]
    return values[0] if values else None


def _rows_of(names: Sequence[str]) -> tuple[Canvas, Axes]:
    """Return axes with a row for each name, the first on top."""
    height = 0.9 + _ROW_INCHES * len(names)
    canvas = Canvas(figsize=(_WIDTH_INCHES, height), layout="constrained")
    axes = canvas.add_subplot()
    axes.set_yticks(range(len(names)), [_shortened(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    return canvas, axes


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    end = name[_NAME_BEGINNING + 1 - _LONGEST_NAME :]
    return f"{name[:_NAME_BEGINNING]}…{end}"


def _svg(canvas: Canvas) -> str:
    text = io.StringIO()
    canvas.savefig(text, format="svg", metadata={"Date": None})
    _, _, svg = text.getvalue().partition("<svg")
    return f"<svg{svg}"
