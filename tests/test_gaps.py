"""The gaps of an answer in a few numbers: the longest ones as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwrap.metrics.gaps import gaps_of, summarized
from llmwrap.metrics.timing import Stopwatch

GAPS = st.lists(st.floats(0, 100), max_size=400)


@given(GAPS)
def test_a_summary_stands_for_as_many_gaps_as_there_were(gaps_s: list[float]) -> None:
    found = list(gaps_of(summarized(gaps_s)))

    assert sum(gap.gaps for gap in found) == len(gaps_s)
    assert len(found) <= 40


@given(st.lists(st.floats(0, 100), max_size=31))
def test_few_gaps_are_there_one_by_one(gaps_s: list[float]) -> None:
    found = [gap.gap_s for gap in gaps_of(summarized(gaps_s))]

    assert found == pytest.approx(sorted(gaps_s, reverse=True), abs=1e-6)


def test_one_stall_among_many_gaps_is_not_lost() -> None:
    gaps_s = [0.01] * 999 + [7.0]

    longest = next(gaps_of(summarized(gaps_s)))

    assert longest == (7.0, 1)


def test_the_median_gap_is_kept() -> None:
    gaps_s = [n / 1000 for n in range(1, 1001)]

    spread = [g for gap_s, n in gaps_of(summarized(gaps_s)) for g in [gap_s] * n]

    assert sorted(spread)[500] == pytest.approx(0.5, rel=0.07)


@pytest.mark.parametrize("summary", [[], [0], [-1, 2], ["x"], [1 << 30, 1], [None, 1]])
def test_what_is_no_summary_stands_for_nothing(summary: list[object]) -> None:
    assert list(gaps_of(summary)) == []


def test_an_answer_without_end_needs_no_memory_without_end() -> None:
    watch = Stopwatch(called_at=0.0)

    for n in range(100_000):
        watch.note_piece(n * 0.5)

    assert len(watch.gaps_s) < 10_000
    assert set(watch.gaps_s) == {0.5}
