"""One load test from its warm-up to its outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from ..engine import Choice, Engine
from ..engine.targets import Target
from ..messages import Request
from .asker import Asker
from .machine import Machine
from .plan import Load
from .prompts import Prompts
from .samples import Samples
from .summary import Outcome, Setting
from .workers import Workers

_SHOW_S = 0.1
_WARM_NUMBERS = 1_000_000_000
"""Where the numbers of warm-ups begin: prompts made by number are then others."""

_LOOPBACK = ("127.", "::1", "localhost")


class Plan(NamedTuple):
    """What a test is to do.

    `request` has everything but the messages. `warm_prompts` are asked first; `slo`
    is what a good answer is at most, in seconds by latency; `cache` says what the
    cache does: `off`, `use`, or `test` for one of its own.
    """

    load: Load
    request: Request
    prompts: Prompts
    warm_prompts: Prompts
    slo: dict[str, float]
    cache: str = "off"


class Standing(NamedTuple):
    """How far a test is; `expected` None where only `duration_s` says when it ends."""

    phase: str
    done: int
    expected: int | None
    failed: int
    elapsed_s: float
    duration_s: float | None

    @property
    def ratio(self) -> float:
        """Return how much of it is done, 0 to 1."""
        parts = [0.0]
        if self.expected:
            parts.append(self.done / self.expected)
        if self.duration_s:
            parts.append(self.elapsed_s / self.duration_s)
        return min(1.0, max(parts))


class Trial:
    """A load test against one target; belongs to the thread that runs it.

    `run` may be left by an exception; `stop` ends what is under way then, and
    `outcome` tells what came until there.
    """

    def __init__(self, engine: Engine, target: Target, plan: Plan) -> None:
        self._engine = engine
        self._target = target
        self._plan = plan
        self._started_at = time.time()
        self._workers: Workers | None = None
        self._running: Workers | None = None
        self._ended_s: float | None = None

    def run(self, show: Callable[[Standing], None]) -> None:
        """Warm up and test, telling `show` now and then how far it is.

        Raises: the error of the warm-up, where every request of it failed.
        """
        load, plan = self._plan.load, self._plan
        if load.warmups:
            warm = Load(concurrency=load.first_workers, requests=load.warmups)
            workers = self._made(warm, plan.warm_prompts, _WARM_NUMBERS)
            workers.start()
            self._wait(workers, warm, "warming up", show)
            workers.raise_if_all_failed()
        self._started_at = time.time()
        # Known before they start, which may be interrupted: what they did counts.
        self._workers = self._made(load, plan.prompts, 0)
        self._workers.start()
        self._wait(self._workers, load, "testing", show)

    def stop(self) -> None:
        """Cancel what is under way and take no further turn."""
        if self._running:
            self._ended_s = self._running.elapsed_s
            self._running.forbid()
        self._engine.close()
        if self._running:
            self._running.stop()

    def outcome(self, machine: Machine, *, is_interrupted: bool = False) -> Outcome:
        """Return what the test came to."""
        samples = self._workers.samples if self._workers else Samples()
        ends = [sample.ended_s for sample in samples.all]
        wall_s = self._ended_s if is_interrupted and self._workers else None
        return Outcome(
            setting=setting_of(self._plan, self._target),
            machine=machine,
            started_at=self._started_at,
            wall_s=wall_s or max(ends, default=0.0),
            warmups=self._plan.load.warmups,
            described=self._plan.prompts.described,
            samples=sorted(samples.all),
            itl_s=samples.itl_s,
            itl_at_s=samples.itl_at_s,
            slo=self._plan.slo,
            is_interrupted=is_interrupted,
            cut_off=samples.cut_off,
        )

    def _made(self, load: Load, prompts: Prompts, first: int) -> Workers:
        def request(number: int) -> Request:
            before = self._plan.request.messages
            messages = (*before, *prompts.messages(first + number))
            return self._plan.request._replace(messages=messages)

        asker = Asker(
            self._engine,
            request,
            is_open=load.is_open,
            is_rendered=prompts.is_rendered,
        )
        self._running = Workers(asker, load)
        return self._running

    def _wait(
        self,
        workers: Workers,
        load: Load,
        phase: str,
        show: Callable[[Standing], None],
    ) -> None:
        is_over = False
        while not is_over:
            is_over = workers.wait(_SHOW_S)
            done, failed = workers.samples.counts()
            elapsed_s = workers.elapsed_s
            expected, duration_s = load.expected_requests, load.duration_s
            show(Standing(phase, done, expected, failed, elapsed_s, duration_s))


def setting_of(plan: Plan, target: Target) -> Setting:
    """Return what makes another test the same as one of a plan."""
    load, backend = plan.load, target.backend
    host = urlsplit(backend.address).hostname or ""
    return Setting(
        backend=backend.name,
        kind=backend.kind,
        server="loopback" if host.startswith(_LOOPBACK) else host,
        model=target.model,
        mode="open" if load.is_open else "closed",
        concurrency=load.concurrency,
        rate_per_s=load.rate_per_s,
        arrival=load.arrival if load.is_open else None,
        prompts=plan.prompts.digest,
        max_tokens=plan.request.sampling.max_tokens,
        cache=plan.cache,
    )


def settled(choice: Choice, target: Target) -> Choice:
    """Return a choice that names what was found, so that nobody looks for it again."""
    choice = choice._replace(model=target.model, is_measured=True)
    return choice if choice.base_url else choice._replace(backend=target.config.name)
