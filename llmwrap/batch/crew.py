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

from ..threads import LONGEST_WAIT_S, start_together

Given = TypeVar("Given")
Made = TypeVar("Made")

_AHEAD = 4


class Crew(Generic[Given, Made]):
    """Do something with each of many, several at once.

    `workers` has for each thread what it does; None from it says that this one is out
    of use, and the task another's. `rate` is how many begin in a second at most.
    `results` belongs to one thread, `finish` and `drop` to any.
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
        self._most = len(workers) * (_AHEAD if in_order else 1)
        self._pause_s = 1 / rate if rate else 0.0
        self._next_at = 0.0
        self._lock = threading.Lock()
        # Two, so that a result wakes its reader and not every thread.
        self._is_made = threading.Condition(self._lock)
        self._has_room = threading.Condition(self._lock)
        self._again: deque[tuple[int, Given]] = deque()
        self._ready: dict[int, Made] = {}
        self._taken = 0
        self._yielded = 0
        self._at_work = 0
        self._working = 0
        self._has_all = False
        self._is_finished = False
        self._is_dropped = False

    def results(self) -> Iterator[Made]:
        """Yield what became of each.

        Raises: what taking a task, or a bug in doing it, raised, behind the others;
        ExhaustedError where there is no thread at all.
        """
        self._working = len(self._workers)
        calls = [lambda do=do: self._work(do) for do in self._workers]
        outcomes = start_together(calls)
        started = [outcome for outcome in outcomes if not outcome.is_refused]
        with self._lock:
            self._working -= len(outcomes) - len(started)
        while True:
            with self._lock:
                while not self._is_due() and self._working:
                    self._is_made.wait(LONGEST_WAIT_S)
                if not self._is_due():
                    break
                at = self._yielded if self._in_order else next(iter(self._ready))
                made = self._ready.pop(at)
            yield made
            with self._lock:  # only now it is in other hands
                self._yielded += 1
                self._has_room.notify()
        for outcome in started or outcomes:
            outcome.result(LONGEST_WAIT_S)

    def finish(self) -> None:
        """Take no further task; those under way may end.

        Waits for no lock, as a signal may call it in the middle of anything: whoever
        waits looks up twice a second.
        """
        self._is_finished = True

    def drop(self) -> None:
        """Take no further task, and want nothing of those under way."""
        self._is_dropped = True

    def _is_due(self) -> bool:
        return self._yielded in self._ready if self._in_order else bool(self._ready)

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
                    if not self._is_dropped:
                        self._ready[number] = made
                    self._is_made.notify()
        finally:
            with self._lock:
                self._at_work -= busy  # a bug ended it: nobody else waits for it
                self._working -= 1
                self._is_made.notify()
                self._has_room.notify_all()

    def _take(self) -> tuple[int, Given] | None:
        """Return the next task and its number, None when there is no more."""
        with self._lock:
            while (taken := self._next()) is None:
                is_over = self._has_all and not self._at_work
                if self._is_dropped or self._is_finished or is_over:
                    return None
                self._has_room.wait(LONGEST_WAIT_S)
            self._at_work += 1
            due_at = self._slot()
        while (left_s := due_at - time.monotonic()) > 0 and not self._is_dropped:
            time.sleep(min(left_s, LONGEST_WAIT_S))
        return taken

    def _next(self) -> tuple[int, Given] | None:
        """Return a task that may be begun now, if there is one."""
        if self._is_dropped or self._is_finished:
            return None
        if self._again:
            return self._again.popleft()
        has_room = self._taken - self._yielded < self._most
        if self._has_all or not has_room:
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
