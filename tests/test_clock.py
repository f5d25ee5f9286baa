"""One clock: everything that waits ends with the deadline, or when it is cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llmwrap import Config, LLMWrapper
from llmwrap.backends import create_backend
from llmwrap.backends.base import Backend, BackendSettings
from llmwrap.engine import Choice, Engine
from llmwrap.engine.hashing import Hashing
from llmwrap.errors import (
    CancelledError,
    ClosedError,
    DeadlineError,
    ExhaustedError,
    LLMWrapError,
)
from llmwrap.log import LEVELS, Log, LogRecord, Sink
from llmwrap.messages import Chunk, Message, Request
from llmwrap.streams import StreamPool
from llmwrap.threads import Watcher, start_together
from llmwrap.transport.cancel import CancelToken

from .asking import OLLAMA, OPENAI, Dialect, chats, error, wrapped
from .fakeserver import (
    Body,
    FakeServer,
    Head,
    Pause,
    Raw,
    Silence,
    Step,
    WaitFor,
    ollama_reply,
)
from .runner import Home, Runner

_LONG_S = 20.0
_SOON_S = 0.2
"""A deadline that is meant to pass."""
_DRIPS = 2000
_HUGE_BYTES = 1 << 42
"""Of a sparse file: hashing it would take days."""


def drip(byte: bytes = b"a") -> tuple[Step, ...]:
    """Send a byte now and then, for longer than any test waits."""
    return (Raw(byte), Pause(0.02)) * _DRIPS


DRIPPING = {
    "status line": drip(b"H"),
    "headers": (Raw(b"HTTP/1.1 200 OK\r\nX: "), *drip()),
    "interim replies": (Raw(b"HTTP/1.1 100 Continue\r\n\r\n"), Pause(0.02)) * _DRIPS,
    "body": (Head(framing="length", length_bytes=1 << 20), *drip(b" ")),
    "chunks": (Head(), *((Body(b" "), Pause(0.02)) * _DRIPS)),
}


@pytest.fixture(params=[OLLAMA, OPENAI], ids=str)
def backend(request: pytest.FixtureRequest, server: FakeServer) -> Iterator[Backend]:
    """Give a backend of each dialect."""
    dialect: Dialect = request.param
    settings = BackendSettings(
        dialect.name, dialect.name, server.url + dialect.suffix, {}
    )
    backend = create_backend(settings)
    yield backend
    backend.close()


@pytest.mark.parametrize("reply", DRIPPING.values(), ids=DRIPPING.keys())
def test_the_time_out_of_a_call_is_that_of_the_whole_call(
    backend: Backend, server: FakeServer, reply: tuple[Step, ...]
) -> None:
    path = "/api/tags" if backend.kind == "ollama" else "/v1/models"
    server.script(path, reply)

    with pytest.raises(DeadlineError, match="took too long"):
        backend.models(timeout_s=_SOON_S)


def test_the_body_of_an_error_may_not_drip_for_ever_either(
    backend: Backend, server: FakeServer
) -> None:
    """The status is known: that is what is said."""
    path = "/api/tags" if backend.kind == "ollama" else "/v1/models"
    server.script(path, Head(500, framing="length", length_bytes=1 << 20), *drip())

    with pytest.raises(LLMWrapError) as caught:
        backend.models(timeout_s=_SOON_S)

    assert caught.value.kind in ("timeout", "backend_failed")


def test_the_body_of_an_answers_error_is_read_for_a_while_only(
    home: Home, server: FakeServer
) -> None:
    server.script(
        OLLAMA.path, Head(400, framing="length", length_bytes=1 << 20), *drip()
    )

    with wrapped(home, server) as wrapper, pytest.raises(LLMWrapError) as caught:
        wrapper.chat("Hello!")

    assert caught.value.kind == "refused"


# Cancelling


def _queued(server: FakeServer) -> tuple[object, ...]:
    """Return a reply of many pieces that comes at once and has no end."""
    return (
        *ollama_reply([f"{n} " for n in range(3000)], done_reason=None)[:-1],
        Silence(),
    )


def test_cancel_is_heard_whatever_is_queued(home: Home, server: FakeServer) -> None:
    server.script(OLLAMA.path, *_queued(server))  # type: ignore[arg-type]  # steps

    with wrapped(home, server) as wrapper:
        answer = wrapper.chat_stream("Hello!")
        next(answer)
        server.wait_for_silence()
        threading.Thread(target=answer.cancel).start()
        assert chats(server)[0].disconnected.wait(_LONG_S)

        with pytest.raises(CancelledError):
            next(answer)


def test_a_deadline_is_heard_whatever_is_queued() -> None:
    pool = StreamPool(max_streams=1, buffer_size=10_000)
    token = CancelToken(until=time.monotonic() + _LONG_S)
    stream = pool.start(lambda: iter([Chunk("x")] * 5000), token)
    stream.next_chunk(_LONG_S)

    token.until = time.monotonic()

    with pytest.raises(DeadlineError):
        stream.next_chunk(_LONG_S)
    pool.close()


def test_a_reader_that_waits_hears_cancel_at_once() -> None:
    """The worker itself may be in a call that nothing can interrupt."""
    release, waits = threading.Event(), threading.Event()

    def source() -> Iterator[Chunk]:
        waits.set()
        release.wait(_LONG_S)
        yield Chunk("late")

    pool = StreamPool(max_streams=1, buffer_size=8)
    token = CancelToken()
    stream = pool.start(source, token)
    assert waits.wait(_LONG_S)
    threading.Thread(target=token.cancel).start()

    with pytest.raises(CancelledError):
        stream.next_chunk(_LONG_S)
    assert not release.is_set()
    release.set()
    pool.close()


def _engine(home: Home, model: Path, log: Log) -> Engine:
    config = Config.load(None, home.environ)
    choice = Choice(backend="embedded", model=str(model))
    return Engine(config, environ=home.environ, choice=choice, log=log)


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    """Give a model file that nobody reads to its end."""
    path = tmp_path / "huge.gguf"
    with path.open("wb") as file:
        file.write(b"GGUF")
        file.truncate(_HUGE_BYTES)
    return path


def test_hashing_a_model_ends_with_the_deadline(cli: Runner, huge: Path) -> None:
    result = cli.run("-m", str(huge), "--timeout", f"{_SOON_S}s", "Hello")

    assert result.status == 124
    assert "model file" in error(result)


def test_hashing_a_model_can_be_cancelled(home: Home, huge: Path) -> None:
    token, found = CancelToken(), list[LLMWrapError]()

    def ask() -> None:
        request = Request(str(huge), (Message("user", "Hi"),))
        try:
            engine.ask(request, cancel=token)
        except LLMWrapError as error:
            found.append(error)

    with _engine(home, huge, Log()) as engine:
        thread = threading.Thread(target=ask)
        thread.start()
        token.cancel()
        thread.join(_LONG_S)

    assert [type(one) for one in found] == [CancelledError]


def test_looking_for_a_model_can_be_cancelled(home: Home, server: FakeServer) -> None:
    """And nothing is asked afterwards."""
    server.script("/api/ps", Silence())
    config = Config.load(None, home.environ)
    choice = Choice(base_url=server.url)
    token = CancelToken()
    found: list[LLMWrapError] = []

    def ask() -> None:
        try:
            engine.ask(Request("", (Message("user", "Hi"),)), cancel=token)
        except LLMWrapError as error:
            found.append(error)

    with Engine(config, environ=home.environ, choice=choice) as engine:
        thread = threading.Thread(target=ask)
        thread.start()
        server.wait_for_silence()
        token.cancel()
        thread.join(_LONG_S)

    assert [type(one) for one in found] == [CancelledError]
    assert chats(server) == []


def test_hashing_says_so_once_when_it_lasts() -> None:
    said: list[LogRecord] = []
    log = Log(Sink(LEVELS["note"], said.append))
    hashing = Hashing(log, time.monotonic() + _LONG_S, None, silent_s=0.0)

    hashing()
    hashing()

    assert [record.level for record in said] == ["note"]


# Closed


def test_closed_is_a_state_with_an_error_of_its_own(
    home: Home, server: FakeServer
) -> None:
    used, unused = wrapped(home, server), wrapped(home, server)
    used.chat("Hello!")

    for wrapper in (used, unused):
        wrapper.close()
        wrapper.close()
        with pytest.raises(ClosedError, match="closed"):
            wrapper.chat("Hello!")
        with pytest.raises(ClosedError, match="closed"):
            wrapper.chat_stream("Another!")
    assert len(chats(server)) == 1


def test_closing_is_final_while_others_ask(home: Home, server: FakeServer) -> None:
    """Every question ends, and none is answered behind it."""
    server.script(OLLAMA.path, Silence(), times=8)
    wrapper = wrapped(home, server)
    ended: list[str] = []

    def ask(number: int) -> None:
        try:
            wrapper.chat(f"{number}?")
        except LLMWrapError as error:
            ended.append(error.kind)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    server.wait_for_requests(4)
    wrapper.close()
    for thread in threads:
        thread.join(_LONG_S)

    assert len(ended) == 8
    assert set(ended) <= {"interrupted", "usage"}


# Never a wait for oneself


def test_an_answer_that_nobody_reads_is_not_waited_for(
    home: Home, server: FakeServer
) -> None:
    with wrapped(home, server) as one, wrapped(home, server) as other:
        unread = one.chat_stream("Hello!")

        assert str(other.chat("Hello!")) == str(unread)
    assert len(chats(server)) == 2


def test_two_executors_do_not_wait_for_each_others_unread_answers(
    home: Home, server: FakeServer
) -> None:
    with (
        wrapped(home, server) as wrapper,
        ThreadPoolExecutor(1) as one,
        ThreadPoolExecutor(1) as other,
    ):
        unread = one.submit(wrapper.chat_stream, "Hello!").result(_LONG_S)

        assert str(other.submit(wrapper.chat, "Hello!").result(_LONG_S)) == str(unread)


def test_an_answer_that_another_thread_reads_is_waited_for(
    home: Home, server: FakeServer
) -> None:
    gate = threading.Event()
    first, *rest = ollama_reply(["one", " two"])
    server.script(OLLAMA.path, first, WaitFor(gate), rest)
    texts: list[str] = []

    with wrapped(home, server) as one, wrapped(home, server) as other:
        reader = threading.Thread(target=lambda: texts.append(str(one.chat("Hi"))))
        reader.start()
        server.wait_for_requests(1)
        waiter = threading.Thread(target=lambda: texts.append(str(other.chat("Hi"))))
        waiter.start()
        gate.set()
        reader.join(_LONG_S)
        waiter.join(_LONG_S)

    assert texts == ["one two"] * 2
    assert len(chats(server)) == 1


# Threads


def _failing_once(start: Callable[[threading.Thread], None]) -> object:
    failures = [RuntimeError("can't start new thread")]

    def fail(thread: threading.Thread) -> None:
        if failures and thread.name.startswith("llmwrap-stream"):
            raise failures.pop()
        start(thread)

    return fail


def test_after_no_thread_could_be_started_the_next_question_is_answered(
    home: Home, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "[streaming]\nmax_concurrent_streams = 1\n"
    with wrapped(home, server, more=more) as wrapper:
        monkeypatch.setattr(
            threading.Thread, "start", _failing_once(threading.Thread.start)
        )

        with pytest.raises(ExhaustedError, match="cannot start a thread"):
            wrapper.chat("one")
        assert str(wrapper.chat("two")) == "Hello from the fake server."


def test_of_calls_together_one_without_a_thread_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        if thread.name.endswith("-2"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)

    first, second = start_together([lambda: 1, lambda: 2])

    assert first.result(_LONG_S) == 1
    with pytest.raises(ExhaustedError):
        second.result(_LONG_S)


def test_the_watcher_ends_with_the_last_thing_it_watches() -> None:
    class Thing:
        def __init__(self) -> None:
            self.looked = threading.Event()

        def look(self, now: float) -> float:
            self.looked.set()
            return now

    before = threading.active_count()
    watcher, thing = Watcher(), Thing()
    watcher.watch(thing)
    assert thing.looked.wait(_LONG_S)
    assert threading.active_count() == before + 1

    del thing

    until = time.monotonic() + _LONG_S
    while threading.active_count() > before:
        assert time.monotonic() < until
        threading.Event().wait(0.005)


def test_a_used_wrapper_can_be_made_again(home: Home, server: FakeServer) -> None:
    """Closing one leaves the others alone."""
    first: LLMWrapper = wrapped(home, server)
    second = wrapped(home, server)
    first.close()

    assert str(second.chat("Hello!")) == "Hello from the fake server."
    second.close()
