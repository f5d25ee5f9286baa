"""The gaps of an answer as an older llmwrap recorded them: medians of groups."""

from __future__ import annotations

import pytest

from llmwrap.metrics.gaps import gaps_of, is_of_medians
from llmwrap.metrics.timing import Stopwatch

OF_40 = [40, 7_000_000, 6000, *[5000] * 19]


def test_few_gaps_are_there_one_by_one() -> None:
    assert list(gaps_of([3, 7_000_000, 5000, 4000])) == [
        (7.0, 1),
        (0.005, 1),
        (0.004, 1),
    ]


def test_a_median_stands_for_its_group() -> None:
    found = list(gaps_of(OF_40))

    assert found[:3] == [(7.0, 1), (0.006, 1), (0.005, 2)]
    assert sum(gap.gaps for gap in found) == 40


def test_medians_are_told_from_classes() -> None:
    assert is_of_medians(OF_40)
    assert not is_of_medians([0, 0.2, 0.1, 0.1, -115, 2])


@pytest.mark.parametrize("summary", [[], [0], [-1, 2], ["x"], [1 << 30, 1], [None, 1]])
def test_what_is_no_summary_stands_for_nothing(summary: list[object]) -> None:
    assert list(gaps_of(summary)) == []


def test_an_answer_without_end_needs_no_memory_without_end() -> None:
    watch = Stopwatch(called_at=0.0)

    for n in range(100_000):
        watch.note_piece(n * 0.5)

    assert len(watch.gaps_s) < 10_000
    assert set(watch.gaps_s) == {0.5}
