"""The definitions of latency."""

from __future__ import annotations

import pytest

from llmwrap.messages import Timing
from llmwrap.metrics.timing import Stopwatch, tpot


def test_the_figures_follow_their_definitions() -> None:
    watch = Stopwatch(called_at=10.0)
    watch.sent_at, watch.first_at, watch.last_at = 10.5, 11.0, 13.0
    watch.note_piece(11.0, deltas=5)

    assert watch.timing(completion_tokens=5) == Timing(
        ttft_s=0.5, e2e_s=2.5, tpot_s=0.5, queued_s=0.5
    )


def test_of_tokens_that_came_in_one_delta_the_time_between_was_not_seen() -> None:
    watch = Stopwatch(called_at=10.0)
    watch.sent_at, watch.first_at, watch.last_at = 10.5, 13.0, 13.0
    watch.note_piece(13.0)

    assert watch.timing(completion_tokens=5).tpot_s is None


@pytest.mark.parametrize("tokens", [None, 0, 1])
def test_below_two_tokens_there_is_no_time_per_token(tokens: int | None) -> None:
    assert tpot(0.5, 2.5, tokens) is None


def test_what_was_not_noted_is_none() -> None:
    assert Stopwatch(called_at=0.0).timing(7) == Timing(None, None, None, None)
