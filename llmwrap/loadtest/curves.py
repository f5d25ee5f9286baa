"""What the plots of a report draw, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .samples import Sample
from .summary import Outcome

_MOST_POINTS = 4000


class Throughput(NamedTuple):
    """Per second, in spans of equal length between `edges_s`: what ended in each."""

    edges_s: list[float]
    answered: list[float]
    failed: list[float]
    tokens: list[float]


def throughput(outcome: Outcome) -> Throughput:
    """Return what was finished when; tokens count where their answer ended."""
    width_s = max(outcome.wall_s / 40, min(0.5, outcome.wall_s / 8), 1e-3)
    spans = int(outcome.wall_s / width_s) + 1
    good, failed, tokens = [0.0] * spans, [0.0] * spans, [0.0] * spans
    for sample in outcome.samples:
        place = min(spans - 1, max(0, int(sample.ended_s / width_s)))
        (good if sample.is_ok else failed)[place] += 1 / width_s
        made = 0 if sample.is_cached else sample.completion_tokens or sample.chunks
        tokens[place] += made / width_s
    edges_s = [number * width_s for number in range(spans + 1)]
    return Throughput(edges_s, good, failed, tokens)


def phases(sample: Sample, *, is_open: bool) -> list[tuple[str, float, float]]:
    """Return the parts of a request: name, begin, end."""
    begin_s, end_s = sample.started_s, max(sample.ended_s, sample.started_s)
    if not sample.is_ok or sample.ttft_s is None:
        return [("failed" if not sample.is_ok else "answer", begin_s, end_s)]
    if sample.is_cached:
        return [("from the cache", begin_s, end_s)]
    sent_s = begin_s + (sample.queued_s or 0.0)
    first_s = (begin_s if is_open else sent_s) + sample.ttft_s
    return [
        ("waiting to be sent", begin_s, sent_s),
        ("to the first token", sent_s, max(sent_s, first_s)),
        ("answer", max(sent_s, first_s), max(end_s, first_s)),
    ]


def thinned(places: Sequence[int], most: int = _MOST_POINTS) -> list[int]:
    """Return at most `most` places, evenly picked, the last one always among them."""
    if len(places) <= most:
        return list(places)
    step = (len(places) - 1) / (most - 1)
    return [places[round(number * step)] for number in range(most)]
