"""A batch under way: who asks, what was written, and when it is better to stop."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol

from ..config import Config
from ..engine import Choice, Engine
from ..errors import LLMWrapError, SomeFailedError, UnreachableError
from ..log import Log
from .crew import Crew, Given
from .task import Done, Task

_MOST_UNREACHABLE = 3
"""So many in a row that reach nobody end the batch: the server is gone."""


class Bound(NamedTuple):
    """How many items may fail: a number, or a share of all."""

    most: float
    is_share: bool = False

    def is_passed(self, failed: int, total: int) -> bool:
        """Tell whether too many failed."""
        return failed > (self.most * total if self.is_share else self.most)


def batch_engine(
    config: Config,
    *,
    environ: Mapping[str, str],
    log: Log,
    concurrency: int,
    choice: Choice = Choice(),
) -> Engine:
    """Return an engine for as many questions at once, each driven by who reads it."""
    most = max(config.streaming.max_concurrent_streams, concurrency)
    streaming = config.streaming._replace(max_concurrent_streams=most)
    return Engine(
        config._replace(streaming=streaming),
        environ=environ,
        choice=choice._replace(is_inline=True),
        log=log,
    )


class Askers(Protocol):
    """Those who ask the questions of a batch; any thread may call everything."""

    def ask(self, at: int, task: Task) -> Done | None:
        """Have one of them ask; None when another should."""

    def settle(self) -> None:
        """Wait until what was kept is safe on disk."""

    def close(self) -> None:
        """End what is under way."""


class Servers:
    """The engines of a batch, each for one server; any thread may ask."""

    def __init__(self, engines: Sequence[Engine], log: Log) -> None:
        self._engines = list(engines)
        self._out: set[int] = set()
        self._lock = threading.Lock()
        self._log = log

    def ask(self, at: int, task: Task) -> Done | None:
        """Ask one of the servers; None when another should be asked instead."""
        if at in self._out:
            return None
        done = answered(self._engines[at], task)
        if isinstance(done.error, UnreachableError) and self._leaves(at, done.error):
            return None
        return done

    def settle(self) -> None:
        """Wait until what was kept is safe on disk."""
        for engine in self._engines:
            engine.settle()

    def close(self) -> None:
        """End what is under way."""
        for engine in self._engines:
            engine.close()

    def _leaves(self, at: int, error: LLMWrapError) -> bool:
        """Take a server out of use, as long as there is another."""
        with self._lock:
            if at in self._out:
                return True
            if len(self._out) + 1 == len(self._engines):
                return False
            self._out.add(at)
        self._log.warning(f"{error.message}; its items go to the others")
        return True


def answered(engine: Engine, task: Task) -> Done:
    """Ask one question and return what became of it; never raises for that."""
    key = task.key
    if task.request is None:
        return Done(task, key, None, task.error)
    answer = None
    try:
        with engine.ask(task.request, task.rendered) as answer:
            answer.read()
            value = answer.value if task.request.schema else None
            return Done(task, key, answer.completion, value=value)
    except LLMWrapError as error:
        text = answer.partial.text if answer else ""
        return Done(task, key, None, error, text)


class Counted:
    """What was counted of a batch; changed by one thread at a time."""

    def __init__(self) -> None:
        self.answered = 0
        self.cached = 0
        self.tokens = 0
        self.failed: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Return how many items have an end."""
        return self.answered + self.failed.total()

    def add(self, done: Done) -> None:
        """Count a result."""
        if done.error is not None:
            self.failed[done.error.kind] += 1
            return
        self.answered += 1
        if done.completion is not None:
            self.cached += done.completion.is_cached
            if not done.completion.is_cached:
                self.tokens += done.completion.usage.completion_tokens or 0


class Batch(Generic[Given]):
    """Ask what is left of a batch: `run` it, or read its `results`."""

    def __init__(
        self,
        crew: Crew[Given, Done],
        servers: Askers,
        *,
        total: int = 0,
        bound: Bound | None = None,
    ) -> None:
        self._crew = crew
        self._servers = servers
        self._total = total
        self._bound = bound
        self._held: list[Done] = []
        self.tally = Counted()
        self.stopped_by: LLMWrapError | None = None
        """Why not everything was asked, if it was not."""

    def run(self, write: Callable[[Done], object]) -> None:
        """Have each item written, once, by the thread that asked it, one at a time."""

        def passed_on(done: Done) -> None:
            for one in self._told(done):
                write(one)

        self._crew.run(passed_on)
        for one in self._rest():
            write(one)
        self._servers.settle()

    def results(self) -> Iterator[Done]:
        """Yield what became of each item, once."""
        for done in self._crew.results():
            yield from self._told(done)
        yield from self._rest()
        self._servers.settle()

    def _told(self, done: Done) -> list[Done]:
        """Count a result; return what is to be told now.

        What reached nobody is held back until it is known whether that was the item
        or the server; where it was the server, it counts as not asked.
        """
        held = [*self._held, done]
        if isinstance(done.error, UnreachableError):
            self._held = held
            if len(held) == _MOST_UNREACHABLE:
                self._held = []
                self._stop(held[0].error)
            return []
        self._held = []
        self._count(held)
        failed = self.tally.failed.total()
        if self._bound and self._bound.is_passed(failed, self._total):
            self._stop(SomeFailedError(f"{failed} items failed, which is too many"))
        return held

    def _rest(self) -> list[Done]:
        held, self._held = self._held, []
        self._count(held)
        return held

    def _count(self, results: Sequence[Done]) -> None:
        for one in results:
            self.tally.add(one)

    def finish(self) -> None:
        """Ask nothing more; what is under way may end."""
        self._crew.finish()

    def drop(self) -> None:
        """End at once; what is under way is not wanted any more."""
        self._crew.drop()
        self._servers.close()

    def _stop(self, error: LLMWrapError | None) -> None:
        self.stopped_by = error
        self.drop()
