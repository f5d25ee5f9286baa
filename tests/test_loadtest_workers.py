"""The workers of a load test keep its moments, whatever the server does."""

from __future__ import annotations

import signal
import threading
from array import array
from collections.abc import Callable
from typing import NoReturn

import pytest

from llmwrap import Config
from llmwrap.engine import Choice, Engine
from llmwrap.errors import Interrupted, RefusedError
from llmwrap.loadtest.asker import Asker, Noted
from llmwrap.loadtest.machine import this_machine
from llmwrap.loadtest.plan import Load
from llmwrap.loadtest.prompts import built_in_prompts
from llmwrap.loadtest.samples import Sample, Samples
from llmwrap.loadtest.trial import Plan, Trial
from llmwrap.loadtest.workers import Workers
from llmwrap.messages import Message, Request

from .asking import OLLAMA
from .fakeserver import FakeServer, WaitFor, json_error
from .runner import Home

_LONG_S = 10.0


class ScriptedAsker(Asker):
    """An asker without a server: `act` is what a question does."""

    def __init__(self, act: Callable[[int], object]) -> None:
        self._act = act

    def ask(self, number: int, due_at: float, began_at: float) -> Noted:
        """Do it, and note when the question was due."""
        self._act(number)
        sample = Sample(number, due_at - began_at, due_at - began_at)
        return Noted(sample, array("d"), None)


def started(load: Load, asker: Asker) -> Workers:
    workers = Workers(asker, load)
    workers.start()
    return workers


def question(number: int) -> Request:
    return Request("alpha:latest", (Message("user", f"question {number}"),))


@pytest.fixture
def engine(home: Home, server: FakeServer) -> Engine:
    config = Config.load(None, home.environ)
    choice = Choice(base_url=server.url, cache="off", retries=0, is_measured=True)
    return Engine(config, environ=home.environ, choice=choice)


def test_each_turn_is_taken_once() -> None:
    workers = started(Load(concurrency=7, requests=200), ScriptedAsker(id))

    assert workers.wait(_LONG_S)
    numbers = sorted(sample.number for sample in workers.samples.all)
    assert numbers == list(range(200))
    assert workers.samples.counts() == (200, 0)


def full_rooms(size: int) -> ScriptedAsker:
    """Return an asker that waits for `size` at once, and has no room for another."""
    meeting = threading.Barrier(size, timeout=_LONG_S)
    room = threading.Semaphore(size)

    def act(_: int) -> None:
        assert room.acquire(blocking=False)
        meeting.wait()
        room.release()

    return ScriptedAsker(act)


@pytest.mark.parametrize(
    "load",
    [
        Load(concurrency=3, requests=9),
        Load(concurrency=3, requests=9, rate_per_s=2000.0, arrival="constant"),
    ],
)
def test_as_many_are_under_way_as_was_said_and_no_more(load: Load) -> None:
    workers = started(load, full_rooms(3))

    assert workers.wait(_LONG_S)
    assert workers.samples.counts() == (9, 0)


def test_in_an_open_loop_a_stalled_server_delays_no_other_request() -> None:
    """The first one is answered only when all others have been asked."""
    all_others = threading.Event()
    asked: list[int] = []

    def act(number: int) -> None:
        if number == 0:
            assert all_others.wait(_LONG_S)
            return
        asked.append(number)
        if len(asked) == 49:
            all_others.set()

    load = Load(rate_per_s=1000.0, requests=50, arrival="constant")
    workers = started(load, ScriptedAsker(act))

    assert workers.wait(_LONG_S)
    assert workers.samples.counts() == (50, 0)


def test_every_request_of_an_open_loop_may_stall_at_once() -> None:
    """More than the workers it begins with: others are started as needed."""
    load = Load(rate_per_s=2000.0, requests=100, arrival="constant")

    workers = started(load, full_rooms(100))

    assert load.first_workers < 100
    assert workers.wait(_LONG_S)


def test_a_request_is_due_at_its_moment_and_not_when_there_is_a_worker() -> None:
    load = Load(concurrency=1, rate_per_s=100.0, requests=5, arrival="constant")

    workers = started(load, ScriptedAsker(id))

    assert workers.wait(_LONG_S)
    moments = sorted(sample.started_s for sample in workers.samples.all)
    assert moments == pytest.approx([0.0, 0.01, 0.02, 0.03, 0.04])


