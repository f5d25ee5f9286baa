"""A load test in rows of text, for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from ..metrics.percentiles import Percentiles
from ..units import format_duration, format_size
from .compare import ERRORS, Change
from .samples import Sample
from .summary import SERVER_PHASES, Outcome, Report

Row: TypeAlias = tuple[str, ...]

_NAMES = {
    "ttft_s": "TTFT",
    "itl_s": "ITL",
    "tpot_s": "TPOT",
    "e2e_s": "E2E",
    "queued_s": "queued",
}
_PHASES = {
    "load_s": "server: load",
    "prompt_s": "server: prompt",
    "generation_s": "server: generation",
    "total_s": "server: total",
}


_UNCOUNTED = "(not counted)"


def head_rows(outcome: Outcome, summary: Report) -> list[Row]:
    """Return what was tested, how, and where: pairs of name and text."""
    setting, machine = outcome.setting, outcome.machine
    started = datetime.fromtimestamp(outcome.started_at, UTC)
    memory = f", {format_size(machine.memory_bytes)}" if machine.memory_bytes else ""
    rows: list[Row] = [
        ("started", f"{started:%Y-%m-%d %H:%M:%S} UTC, took {_time(outcome.wall_s)}"),
        ("model", f"{setting.model} on {setting.backend}"),
        ("load", _load(outcome)),
        ("prompts", outcome.described),
        ("requests", _requests(outcome, summary)),
        (
            "machine",
            (
                f"{machine.cpus} x {machine.cpu or machine.arch}{memory},"
                f" {machine.system} {machine.release}, Python {machine.python}"
            ),
        ),
    ]
    for sample in _first_of_each_kind(outcome.samples):
        count = summary.errors_by_kind[sample.error]
        rows.append(
            (f"failed: {sample.error}", f"{count}, the first: {sample.message}")
        )
    return rows


def latency_rows(summary: Report) -> list[Row]:
    """Return a table, titles first: a latency a row, its percentiles in columns."""
    rows: list[Row] = [("", "p50", "p90", "p95", "p99", "max")]
    rows += [_latency(_NAMES[n], found) for n, found in summary.latencies.items()]
    if summary.rendering_s:
        rows.append(_latency("rendering", summary.rendering_s))
    if summary.hits_e2e_s:
        rows.append(_latency("E2E of hits", summary.hits_e2e_s))
    if summary.misses_e2e_s:
        rows.append(_latency("E2E of misses", summary.misses_e2e_s))
    rows += [
        _latency(_PHASES[name], found)
        for name in SERVER_PHASES
        if (found := summary.server[name])
    ]
    return rows


def _count(tokens: int | None) -> str:
    return _UNCOUNTED if tokens is None else f"{tokens:,}"


def figure_rows(summary: Report) -> list[Row]:
    """Return what is no percentile: pairs of name and text."""
    prompts, answers = map(_count, (summary.prompt_tokens, summary.completion_tokens))
    speed = summary.tokens_per_s
    rows: list[Row] = [
        ("requests/s", f"{summary.requests_per_s:,.2f}"),
        ("tokens/s", _UNCOUNTED if speed is None else f"{speed:,.1f}"),
        ("tokens", f"{prompts} in prompts, {answers} in answers"),
    ]
    if summary.hit_ratio is not None:
        rows.append(("hit ratio", f"{summary.hit_ratio:.1%}"))
    if summary.goodput_ratio is not None:
        rows.append(
            (
                "goodput",
                (
                    f"{summary.goodput_ratio:.1%} of requests,"
                    f" {summary.goodput_per_s or 0.0:,.2f}/s"
                ),
            )
        )
    if summary.unseen:
        names = " and ".join(_NAMES[name] for name in summary.unseen)
        rows.append(("goodput", f"not known: no answer showed its {names}"))
    if summary.spread:
        differ = ", ".join(f"{_NAMES[n]} {by:.1%}" for n, by in summary.spread.items())
        rows.append(("between rounds", f"{differ} (p50, standard deviation)"))
    if summary.late_s:
        rows.append(("taken up late", f"{_ms(summary.late_s.p99)} at p99"))
    return rows


def change_rows(changes: Sequence[Change]) -> list[Row]:
    """Return a table of what changed since the baseline, titles first."""
    rows: list[Row] = [("", "baseline", "now", "change", "verdict")]
    for change in changes:
        if change.name == ERRORS:
            by = f"{(change.new - change.old) * 100:+.1f} points"
            cells = (f"{change.old:.1%}", f"{change.new:.1%}", by)
        else:
            by = "" if change.ratio is None else f"{change.ratio - 1:+.1%}"
            cells = (_ms(change.old), _ms(change.new), by)
        name = _NAMES.get(change.name, change.name)
        rows.append((f"{name} {change.figure}", *cells, _verdict(change)))
    return rows


def known_spread(changes: Sequence[Change]) -> str:
    """Return what the comparison knew of how much runs differ by themselves."""
    found = [change.spread for change in changes if change.spread is not None]
    if not found:
        return "Not known is how much runs differ by themselves: --rounds 3 tells."
    return f"Runs differ by up to {max(found):.1%} by themselves: that much is noise."


def sample_rows(samples: Sequence[Sample]) -> list[Row]:
    """Return a table of every request, titles first."""
    titles = ("request", "started", "queued", "TTFT", "TPOT", "E2E", "tokens", "ended")
    rows: list[Row] = [titles]
    rows += [
        (
            str(sample.number),
            f"{sample.started_s:.3f}s",
            *map(_ms, (sample.queued_s, sample.ttft_s, sample.tpot_s, sample.e2e_s)),
            "" if sample.completion_tokens is None else str(sample.completion_tokens),
            sample.error or ("from the cache" if sample.is_cached else "ok"),
        )
        for sample in samples
    ]
    return rows


def _load(outcome: Outcome) -> str:
    setting = outcome.setting
    at_once = setting.concurrency
    if setting.rate_per_s is None:
        return f"closed loop, {at_once} at once"
    limit = "" if at_once is None else f", at most {at_once} at once"
    return f"open loop, {setting.rate_per_s:g} a second ({setting.arrival}){limit}"


def _requests(outcome: Outcome, summary: Report) -> str:
    text = f"{summary.requests:,}, {summary.errors:,} failed"
    if outcome.rounds > 1:
        text += f"; {outcome.rounds:,} rounds"
    if outcome.warmups:
        text += f"; {outcome.warmups:,} before to warm up"
    if outcome.is_interrupted:
        text += f"; interrupted, {outcome.cut_off:,} cut off"
    return text


def _first_of_each_kind(samples: Sequence[Sample]) -> list[Sample]:
    found: dict[str, Sample] = {}
    for sample in samples:
        if sample.error:
            found.setdefault(sample.error, sample)
    return list(found.values())


def _latency(name: str, found: Percentiles | None) -> Row:
    return (name, *(map(_ms, found) if found else [""] * len(Percentiles._fields)))


def _ms(seconds: float | None) -> str:
    """Return a latency in milliseconds, with a tenth where that can matter."""
    if seconds is None:
        return ""
    milliseconds = seconds * 1e3
    return f"{milliseconds:,.{1 if milliseconds >= 1 else 3}f} ms"


def _time(seconds: float) -> str:
    return format_duration(seconds)


def _verdict(change: Change) -> str:
    if change.verdict == "chance":
        return "may be chance"
    return change.verdict
