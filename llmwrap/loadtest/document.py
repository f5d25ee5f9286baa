"""A load test as JSON, schema version 1, and back for the gate.

The schema stands in llmwrap-loadtest(1). Fields may be added to a version, none is
ever renamed or given another meaning. Seconds everywhere, null for what is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from .. import __version__
from ..errors import ConfigError
from ..jsontext import told
from ..messages import Json, ServerTimings
from ..metrics.percentiles import Percentiles
from .compare import Change
from .machine import Machine
from .samples import Sample
from .summary import LATENCIES, SERVER_PHASES, Outcome, Report, Setting

VERSION = 1
_SERVER = "server_"


class Kept(NamedTuple):
    """A test that was kept: what the gate compares with."""

    name: str
    setting: Setting
    machine: Machine
    started_at: str
    samples: Sequence[Sample]


def document_of(
    outcome: Outcome, summary: Report, changes: Sequence[Change] = ()
) -> dict[str, Json]:
    """Return the JSON object of a test, and of its comparison with a baseline."""
    machine: dict[str, Json] = dict(outcome.machine._asdict())
    setting: dict[str, Json] = dict(outcome.setting._asdict())
    slo: dict[str, Json] = dict(outcome.slo)
    by_kind: dict[str, Json] = dict(summary.errors_by_kind)
    return {
        "version": VERSION,
        "llmwrap": __version__,
        "started_at": _moment(outcome.started_at),
        "wall_s": outcome.wall_s,
        "interrupted": outcome.is_interrupted,
        "setting": setting,
        "rounds": outcome.rounds,
        "requests": summary.requests,
        "warmup_requests": outcome.warmups,
        "cut_off": outcome.cut_off,
        "errors": summary.errors,
        "errors_by_kind": by_kind,
        **{name: _percentiles(summary.latencies[name]) for name in LATENCIES},
        **{
            f"{_SERVER}{name}": _percentiles(summary.server[name])
            for name in SERVER_PHASES
        },
        "rendering_s": _percentiles(summary.rendering_s),
        "late_s": _percentiles(summary.late_s),
        "spread": None if summary.spread is None else dict(summary.spread),
        "prompt_tokens": summary.prompt_tokens,
        "completion_tokens": summary.completion_tokens,
        "tokens_per_s": summary.tokens_per_s,
        "requests_per_s": summary.requests_per_s,
        "hit_ratio": summary.hit_ratio,
        "hits_e2e_s": _percentiles(summary.hits_e2e_s),
        "misses_e2e_s": _percentiles(summary.misses_e2e_s),
        "slo": slo,
        "goodput_ratio": summary.goodput_ratio,
        "goodput_per_s": summary.goodput_per_s,
        "slo_unseen": list(summary.unseen),
        "comparison": [dict(change._asdict()) for change in changes] or None,
        "machine": machine,
        "samples": [_sample(sample) for sample in outcome.samples],
    }


def read_kept(data: bytes, name: str) -> Kept:
    """Return a test that was written before. Raises: ConfigError."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        what = f"'{name}' is no result of a load test"
        raise ConfigError(f"{what}: {told(error)}") from error
    if not isinstance(document, dict) or "samples" not in document:
        raise ConfigError(f"'{name}' is no result of a load test")
    if document.get("version") != VERSION:
        raise ConfigError(
            f"'{name}' has version {document.get('version')!r:.20} of the results, not"
            f" {VERSION}",
            hint="make the baseline anew",
        )
    try:
        return Kept(
            name=name,
            setting=Setting(**document["setting"]),
            machine=Machine(**document["machine"]),
            started_at=str(document["started_at"]),
            samples=[_read_sample(one) for one in document["samples"]],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"'{name}' is no whole result of a load test: {error!r:.80}"
        ) from error


def _sample(sample: Sample) -> dict[str, Json]:
    fields: dict[str, Json] = dict(sample._asdict())
    del fields["server"], fields["is_cached"]
    fields["cached"] = sample.is_cached
    if sample.server:
        fields |= {f"{_SERVER}{n}": v for n, v in sample.server._asdict().items()}
    return fields


def _read_sample(fields: Mapping[str, Json]) -> Sample:
    known = {name: fields[name] for name in Sample._fields if name in fields}
    phases = {name: fields.get(_SERVER + name) for name in SERVER_PHASES}
    sample = Sample(**known)  # type: ignore[arg-type]  # checked right below
    for name in ("started_s", "ended_s", "ttft_s", "tpot_s", "e2e_s", "queued_s"):
        value = getattr(sample, name)
        if value is not None and not isinstance(value, int | float):
            raise ValueError(f"{name}: {value!r:.20}")
    if not isinstance(sample.round, int):
        raise ValueError(f"round: {sample.round!r:.20}")
    server = ServerTimings(**phases)  # type: ignore[arg-type]  # nothing reads them
    return sample._replace(is_cached=fields.get("cached") is True, server=server)


def _percentiles(found: Percentiles | None) -> Json:
    return None if found is None else dict(found._asdict())


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
