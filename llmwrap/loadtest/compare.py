"""Whether a load test is slower than others before, by more than chance explains.

Three questions to each figure, and it has to fail all. Is it worse by more than the
tolerance? Would the bootstrap, drawing both tests anew from their own samples, see it
no worse at all less often than the confidence allows? And do the runs themselves differ
by less, where there are several to tell (chance.py)? The doubt that the bootstrap is
allowed is shared out over all figures (Bonferroni). That of runs is not: a busy machine
moves all figures of a run together.

Nothing is drawn for it: the k-th of n numbers drawn uniformly from n follows the beta
distribution (k, n - k + 1), which says how likely it is to be each of the sorted
samples. Means are compared as Welch does, with the normal distribution.

A longer time between tokens is no harm by itself: where the first token comes sooner
by more than the last, each one between them comes sooner too, and TPOT is longer. So
TPOT is worse only where one of both comes later, or answers became shorter.

Errors have no tolerance: a rise that chance does not explain is worse.

See: Efron, Tibshirani, An Introduction to the Bootstrap, 1993; David, Nagaraja, Order
Statistics, 2003; Jain, The Art of Computer Systems Performance Analysis, 1991, ch. 13.
"""

from __future__ import annotations

import itertools
import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from ..metrics.percentiles import percentile
from .chance import Spread, doubt_between, doubt_of_rise, spread_of
from .samples import Sample
from .summary import values_of

Runs: TypeAlias = Sequence[Sequence[Sample]]
"""The runs of one test, at least one, each with its samples."""

Verdict: TypeAlias = Literal["worse", "better", "same", "chance"]
"""`chance`: off by more than the tolerance, and no more than chance may bring."""

ERRORS = "errors"
_LEAST_S = 0.0002
"""What is no difference: a client in Python moves its own stamps by as much."""
_FEWEST_BEYOND = 5
"""Samples beyond a percentile that it takes to speak of it."""
_FEWEST_OF_MEAN = 30
"""Samples of which a mean may be taken for normally distributed."""

_ENDS = ("ttft_s", "e2e_s")
"""When the first token comes, and the last."""

_FIGURES: tuple[tuple[str, str, float | None], ...] = (
    ("ttft_s", "p50", 0.5),
    ("ttft_s", "p95", 0.95),
    ("tpot_s", "p50", 0.5),
    ("tpot_s", "p95", 0.95),
    ("e2e_s", "p50", 0.5),
    ("e2e_s", "p95", 0.95),
    ("e2e_s", "p99", 0.99),
    ("e2e_s", "mean", None),
)


class Change(NamedTuple):
    """One figure of two tests. `doubt` is how likely chance alone is to bring it.

    `ratio` is new over old; None for errors, and where old is 0. What is within the
    tolerance is the `same`, and its doubt is not worked out (None); so is a TPOT that
    is longer because the first token gained more than the last. `spread` is how much
    runs differ by themselves, a standard deviation as a share, and `doubt_between` how
    likely that brings it; None where no side has two runs.
    """

    name: str
    figure: str
    old: float
    new: float
    ratio: float | None
    doubt: float | None
    verdict: Verdict
    spread: float | None = None
    doubt_between: float | None = None


class Gate(NamedTuple):
    """How strict the comparison is: both between 0 and 1."""

    tolerance: float = 0.10
    confidence: float = 0.99


class _Pair(NamedTuple):
    """One figure of both tests: sorted values of all runs, and the figure of each."""

    name: str
    figure: str
    ratio: float | None
    old: list[float]
    new: list[float]
    spread: Spread | None


def changes(old: Runs, new: Runs, gate: Gate = Gate()) -> list[Change]:
    """Return what became of each figure that both tests have enough samples for."""
    pairs = [
        pair
        for name, figure, ratio in _FIGURES
        if _is_enough(pair := _pair(name, figure, ratio, old, new))
    ]
    allowed = (1 - gate.confidence) / max(1, len(pairs))
    runs = (len(old), len(new))
    found = [_judged(pair, runs, gate, allowed) for pair in pairs]
    if _tokens(new) >= _tokens(old):
        found = [_in_its_place(change, found) for change in found]
    return [*found, _errors(old, new, 1 - gate.confidence)]


def is_spread_known(found: Sequence[Change]) -> bool:
    """Tell whether the comparison knew how much runs differ by themselves."""
    return any(change.spread is not None for change in found)


def worse(found: Sequence[Change]) -> list[Change]:
    """Return the changes that break the gate."""
    return [change for change in found if change.verdict == "worse"]


def _tokens(runs: Runs) -> float:
    """Return how long the complete answers are on average."""
    good = (sample for sample in _all(runs) if sample.is_ok)
    counts = [sample.completion_tokens or sample.chunks for sample in good]
    return statistics.fmean(counts) if counts else 0.0


def _all(runs: Runs) -> Iterator[Sample]:
    return itertools.chain.from_iterable(runs)


