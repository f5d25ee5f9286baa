"""Values in classes without ddsketch: the same that a histogram of it has."""

from __future__ import annotations

import pytest
from ddsketch.mapping import LogarithmicMapping
from hypothesis import given
from hypothesis import strategies as st

from llmwrap.log import SILENT
from llmwrap.metrics.classes import ACCURACY_RATIO, class_key, packed
from llmwrap.metrics.histogram import Histogram
from llmwrap.metrics.recorder import Recorder
from llmwrap.metrics.run import Run
from llmwrap.metrics.tally import read_tally

from .runner import Home

VALUES = st.lists(st.floats(0, 1e5), min_size=1, max_size=200)
STALLED = [0.2] * 6 + [0.005] * 494  # 1.2 %


@given(st.floats(1e-6, 1e9))
def test_a_key_is_the_one_of_ddsketch(value: float) -> None:
    assert class_key(value) == LogarithmicMapping(ACCURACY_RATIO).key(value)


@given(VALUES)
def test_what_is_counted_by_hand_is_what_a_histogram_counts(
    values: list[float],
) -> None:
    histogram = Histogram()
    histogram.add_all(values)

    assert packed(values) == histogram.packed()


def test_nothing_counted_is_nothing() -> None:
    assert packed([]) == []
    assert Histogram.unpacked([]).count == 0


@given(st.lists(VALUES, max_size=5))
def test_counts_add_up_without_loss(many: list[list[float]]) -> None:
    found, whole = Histogram(), Histogram()

    found.add_packed(map(packed, many))
    whole.add_all([value for values in many for value in values])

    assert list(found.buckets()) == list(whole.buckets())
    assert (found.least, found.most) == (whole.least, whole.most)
    assert found.sum == pytest.approx(whole.sum)


@pytest.mark.parametrize(
    "broken", [[1], [0, float("nan"), 1.0, 1.0, 3, 1], [0, 1.0, 1.0, 1.0, 3, -1]]
)
def test_what_is_none_of_ours_loses_itself_alone(broken: list[float]) -> None:
    found = Histogram()

    found.add_packed([packed([0.1]), broken, packed([0.2])])

    assert found.count == 2
    assert found.sum == pytest.approx(0.3)


def test_the_tail_of_many_runs_is_not_rounded_away(home: Home) -> None:
    """Medians of groups made 5 ms of it, off by 97 %."""
    recorder = Recorder(home.environ, SILENT)
    for number in range(50):
        gaps = STALLED[number:] + STALLED[:number]
        recorder.record(Run(2e9, e2e_s=1.0, gaps=tuple(packed(gaps))))

    itl = read_tally(home.environ).total().histogram("itl_s")

    assert itl.count == 25_000
    assert itl.quantile(0.99) == pytest.approx(0.2, rel=0.02)
    assert itl.quantile(0.98) == pytest.approx(0.005, rel=0.02)
    assert itl.sum == pytest.approx(50 * sum(STALLED))


def test_runs_of_an_older_llmwrap_are_counted_beside_newer_ones(home: Home) -> None:
    recorder = Recorder(home.environ, SILENT)
    recorder.record(Run(2e9, gaps=(3, 7_000_000, 5000, 4000)))
    recorder.record(Run(2e9, gaps=tuple(packed([0.1, 0.3]))))

    itl = read_tally(home.environ).total().histogram("itl_s")

    assert (itl.count, itl.most) == (5, 7.0)
