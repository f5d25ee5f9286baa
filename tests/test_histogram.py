"""Histograms stand for all values within their accuracy, and add up without loss."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwrap.journal.packing import pack, unpack
from llmwrap.metrics.classes import ACCURACY_RATIO
from llmwrap.metrics.histogram import Histogram
from llmwrap.metrics.percentiles import percentile, percentiles, percentiles_of

VALUES = st.lists(st.floats(2e-6, 1e5), min_size=1, max_size=60)
RATIOS = st.floats(0, 1)


def of(values: list[float]) -> Histogram:
    histogram = Histogram()
    histogram.add_all(values)
    return histogram


@given(VALUES, RATIOS)
def test_a_quantile_is_near_a_value_that_was_counted(
    values: list[float], ratio: float
) -> None:
    found = of(values).quantile(ratio)

    rank = max(1, math.ceil(round(ratio * len(values), 9)))
    true = sorted(values)[rank - 1]
    assert found == pytest.approx(true, rel=ACCURACY_RATIO * 1.001)


@given(VALUES, VALUES, RATIOS)
def test_two_add_up_to_what_one_of_all_is(
    left: list[float], right: list[float], ratio: float
) -> None:
    both = of(left)
    both.merge(of(right))

    whole = of(left + right)
    assert list(both.buckets()) == list(whole.buckets())
    assert both.quantile(ratio) == whole.quantile(ratio)
    assert (both.count, both.least, both.most) == (
        whole.count,
        whole.least,
        whole.most,
    )
    assert both.sum == pytest.approx(whole.sum)


@given(st.lists(st.floats(0, 1e5), max_size=60))
def test_it_comes_back_as_it_was_packed(values: list[float]) -> None:
    histogram = of(values)

    fields = unpack(pack([*histogram.packed()]))
    assert isinstance(fields, list)
    again = Histogram.unpacked(fields)

    assert again.packed() == histogram.packed()
    assert again.quantile(0.95) == histogram.quantile(0.95)


def test_merging_leaves_the_other_as_it_was() -> None:
    one, other = of([1.0]), of([2.0, 3.0])
    before = other.packed()

    one.merge(other)
    one.add(2.0)

    assert other.packed() == before


def test_what_is_no_time_at_all_counts_as_nothing() -> None:
    histogram = of([0.0, -1.0, 1e-9, 5.0])

    assert histogram.quantile(0.5) == 0.0
    assert histogram.count_up_to(0.0) == 3


def test_nan_and_infinity_break_nothing() -> None:
    histogram = of([math.nan, math.inf, 1.0])

    assert histogram.count == 3
    assert math.isfinite(histogram.sum)


def test_the_buckets_hold_all_values_between_their_bounds() -> None:
    values = [0.001 * n for n in range(1, 500)]

    buckets = list(of(values).buckets())

    for bucket in buckets:
        within = [v for v in values if bucket.above < v <= bucket.up_to]
        assert abs(len(within) - bucket.values) <= 1  # one may lie on a bound
    assert sum(bucket.values for bucket in buckets) == len(values)


def test_what_lies_up_to_a_bound_is_counted_as_exactly_as_a_class_is() -> None:
    histogram = of([0.001 * n for n in range(1, 1001)])

    assert histogram.count_up_to(0.2) == pytest.approx(200, rel=2 * ACCURACY_RATIO)
    assert histogram.count_up_to(100) == 1000


def test_of_two_values_p95_is_the_larger_one() -> None:
    assert of([0.1, 0.3]).quantile(0.95) == pytest.approx(0.3, rel=ACCURACY_RATIO)


def test_one_without_values_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None
    assert Histogram().mean is None
    assert percentiles_of(Histogram()) is None


@pytest.mark.parametrize(
    "fields",
    [
        [1],
        [0, 1.0, 1.0, 1.0, 5],
        [0, 1.0, 1.0, 1.0, 5, -1],
        [-1, 1.0, 1.0, 1.0],
        [0, 1.0, 1.0, 1.0, 1 << 40, 1],
        [0, 1.0, 1.0, 1.0, *[1, 1] * 5000],
    ],
)
def test_numbers_that_are_no_histogram_are_refused(fields: list[float]) -> None:
    with pytest.raises(ValueError, match="no histogram"):
        Histogram.unpacked(fields)


def test_a_percentile_lies_on_the_line_between_two_samples() -> None:
    assert percentile([0.0, 10.0], 0.25) == 2.5
    assert percentile([7.0], 0.99) == 7.0


def test_percentiles_of_samples_are_exact() -> None:
    found = percentiles(float(n) for n in range(100, -1, -1))

    assert found == (50.0, 90.0, 95.0, 99.0, 100.0)
    assert percentiles([]) is None


def test_percentiles_of_a_histogram_end_with_the_most() -> None:
    found = percentiles_of(of([1.0, 2.0, 30.0]))

    assert found is not None
    assert found.max == 30.0
    assert found.p50 == pytest.approx(2.0, rel=ACCURACY_RATIO)
