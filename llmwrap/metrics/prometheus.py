"""What was counted, as Prometheus reads it from a file.

Durations and tokens have the names of OpenTelemetry's metrics for generative AI, dots
as underscores and the unit behind, as its exporters for Prometheus write them; what
it has no name for begins with `llmwrap_`. Every label but `le` and `error_type` is on
every series, so that they can be put beside each other.

    # HELP gen_ai_client_operation_duration_seconds Whole answer, from request sent.
    # TYPE gen_ai_client_operation_duration_seconds histogram
    gen_ai_client_operation_duration_seconds_bucket{...,le="0.32"} 12

See: prometheus.io, exposition formats, text format 0.0.4, and metric naming;
OpenTelemetry, semantic conventions for generative AI metrics, whose buckets these are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .figures import ordered
from .histogram import Histogram
from .series import Labels, Series
from .tally import Tally
from .targets import PerformanceTarget

_DURATIONS = tuple(0.01 * 2**step for step in range(14))
_FIRST_TOKENS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08),
    *(0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
_NEXT_TOKENS = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2),
    *(0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)
_TOKENS = tuple(4.0**step for step in range(14))
_OURS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
_SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)

_GEN_AI = "gen_ai_client_operation_"


class _Family(NamedTuple):
    """A histogram's name, what it means, and its buckets."""

    name: str
    help: str
    bounds: tuple[float, ...]


_HISTOGRAMS = {
    "e2e_s": _Family(
        f"{_GEN_AI}duration_seconds",
        "Whole answer, from request sent to its last byte.",
        _DURATIONS,
    ),
    "ttft_s": _Family(
        f"{_GEN_AI}time_to_first_chunk_seconds",
        "First chunk with text or reasoning, from request sent.",
        _FIRST_TOKENS,
    ),
    "itl_s": _Family(
        f"{_GEN_AI}time_per_output_chunk_seconds",
        "Gaps between chunks with text or reasoning.",
        _NEXT_TOKENS,
    ),
    "tpot_s": _Family(
        "llmwrap_time_per_output_token_seconds",
        "Time per token of an answer, the first one left out.",
        _NEXT_TOKENS,
    ),
    "queued_s": _Family(
        "llmwrap_queue_duration_seconds",
        "From the call to request sent: waiting, connecting, earlier attempts.",
        _OURS,
    ),
    "lookup_s": _Family(
        "llmwrap_cache_lookup_duration_seconds", "Looking into the cache.", _OURS
    ),
    "rendering_s": _Family(
        "llmwrap_template_rendering_duration_seconds", "Rendering a template.", _OURS
    ),
    "tokens_per_s": _Family(
        "llmwrap_tokens_per_second", "Tokens of an answer over its duration.", _SPEEDS
    ),
}
_TOKEN_USAGE = _Family(
    "gen_ai_client_token_usage", "Tokens by the server's own count.", _TOKENS
)
_TOKEN_TYPES = {"prompt_tokens": "input", "completion_tokens": "output"}


def exposition(
    tally: Tally, targets: Sequence[PerformanceTarget], kinds: Mapping[str, str]
) -> str:
    """Return the whole text, its last line ended; `kinds` has those of backends."""
    series = [(_label_values(labels, kinds), one) for labels, one in ordered(tally)]
    lines = [*_counters(series), *_histograms(series), *_targets(targets)]
    return "".join(f"{line}\n" for line in lines)


def _label_values(labels: Labels, kinds: Mapping[str, str]) -> dict[str, str]:
    return {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": kinds.get(labels.backend, labels.backend),
        "gen_ai_request_model": labels.model,
        "server_address": labels.address,
        "llmwrap_backend": labels.backend,
        "llmwrap_template": labels.template,
        "llmwrap_cache": labels.outcome,
    }


def _counters(series: list[tuple[dict[str, str], Series]]) -> Iterator[str]:
    name = "llmwrap_runs_total"
    yield from _head(name, "counter", "Runs, by the kind of error that ended them.")
    for labels, one in series:
        whole = one.runs - one.errors.total()
        for kind, count in (("", whole), *sorted(one.errors.items())):
            if count:
                yield _sample(name, {**labels, "error_type": kind}, count)
    name = "llmwrap_attempts_total"
    yield from _head(name, "counter", "Requests sent, retries too.")
    for labels, one in series:
        yield _sample(name, labels, one.attempts)
    yield from _of_schemas(series)


def _of_schemas(series: list[tuple[dict[str, str], Series]]) -> Iterator[str]:
    name = "llmwrap_schema_asked_again_total"
    yield from _head(name, "counter", "Requests sent for answers not of their schema.")
    for labels, one in series:
        yield _sample(name, labels, one.asked_again)
    name = "llmwrap_schema_given_up_total"
    yield from _head(name, "counter", "Runs whose answer was not of its schema.")
    for labels, one in series:
        yield _sample(name, labels, one.ends["invalid"])


def _histograms(series: list[tuple[dict[str, str], Series]]) -> Iterator[str]:
    for metric, family in _HISTOGRAMS.items():
        yield from _head(family.name, "histogram", family.help)
        for labels, one in series:
            yield from _buckets(family, labels, one.histogram(metric))
    yield from _head(_TOKEN_USAGE.name, "histogram", _TOKEN_USAGE.help)
    for metric, kind in _TOKEN_TYPES.items():
        for labels, one in series:
            typed = {**labels, "gen_ai_token_type": kind}
            yield from _buckets(_TOKEN_USAGE, typed, one.histogram(metric))


def _buckets(
    family: _Family, labels: Mapping[str, str], histogram: Histogram
) -> Iterator[str]:
    if not histogram.count:
        return
    for bound in family.bounds:
        within = {**labels, "le": repr(bound)}
        yield _sample(f"{family.name}_bucket", within, histogram.count_up_to(bound))
    everything = {**labels, "le": "+Inf"}
    yield _sample(f"{family.name}_bucket", everything, histogram.count)
    yield _sample(f"{family.name}_sum", labels, histogram.sum)
    yield _sample(f"{family.name}_count", labels, histogram.count)


def _targets(targets: Sequence[PerformanceTarget]) -> Iterator[str]:
    name = "llmwrap_performance_target_met"
    yield from _head(name, "gauge", "Whether a target is met: 1 or 0.")
    for target in targets:
        if target.is_met is not None:
            yield _sample(name, {"llmwrap_target": target.name}, int(target.is_met))


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{pairs}}} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
