"""The figures of a load test, from its samples."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..metrics.percentiles import Percentiles, percentile, percentiles
from .chance import spread_of
from .machine import Machine
from .samples import Sample, runs_of

LATENCIES = ("ttft_s", "itl_s", "tpot_s", "e2e_s", "queued_s")
SPREAD_OF = ("ttft_s", "tpot_s", "e2e_s")
SERVER_PHASES = ("load_s", "prompt_s", "generation_s", "total_s")


class Setting(NamedTuple):
    """What was asked, of whom and how: what makes two tests the same test.

    `server` is the host of the backend's address, `loopback` for one of this machine;
    `prompts` the digest of the prompts; `cache` tells whether the cache may answer.
    """

    backend: str
    kind: str
    server: str
    model: str
    mode: str
    concurrency: int | None
    rate_per_s: float | None
    arrival: str | None
    prompts: str
    max_tokens: int | None
    cache: str


class Outcome(NamedTuple):
    """A load test as it ended.

    `wall_s` is from its start to the end of its last answer. `described` says for
    people what the prompts were, `slo` what a good answer is at most (seconds by
    latency), `rounds` how many runs it was, one after the other.
    """

    setting: Setting
    machine: Machine
    started_at: float
    wall_s: float
    warmups: int
    described: str
    samples: Sequence[Sample]
    itl_s: array[float]
    itl_at_s: array[float]
    slo: Mapping[str, float]
    is_interrupted: bool
    cut_off: int
    rounds: int = 1


class Report(NamedTuple):
    """The figures; None where there is nothing to say, as without any answer.

    Rates are over `wall_s` and count complete answers. Latencies are those of complete
    answers, errors being counted for themselves. Tokens are those that the server
    counted, None unless it counted those of every answer. `spread` is how much
    the medians of rounds differ: a standard deviation, as a share. `unseen` are the
    latencies that a good answer was to have and that no answer showed: then there is no
    goodput.
    """

    requests: int
    errors: int
    errors_by_kind: dict[str, int]
    latencies: dict[str, Percentiles | None]
    server: dict[str, Percentiles | None]
    late_s: Percentiles | None
    rendering_s: Percentiles | None
    spread: dict[str, float] | None
    prompt_tokens: int | None
    completion_tokens: int | None
    tokens_per_s: float | None
    requests_per_s: float
    hit_ratio: float | None
    hits_e2e_s: Percentiles | None
    misses_e2e_s: Percentiles | None
    goodput_ratio: float | None
    goodput_per_s: float | None
    unseen: tuple[str, ...] = ()


def summary_of(outcome: Outcome) -> Report:
    """Return the figures of a test."""
    samples = outcome.samples
    good = [sample for sample in samples if sample.is_ok]
    hits = [sample for sample in good if sample.is_cached]
    misses = [sample for sample in good if not sample.is_cached]
    wall_s = max(outcome.wall_s, 1e-9)
    tokens = _counted(misses, "completion_tokens")
    unseen = tuple(name for name in outcome.slo if _is_unseen(name, good))
    within = _within(good, outcome.slo) if outcome.slo and not unseen else None
    uses_cache = outcome.setting.cache != "off"
    return Report(
        requests=len(samples),
        errors=len(samples) - len(good),
        errors_by_kind=dict(Counter(s.error for s in samples if s.error).most_common()),
        latencies={name: _latency(name, good, outcome) for name in LATENCIES},
        server={name: _phase(name, good) for name in SERVER_PHASES},
        late_s=percentiles(sample.late_s for sample in samples),
        rendering_s=percentiles(_known(samples, "rendering_s")),
        spread=_spread(good),
        prompt_tokens=_counted(good, "prompt_tokens"),
        completion_tokens=tokens,
        tokens_per_s=None if tokens is None else tokens / wall_s,
        requests_per_s=len(good) / wall_s,
        hit_ratio=len(hits) / len(good) if uses_cache and good else None,
        hits_e2e_s=percentiles(_known(hits, "e2e_s")) if uses_cache else None,
        misses_e2e_s=percentiles(_known(misses, "e2e_s")) if uses_cache else None,
        goodput_ratio=None if within is None else within / max(1, len(samples)),
        goodput_per_s=None if within is None else within / wall_s,
        unseen=unseen,
    )


def values_of(name: str, samples: Iterable[Sample]) -> list[float]:
    """Return one latency of every complete answer that has it."""
    return _known((sample for sample in samples if sample.is_ok), name)


def _spread(good: Sequence[Sample]) -> dict[str, float] | None:
    runs = runs_of(good)
    found = {
        name: spread_of(
            [percentile(sorted(v), 0.5) for run in runs if (v := values_of(name, run))]
        )
        for name in SPREAD_OF
    }
    return {name: one.ratio for name, one in found.items() if one} or None


def _latency(name: str, good: Sequence[Sample], outcome: Outcome) -> Percentiles | None:
    return percentiles(outcome.itl_s if name == "itl_s" else _known(good, name))


def _phase(name: str, good: Sequence[Sample]) -> Percentiles | None:
    found = [getattr(sample.server, name) for sample in good if sample.server]
    return percentiles(value for value in found if value is not None)


def _known(samples: Iterable[Sample], name: str) -> list[float]:
    found = (getattr(sample, name) for sample in samples)
    return [value for value in found if value is not None]


def _counted(samples: Sequence[Sample], name: str) -> int | None:
    """Return the sum of a count, None where it is missing once."""
    counts = [getattr(sample, name) for sample in samples]
    return None if None in counts else sum(counts)


def _within(good: Sequence[Sample], slo: Mapping[str, float]) -> int:
    return sum(
        1
        for sample in good
        if all(_is_within(sample, name, most) for name, most in slo.items())
    )


def _is_within(sample: Sample, name: str, most: float) -> bool:
    value: float | None = getattr(sample, name)
    return _has_none(sample, name) if value is None else value <= most


def _is_unseen(name: str, good: Sequence[Sample]) -> bool:
    """Tell whether no answer showed a latency that each of them had."""
    return bool(good) and all(
        getattr(sample, name) is None and not _has_none(sample, name) for sample in good
    )


def _has_none(sample: Sample, name: str) -> bool:
    """Tell whether there is nothing to see: one token has no time between tokens."""
    tokens = sample.completion_tokens
    return name == "tpot_s" and tokens is not None and tokens < 2
