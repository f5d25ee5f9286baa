"""What one request of a load test came to, and all of them together.

Everything is kept, not a sketch of it: the gate compares raw samples, and a hundred
thousand requests are some tens of megabytes. Gaps between chunks are plain doubles.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from ..messages import ServerTimings

INTERRUPTED = "interrupted"
"""The kind of requests that were cut off with the test: they do not count."""


class Sample(NamedTuple):
    """One request. Durations in seconds, as metrics/timing.py defines them.

    In an open loop `ttft_s`, `e2e_s` and `queued_s` count from `started_s`, the moment
    the request was due; in a closed one TTFT and E2E from the request sent. Moments
    are seconds since the start of the test. `late_s` is how long after it was due its
    worker took it up, `rendering_s` what its template took. `error` is the kind of
    what ended it, empty for none. `round` is which of the test's runs it belongs to,
    from 0.
    """

    number: int
    started_s: float
    ended_s: float
    late_s: float = 0.0
    queued_s: float | None = None
    ttft_s: float | None = None
    e2e_s: float | None = None
    tpot_s: float | None = None
    chunks: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    is_cached: bool = False
    attempts: int = 0
    error: str = ""
    message: str = ""
    server: ServerTimings | None = None
    round: int = 0
    rendering_s: float | None = None

    @property
    def is_ok(self) -> bool:
        """Tell whether there was a complete answer."""
        return not self.error


def runs_of(samples: Iterable[Sample]) -> list[list[Sample]]:
    """Return samples by their runs, one run at least."""
    runs: dict[int, list[Sample]] = {}
    for sample in samples:
        runs.setdefault(sample.round, []).append(sample)
    return list(runs.values()) or [[]]


class Samples:
    """The samples of a running test; any thread may add one.

    `itl_s` are the gaps between the chunks of each answer, `itl_at_s` the moments of
    their ends, both in the order in which answers ended.
    """

    def __init__(self) -> None:
        self.all: list[Sample] = []
        self.itl_s: array[float] = array("d")
        self.itl_at_s: array[float] = array("d")
        self.cut_off = 0
        """How many were under way when the test was interrupted."""
        self._failed = 0
        self._lock = threading.Lock()

    def add(self, sample: Sample, moments: array[float]) -> None:
        """Take a sample and the moments of its chunks, in seconds since the start."""
        with self._lock:
            if sample.error == INTERRUPTED:
                self.cut_off += 1
                return
            self.all.append(sample)
            self._failed += not sample.is_ok
            if sample.is_ok and len(moments) > 1:
                self.itl_s.extend(late - soon for soon, late in pairwise(moments))
                self.itl_at_s.extend(moments[1:])

    def counts(self) -> tuple[int, int]:
        """Return how many requests ended so far, and how many of them failed."""
        return len(self.all), self._failed
