"""The threads of a batch: each takes a task, asks, hands over what came, and goes on.

Results come as they are there: then no thread begins another task before its result is
in other hands, so that a kill loses as many answers as there are threads. Or in the
order of the tasks: then four for each thread may wait for one that is slow.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from ..errors import Interrupted, LLMWrapError
from ..threads import LONGEST_WAIT_S, Future, start_together

Given = TypeVar("Given")
Made = TypeVar("Made")

_AHEAD = 4


class Crew(Generic[Given, Made]):
    """Do something with each of many, several at once.

    `workers` has for each thread what it does; None from it says that this one is out
    of use, and the task another's. `rate` is how many begin in a second at most. Either
    `run` or `results` is called, once; `finish` and `drop` may be by any thread.
    """

    def __init__(
        self,
        given: Iterator[Given],
        workers: Sequence[Callable[[Given], Made | None]],
        *,
        rate: float | None = None,
        in_order: bool = False,
    ) -> None:
        self._given = given
        self._workers = workers
        self._in_order = in_order
        self._most_ahead = _AHEAD * len(workers)
        self._pause_s = 1 / rate if rate else 0.0
        self._next_at = 0.0
        self._deliver: Callable[[Made], object] = lambda _: None
        self._error: BaseException | None = None
        self._delivering = threading.Lock()
        self._lock = threading.Lock()
        # Two, so that what happens wakes the caller and not every thread.
        self._is_over = threading.Condition(self._lock)
        self._has_room = threading.Condition(self._lock)
        self._again: deque[tuple[int, Given]] = deque()
        self._ready: dict[int, Made] = {}
        self._handed: list[Made] = []
        self._taken = 0
        self._delivered = 0
        self._at_work = 0
        self._working = 0
        self._has_all = False
        self._is_finished = False
        self._is_dropped = False

    def run(self, deliver: Callable[[Made], object]) -> None:
        """Have each thread deliver what it made, one at a time; return at the end.

        When it was dropped, nothing is delivered behind its return. Raises: the error
        that ended delivering, at once; what taking a task, or a bug, raised, behind the
        others; ExhaustedError where there is no thread at all.
        """
        outcomes = self._start(deliver)
        try:
            with self._lock:
                while self._working and not self._is_dropped:
                    self._is_over.wait(LONGEST_WAIT_S)
        finally:
            if self._working:
                self.drop()
            # Not for ever: who reads what is delivered may have stopped reading.
            if self._delivering.acquire(timeout=LONGEST_WAIT_S):
                self._delivering.release()
        self._end(outcomes)

    def results(self) -> Iterator[Made]:
        """Yield what became of each. Raises: as `run`."""
        outcomes = self._start(self._hand_over)
        while True:
            with self._lock:
                while self._working and not (self._handed or self._is_dropped):
                    self._is_over.wait(LONGEST_WAIT_S)
                if not self._handed or self._is_dropped:
                    break
            yield self._handed[0]
            with self._lock:  # only now it is in other hands
                self._handed.clear()
                self._has_room.notify_all()
        self._end(outcomes)

    def finish(self) -> None:
        """Take no further task; those under way may end.

        Waits for no lock, as a signal may call it in the middle of anything: whoever
        waits looks up twice a second.
        """
        self._is_finished = True

    def drop(self) -> None:
        """Take no further task, and want nothing of those under way."""
        self._is_dropped = True

    def _start(self, deliver: Callable[[Made], object]) -> list[Future[None]]:
        self._deliver = deliver
        self._working = len(self._workers)
        calls = [lambda do=do: self._work(do) for do in self._workers]
        outcomes = start_together(calls)
        started = [outcome for outcome in outcomes if not outcome.is_refused]
        with self._lock:
            self._working -= len(outcomes) - len(started)
        return started or outcomes

    def _end(self, outcomes: Sequence[Future[None]]) -> None:
        if self._error:
            raise self._error
        if not self._is_dropped:
            for outcome in outcomes:
                outcome.result(LONGEST_WAIT_S)

    def _work(self, do: Callable[[Given], Made | None]) -> None:
        busy = 0
        try:
            while (taken := self._take()) is not None:
                busy = 1
                number, given = taken
                made = do(given)
                with self._lock:
                    self._at_work -= busy
                    busy = 0
                    if made is None:
                        self._again.append(taken)
                        return
                self._pass_on(number, made)
        finally:
            with self._lock:
                self._at_work -= busy  # a bug ended it: nobody else waits for it
                self._working -= 1
                self._is_over.notify()
                self._has_room.notify_all()

    def _pass_on(self, number: int, made: Made) -> None:
        """Deliver a result, or all that it was the first of in order."""
        if not self._in_order:
            with self._delivering:
                self._try(made)
            return
        self._ready[number] = made
        # Whoever delivers already takes it along, so nobody waits for who reads.
        while self._is_due() and self._delivering.acquire(blocking=False):
            try:
                while self._is_due():
                    self._try(self._ready.pop(self._delivered))
                    with self._lock:
                        self._delivered += 1
                        self._has_room.notify()
            finally:
                self._delivering.release()

    def _is_due(self) -> bool:
        return self._delivered in self._ready and not self._is_dropped

    def _try(self, made: Made) -> None:
        if self._is_dropped:
            return
        try:
            self._deliver(made)
        except (LLMWrapError, Interrupted) as error:
            self._error = error
            self._is_dropped = True

    def _hand_over(self, made: Made) -> None:
        """Deliver to who reads `results`."""
        with self._lock:
            self._handed.append(made)
            self._is_over.notify()
            while self._handed and not self._is_dropped:
                self._has_room.wait(LONGEST_WAIT_S)

    def _take(self) -> tuple[int, Given] | None:
        """Return the next task and its number, None when there is no more."""
        with self._lock:
            while (taken := self._next()) is None:
                is_over = self._has_all and not self._at_work
                if self._is_dropped or self._is_finished or is_over:
                    return None
                self._has_room.wait(LONGEST_WAIT_S)
            self._at_work += 1
            due_at = self._slot() if self._pause_s else 0.0
        while due_at and (left_s := due_at - time.monotonic()) > 0:
            if self._is_dropped:
                break
            time.sleep(min(left_s, LONGEST_WAIT_S))
        return taken

    def _next(self) -> tuple[int, Given] | None:
        """Return a task that may be begun now, if there is one."""
        if self._is_dropped or self._is_finished:
            return None
        if self._again:
            return self._again.popleft()
        is_ahead = self._in_order and self._taken - self._delivered >= self._most_ahead
        if self._has_all or is_ahead:
            return None
        given = next(self._given, None)
        if given is None:
            self._has_all = True
            self._has_room.notify_all()
            return None
        self._taken += 1
        return self._taken - 1, given

    def _slot(self) -> float:
        """Return when this task may begin, and move the next one behind it."""
        now = time.monotonic()
        due_at = max(now, self._next_at)
        self._next_at = due_at + self._pause_s
        return due_at
