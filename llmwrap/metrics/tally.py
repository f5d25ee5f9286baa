"""All runs of this machine, counted together: what `stats` shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..files import read
from ..journal.records import check_version
from .layout import OLDEST_S, RUNS, runs_path
from .rollup import rollup_of
from .run import RUN, TOTALS, Counts, unpack_record
from .series import Labels, Row, Series, completed, labels_of, started_at, total

_ROWS_AT_ONCE = 4096


class Tally(NamedTuple):
    """The figures of runs, by what they have in common.

    `since` is the moment, in seconds since 1970, from which on they are counted;
    `first_at` the oldest that was counted, None without any.
    """

    series: dict[Labels, Series]
    since: float = 0.0
    first_at: float | None = None

    def total(self, which: Callable[[Labels], bool] = lambda _: True) -> Series:
        """Return the figures of all runs that are meant, together."""
        return total(one for labels, one in self.series.items() if which(labels))

    def count(self, outcome: str) -> int:
        """Return how many runs had a cache outcome."""
        every = self.series.items()
        return sum(one.runs for labels, one in every if labels.outcome == outcome)

    @property
    def hit_ratio(self) -> float | None:
        """Return hits over look-ups that were answered or had to be asked."""
        hits, misses = self.count("hit"), self.count("miss")
        return hits / (hits + misses) if hits + misses else None


def read_tally(environ: Mapping[str, str], since: float | None = None) -> Tally:
    """Count all runs, or those since a moment (in seconds since 1970).

    Of what was rolled up a period counts as a whole, if its end is within. Raises:
    OSError, NewerError.
    """
    oldest = time.time() - OLDEST_S
    counting = _Counting(oldest if since is None else max(since, oldest))
    for record in RUNS.walk(_content(environ)):
        counting.add(record.payload)
    return counting.tally()


def read_counts(environ: Mapping[str, str]) -> Counts:
    """Return hits and misses of all runs. Raises: OSError, NewerError."""
    tally = read_tally(environ)
    return Counts(tally.count("hit"), tally.count("miss"))


def _content(environ: Mapping[str, str]) -> bytes:
    path = runs_path(environ)
    content = read(path)
    check_version(content, path)
    return content


class _Counting:
    """Runs being counted, many at once: one after the other takes twice as long."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._first_at: float | None = None
        self._series: dict[Labels, Series] = {}
        self._rows: dict[Labels, list[Row]] = {}

    def add(self, payload: bytes) -> None:
        """Count a record."""
        fields = unpack_record(payload)
        if fields and fields[0] == RUN:
            self._add_run(completed(fields))
        elif rollup := rollup_of(fields):
            if rollup.period.end > self._since:
                try:
                    self._own(rollup.labels).merge(rollup.series())
                except ValueError:
                    return  # Its bytes are whole, so a wrong llmwrap wrote it.
                self._note(rollup.period.start)
        elif len(fields) == 3 and fields[0] == TOTALS:
            self._add_totals(*fields[1:])

    def tally(self) -> Tally:
        """Return what was counted."""
        for labels, rows in self._rows.items():
            self._own(labels).add_rows(rows)
        self._rows = {}
        return Tally(self._series, self._since, self._first_at)

    def _add_run(self, row: Row) -> None:
        moment = started_at(row)
        if moment < self._since:
            return
        self._note(moment)
        labels = labels_of(row)
        rows = self._rows.setdefault(labels, [])
        rows.append(row)
        if len(rows) >= _ROWS_AT_ONCE:
            self._own(labels).add_rows(rows)
            rows.clear()

    def _add_totals(self, hits: object, misses: object) -> None:
        for outcome, count in (("hit", hits), ("miss", misses)):
            if isinstance(count, int) and count > 0:
                self._own(Labels("", "", "", outcome)).runs += count

    def _own(self, labels: Labels) -> Series:
        return self._series.setdefault(labels, Series())

    def _note(self, moment: float) -> None:
        if self._first_at is None or moment < self._first_at:
            self._first_at = moment
