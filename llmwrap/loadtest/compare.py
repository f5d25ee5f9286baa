"""Whether a load test is slower than one before, by more than chance explains.

Two questions to each figure, and it has to fail both. Is it worse by more than the
tolerance? And would the bootstrap, drawing both tests anew from their own samples, see
it no worse at all less often than the confidence allows? The doubt that is allowed is
shared out over all figures that are judged (Bonferroni), so it holds for the gate as a
whole and not for each figure.

A bootstrap draw of an order statistic needs no resampling: the k-th of n numbers drawn
uniformly from n follows the beta distribution (k, n - k + 1), which says where in the
sorted samples it lies. Means are compared as Welch does, with the normal distribution.

A longer time between tokens is no harm by itself: where the first token comes sooner
by more than the last, each one between them comes sooner too, and TPOT is longer. So
TPOT is worse only where one of both comes later, or answers became shorter.

What one run's samples cannot tell is how runs differ from each other: a machine that
was busy during one of them is found too.

See: Efron, Tibshirani, An Introduction to the Bootstrap, 1993; David, Nagaraja, Order
Statistics, 2003; Jain, The Art of Computer Systems Performance Analysis, 1991, ch. 13.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from random import Random
from typing import Literal, NamedTuple, TypeAlias

from ..metrics.percentiles import percentile
from .samples import Sample
from .summary import values_of

Verdict: TypeAlias = Literal["worse", "better", "same", "chance"]
"""`chance`: off by more than the tolerance, and no more than chance may bring."""

ERRORS = "errors"
_DRAWS_ALLOWED = 5  # that may speak against it; so many draws are made in all
_PLENTY = 250
_LEAST_DOUBT = 1e-5
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
    is longer because the first token gained more than the last.
    """

    name: str
    figure: str
    old: float
    new: float
    ratio: float | None
    doubt: float | None
    verdict: Verdict


class Gate(NamedTuple):
    """How strict the comparison is: both between 0 and 1."""

    tolerance: float = 0.10
    confidence: float = 0.99
    seed: int = 0


def changes(
    old: Sequence[Sample], new: Sequence[Sample], gate: Gate = Gate()
) -> list[Change]:
    """Return what became of each figure that both tests have enough samples for."""
    pairs = [
        (name, figure, ratio, before, after)
        for name, figure, ratio in _FIGURES
        if (before := sorted(values_of(name, old)))
        and (after := sorted(values_of(name, new)))
        and _is_enough(min(len(before), len(after)), ratio)
    ]
    allowed = (1 - gate.confidence) / (len(pairs) + 1)
    draws = Random(gate.seed)  # noqa: S311  the same samples get the same verdict
    found = []
    for name, figure, ratio, before, after in pairs:
        was, now = _figure(before, ratio), _figure(after, ratio)
        by = (now - was) / was if was else math.copysign(math.inf, now - was)
        doubt = None
        if abs(by) > gate.tolerance and abs(now - was) > _LEAST_S:
            doubt = _doubt(before, after, ratio, draws, allowed)
        verdict = _verdict(by, doubt, gate.tolerance, allowed)
        change = now / was if was else None
        found.append(Change(name, figure, was, now, change, doubt, verdict))
    if _tokens(new) >= _tokens(old):
        found = [_in_its_place(change, found) for change in found]
    return [*found, _errors(old, new, gate.tolerance, allowed)]


def worse(found: Sequence[Change]) -> list[Change]:
    """Return the changes that break the gate."""
    return [change for change in found if change.verdict == "worse"]


def _tokens(samples: Sequence[Sample]) -> float:
    """Return how long the complete answers are on average."""
    counts = [s.completion_tokens or s.chunks for s in samples if s.is_ok]
    return statistics.fmean(counts) if counts else 0.0


def _in_its_place(change: Change, found: Sequence[Change]) -> Change:
    """Return a change, TPOT's as no harm where no token comes later than before."""
    if change.name != "tpot_s" or change.verdict != "worse":
        return change
    ends = [c for c in found if c.name in _ENDS and c.figure == change.figure]
    comes_later = any(end.new > end.old for end in ends) or len(ends) < len(_ENDS)
    return change if comes_later else change._replace(verdict="same")


def _is_enough(count: int, ratio: float | None) -> bool:
    if ratio is None:
        return count >= _FEWEST_OF_MEAN
    return count * min(ratio, 1 - ratio) >= _FEWEST_BEYOND - 1e-9


def _figure(ordered: Sequence[float], ratio: float | None) -> float:
    return statistics.fmean(ordered) if ratio is None else percentile(ordered, ratio)


def _verdict(
    by: float, doubt: float | None, tolerance: float, allowed: float
) -> Verdict:
    """Judge a change; `doubt` is that of "it is worse", so near 1 for a better one."""
    if doubt is None:
        return "same"
    if by > tolerance:
        return "worse" if doubt <= allowed else "chance"
    if by < -tolerance:
        return "better" if 1 - doubt <= allowed else "chance"
    return "same"


def _doubt(
    old: Sequence[float],
    new: Sequence[float],
    ratio: float | None,
    draws: Random,
    allowed: float,
) -> float:
    """Return how much speaks against a figure's having become worse, 0 to 1."""
    if ratio is None:
        return _doubt_of_means(old, new)
    not_worse = 0.0
    most = math.ceil(_DRAWS_ALLOWED / max(allowed, _LEAST_DOUBT))
    for count in range(1, most + 1):
        before, after = _drawn(old, ratio, draws), _drawn(new, ratio, draws)
        not_worse += 1.0 if after < before else 0.5 if after == before else 0.0
        if min(not_worse, count - not_worse) > _PLENTY:
            break  # Neither can become rare any more.
    return not_worse / count


def _drawn(ordered: Sequence[float], ratio: float, draws: Random) -> float:
    count = len(ordered)
    rank = min(count, max(1, math.ceil(ratio * count)))
    place = draws.betavariate(rank, count - rank + 1)
    return ordered[min(count - 1, int(place * count))]


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


def _errors(
    old: Sequence[Sample], new: Sequence[Sample], tolerance: float, allowed: float
) -> Change:
    """Compare the shares of failed requests; the tolerance is in points here."""
    failed = [sum(not sample.is_ok for sample in samples) for samples in (old, new)]
    was, now = (
        count / max(1, len(samples))
        for count, samples in zip(failed, (old, new), strict=True)
    )
    both = sum(failed) / max(1, len(old) + len(new))
    per_request = 1 / max(1, len(old)) + 1 / max(1, len(new))
    spread = math.sqrt(both * (1 - both) * per_request)
    doubt = statistics.NormalDist().cdf((was - now) / spread) if spread else None
    verdict = _verdict(now - was, doubt, tolerance, allowed)
    return Change(ERRORS, "share", was, now, None, doubt, verdict)
