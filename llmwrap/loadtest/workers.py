"""The workers of a load test.

A worker takes a turn, waits for its moment, asks, and notes what came. There is no
dispatcher whose delay would be measured too: in an open loop idle workers wait for the
next moments, one each, and whoever leaves none behind to wait has another one started.
"""

from __future__ import annotations

import threading
import time

from ..errors import LLMWrapError
from ..threads import Future, start_together, wait_for
from .asker import Asker
from .plan import Load, Turns
from .samples import Samples

_JOIN_S = 0.5


class Workers:
    """Run the turns of a load. `stop` and `wait` are for the thread that made it."""

    def __init__(self, asker: Asker, load: Load) -> None:
        self.samples = Samples()
        self.began_at = 0.0
        """When the first turn could be taken, on the monotonic clock."""
        self._asker = asker
        self._load = load
        self._turns = Turns(load)
        self._first_failure: LLMWrapError | None = None
        self._lock = threading.Lock()
        self._working = 0
        self._idle = 0
        self._stopped = threading.Event()
        self._over = threading.Event()
        self._outcomes: list[Future[None]] = []

    @property
    def elapsed_s(self) -> float:
        """Return how long it has been running."""
        return time.monotonic() - self.began_at

    def start(self) -> None:
        """Start the workers and return at once."""
        self.began_at = time.monotonic()
        count = self._load.first_workers
        with self._lock:
            self._working = count
        self._outcomes += start_together([self._work] * count)

    def wait(self, seconds: float) -> bool:
        """Wait until every turn is over, `seconds` at most; tell whether it is.

        Raises: what a bug in a worker raised.
        """
        is_over = wait_for(self._over, seconds)
        if is_over:
            for outcome in self._outcomes:
                outcome.result(_JOIN_S)
        return is_over

    def stop(self) -> None:
        """Wait a moment for the requests under way to end.

        Cancelling them is the engine's: close it first, and `forbid` before.
        """
        wait_for(self._over, _JOIN_S)

    def forbid(self) -> None:
        """Let no further turn be taken."""
        self._stopped.set()

    def raise_if_all_failed(self) -> None:
        """Raise the first error where there was nothing but errors of its kind."""
        samples = self.samples.all
        if self._first_failure and len({sample.error for sample in samples}) == 1:
            raise self._first_failure

    def _work(self) -> None:
        try:
            while not self._stopped.is_set():
                turn = self._turns.take(self.elapsed_s)
                if turn is None:
                    return
                due_at = time.monotonic()
                if turn.due_s is not None:
                    due_at = self.began_at + turn.due_s
                    if not self._wait_until(due_at):
                        return
                noted = self._asker.ask(turn.number, due_at, self.began_at)
                self.samples.add(noted.sample, noted.moments)
                self._first_failure = self._first_failure or noted.failure
        finally:
            self._leave()

    def _wait_until(self, due_at: float) -> bool:
        """Wait for a turn's moment; tell whether the test still runs then."""
        with self._lock:
            self._idle += 1
        is_stopped = self._stopped.wait(max(0.0, due_at - time.monotonic()))
        with self._lock:
            self._idle -= 1
            is_short = not self._idle and self._working < self._load.most_workers
            is_short = is_short and not is_stopped
            self._working += is_short
        if is_short:
            self._outcomes += start_together([self._work])
        return not is_stopped

    def _leave(self) -> None:
        with self._lock:
            self._working -= 1
            if not self._working:
                self._over.set()