def test_a_bug_in_a_worker_is_raised_where_it_is_waited_for() -> None:
    def act(_: int) -> NoReturn:
        raise AssertionError("a bug")

    workers = started(Load(concurrency=2, requests=4), ScriptedAsker(act))

    with pytest.raises(AssertionError, match="a bug"):
        workers.wait(_LONG_S)


def test_what_is_forbidden_takes_no_further_turn() -> None:
    go_on = threading.Event()
    workers = started(
        Load(concurrency=1, requests=10), ScriptedAsker(lambda _: go_on.wait(_LONG_S))
    )

    workers.forbid()
    go_on.set()

    assert workers.wait(_LONG_S)
    assert workers.samples.counts()[0] <= 1


def test_latencies_of_an_open_loop_count_from_the_moment_it_was_due(
    engine: Engine,
) -> None:
    open_loop = Asker(engine, question, is_open=True)
    closed_loop = Asker(engine, question, is_open=False)

    late = open_loop.ask(0, due_at=-1e6, began_at=-1e6).sample
    usual = closed_loop.ask(0, due_at=-1e6, began_at=-1e6).sample

    assert late.late_s > 1e6
    assert min(late.ttft_s or 0, late.e2e_s or 0, late.queued_s or 0) >= late.late_s
    assert usual.ttft_s is not None
    assert usual.ttft_s < _LONG_S
    engine.close()


def test_a_sample_has_what_the_server_counted(engine: Engine) -> None:
    with engine:
        noted = Asker(engine, question, is_open=False).ask(3, 0.0, 0.0)

    sample = noted.sample
    assert (sample.number, sample.is_ok, sample.attempts) == (3, True, 1)
    assert (sample.prompt_tokens, sample.completion_tokens) == (2, 6)
    assert sample.chunks == len(noted.moments) >= 1
    assert sample.server is not None


def test_a_failure_is_a_sample_too(engine: Engine, server: FakeServer) -> None:
    server.script(OLLAMA.path, json_error(404, {"error": "model 'x' not found"}))

    with engine:
        noted = Asker(engine, question, is_open=False).ask(0, 0.0, 0.0)

    assert (noted.sample.error, noted.sample.is_ok) == ("refused", False)
    assert isinstance(noted.failure, RefusedError)


def test_what_is_cut_off_with_the_test_is_no_failure(
    engine: Engine, server: FakeServer
) -> None:
    server.script(OLLAMA.path, WaitFor(threading.Event(), _LONG_S))
    workers = started(
        Load(concurrency=1, requests=1), Asker(engine, question, is_open=False)
    )
    server.wait_for_requests(1)

    workers.forbid()
    engine.close()

    assert workers.wait(_LONG_S)
    assert workers.samples.counts() == (0, 0)
    assert workers.samples.cut_off == 1


def test_gaps_are_those_between_the_chunks_of_one_answer() -> None:
    samples = Samples()

    samples.add(Sample(0, 0.0, 3.0), array("d", [1.0, 1.5, 3.0]))
    samples.add(Sample(1, 0.0, 9.0), array("d", [9.0]))
    samples.add(Sample(2, 0.0, 9.0, error="timeout"), array("d", [1.0, 9.0]))

    assert list(samples.itl_s) == [0.5, 1.5]
    assert list(samples.itl_at_s) == [1.5, 3.0]
    assert samples.counts() == (3, 1)


def test_what_was_done_before_the_last_worker_started_counts(
    engine: Engine, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand workers the first have answers when Ctrl-C comes."""
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "llmwrap-call-2":
            server.wait_for_requests(2)
            raise Interrupted(signal.SIGINT)

    asked = Request("alpha:latest", ())
    prompts = built_in_prompts()
    plan = Plan(Load(concurrency=2, requests=2, warmup=0), asked, prompts, prompts, {})
    trial = Trial(engine, engine.target("alpha:latest"), plan)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(Interrupted):
        trial.run(lambda standing: None)
    trial.stop()

    outcome = trial.outcome(this_machine(), is_interrupted=True)
    assert len(outcome.samples) + outcome.cut_off == 2
