"""Test which reply a request gets: the scripted ones in order, then the default."""

import threading
from collections.abc import Iterator

import pytest

from tests.fakeserver import (
    FOREVER,
    Body,
    Close,
    FakeServer,
    OllamaSpeech,
    Reset,
    Respond,
    WaitFor,
    ended,
    json_error,
    json_reply,
    redirect,
    spoken,
    whole_reply,
)
from tests.fakeserver.decoding import text_of
from tests.fakeserver.rawclient import RawClient, RawReply, exchange

CHAT = {"model": "alpha", "messages": [{"role": "user", "content": "Hi there"}]}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Run a server for one test."""
    with FakeServer() as one:
        yield one


def test_the_nth_request_gets_the_nth_script(server: FakeServer) -> None:
    server.script("/x", json_error(503, {"error": "one"}))
    server.script("/x", json_error(429, {"error": "two"}, ("Retry-After", "1")))
    server.script("/x", json_reply({"three": 3}))

    replies = [exchange(server.port, "GET", "/x") for _ in range(3)]

    assert [reply.status for reply in replies] == [503, 429, 200]
    assert replies[1].headers["retry-after"] == "1"
    assert replies[2].body == b'{"three":3}'


def test_a_script_holds_for_its_path_only(server: FakeServer) -> None:
    server.script("/api/version", json_error(500, {}))

    assert exchange(server.port, "GET", "/").status == 200
    assert exchange(server.port, "GET", "/api/version?a=b").status == 500


def test_a_script_without_path_holds_for_any(server: FakeServer) -> None:
    server.script(None, json_error(500, {}))

    assert exchange(server.port, "GET", "/anything").status == 500


def test_after_its_scripts_the_server_answers_as_usual(server: FakeServer) -> None:
    server.script("/api/version", json_error(500, {}), times=2)

    statuses = [exchange(server.port, "GET", "/api/version").status for _ in "123"]

    assert statuses == [500, 500, 200]
    assert server.pending_scripts == 0


def test_a_script_for_ever_never_runs_out(server: FakeServer) -> None:
    server.script("/", json_error(500, {}), times=FOREVER)

    assert {exchange(server.port, "GET", "/").status for _ in range(9)} == {500}


def test_scripts_nobody_asked_for_are_counted(server: FakeServer) -> None:
    server.script("/a", Close(), times=2)
    server.script_connection(Close())

    assert server.pending_scripts == 3


def test_no_times_at_all_is_refused(server: FakeServer) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        server.script("/a", Close(), times=0)


def test_a_reply_may_depend_on_the_request(server: FakeServer) -> None:
    server.script("/echo", Respond(lambda request: whole_reply(request.body)))

    assert exchange(server.port, "POST", "/echo", b"mirror").body == b"mirror"


def test_a_connection_script_comes_before_the_request(server: FakeServer) -> None:
    server.script_connection(Reset())

    assert exchange(server.port, "GET", "/").ending == "reset"
    assert server.requests == []
    assert exchange(server.port, "GET", "/").status == 200


def test_a_redirect_points_where_it_should(server: FakeServer) -> None:
    server.script("/x", redirect(307, "http://other.invalid/y"))

    reply = exchange(server.port, "GET", "/x")

    assert (reply.status, reply.headers["location"]) == (
        307,
        "http://other.invalid/y",
    )


def test_an_answer_may_be_held_between_two_tokens(server: FakeServer) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    second = Body(speech.text(" two"))
    rest = (WaitFor(gate), second, ended(speech, ["one", " two"]))
    server.script("/api/chat", spoken(speech, ["one"]), *rest)
    with RawClient(server.port) as client:
        client.request("POST", "/api/chat", CHAT)
        first = client.read_through(b'"content":"one"')
        gate.set()
        reply = RawReply(first + client.read_all().data, "closed")

    assert text_of("ollama", reply.body) == "one two"
    assert reply.chunked.is_ended
