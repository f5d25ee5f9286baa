"""The journal of runs stays small, and nothing that it held is forgotten too early."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from llmwrap.journal.packing import Packable, pack, unpack
from llmwrap.metrics.layout import OLDEST_S, runs_path
from llmwrap.metrics.rollup import Budget, rolled_up, rollup_of
from llmwrap.metrics.run import unpack_record
from llmwrap.metrics.tally import Tally, read_counts, read_tally

from .recorded import ALL, DAY_S, HOUR_S, NOW, journal, runs


def old_run() -> bytes:
    """Return a record as the first llmwrap that kept runs wrote it."""
    fields: list[Packable] = [
        *(1, time.time(), 0.002, 0.1, 0.5, 0.01, 0.001),
        *("miss", "ollama", "alpha", "", 10, 40, 1, ""),
    ]
    return pack(fields)


def tally(home: Path, payloads: Iterable[bytes], since: float | None = None) -> Tally:
    """Return what is counted of a journal with these records."""
    environ = {"HOME": str(home)}
    path = Path(runs_path(environ))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(journal(payloads))
    return read_tally(environ, since)


def periods(payloads: Iterable[bytes]) -> list[tuple[int, int]]:
    found = (rollup_of(unpack_record(payload)) for payload in payloads)
    return [rollup.period for rollup in found if rollup]


def test_a_record_of_the_first_version_is_counted(tmp_path: Path) -> None:
    every = tally(tmp_path, [old_run()]).total()

    assert every.runs == 1
    assert every.histogram("ttft_s").quantile(0.5) == 0.1
    assert not every.histogram("rendering_s").count


def test_totals_of_the_first_version_are_counted(tmp_path: Path) -> None:
    found = tally(tmp_path, [pack([2, 30, 10]), old_run()])

    assert (found.count("hit"), found.count("miss")) == (30, 11)
    assert read_counts({"HOME": str(tmp_path)}) == (30, 11)


def test_totals_are_not_lost_when_runs_are_rolled_up(tmp_path: Path) -> None:
    now = time.time()
    content = journal([pack([2, 30, 10]), *runs(at=now)])

    found = tally(tmp_path, rolled_up(content, now, ALL))

    assert (found.count("hit"), found.count("miss")) == (30, 11)


def test_a_run_of_a_newer_version_is_counted_by_what_is_known(tmp_path: Path) -> None:
    newer = [*unpack_record(runs(at=time.time())[0]), "more", 1.5]

    assert tally(tmp_path, [pack(newer)]).total().runs == 1


def test_a_rollup_of_a_newer_version_is_left_as_it_is() -> None:
    newer = pack([3, 2, "what nobody knows yet"])

    found = rolled_up(journal([newer, *runs()]), NOW, ALL)

    assert newer in found


@pytest.mark.parametrize(
    "payload",
    [
        b"\xc1",
        pack([]),
        pack({"a": 1}),
        pack([1]),
        pack([1, "then", [], {}, None, "x"]),
        pack([1, math.inf, math.nan, -1.0]),
        pack([1, math.nan]),
        pack([1, NOW, *[None] * 11, math.inf]),
        pack([1, NOW, *[None] * 11, 1 << 63, {}, [], "gaps"]),
        pack([2, "a", "b"]),
        pack([3, 1, 0, 3600, ["a", "b", "c", "d"], "x"]),
        pack([3, 1, 0, 3600, ["a"], 1, 1, {}, {}]),
        pack([3, 1, 0, 0, ["a", "b", "c", "d"], 1, 1, {}, {}]),
        pack([3, 1, int(NOW), 3600, ["a", "b", "c", "d"], 1, 1, {}, {"e2e_s": [1]}]),
    ],
)
def test_a_record_that_makes_no_sense_loses_itself_alone(
    payload: bytes, tmp_path: Path
) -> None:
    good = runs(2, at=time.time(), model="good")

    content = journal([payload, *good])

    for payloads in ([payload, *good], rolled_up(content, time.time(), ALL)):
        found = tally(tmp_path, payloads)
        assert found.total(lambda labels: labels.model == "good").runs == 2


def test_rolled_up_runs_have_the_same_figures(tmp_path: Path) -> None:
    now = time.time()
    payloads = [
        *runs(50, at=now - 100, gaps=(2, 5000, 4000), completion_tokens=20),
        *runs(30, at=now - 90, ttft_s=0.4, error="timeout"),
        *runs(20, at=now - 80, outcome="hit", template="summary", rendering_s=0.01),
        *runs(5, at=now - 80, error="interrupted"),
    ]

    before = tally(tmp_path, payloads)
    after = tally(tmp_path, rolled_up(journal(payloads), now, ALL))

    assert set(after.series) == set(before.series)
    for labels, series in before.series.items():
        assert after.series[labels].packed() == series.packed()


def test_rolling_up_again_changes_nothing(tmp_path: Path) -> None:
    now = time.time()
    payloads = rolled_up(journal(runs(10, at=now - 5000)), now, ALL)
    more = [*payloads, *runs(7, at=now - 5000)]

    once = rolled_up(journal(more), now, ALL)
    twice = rolled_up(journal(once), now, ALL)

    assert once == twice
    assert tally(tmp_path, once).total().runs == 17


def test_the_newest_runs_stay_as_they_are() -> None:
    old, new = runs(10), runs(3, model="beta")

    found = rolled_up(journal([*old, *new]), NOW, Budget(len(journal(new)), 1 << 20))

    assert found[-3:] == new
    assert len(found) == 4


def test_periods_become_longer_with_age() -> None:
    ages = (HOUR_S, 20 * DAY_S, 20 * DAY_S - HOUR_S, 200 * DAY_S)
    content = journal(run for age in ages for run in runs(at=NOW - age))

    found = periods(rolled_up(content, NOW, ALL))

    assert [length for _, length in found] == [30 * DAY_S, DAY_S, HOUR_S]
    assert all(start % length == 0 for start, length in found)


def test_what_is_too_old_goes_and_counts_no_more(tmp_path: Path) -> None:
    now = time.time()
    payloads = [*runs(at=now - OLDEST_S - HOUR_S), *runs(at=now)]

    rolled = rolled_up(journal(payloads), now, ALL)

    assert tally(tmp_path, payloads).total().runs == 1
    assert tally(tmp_path, rolled).total().runs == 1
    assert len(rolled) == 1


def test_a_rollup_that_is_too_old_goes() -> None:
    rolled = rolled_up(journal(runs()), NOW, ALL)

    assert rolled_up(journal(rolled), NOW + 2 * OLDEST_S, ALL) == []


def test_many_models_take_no_more_room_than_there_is() -> None:
    content = journal(
        run
        for hour in range(300)
        for run in runs(at=NOW - hour * HOUR_S, model=f"m{hour % 20}")
    )

    found = rolled_up(content, NOW, Budget(0, 8000))

    assert 0 < sum(map(len, found)) <= 8000
    assert max(start for start, _ in periods(found)) > NOW - 31 * DAY_S


def test_longer_periods_come_before_forgetting(tmp_path: Path) -> None:
    now = time.time()
    content = journal(
        run for hour in range(150) for run in runs(at=now - hour * HOUR_S)
    )

    found = rolled_up(content, now, Budget(0, 9000))

    assert tally(tmp_path, found).total().runs == 150
    assert sum(map(len, found)) <= 9000


def test_since_leaves_out_what_is_older(tmp_path: Path) -> None:
    now = time.time()
    payloads = [
        *rolled_up(journal(runs(5, at=now - 3 * DAY_S)), now, ALL),
        *runs(3, at=now - 2 * HOUR_S),
        *runs(2, at=now - 60),
    ]

    found = {
        age_s: tally(tmp_path, payloads, now - age_s).total().runs
        for age_s in (HOUR_S, DAY_S, 7 * DAY_S)
    }

    assert found == {HOUR_S: 2, DAY_S: 5, 7 * DAY_S: 10}


def test_a_rollup_says_what_it_is() -> None:
    [payload] = rolled_up(journal(runs(2, error="timeout")), NOW, ALL)

    fields = unpack(payload)

    assert isinstance(fields, list)
    assert fields[:2] == [3, 1]
    assert fields[3:8] == [
        *(3600, ["alpha", "ollama", "", "miss", ""]),
        *(2, 0, {"timeout": 2}),
    ]
