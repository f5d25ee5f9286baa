"""Older runs, counted together in periods: what keeps the journal of runs small.

A journal that has grown too long is rewritten: its newest runs stay as they are, the
others become one record for each period, model, backend, template and outcome. A
period is an hour, a day for what is older than a week, 30 days for what is older than
a hundred; what is older than 400 days goes. If that is still too much, the periods
become longer, and at last the oldest go.

    run      [1, the fields of Run in order]
    totals   [2, hits, misses]: by the first llmwrap that counted; read, not written
    rollup   [3, format, start of the period in seconds since 1970, its length in
             seconds, [model, backend, template, outcome, address],
             runs, attempts, {kind of error: count}, {metric: histogram},
             {how answers ended: count}, asked again]

A record of another kind, or of another format, was written by a newer llmwrap: it is
kept as it is as long as there is room.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from ..files import BusyError, LockedFile
from ..journal.packing import Packable, pack
from ..journal.records import whole
from .layout import LARGEST_BYTES, OLDEST_S, RUNS
from .run import ROLLUP, RUN, TOTALS, is_outdated, unpack_record
from .series import Labels, Row, Series, completed, labels_of, started_at

FORMAT = 1
HOUR_S, DAY_S, MONTH_S = 3600, 24 * 3600, 30 * 24 * 3600
_HEAD_FIELDS = 5
_ROLLUP_BYTES = 500


class Ladder(NamedTuple):
    """How old something is before it is counted by the day, and by the month."""

    hours_s: int
    days_s: int


LADDERS = (
    Ladder(8 * DAY_S, 100 * DAY_S),
    Ladder(DAY_S, 30 * DAY_S),
    Ladder(0, DAY_S),
    Ladder(0, 0),
)
"""The first that makes everything fit is taken."""


class Budget(NamedTuple):
    """How many bytes of the newest runs stay as they are.

    And how many there are for what is counted together, as many for what is unknown.
    """

    kept_bytes: int
    counted_bytes: int


ROOM = Budget(1 << 20, 1 << 20)


class Period(NamedTuple):
    """A stretch of time: its start in seconds since 1970, and its length."""

    start: int
    length_s: int

    @classmethod
    def around(cls, moment: float, length_s: int) -> Period:
        """Return the period of that length which holds a moment."""
        whole = int(moment)
        return cls(whole - whole % length_s, length_s)

    @property
    def end(self) -> int:
        """Return where it ends."""
        return self.start + self.length_s


class Rollup(NamedTuple):
    """Runs counted together; `fields` are those of Series.packed()."""

    period: Period
    labels: Labels
    fields: list[Packable]

    def series(self) -> Series:
        """Return the counts. Raises: ValueError."""
        return Series.unpacked(self.fields)

    def packed(self) -> bytes:
        """Return it as the payload of a record."""
        return pack([ROLLUP, FORMAT, *self.period, [*self.labels], *self.fields])


_Key: TypeAlias = tuple[Period, Labels]


def rollup_of(fields: list[Packable]) -> Rollup | None:
    """Return the rollup of a record, None for what this version does not know."""
    match fields[:_HEAD_FIELDS]:
        case [int(kind), int(version), int(start), int(length_s), list(names)]:
            is_ours = kind == ROLLUP and version == FORMAT and length_s > 0
            # An older llmwrap did not tell servers apart.
            if is_ours and len(names) in (4, len(Labels._fields)):
                labels = Labels(*(str(name or "") for name in names))
                return Rollup(Period(start, length_s), labels, fields[_HEAD_FIELDS:])
    return None


def roll_up(path: str, now: float) -> None:
    """Count the older records of a journal together, unless somebody else does.

    Others go on recording meanwhile: what they add is put behind. Raises: OSError.
    """
    try:
        with LockedFile(f"{path}.lock", is_synced=False, wait_s=0.0):
            _roll_up(path, now)
    except BusyError:
        return


def _roll_up(path: str, now: float) -> None:
    with LockedFile(path, is_synced=False) as file:
        content = file.content()
    if len(content) <= LARGEST_BYTES and not is_outdated(content, now):
        return  # Another process did it.
    records = [RUNS.record(b"", payload) for payload in rolled_up(content, now)]
    with LockedFile(path, is_synced=False) as file:
        grown = file.content()
        if grown.startswith(content):  # else somebody removed it
            file.replace(whole([*records, grown[len(content) :]]))


def rolled_up(content: bytes, now: float, room: Budget = ROOM) -> list[bytes]:
    """Return the payloads of a shorter journal, the older runs counted together."""
    contents = _Contents(content, len(content) - room.kept_bytes, now - OLDEST_S)
    packed: list[bytes] = []
    for ladder in LADDERS:
        groups = contents.groups(ladder, now)
        expected_bytes = len(groups) * contents.rollup_bytes
        if expected_bytes > room.counted_bytes and ladder != LADDERS[-1]:
            continue  # Making the histograms is what takes time.
        packed = [groups[key].packed(*key) for key in sorted(groups)]
        if sum(map(len, packed)) <= room.counted_bytes:
            break
    unknown = _newest(contents.unknown, room.counted_bytes)
    return [*unknown, *_newest(packed, room.counted_bytes), *contents.kept]


class _Group:
    """What is to become one rollup."""

    __slots__ = ("rollups", "rows")

    def __init__(self) -> None:
        self.rollups: list[Rollup] = []
        self.rows: list[Row] = []

    def packed(self, period: Period, labels: Labels) -> bytes:
        """Return the rollup as the payload of a record."""
        if len(self.rollups) == 1 and not self.rows:
            # Not unpacked: most do not change.
            return Rollup(period, labels, self.rollups[0].fields).packed()
        series = Series()
        series.add_rows(self.rows)
        for rollup in self.rollups:
            try:
                series.merge(rollup.series())
            except ValueError:
                continue  # One that is no series of ours loses itself alone.
        return Rollup(period, labels, series.packed()).packed()


class _Contents:
    """What a journal holds, sorted out.

    `kept` are the runs behind a place in it, as they are, `unknown` the records of a
    newer version. What began before `oldest` is left out. `rollup_bytes` is what a
    rollup takes, in the mean.
    """

    def __init__(self, content: bytes, place: int, oldest: float) -> None:
        self.kept: list[bytes] = []
        self.unknown: list[bytes] = []
        self._oldest = oldest
        self._rollups: list[Rollup] = []
        self._rolled_up_bytes = 0
        self._rows: list[Row] = []
        self._totals: list[tuple[str, Packable]] = []
        for record in RUNS.walk(content):
            self._take(record.payload, is_old=record.start < place)
        count = len(self._rollups)
        self.rollup_bytes = self._rolled_up_bytes / count if count else _ROLLUP_BYTES

    def groups(self, ladder: Ladder, now: float) -> dict[_Key, _Group]:
        """Return everything that is not kept, in the periods of its age."""
        groups: dict[_Key, _Group] = defaultdict(_Group)
        for rollup in (*self._rollups, *self._of_totals()):
            period = _period_of_age(rollup.period, ladder, now)
            if now - period.end < OLDEST_S:
                groups[period, rollup.labels].rollups.append(rollup)
        for row in self._rows:
            hour = Period.around(started_at(row), HOUR_S)
            period = _period_of_age(hour, ladder, now)
            groups[period, labels_of(row)].rows.append(row)
        return groups

    def _take(self, payload: bytes, *, is_old: bool) -> None:
        fields = unpack_record(payload)
        match fields[:3]:
            case [int(kind), *_] if kind == RUN:
                self._take_run(payload, completed(fields), is_old=is_old)
            case [int(kind), int(hits), int(misses)] if kind == TOTALS:
                self._totals += (("hit", hits), ("miss", misses))
            case _:
                rollup = rollup_of(fields)
                if rollup:
                    self._rollups.append(rollup)
                    self._rolled_up_bytes += len(payload)
                else:
                    self.unknown.append(payload)

    def _take_run(self, payload: bytes, row: Row, *, is_old: bool) -> None:
        if started_at(row) < self._oldest:
            return
        if is_old:
            self._rows.append(row)
        else:
            self.kept.append(payload)

    def _of_totals(self) -> Iterator[Rollup]:
        # They have no date; what they counted is older than any run beside them.
        moment = min(map(started_at, self._rows), default=0.0)
        period = Period.around(moment, HOUR_S)
        for outcome, count in self._totals:
            if count:
                labels = Labels("", "", "", outcome)
                yield Rollup(period, labels, [count, 0, {}, {}])


def _period_of_age(period: Period, ladder: Ladder, now: float) -> Period:
    """Return the period that takes another in, longer the older it is."""
    age_s = now - period.end
    length_s = HOUR_S
    if age_s >= ladder.hours_s:
        length_s = MONTH_S if age_s >= ladder.days_s else DAY_S
    return Period.around(period.start, max(length_s, period.length_s))


def _newest(payloads: list[bytes], room: int) -> list[bytes]:
    """Return the last payloads that fit into so many bytes."""
    kept: list[bytes] = []
    for payload in reversed(payloads):
        room -= len(payload)
        if room < 0:
            break
        kept.append(payload)
    return kept[::-1]
