"""Test that the steps of a reply do on the wire what they say."""

import threading
from collections.abc import Iterator

import pytest

from tests.fakeserver import (
    Body,
    Bytewise,
    EndBody,
    FakeServer,
    Head,
    Pace,
    Pause,
    Raw,
    Repeat,
    Reset,
    Tell,
    Together,
    Trailers,
    WaitFor,
    ollama_reply,
)
from tests.fakeserver.rawclient import RawClient, exchange
from tests.fakeserver.received import WAIT_S


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Run a server for one test."""
    with FakeServer() as one:
        yield one


def test_a_chunked_body_has_a_chunk_for_each_step(server: FakeServer) -> None:
    server.script("/", Head(), Body(b"ab"), Body(b"cde"), EndBody())

    reply = exchange(server.port, "GET", "/")

    assert reply.raw_body == b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"


def test_a_body_with_a_length_goes_unframed(server: FakeServer) -> None:
    server.script("/", Head(200, (), "length", 4), Body(b"ab"), Body(b"cd"))

    reply = exchange(server.port, "GET", "/")

    assert (reply.headers["content-length"], reply.raw_body) == ("4", b"abcd")


def test_a_body_that_ends_with_the_connection_has_no_length(server: FakeServer) -> None:
    server.script("/", Head(200, (), "close"), Body(b"abc"))
    with RawClient(server.port) as client:
        client.request("GET", "/", keep_alive=True)
        reply = client.read_all()

    assert (reply.raw_body, reply.ending) == (b"abc", "closed")
    assert "content-length" not in reply.headers


@pytest.mark.parametrize(
    ("head", "body"),
    [(Head(), b"a"), (Head(200, (), "length", 9), b"a"), (None, b"a")],
    ids=["no last chunk", "too short", "no head"],
)
def test_a_reply_that_is_not_whole_closes_the_connection(
    server: FakeServer, head: Head | None, body: bytes
) -> None:
    server.script("/", *((head,) if head else (Raw(b"x"),)), Body(body))
    with RawClient(server.port) as client:
        client.request("GET", "/", keep_alive=True)

        assert client.read_all().ending == "closed"


def test_a_whole_reply_keeps_the_connection(server: FakeServer) -> None:
    server.script("/", Head(), Body(b"a"), Trailers((("X-Sum", "1"),)))
    with RawClient(server.port) as client:
        client.request("GET", "/", keep_alive=True)
        first = client.read_through(b"X-Sum: 1\r\n\r\n")
        client.request("GET", "/")

        assert first.endswith(b"0\r\nX-Sum: 1\r\n\r\n")
        assert client.read_all().body == b"Ollama is running"


def test_bytewise_sends_a_chunk_for_each_byte(server: FakeServer) -> None:
    server.script("/", Head(), Bytewise(b"abc", pause_s=0.001), EndBody())

    assert exchange(server.port, "GET", "/").chunked.chunks == (b"a", b"b", b"c")


def test_what_goes_together_arrives_together(server: FakeServer) -> None:
    server.script("/", Together((Raw(b"a"), Together((Raw(b"b"),)), Raw(b"c"))))
    with RawClient(server.port) as client:
        client.request("GET", "/")

        assert client.read_some() == b"abc"


def test_a_repeat_ends_after_its_times(server: FakeServer) -> None:
    server.script("/", Repeat((Raw(b"a"), Raw(b"b")), 3))

    assert exchange(server.port, "GET", "/").data == b"ababab"


def test_a_reset_lets_arrive_what_was_sent(server: FakeServer) -> None:
    server.script("/", Raw(b"sent"), Reset())

    reply = exchange(server.port, "GET", "/")

    assert (reply.data, reply.ending) == (b"sent", "reset")


def test_a_reply_waits_for_the_test_and_tells_it(server: FakeServer) -> None:
    reached, gate = threading.Event(), threading.Event()
    server.script("/", Raw(b"a"), Tell(reached), WaitFor(gate), Raw(b"b"))
    with RawClient(server.port) as client:
        client.request("GET", "/")
        assert reached.wait(WAIT_S)
        assert client.read_some() == b"a"
        gate.set()

        assert client.read_some() == b"b"


def test_the_pace_of_an_answer_is_made_of_pauses() -> None:
    reply = ollama_reply(["a", "b", "c"], pace=Pace(2.0, 0.5))

    assert [step for step in reply if isinstance(step, Pause)] == [
        Pause(2.0),
        Pause(0.5),
        Pause(0.5),
    ]


def test_head_requests_get_no_body(server: FakeServer) -> None:
    reply = exchange(server.port, "HEAD", "/api/version")

    assert int(reply.headers["content-length"]) > 0
    assert reply.raw_body == b""
