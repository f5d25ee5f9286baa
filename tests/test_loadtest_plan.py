"""What a load test sends and when."""

from __future__ import annotations

import statistics
from itertools import islice, pairwise

import pytest

from llmwrap.loadtest.plan import Load, ScheduledRequest, Turns, arrivals


def due(load: Load) -> list[float | None]:
    """Return when every turn of a load is due."""
    turns = Turns(load)
    return [turn.due_s for turn in iter(lambda: turns.take(0.0), None)]


def test_a_closed_loop_has_as_many_turns_as_requests() -> None:
    turns = Turns(Load(concurrency=2, requests=3))

    found = [turns.take(0.0) for _ in range(4)]

    assert found == [
        ScheduledRequest(0, None),
        ScheduledRequest(1, None),
        ScheduledRequest(2, None),
        None,
    ]


def test_a_closed_loop_for_a_time_ends_with_it() -> None:
    turns = Turns(Load(concurrency=2, duration_s=5.0))

    assert turns.take(4.9) == ScheduledRequest(0, None)
    assert turns.take(5.0) is None


def test_constant_arrivals_are_evenly_spread_over_the_duration() -> None:
    load = Load(rate_per_s=4.0, duration_s=1.0, arrival="constant")

    assert due(load) == [0.0, 0.25, 0.5, 0.75]


def test_requests_end_an_open_loop_too() -> None:
    load = Load(rate_per_s=4.0, requests=2, arrival="constant")

    assert due(load) == [0.0, 0.25]


def test_poisson_arrivals_have_exponential_gaps() -> None:
    gaps = [b - a for a, b in pairwise(islice(arrivals(Load(rate_per_s=50.0)), 20_001))]

    assert statistics.fmean(gaps) == pytest.approx(1 / 50, rel=0.03)
    # The deviation of an exponential distribution is its mean.
    assert statistics.stdev(gaps) == pytest.approx(1 / 50, rel=0.03)


def test_a_seed_makes_arrivals_repeatable() -> None:
    def first(seed: int) -> list[float]:
        return list(islice(arrivals(Load(rate_per_s=5.0, seed=seed)), 10))

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_a_closed_loop_has_no_arrivals() -> None:
    with pytest.raises(ValueError, match="closed loop"):
        next(arrivals(Load(concurrency=1)))


@pytest.mark.parametrize(
    ("load", "warmups"),
    [
        (Load(concurrency=8, requests=1), 8),
        (Load(concurrency=8, requests=1, warmup=2), 8),
        (Load(concurrency=8, requests=1, warmup=20), 20),
        (Load(concurrency=8, requests=1, warmup=0), 0),
        (Load(rate_per_s=5.0, duration_s=1.0), 5),
        (Load(rate_per_s=5000.0, duration_s=1.0), 64),
        (Load(concurrency=3, rate_per_s=5.0, duration_s=1.0), 3),
    ],
)
def test_each_worker_is_warmed_up(load: Load, warmups: int) -> None:
    assert load.warmups == warmups
