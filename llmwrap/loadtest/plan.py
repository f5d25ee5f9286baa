"""What a load test sends and when: closed loop or open loop.

In a closed loop each worker asks again when it has its answer, so a slow server is
asked less: a stall delays a request of each worker and hides from the percentiles. In
an open loop requests are due at moments that nothing the server does can move, and
every latency counts from there. No threads and no clock in here.

See: Gil Tene, "How NOT to Measure Latency" (coordinated omission).
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator
from random import Random
from typing import Literal, NamedTuple, TypeAlias

Arrival: TypeAlias = Literal["poisson", "constant"]

MOST_WORKERS = 1000
"""Requests that an open loop has under way at once, where nothing else is said."""

_WARM_CONNECTIONS = 64


class Load(NamedTuple):
    """What is sent: `requests` or for `duration_s`; at a rate, or one after the other.

    `concurrency` is how many are under way at once: in a closed loop always, in an
    open one at most. `warmup` requests come before and are not counted; None means as
    many as there are workers.
    """

    concurrency: int | None = None
    requests: int | None = None
    duration_s: float | None = None
    rate_per_s: float | None = None
    arrival: Arrival = "poisson"
    warmup: int | None = None
    seed: int = 0

    @property
    def is_open(self) -> bool:
        """Tell whether requests are due at moments of their own."""
        return self.rate_per_s is not None

    @property
    def most_workers(self) -> int:
        """Return how many requests may be under way at once."""
        if self.concurrency is not None:
            return self.concurrency
        return MOST_WORKERS if self.is_open else 1

    @property
    def first_workers(self) -> int:
        """Return how many workers there are before any is waited for."""
        if not self.is_open:
            return self.most_workers
        wanted = math.ceil(self.rate_per_s or 0)
        return max(1, min(self.most_workers, wanted, _WARM_CONNECTIONS))

    @property
    def warmups(self) -> int:
        """Return how many requests warm up: none, or one a worker at least.

        With fewer the first requests that count would still open connections.
        """
        if self.warmup is None:
            return self.first_workers
        return max(self.warmup, self.first_workers) if self.warmup else 0

    @property
    def expected_requests(self) -> int | None:
        """Return how many requests there will be, None where time decides."""
        if self.requests is not None:
            return self.requests
        if self.rate_per_s is None or self.duration_s is None:
            return None
        return round(self.rate_per_s * self.duration_s)


class ScheduledRequest(NamedTuple):
    """One request: its number from 0, and when it is due, in seconds from the start.

    `due_s` is None in a closed loop: it is due when there is a worker for it.
    """

    number: int
    due_s: float | None


class Turns:
    """Hand out the turns of a load; any thread may take one."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._turns = self._all()

    def take(self, elapsed_s: float) -> ScheduledRequest | None:
        """Return the next turn, None when there is none; `elapsed_s` since the start.

        What is due later is handed out now: its worker waits for its moment.
        """
        load = self._load
        ends_s = None if load.is_open else load.duration_s
        if ends_s is not None and elapsed_s >= ends_s:
            return None
        with self._lock:
            return next(self._turns, None)

    def _all(self) -> Iterator[ScheduledRequest]:
        load = self._load
        if not load.is_open:
            numbers = itertools.islice(itertools.count(), load.requests)
            yield from (ScheduledRequest(number, None) for number in numbers)
            return
        for number, due_s in enumerate(arrivals(load)):
            if load.requests is not None and number >= load.requests:
                return
            if load.duration_s is not None and due_s >= load.duration_s:
                return
            yield ScheduledRequest(number, due_s)


def arrivals(load: Load) -> Iterator[float]:
    """Yield for ever when requests are due, in seconds from the start.

    A Poisson process has exponential gaps: many users who know nothing of each other.
    Raises: ValueError for a load without a rate.
    """
    if not load.rate_per_s:
        raise ValueError("a closed loop has no arrivals")
    if load.arrival == "constant":
        for number in itertools.count():
            yield number / load.rate_per_s
    draws = Random(load.seed)  # noqa: S311  a seed makes a test repeatable
    due_s = 0.0
    while True:
        due_s += draws.expovariate(load.rate_per_s)
        yield due_s
