"""The figures of many runs that have model, backend, template and outcome in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from ..journal.packing import Packable
from .gaps import gaps_of, is_of_medians
from .histogram import Histogram
from .run import Run

DURATIONS = (
    "lookup_s",
    "rendering_s",
    "queued_s",
    "ttft_s",
    "itl_s",
    "tpot_s",
    "e2e_s",
)
TOKENS = ("prompt_tokens", "completion_tokens", "tokens_per_s")
METRICS = (*DURATIONS, *TOKENS)
"""What there is a histogram of, in the order in which it is shown."""

INTERRUPTED = "interrupted"
"""The kind of error that is none: somebody or something ended the run on purpose."""

_OF_WHOLE = ("tpot_s", "e2e_s", "prompt_tokens", "completion_tokens")
# A first token has come, or not, whatever became of the rest.
_OF_ALL = ("lookup_s", "rendering_s", "queued_s", "ttft_s")
_AT = {name: 1 + at for at, name in enumerate(Run._fields)}
_FIELDS = 1 + len(Run._fields)
_DEFAULTS: list[Packable] = [0, *Run(0.0)[:-4], [], "", 0, ""]
_NUMBERS = (float, int)
_LATEST = 1e11  # neither infinite nor in milliseconds

Row: TypeAlias = Sequence[Packable]
"""The fields of a record of a run, what it is first, none missing."""


class Labels(NamedTuple):
    """What runs that are counted together have in common."""

    model: str
    backend: str
    template: str
    outcome: str
    address: str = ""

    @property
    def is_hit(self) -> bool:
        """Tell whether the cache had the answer."""
        return self.outcome == "hit"


class Series:
    """Counts and histograms of runs; belongs to one thread.

    `errors` has kinds and how often each came, `ends` how answers ended. `asked_again`
    are the attempts made because an answer was not of its schema. A histogram is there
    once it has a value.
    """

    __slots__ = ("asked_again", "attempts", "ends", "errors", "histograms", "runs")

    def __init__(self) -> None:
        self.runs = 0
        self.attempts = 0
        self.asked_again = 0
        self.errors: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.histograms: dict[str, Histogram] = {}

    @property
    def interrupted(self) -> int:
        """Return how many runs were ended on purpose."""
        return self.errors[INTERRUPTED]

    @property
    def failed(self) -> int:
        """Return how many runs an error ended."""
        return self.errors.total() - self.interrupted

    def histogram(self, metric: str) -> Histogram:
        """Return a histogram, an empty one where there are no values."""
        return self.histograms.get(metric) or Histogram()

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Count runs, column by column."""
        self.runs += len(rows)
        columns = list(zip(*rows, strict=True))
        if not columns:
            return
        kinds = Counter(str(kind) for kind in columns[_AT["error"]] if kind)
        self.errors.update(kinds)
        self.ends.update(Counter(str(end) for end in columns[_AT["end"]] if end))
        self.attempts += _sum(columns[_AT["attempts"]])
        self.asked_again += _sum(columns[_AT["asked_again"]])
        for name in _OF_ALL:
            self._add(name, _numbers(columns[_AT[name]]))
        self._add_gaps(columns[_AT["gaps"]])
        whole = list(zip(*(row for row in rows if not row[_AT["error"]]), strict=True))
        if not whole:
            return
        for name in _OF_WHOLE:
            self._add(name, _numbers(whole[_AT[name]]))
        if "hit" not in columns[_AT["outcome"]]:
            self._add("tokens_per_s", _speeds(whole))

    def merge(self, other: Series) -> None:
        """Count what another has counted; that one stays as it is."""
        self.runs += other.runs
        self.attempts += other.attempts
        self.asked_again += other.asked_again
        self.errors.update(other.errors)
        self.ends.update(other.ends)
        for name, histogram in other.histograms.items():
            self._own(name).merge(histogram)

    def packed(self) -> list[Packable]:
        """Return it as fields for `unpacked`."""
        histograms: dict[str, Packable] = {
            name: [*histogram.packed()] for name, histogram in self.histograms.items()
        }
        errors: dict[str, Packable] = dict(self.errors)
        ends: dict[str, Packable] = dict(self.ends)
        return [
            self.runs, self.attempts, errors, histograms, ends, self.asked_again
        ]  # fmt: skip

    @classmethod
    def unpacked(cls, fields: Sequence[Packable]) -> Series:
        """Return the series of `packed`. Raises: ValueError for anything else."""
        match fields:
            case [int(runs), int(attempts), dict(errors), dict(histograms), *more]:
                pass  # An older llmwrap did not count all there is in `more`.
            case _:
                raise ValueError("no series of ours")
        found = cls()
        found.runs, found.attempts = runs, attempts
        ends = more[0] if more and isinstance(more[0], dict) else {}
        found.asked_again = _sum(more[1:2])
        for counter, counts in ((found.errors, errors), (found.ends, ends)):
            for kind, count in counts.items():
                counter[kind] = count if isinstance(count, int) else 0
        for name, numbers in histograms.items():
            if name in METRICS and isinstance(numbers, list):
                found.histograms[name] = Histogram.unpacked(numbers)
        return found

    def _add(self, name: str, values: list[float]) -> None:
        if values:
            self._own(name).add_all(values)

    def _add_gaps(self, column: Iterable[Packable]) -> None:
        recorded = [fields for fields in column if isinstance(fields, list) and fields]
        if not recorded:
            return
        histogram = self._own("itl_s")
        histogram.add_packed(one for one in recorded if not is_of_medians(one))
        spread: Counter[float] = Counter()
        for summary in filter(is_of_medians, recorded):
            for gap_s, count in gaps_of(summary):
                spread[gap_s] += count
        histogram.add_counts(spread)

    def _own(self, name: str) -> Histogram:
        return self.histograms.setdefault(name, Histogram())


def completed(fields: list[Packable]) -> Row:
    """Return the fields of a run with what an older llmwrap did not record.

    What a newer one added is left out.
    """
    return [*fields[:_FIELDS], *_DEFAULTS[len(fields) :]]


def labels_of(row: Row) -> Labels:
    """Return what a run is counted by."""
    return Labels._make(str(row[_AT[name]] or "") for name in Labels._fields)


def started_at(row: Row) -> float:
    """Return when a run began, in seconds since 1970; 0 where that is not known."""
    moment = row[_AT["started_at"]]
    if isinstance(moment, _NUMBERS) and 0 <= moment < _LATEST:
        return float(moment)
    return 0.0


def total(series: Iterable[Series]) -> Series:
    """Return one series of all."""
    found = Series()
    for one in series:
        found.merge(one)
    return found


def _sum(column: Iterable[Packable]) -> int:
    return sum(number for number in column if isinstance(number, int))


def _numbers(column: Iterable[Packable]) -> list[float]:
    return [value for value in column if type(value) in _NUMBERS]  # type: ignore[misc]


def _speeds(columns: Sequence[Sequence[Packable]]) -> list[float]:
    tokens, e2e_s = columns[_AT["completion_tokens"]], columns[_AT["e2e_s"]]
    return [
        count / elapsed_s
        for count, elapsed_s in zip(tokens, e2e_s, strict=True)
        if isinstance(count, int) and isinstance(elapsed_s, float) and elapsed_s > 0
    ]
