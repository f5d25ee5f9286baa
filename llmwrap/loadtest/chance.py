"""What of a change chance explains: between runs, and between shares of errors.

A machine has better and worse minutes, so two runs of the same differ by more than
their samples tell: 5 % is usual. Student's t-test takes one figure a run, and the
spread of the runs of both tests together. Three runs know it badly, and would let no
slow-down below 40 % be found, so what is usual counts as four runs more: a moderated
t-test.

See: Jain, The Art of Computer Systems Performance Analysis, 1991, ch. 13; Smyth,
Linear Models and Empirical Bayes Methods, 2004; Fisher, Statistical Methods for
Research Workers, 1934, sec. 21.02; Abramowitz, Stegun, 26.7.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

_USUAL = 0.05
_USUAL_FREEDOM = 4


class Spread(NamedTuple):
    """A standard deviation between runs, as a share, and its degrees of freedom."""

    ratio: float
    freedom: int


def spread_of(*tests: Sequence[float]) -> Spread | None:
    """Return the spread within tests, each one figure a run; None where none has two.

    A test whose figures are nothing on average says nothing of shares.
    """
    squares, freedom = 0.0, 0
    for figures in tests:
        mean = statistics.fmean(figures) if figures else 0.0
        if mean > 0:
            squares += sum((figure / mean - 1) ** 2 for figure in figures)
            freedom += len(figures) - 1
    return Spread(math.sqrt(squares / freedom), freedom) if freedom else None


def doubt_between(ratio: float, spread: Spread, runs: tuple[int, int]) -> float:
    """Return how much speaks against a figure's having become worse, 0 to 1.

    `ratio` is new over old, `runs` how many there are of each.
    """
    if ratio <= 0:
        return 1.0
    freedom = spread.freedom + _USUAL_FREEDOM
    squares = spread.ratio**2 * spread.freedom + _USUAL**2 * _USUAL_FREEDOM
    error = math.sqrt(squares / freedom * sum(1 / count for count in runs))
    return student_above(math.log(ratio) / error, freedom)


def student_above(t: float, freedom: int) -> float:
    """Return how often Student's t is above a value, 0 to 1."""
    angle = math.atan2(t, math.sqrt(freedom))
    cosine = math.cos(angle)
    is_odd = freedom % 2
    term = cosine if is_odd else 1.0
    total = term if freedom > 1 else 0.0
    for step in range(2 + is_odd, freedom - 1, 2):
        term *= (step - 1) / step * cosine**2
        total += term
    within = math.sin(angle) * total
    if is_odd:
        within = 2 / math.pi * (angle + within)
    return (1 - within) / 2


def doubt_of_rise(old: tuple[int, int], new: tuple[int, int]) -> float:
    """Return how often chance gives the new test so many failures or more.

    Both are counts of failures and of requests: Fisher's exact test, one-sided.
    """
    failed, asked = old[0] + new[0], old[1] + new[1]
    ways = _log_ways(asked, failed)
    return min(
        1.0,
        math.fsum(
            math.exp(_log_ways(new[1], of_new) + _log_ways(old[1], rest) - ways)
            for of_new in range(new[0], min(failed, new[1]) + 1)
            if (rest := failed - of_new) <= old[1]
        ),
    )


def _log_ways(count: int, chosen: int) -> float:
    """Return the logarithm of a binomial coefficient."""
    gone = math.lgamma(chosen + 1) + math.lgamma(count - chosen + 1)
    return math.lgamma(count + 1) - gone
