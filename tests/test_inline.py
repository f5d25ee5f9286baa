"""Streams that their readers drive: time-outs, cancel, errors, and what they leave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from llmwrap import Config
from llmwrap.engine import Choice, Engine
from llmwrap.engine.inline import InlineStreams
from llmwrap.errors import CancelledError, DeadlineError, IncompleteError
from llmwrap.messages import Chunk, Message, Request
from llmwrap.metrics.layout import runs_path
from llmwrap.streams import StreamEnded
from llmwrap.transport.cancel import CancelToken

from .asking import OLLAMA, chats
from .fakeserver import FakeServer, Silence
from .runner import Home

_LONG_S = 10.0
QUESTION = Request("alpha:latest", (Message("user", "Hi"),))


@pytest.fixture
def streams() -> Iterator[InlineStreams]:
    streams = InlineStreams()
    yield streams
    streams.close()


def engine(home: Home, server: FakeServer, first_s: float | None = None) -> Engine:
    choice = Choice(
        base_url=server.url,
        first_token_timeout_s=first_s,
        retries=0,
        cache="off",
        is_measured=True,
    )
    config = Config.load(None, home.environ)
    return Engine(config, environ=home.environ, choice=choice)


def test_the_iterator_runs_on_the_thread_that_reads(streams: InlineStreams) -> None:
    def source() -> Iterator[Chunk]:
        yield Chunk(threading.current_thread().name)

    stream = streams.start(source, CancelToken())

    assert stream.next_chunk(_LONG_S).text == threading.current_thread().name
    with pytest.raises(StreamEnded):
        stream.next_chunk(_LONG_S)
    assert stream.has_ended


def test_a_chunk_arrives_when_its_bytes_came(streams: InlineStreams) -> None:
    token = CancelToken()

    def source() -> Iterator[Chunk]:
        token.received_at = 12.5
        yield Chunk("a")

    stream = streams.start(source, token)

    stream.next_chunk(_LONG_S)
    assert stream.arrived_at == 12.5


def test_what_waits_too_long_is_cancelled_and_times_out(
    streams: InlineStreams,
) -> None:
    token = CancelToken()

    def source() -> Iterator[Chunk]:
        token.wait(_LONG_S)
        yield Chunk("too late")

    stream = streams.start(source, token)

    with pytest.raises(TimeoutError):
        stream.next_chunk(0.01)
    assert token.has_expired


def test_an_error_of_the_source_is_raised_where_it_is_read(
    streams: InlineStreams,
) -> None:
    def source() -> NoReturn:
        raise IncompleteError("broke off")

    stream = streams.start(source, CancelToken())

    with pytest.raises(IncompleteError, match="broke off"):
        stream.next_chunk(_LONG_S)


def test_closing_cancels_what_is_under_way() -> None:
    streams, token = InlineStreams(), CancelToken()
    stream = streams.start(lambda: iter([Chunk("a")]), token)

    streams.close()

    with pytest.raises(CancelledError):
        stream.next_chunk(_LONG_S)


def test_leaving_closes_the_iterator(streams: InlineStreams) -> None:
    closed: list[bool] = []

    def source() -> Iterator[Chunk]:
        try:
            yield Chunk("a")
            yield Chunk("b")
        finally:
            closed.append(True)

    stream = streams.start(source, CancelToken())
    stream.next_chunk(_LONG_S)

    stream.cancel()
    stream.join()

    assert closed == [True]


def test_a_measured_answer_is_whole_and_leaves_no_record(
    home: Home, server: FakeServer
) -> None:
    with engine(home, server) as asked, asked.ask(QUESTION) as answer:
        text = answer.completion.text

    assert text == "Hello from the fake server."
    assert not Path(runs_path(home.environ)).exists()


def test_its_time_outs_end_the_request_on_the_wire(
    home: Home, server: FakeServer
) -> None:
    server.script(OLLAMA.path, Silence())

    with (
        engine(home, server, first_s=0.5) as asked,
        asked.ask(QUESTION) as answer,
        pytest.raises(DeadlineError, match="sent no token within 500ms"),
    ):
        answer.read()

    [request] = chats(server)  # another may follow, for a hint
    assert request.disconnected.wait(_LONG_S)