def _pair(name: str, figure: str, ratio: float | None, old: Runs, new: Runs) -> _Pair:
    figures = [
        [
            _figure(sorted(values), ratio)
            for run in runs
            if (values := values_of(name, run))
        ]
        for runs in (old, new)
    ]
    return _Pair(
        name,
        figure,
        ratio,
        sorted(values_of(name, _all(old))),
        sorted(values_of(name, _all(new))),
        spread_of(*figures),
    )


def _judged(pair: _Pair, runs: tuple[int, int], gate: Gate, allowed: float) -> Change:
    was, now = _figure(pair.old, pair.ratio), _figure(pair.new, pair.ratio)
    by = (now - was) / was if was else math.copysign(math.inf, now - was)
    ratio, spread = now / was if was else None, pair.spread
    change = Change(pair.name, pair.figure, was, now, ratio, None, "same")
    if spread:
        change = change._replace(spread=spread.ratio)
    if abs(by) <= gate.tolerance or abs(now - was) <= _LEAST_S:
        return change
    doubt = _doubt(pair)
    doubts, between = [(doubt, allowed)], None
    if spread and ratio is not None:
        between = doubt_between(ratio, spread, runs)
        doubts.append((between, 1 - gate.confidence))
    return change._replace(
        doubt=doubt, doubt_between=between, verdict=_verdict(by, doubts)
    )


def _in_its_place(change: Change, found: Sequence[Change]) -> Change:
    """Return a change, TPOT's as no harm where no token comes later than before."""
    if change.name != "tpot_s" or change.verdict != "worse":
        return change
    ends = [c for c in found if c.name in _ENDS and c.figure == change.figure]
    # By more than sums of floats are rounded by.
    comes_later = any(end.new > end.old * (1 + 1e-9) for end in ends)
    comes_later = comes_later or len(ends) < len(_ENDS)
    return change if comes_later else change._replace(verdict="same")


def _is_enough(pair: _Pair) -> bool:
    count, ratio = min(len(pair.old), len(pair.new)), pair.ratio
    if ratio is None:
        return count >= _FEWEST_OF_MEAN
    return count * min(ratio, 1 - ratio) >= _FEWEST_BEYOND - 1e-9


def _figure(ordered: Sequence[float], ratio: float | None) -> float:
    return statistics.fmean(ordered) if ratio is None else percentile(ordered, ratio)


def _verdict(by: float, doubts: Sequence[tuple[float, float]]) -> Verdict:
    """Judge a change by its doubts, each with the most that is allowed.

    They are those of "it is worse", so near 1 for a better one.
    """
    if by > 0:
        return "worse" if all(doubt <= most for doubt, most in doubts) else "chance"
    return "better" if all(1 - doubt <= most for doubt, most in doubts) else "chance"


def _doubt(pair: _Pair) -> float:
    """Return how much speaks against a figure's having become worse, 0 to 1."""
    old, new, ratio = pair.old, pair.new, pair.ratio
    if ratio is None:
        return _doubt_of_means(old, new)
    below = [0.0, *itertools.accumulate(_odds(len(new), ratio))]
    not_worse = math.fsum(
        odds * (below[bisect_left(new, value)] + below[bisect_right(new, value)]) / 2
        for value, odds in zip(old, _odds(len(old), ratio), strict=True)
    )
    return min(1.0, not_worse)


def _odds(count: int, ratio: float) -> list[float]:
    """Return how likely a percentile, drawn anew, is to be each of so many samples."""
    rank = min(count, max(1, math.ceil(ratio * count)))
    places = [(number + 0.5) / count for number in range(count)]
    logs = [
        (rank - 1) * math.log(place) + (count - rank) * math.log1p(-place)
        for place in places
    ]
    highest = max(logs)
    odds = [math.exp(log - highest) for log in logs]
    total = math.fsum(odds)
    return [one / total for one in odds]


def _doubt_of_means(old: Sequence[float], new: Sequence[float]) -> float:
    was, now = statistics.fmean(old), statistics.fmean(new)
    spread = math.sqrt(_error_of_mean(old, was) + _error_of_mean(new, now))
    if not spread:
        return 0.5 if was == now else float(now < was)
    return statistics.NormalDist().cdf((was - now) / spread)


def _error_of_mean(values: Sequence[float], mean: float) -> float:
    if len(values) < 2:
        return 0.0
    return statistics.variance(values, mean) / len(values)


def _errors(old: Runs, new: Runs, allowed: float) -> Change:
    """Compare the shares of failed requests; there is no tolerance."""
    before, after = _failed(old), _failed(new)
    was, now = (failed / max(1, asked) for failed, asked in (before, after))
    doubt = doubt_of_rise(before, after)
    verdict: Verdict = "same"
    if now > was:
        verdict = "worse" if doubt <= allowed else "chance"
    elif now < was:
        is_better = doubt_of_rise(after, before) <= allowed
        verdict = "better" if is_better else "chance"
    return Change(ERRORS, "share", was, now, None, doubt, verdict)


def _failed(runs: Runs) -> tuple[int, int]:
    """Return how many requests failed, and how many there were."""
    ends = [sample.is_ok for sample in _all(runs)]
    return ends.count(False), len(ends)
