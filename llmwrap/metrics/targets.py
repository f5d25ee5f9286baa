"""The five performance targets, and whether they are met."""

from __future__ import annotations

from typing import NamedTuple

from .series import Labels, Series
from .tally import Tally

TTFT_S = 0.2
LOOKUP_S = 0.010
RENDERING_S = 0.050
HIT_RATIO = 0.80
ERROR_RATIO = 0.05
_JUDGED_AT = 0.95


class PerformanceTarget(NamedTuple):
    """A target and what was measured, None where nothing was.

    `goal` and `measured` are seconds or ratios, as the name says. `is_upper` tells
    whether the measured value has to stay below the goal, else above.
    """

    name: str
    goal: float
    measured: float | None
    is_upper: bool = True

    @property
    def is_met(self) -> bool | None:
        """Tell whether it is met; None when nothing was measured."""
        if self.measured is None:
            return None
        is_below = self.measured < self.goal
        is_above = self.measured > self.goal
        return is_below if self.is_upper else is_above


def judged(tally: Tally) -> list[PerformanceTarget]:
    """Return the targets as runs meet them: durations at p95.

    TTFT is that of runs which a server was asked for: those of hits are another
    figure, and would hide it.
    """
    every = tally.total()
    asked = tally.total(_is_asked)
    error_ratio = every.failed / every.runs if every.runs else None
    return [
        PerformanceTarget("ttft_p95_s", TTFT_S, _p95(asked, "ttft_s")),
        PerformanceTarget("lookup_p95_s", LOOKUP_S, _p95(every, "lookup_s")),
        PerformanceTarget("rendering_p95_s", RENDERING_S, _p95(every, "rendering_s")),
        PerformanceTarget("hit_ratio", HIT_RATIO, tally.hit_ratio, is_upper=False),
        PerformanceTarget("error_ratio", ERROR_RATIO, error_ratio),
    ]


def _is_asked(labels: Labels) -> bool:
    return not labels.is_hit


def _p95(series: Series, metric: str) -> float | None:
    return series.histogram(metric).quantile(_JUDGED_AT)
