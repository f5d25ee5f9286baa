"""The gate finds what became slower, and takes no chance for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmwrap.loadtest.chance import doubt_of_rise, student_above
from llmwrap.loadtest.compare import Change, Gate, is_spread_known, worse
from llmwrap.loadtest.compare import changes as changes_of_runs
from llmwrap.loadtest.samples import Sample

_IS_LONG = int(os.environ.get("LLMWRAP_TEST_ROUNDS", "0")) >= 500
"""Whether to simulate as many comparisons as the gate was once proved by."""
_RUNS = 25 if _IS_LONG else 10
_PAIRS = 40 if _IS_LONG else 20
_REQUESTS = 200


def run(
    seed: int,
    *,
    requests: int = _REQUESTS,
    slower: float = 1.0,
    failing: float = 0.0,
    tail: float = 1.0,
) -> list[Sample]:
    """Return the samples of a run of log-normal latencies, as servers have them.

    `tail` makes the slowest tenth slower than it would be.
    """
    draws = Random(seed)
    found = []
    for number in range(requests):
        ttft_s = slower * 0.2 * draws.lognormvariate(0, 0.3)
        tpot_s = slower * 0.01 * draws.lognormvariate(0, 0.15)
        e2e_s = ttft_s + 100 * tpot_s
        if draws.random() < 0.1:
            e2e_s *= tail
        sample = Sample(number, 0.0, e2e_s, ttft_s=ttft_s, tpot_s=tpot_s, e2e_s=e2e_s)
        if draws.random() < failing:
            sample = sample._replace(error="timeout")
        found.append(sample)
    return found


def runs(
    draws: Random, count: int, spread: float, *, slower: float = 1.0
) -> list[list[Sample]]:
    """Return runs of a machine whose speed differs from one to the next."""
    return [
        run(draws.randrange(1 << 30), slower=slower * draws.lognormvariate(0, spread))
        for _ in range(count)
    ]


def changes(
    old: Sequence[Sample], new: Sequence[Sample], gate: Gate = Gate()
) -> list[Change]:
    """Compare two tests of one run each."""
    return changes_of_runs([old], [new], gate)


def of_moments(number: int, ttft_s: float, e2e_s: float, tokens: int = 101) -> Sample:
    """Return a sample by when its first and its last token came."""
    return Sample(
        number,
        0.0,
        e2e_s,
        ttft_s=ttft_s,
        e2e_s=e2e_s,
        tpot_s=(e2e_s - ttft_s) / (tokens - 1),
        chunks=tokens,
    )


def sooner(sample: Sample, first: float, last: float) -> Sample:
    """Return a sample whose first and last token came sooner by these shares."""
    assert sample.ttft_s is not None
    assert sample.e2e_s is not None
    ttft_s = sample.ttft_s * (1 - first)
    e2e_s = ttft_s + (sample.e2e_s - ttft_s) * (1 - last)
    return of_moments(sample.number, ttft_s, e2e_s)


def broken(found: Sequence[Change]) -> set[tuple[str, str]]:
    return {(change.name, change.figure) for change in worse(found)}


def of(found: Sequence[Change], name: str, figure: str) -> Change:
    (change,) = [c for c in found if (c.name, c.figure) == (name, figure)]
    return change


@pytest.mark.untraced
@pytest.mark.slow
def test_equal_samples_are_no_false_alarm_by_chance() -> None:
    """Without any tolerance, so that chance alone has to be told from change.

    99 % of confidence allow one false alarm; with the tolerance there is none.
    """
    strict, usual = Gate(tolerance=0.0, confidence=0.99), Gate()

    pairs = [(run(2 * seed), run(2 * seed + 1)) for seed in range(_RUNS)]
    by_chance = sum(bool(worse(changes(old, new, strict))) for old, new in pairs)
    by_gate = sum(bool(worse(changes(old, new, usual))) for old, new in pairs)

    assert by_chance <= 1
    assert by_gate == 0


@pytest.mark.untraced
@pytest.mark.slow
def test_a_fifth_slower_is_found_in_every_run() -> None:
    found = [
        worse(changes(run(2 * seed), run(2 * seed + 1, slower=1.2)))
        for seed in range(_RUNS)
    ]

    assert all(found)


def test_slower_within_the_tolerance_is_the_same() -> None:
    found = changes(run(1, requests=2000), run(2, requests=2000, slower=1.05))

    assert broken(found) == set()
    assert of(found, "e2e_s", "p50").verdict == "same"
    assert of(found, "e2e_s", "p50").ratio == pytest.approx(1.05, abs=0.02)


def test_a_slower_tail_is_found_where_the_median_stays() -> None:
    found = changes(run(1, requests=1000), run(2, requests=1000, tail=2.0))

    assert ("e2e_s", "p99") in broken(found)
    assert of(found, "e2e_s", "p50").verdict == "same"


def test_faster_is_better_and_breaks_nothing() -> None:
    found = changes(run(1, slower=1.5), run(2))

    assert broken(found) == set()
    assert of(found, "ttft_s", "p50").verdict == "better"


_SHARES = st.one_of(st.just(0.0), st.floats(0, 1))


@settings(max_examples=60)
@example(seed=230, requests=10, gains=[(0.25, 0.0)])  # the end is late by rounding
@given(
    seed=st.integers(0, 1000),
    requests=st.integers(10, 120),
    gains=st.lists(st.tuples(_SHARES, _SHARES), min_size=1, max_size=3),
)
def test_where_no_token_comes_later_nothing_is_worse(
    seed: int, requests: int, gains: list[tuple[float, float]]
) -> None:
    """Whatever the noise, and whatever becomes of the time between the tokens."""
    rash = Gate(tolerance=0.01, confidence=0.5)
    old = [sooner(sample, 0, 0) for sample in run(seed, requests=requests)]

    new = [sooner(sample, *gains[n % len(gains)]) for n, sample in enumerate(old)]

    assert broken(changes(old, new, rash)) == set()


def test_a_first_token_that_gains_more_than_the_last_is_no_harm() -> None:
    """Answers that come in one piece have hardly any time between tokens."""
    old = [of_moments(n, 0.020, 0.0202, tokens=6) for n in range(40)]
    new = [of_moments(n, 0.001, 0.005, tokens=6) for n in range(40)]

    found = changes(old, new)

    assert broken(found) == set()
    assert of(found, "tpot_s", "p50").verdict == "same"


def test_shorter_answers_hide_no_slower_tokens() -> None:
    old = [of_moments(n, 0.2, 2.2, tokens=101) for n in range(40)]
    new = [of_moments(n, 0.1, 1.7, tokens=41) for n in range(40)]

    assert ("tpot_s", "p50") in broken(changes(old, new))


def test_slower_tokens_are_worse_where_the_first_came_sooner() -> None:
    old = [of_moments(n, 1.0, 2.0) for n in range(40)]
    new = [of_moments(n, 0.5, 2.05) for n in range(40)]

    assert broken(changes(old, new)) == {("tpot_s", "p50")}


def test_a_difference_that_a_few_samples_cannot_tell_is_chance() -> None:
    found = changes(run(1, requests=12), run(2, requests=12, slower=1.1))

    assert of(found, "ttft_s", "p50").verdict == "chance"


@pytest.mark.parametrize(("requests", "has_p99"), [(499, False), (500, True)])
def test_a_percentile_needs_samples_beyond_it(requests: int, has_p99: bool) -> None:
    found = changes(run(1, requests=requests), run(2, requests=requests))

    assert (("e2e_s", "p99") in {(c.name, c.figure) for c in found}) is has_p99


def test_more_failures_are_worse() -> None:
    found = changes(run(1), run(2, failing=0.3))

    assert broken(found) == {("errors", "share")}


def failing(count: int, asked: int = 100) -> list[Sample]:
    """Return a run of which the first so many requests failed."""
    return [Sample(n, 0.0, 1.0, error="timeout" * (n < count)) for n in range(asked)]


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (0, 9, "worse"),
        (0, 2, "chance"),
        (5, 16, "worse"),
        (5, 8, "chance"),
        (3, 3, "same"),
        (9, 0, "better"),
    ],
)
def test_any_rise_of_errors_that_chance_does_not_explain_is_worse(
    before: int, after: int, verdict: str
) -> None:
    (change,) = changes(failing(before), failing(after), Gate(tolerance=0.5))

    assert change.verdict == verdict


def test_a_rise_of_errors_is_judged_by_fishers_exact_test() -> None:
    """His tea tasting, a table of 3, 1, 1, 3, has 17 of 70."""
    assert doubt_of_rise((1, 4), (3, 4)) == pytest.approx(17 / 70)
    assert doubt_of_rise((0, 100), (0, 100)) == 1.0
    assert doubt_of_rise((0, 0), (5, 9)) == 1.0


@pytest.mark.parametrize(
    ("freedom", "t", "above"),
    [(1, 31.82, 0.01), (2, 6.965, 0.01), (5, 3.365, 0.01), (8, 2.896, 0.01)],
)
def test_students_t_is_that_of_the_tables(freedom: int, t: float, above: float) -> None:
    assert student_above(t, freedom) == pytest.approx(above, rel=0.002)
    assert student_above(-t, freedom) == pytest.approx(1 - above, rel=0.002)


# Runs that differ among themselves, as those of machines do

_DIFFER = 0.05


def share_worse(pairs: int, counts: tuple[int, int], slower: float) -> float:
    """Return in what share of simulated comparisons the gate breaks."""
    draws, gate = Random(1), Gate()
    found = [
        bool(worse(changes_of_runs(old, new, gate)))
        for _ in range(pairs)
        for old in [runs(draws, counts[0], _DIFFER)]
        for new in [runs(draws, counts[1], _DIFFER, slower=slower)]
    ]
    return sum(found) / len(found)


@pytest.mark.slow
@pytest.mark.parametrize("counts", [(3, 1), (1, 3), (3, 3), (5, 5)])
def test_runs_that_differ_by_themselves_are_no_false_alarm(
    counts: tuple[int, int],
) -> None:
    """Of single runs, which cannot know it, 12 % are."""
    assert share_worse(_PAIRS, counts, slower=1.0) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("counts", "least"), [((3, 3), 0.85), ((5, 5), 0.95)])
def test_a_fifth_slower_is_found_among_runs_that_differ(
    counts: tuple[int, int], least: float
) -> None:
    assert share_worse(_PAIRS // 2, counts, slower=1.2) >= least


def test_how_much_runs_differ_is_known_where_there_are_two() -> None:
    single, pair = [run(1)], [run(1), run(2, slower=1.1)]

    assert not is_spread_known(changes_of_runs(single, single))
    assert is_spread_known(changes_of_runs(single, pair))
    change = of(changes_of_runs(pair, single), "e2e_s", "p50")
    assert change.spread == pytest.approx(0.07, abs=0.03)


def test_a_change_within_the_spread_of_runs_is_chance() -> None:
    old = [run(1, slower=0.7), run(2, slower=1.0), run(3, slower=1.3)]

    found = changes_of_runs(old, [run(4, slower=1.3)])

    assert of(found, "e2e_s", "p50").verdict == "chance"
    assert broken(found) == set()


def test_exactly_equal_latencies_are_compared_too() -> None:
    """As those of a fake server may be: no spread, no division by it."""
    old = [Sample(n, 0.0, 1.0, ttft_s=0.5, e2e_s=1.0) for n in range(40)]
    new = [sample._replace(e2e_s=1.3) for sample in old]

    assert broken(changes(old, old)) == set()
    assert broken(changes(old, new)) == {("e2e_s", "p50"), ("e2e_s", "mean")}


def test_what_the_client_itself_moves_is_no_difference() -> None:
    """Answers that come in one piece have no time between tokens at all."""
    old = [Sample(n, 0.0, 1.0, tpot_s=0.0, e2e_s=0.0001) for n in range(40)]
    new = [sample._replace(tpot_s=0.0001, e2e_s=0.0002) for sample in old]
    slow = [sample._replace(tpot_s=0.01) for sample in old]

    assert broken(changes(old, new)) == set()
    assert broken(changes(old, slow)) == {("tpot_s", "p50")}
    assert of(changes(old, slow), "tpot_s", "p50").ratio is None


def test_all_that_failed_is_still_compared() -> None:
    failed = [s._replace(error="timeout") for s in run(1)]

    assert broken(changes(run(2), failed)) == {("errors", "share")}


@pytest.mark.parametrize(("figure", "place"), [("p50", 59), ("p95", 113)])
def test_the_doubt_is_what_drawing_both_tests_anew_finds(
    figure: str, place: int
) -> None:
    old, new = (
        [
            s._replace(e2e_s=round(25 * (s.e2e_s or 0.0)) / 25)
            for s in run(seed, requests=120)
        ]
        for seed in (1, 4)
    )
    draws, count = Random(1), 2000

    def drawn(samples: list[Sample]) -> float:
        values = draws.choices([sample.e2e_s or 0.0 for sample in samples], k=120)
        return sorted(values)[place]

    pairs = [(drawn(old), drawn(new)) for _ in range(count)]
    not_worse = sum((now < was) + (now == was) / 2 for was, now in pairs) / count

    doubt = of(changes(old, new, Gate(tolerance=0.0)), "e2e_s", figure).doubt
    assert doubt == pytest.approx(not_worse, abs=0.02)
    assert 0.1 < not_worse < 0.9


def test_the_verdict_is_the_same_each_time() -> None:
    old, new = run(1), run(2, slower=1.1)

    assert changes(old, new) == changes(old, new)
