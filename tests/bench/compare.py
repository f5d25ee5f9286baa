"""This run beside the last one that was kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .figures import Figure, Span
from .keeping import Inner, Kept

_NOTABLE = 0.10
"""What is less is not worth a line of thought, on machines that do other work too."""


class Change(NamedTuple):
    """A figure then and now; `ratio` is now over then."""

    what: str
    before: str
    now: str
    ratio: float
    verdict: str


def changes(before: Kept, now: Kept) -> Iterator[Change]:
    """Yield how the figures changed that both have.

    One is better or worse when it differs by more than a tenth and, where it is known
    how far both spread, no value of one lies between those of the other.
    """
    old = {figure.name: figure for figure in before.figures}
    for figure in now.figures:
        if (other := old.get(figure.name)) and other.value and figure.value:
            yield _change(other, figure, other.value, figure.value)
    inner = {one.name: one for one in before.inner}
    for one in now.inner:
        if (earlier := inner.get(one.name)) and earlier.median_s:
            yield _inner_change(earlier, one)


def _change(before: Figure, now: Figure, old: float, new: float) -> Change:
    is_apart = not _overlap(before.span, now.span)
    verdict = _verdict(new / old, is_apart=is_apart, is_upper=now.is_upper)
    return Change(now.name, before.measured, now.measured, new / old, verdict)


def _inner_change(before: Inner, now: Inner) -> Change:
    ratio = now.median_s / before.median_s
    spans = (Span(before.q1_s, before.q3_s), Span(now.q1_s, now.q3_s))
    verdict = _verdict(ratio, is_apart=not _overlap(*spans), is_upper=True)
    return Change(now.name, shown(before.median_s), shown(now.median_s), ratio, verdict)


def _overlap(before: Span | None, now: Span | None) -> bool:
    if before is None or now is None:
        return False
    return before.least <= now.most and now.least <= before.most


def _verdict(ratio: float, *, is_apart: bool, is_upper: bool) -> str:
    if not is_apart or abs(ratio - 1) <= _NOTABLE:
        return "same"
    return "worse" if (ratio > 1) == is_upper else "better"


def shown(seconds: float) -> str:
    """Return a short time for people."""
    for unit, length_s in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= length_s:
            return f"{seconds / length_s:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
