"""Threads beside the caller's: calls at once, and one that watches clocks.

Plain daemon threads and not concurrent.futures: its import costs 13 ms, and its exit
waits for workers that are blocked in a read. None of them keeps alive what it works
for, and each ends when there is nothing to do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from . import lives
from .errors import ExhaustedError

LONGEST_WAIT_S = 0.5
"""A signal that comes right before a thread goes to sleep does not wake it up: whoever
waits in the main thread looks up that often."""

_LOOK_S = 0.1
_CHECK_S = 0.05

T = TypeVar("T")


def wait_for(event: threading.Event, seconds: float) -> bool:
    """Wait until an event is set, `seconds` at most; tell whether it is."""
    until = time.monotonic() + seconds
    while True:
        left_s = max(0.0, until - time.monotonic())
        if event.wait(min(left_s, LONGEST_WAIT_S)):
            return True
        if not left_s:
            return False


def start_thread(call: Callable[[], object], name: str) -> None:
    """Run a call on a daemon thread. Raises: ExhaustedError when there is none left."""
    try:
        threading.Thread(target=call, name=f"llmwrap-{name}", daemon=True).start()
    except (RuntimeError, MemoryError) as error:
        raise ExhaustedError(
            f"cannot start a thread: {str(error) or 'out of memory'}",
            hint="'ulimit -u' bounds them, and so does the memory they take",
        ) from error


class Future(Generic[T]):
    """What a call on a thread of its own will have brought."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call: Callable[[], T] | None = call
        self._ended = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None
        self.is_refused = False
        """Whether there was no thread to make the call."""

    @property
    def has_ended(self) -> bool:
        """Tell whether there is a result, or an error."""
        return self._ended.is_set()

    def run(self) -> None:
        """Make the call; called once, by its thread."""
        # Let go of what is called, which may hold on to its outcome.
        call, self._call = self._call, None
        try:
            self._result = call() if call else None
        except BaseException as error:  # handed on to whoever asks for the result
            self._error = error
        self._ended.set()

    def fail(self, error: Exception) -> None:
        """Have it that the call was not even made."""
        self.is_refused = True
        self._error = error
        self._ended.set()

    def result(self, timeout_s: float, check: Callable[[], object] | None = None) -> T:
        """Return what the call returned, or raise what it raised.

        `check` is called all the time meanwhile, and ends the waiting by raising.
        Raises: TimeoutError when it has not ended after `timeout_s`.
        """
        until = time.monotonic() + timeout_s
        left_s = timeout_s
        while not wait_for(self._ended, min(left_s, _CHECK_S) if check else left_s):
            left_s = max(0.0, until - time.monotonic())
            if not left_s:
                raise TimeoutError
            if check:
                check()
        if self._error:
            raise self._error
        return self._result  # type: ignore[return-value]  # set, or there was an error


def start_together(calls: Sequence[Callable[[], T]]) -> list[Future[T]]:
    """Start every call at once, each on a daemon thread, and return their outcomes.

    Of one that gets no thread, that is the outcome.
    """
    outcomes = [Future(call) for call in calls]
    for number, outcome in enumerate(outcomes, 1):
        try:
            start_thread(outcome.run, f"call-{number}")
        except ExhaustedError as error:
            outcome.fail(error)
    return outcomes


class Watched(Protocol):
    """What wants to be looked at now and then."""

    def look(self, now: float) -> float:
        """Do what is due at `now` (monotonic); return when to come back at the latest.

        Short, and never waiting: many are looked at by one thread.
        """


class Watcher:
    """Look at things again and again, all on one thread, which ends with the last one.

    Any thread may call it. What is watched is held weakly.
    """

    def __init__(self) -> None:
        self._things: dict[int, lives.Weak[Watched]] = {}
        self._lock = threading.Lock()
        self._is_running = False
        lives.enter(self)

    def watch(self, thing: Watched) -> None:
        """Look at something, within a tenth of a second, until it is let go."""
        self._things[id(thing)] = lives.Weak(thing)
        with self._lock:
            if not self._is_running:
                start_thread(self._run, "watcher")
                self._is_running = True

    def let_go(self, thing: Watched) -> None:
        """Look at something no more; waits for nothing."""
        self._things.pop(id(thing), None)

    def start_anew(self) -> None:
        """Watch nothing, in a forked child."""
        self._things = {}
        self._lock = threading.Lock()
        self._is_running = False

    def _run(self) -> None:
        while self._has_more():
            now = time.monotonic()
            due = now + _LOOK_S
            for number, weak in self._things.copy().items():
                thing: Watched | None = weak()
                if thing is not None:
                    due = min(due, thing.look(now))
                elif self._things.get(number) is weak:
                    self._things.pop(number, None)
                del thing  # or it would live as long as we sleep
            time.sleep(max(0.001, due - time.monotonic()))

    def _has_more(self) -> bool:
        with self._lock:
            self._is_running = bool(self._things)
            return self._is_running


WATCHER = Watcher()
"""The one of this process."""
