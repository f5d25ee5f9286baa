"""The plots of a report, as SVG; the only door to matplotlib.

matplotlib and not plotly: a report is kept for every build and sent around, and one
plot of ours is some ten kilobytes where plotly's script alone is four megabytes; and
what runs no script opens in every viewer, that of a build server too. It is an extra,
being with numpy five times as large as everything else together.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from ..errors import ConfigError
from .curves import phases, thinned, throughput
from .summary import Outcome, values_of

_SIZE_INCHES = (9.0, 3.4)
_MOST_ROWS = 250
_BLUE, _GREEN, _ORANGE, _RED, _GREY = (
    "#2563eb",
    "#15803d",
    "#c2410c",
    "#dc2626",
    "#94a3b8",
)
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#94a3b8",
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
    "xtick.color": "#475569",
    "ytick.color": "#475569",
}


class Plot(NamedTuple):
    """A plot: its title, what it shows and how to read it, and its SVG."""

    title: str
    caption: str
    svg: str


def check_library() -> None:
    """Raise ConfigError where plots cannot be drawn."""
    if find_spec("matplotlib") is None:
        raise ConfigError(
            "--report needs matplotlib to draw its plots",
            hint="pip install 'llmwrap[report]'",
        )


def plots_of(outcome: Outcome) -> list[Plot]:
    """Return the plots of a test. Raises: ConfigError without the library."""
    check_library()
    import matplotlib as mpl

    # It would tell about its font cache on stderr, which is not its own.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    found: list[Plot] = []
    with mpl.rc_context(_STYLE):
        found += _percentile_plot(outcome)
        found += _distribution_plot(outcome)
        found += _over_time_plot(outcome)
        found += _throughput_plot(outcome)
        found += _timeline_plot(outcome)
    return found


def _percentile_plot(outcome: Outcome) -> list[Plot]:
    named = _named_latencies(outcome)
    if not named:
        return []
    figure, axes = _new()
    longest = max(len(values) for _, values, _ in named)
    for label, values, color in named:
        ordered = sorted(values)
        count = len(ordered)
        # Each sample at the share of those that are longer, on a logarithmic scale:
        # the tail, which a mean hides, gets as much room as the rest.
        beyond = [(count - rank) / count for rank in range(count)]
        places = thinned(range(count))
        axes.step(
            [1 / beyond[place] for place in places],
            [ordered[place] * 1e3 for place in places],
            where="post",
            label=label,
            color=color,
            linewidth=1.6,
        )
    ticks = [
        (1, "0"),
        (2, "50"),
        (10, "90"),
        (100, "99"),
        (1000, "99.9"),
        (1e4, "99.99"),
    ]
    shown = [tick for tick in ticks if tick[0] <= max(longest, 10)]
    axes.set_xscale("log")
    axes.set_xticks([place for place, _ in shown], [text for _, text in shown])
    axes.minorticks_off()
    axes.set_xlabel("percentile")
    _milliseconds(axes)
    axes.legend()
    caption = (
        "How long the fastest requests took, up to the slowest. Read upwards from a"
        " percentile: so many percent of all requests took no longer."
    )
    return [Plot("Latency by percentile", caption, _svg(figure, "percentiles"))]


def _distribution_plot(outcome: Outcome) -> list[Plot]:
    named = _named_latencies(outcome)
    if not named:
        return []
    figure, rows = _new(columns=len(named))
    for axes, (label, values, color) in zip(rows, named, strict=True):
        axes.hist(
            [value * 1e3 for value in values],
            bins=min(40, max(8, len(values) // 8)),
            color=color,
            alpha=0.85,
        )
        axes.set_title(label, loc="left", color="#334155")
        axes.set_xlabel("ms")
    rows[0].set_ylabel("requests")
    caption = "How many requests took how long; several hills are several causes."
    return [Plot("Latency distribution", caption, _svg(figure, "distribution"))]


def _over_time_plot(outcome: Outcome) -> list[Plot]:
    good = [sample for sample in outcome.samples if sample.ttft_s is not None]
    if not good:
        return []
    figure, rows = _new(columns=2 if outcome.itl_s else 1)
    first = rows[0]
    shown = [good[place] for place in thinned(range(len(good)))]
    _scatter(
        first,
        [sample.started_s for sample in shown],
        [(sample.ttft_s or 0.0) * 1e3 for sample in shown],
        _BLUE,
    )
    first.set_title("TTFT", loc="left", color="#334155")
    if outcome.itl_s:
        places = thinned(range(len(outcome.itl_s)))
        _scatter(
            rows[1],
            [outcome.itl_at_s[place] for place in places],
            [outcome.itl_s[place] * 1e3 for place in places],
            _GREEN,
        )
        rows[1].set_title("ITL", loc="left", color="#334155")
    for axes in rows:
        axes.set_xlabel("seconds since the start")
        _milliseconds(axes)
    caption = (
        "Each request's time to first token when it was due or sent, and the gaps"
        " between chunks. What rises to the right is a server that falls behind."
    )
    return [Plot("TTFT and ITL over time", caption, _svg(figure, "over-time"))]


def _throughput_plot(outcome: Outcome) -> list[Plot]:
    if not outcome.samples:
        return []
    edges, good, failed, tokens = throughput(outcome)
    figure, rows = _new(columns=2)
    rows[0].stairs(good, edges, color=_BLUE, fill=True, alpha=0.85, label="answered")
    if any(failed):
        rows[0].stairs(failed, edges, color=_RED, fill=True, label="failed")
        rows[0].legend()
    rows[0].set_title("requests/s", loc="left", color="#334155")
    rows[1].stairs(tokens, edges, color=_GREEN, fill=True, alpha=0.85)
    rows[1].set_title("tokens/s", loc="left", color="#334155")
    for axes in rows:
        axes.set_xlabel("seconds since the start")
        axes.set_ylim(bottom=0)
    caption = "What was finished when; tokens count where their answer ended."
    return [Plot("Throughput", caption, _svg(figure, "throughput"))]


def _timeline_plot(outcome: Outcome) -> list[Plot]:
    samples = sorted(outcome.samples, key=lambda sample: sample.started_s)
    if not samples:
        return []
    shown = [samples[n] for n in thinned(range(len(samples)), _MOST_ROWS)]
    figure, axes = _new(height=2.0 + 6.0 * len(shown) / _MOST_ROWS)
    bars: dict[str, list[tuple[int, float, float]]] = {}
    for row, sample in enumerate(shown):
        for name, begin_s, end_s in phases(sample, is_open=_is_open(outcome)):
            bars.setdefault(name, []).append((row, begin_s, end_s - begin_s))
    for name, color in _PHASES:
        if found := bars.get(name):
            axes.barh(
                [row for row, _, _ in found],
                [length for _, _, length in found],
                left=[begin for _, begin, _ in found],
                height=0.9,
                color=color,
                label=name,
            )
    axes.set_xlabel("seconds since the start")
    axes.set_ylabel("request")
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper right", ncols=4)
    caption = "From top to bottom in the order in which the requests were due or sent."
    if len(shown) < len(samples):
        caption += f" {len(shown)} of {len(samples)} are shown, evenly picked."
    return [Plot("Timeline of requests", caption, _svg(figure, "timeline"))]


_PHASES = (
    ("waiting to be sent", _GREY),
    ("to the first token", _BLUE),
    ("answer", _GREEN),
    ("from the cache", _ORANGE),
    ("failed", _RED),
)


def _is_open(outcome: Outcome) -> bool:
    return outcome.setting.rate_per_s is not None


def _named_latencies(outcome: Outcome) -> list[tuple[str, list[float], str]]:
    named = (("TTFT", "ttft_s", _BLUE), ("E2E", "e2e_s", _ORANGE))
    return [
        (label, values, color)
        for label, name, color in named
        if (values := values_of(name, outcome.samples))
    ]


def _new(columns: int = 0, height: float = _SIZE_INCHES[1]) -> tuple[Any, Any]:
    """Return a figure and its axes: one, or a list where `columns` are wanted.

    Any: what matplotlib returns depends on its arguments, and stays in this module.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE_INCHES[0], height), layout="constrained")
    if not columns:
        return figure, figure.add_subplot()
    return figure, [figure.add_subplot(1, columns, n + 1) for n in range(columns)]


def _scatter(axes: Any, xs: Sequence[float], ys: Sequence[float], color: str) -> None:
    # One path, not a mark each: a tenth of the bytes.
    axes.plot(
        xs, ys, linestyle="none", marker=".", markersize=4, color=color, alpha=0.5
    )
    axes.set_ylim(bottom=0)


def _milliseconds(axes: Any) -> None:
    axes.set_ylabel("ms")
    axes.set_ylim(bottom=0)


def _svg(figure: Any, name: str) -> str:
    """Return a figure as an element for a page; names in it are its own."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
