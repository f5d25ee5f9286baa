"""The transport: connections kept and replaced, cancelling, and what goes out."""

from __future__ import annotations

import _socket
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

import llmwrap
from llmwrap.errors import CancelledError, DeadlineError, UnreachableError
from llmwrap.transport.cancel import CancelToken
from llmwrap.transport.client import HttpClient
from llmwrap.transport.endpoint import Endpoint

from .asking import DIALECTS, OLLAMA, Dialect, address, ask, chats, wrapped
from .fakeserver import (
    FAULTS,
    Body,
    Close,
    EndBody,
    FakeServer,
    Reset,
    Silence,
    Step,
    WaitFor,
    json_reply,
    ollama_reply,
    redirect,
)
from .relay import Relay
from .runner import Home, Runner

Clients = Callable[..., HttpClient]

_WAIT_S = 10.0
_CHAT = OLLAMA.path


@pytest.fixture
def clients() -> Iterator[Clients]:
    """Give what makes clients, and close them."""
    made: list[HttpClient] = []

    def make(url: str, **options: Any) -> HttpClient:
        made.append(HttpClient(Endpoint("b", url, **options)))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(server: FakeServer, clients: Clients) -> HttpClient:
    """Give a client of the server."""
    return clients(server.url)


def _fetched(client: HttpClient, path: str = "/api/version") -> bytes:
    with closing(client.open("GET", path)) as reply:
        return reply.read_all()


def test_a_connection_is_kept_for_the_next_request(
    client: HttpClient, server: FakeServer
) -> None:
    assert len({_fetched(client) for _ in range(3)}) == 1

    assert (server.connections, len(server.requests)) == (1, 3)


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_a_connection_is_kept_after_an_answer(
    home: Home, server: FakeServer, dialect: Dialect
) -> None:
    """Though an answer is left at its end marker, before the end of its body."""
    speech = server.speech("ollama" if dialect is OLLAMA else "openai")
    whole = FAULTS[f"{speech.dialect}-everything_in_one_write"](["one", " two"])
    server.script(dialect.path, whole, times=3)

    with wrapped(home, server, dialect) as wrapper:
        texts = [str(wrapper.chat(f"hi {number}")) for number in range(3)]

    assert texts == ["one two"] * 3
    assert len({chat.connection for chat in chats(server)}) == 1


def test_headers_and_body_leave_in_one_write(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two of them a busy interpreter may let every other thread go first."""
    written: list[bytes] = []

    def sendall(sock: socket.socket, data: bytes) -> None:
        written.append(bytes(data))
        _socket.socket.sendall(sock, data)

    monkeypatch.setattr(socket.socket, "sendall", sendall, raising=False)

    client.open("POST", "/api/chat", b'{"model": "alpha"}').close()

    sent = [data for data in written if data.startswith((b"POST", b'{"model"'))]
    assert [data.endswith(b'\r\n\r\n{"model": "alpha"}') for data in sent] == [True]


def test_a_connection_is_kept_after_an_error_reply(
    client: HttpClient, server: FakeServer
) -> None:
    assert b"404" in _fetched(client, "/api/nothing")
    _fetched(client)

    assert server.connections == 1


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize(
    "name", ["closed_when_idle", "closed_on_reuse", "reset_on_reuse"]
)
def test_a_kept_connection_found_dead_is_replaced_in_silence(
    home: Home, server: FakeServer, name: str, dialect: Dialect
) -> None:
    """Eight answers of a server that closes after each, and no retry allowed."""
    FAULTS[f"{dialect}-{name}"].arm(server, ["one", " two"])

    with wrapped(home, server, dialect, "retry_attempts = 0\n") as wrapper:
        answers = [wrapper.chat(f"hi {n}").completion for n in range(8)]

    assert [answer.text for answer in answers] == ["one two"] * 8
    assert [answer.attempts for answer in answers] == [1] * 8


@pytest.mark.parametrize("end", [Close(), Reset()])
def test_a_new_connection_found_dead_is_not(
    client: HttpClient, server: FakeServer, end: Step
) -> None:
    server.script_connection(end)

    with pytest.raises(UnreachableError, match="closed the connection before it"):
        client.open("GET", "/api/version")

    assert (server.connections, server.requests) == (1, [])


@pytest.mark.parametrize("end", [Close(), Reset()])
def test_a_replacement_is_made_once(
    client: HttpClient, server: FakeServer, end: Step
) -> None:
    _fetched(client)
    server.script(None, end, times=None)

    with pytest.raises(UnreachableError):
        client.open("GET", "/api/version")

    assert (server.connections, len(server.requests)) == (2, 3)


def test_a_server_may_be_slow_to_take_a_long_request(
    server: FakeServer, clients: Clients
) -> None:
    """On a new connection or a kept one; the time for connecting is for connecting."""
    server.script(_CHAT, json_reply({}), times=2)
    with Relay(server.port) as relay:
        client = clients(f"http://{relay.address}", connect_timeout_s=0.2)
        for _ in range(2):
            relay.road.clear()
            threading.Timer(0.4, relay.road.set).start()
            with closing(client.open("POST", _CHAT, b"x" * (8 << 20))) as reply:
                assert reply.read_all() == b"{}"

        assert relay.connections == 1


def test_requests_of_one_length_do_not_share_their_bodies(
    client: HttpClient, server: FakeServer
) -> None:
    for body in (b'{"model": "a"}', b'{"model": "b"}', b'{"model": "longer"}'):
        client.open("POST", _CHAT, body).close()
    client.open("POST", _CHAT).close()

    sent = [(r.body, r.headers.get("content-length")) for r in chats(server)]
    assert sent == [
        (b'{"model": "a"}', "14"),
        (b'{"model": "b"}', "14"),
        (b'{"model": "longer"}', "19"),
        (b"", "0"),
    ]


def test_no_cookie_is_kept(client: HttpClient, server: FakeServer) -> None:
    cookie = ("Set-Cookie", "session=secret; Path=/")
    server.script("/api/version", json_reply({}, 200, cookie))

    _fetched(client)
    _fetched(client)

    assert "cookie" not in server.requests[1].headers


def test_a_request_says_who_asks_and_nothing_more(
    client: HttpClient, server: FakeServer
) -> None:
    _fetched(client)

    headers = dict(server.requests[0].headers)
    assert headers.pop("user-agent") == f"llmwrap/{llmwrap.__version__}"
    assert headers.pop("accept-encoding") == "identity"
    assert headers.keys() == {"host", "accept"}


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_neither_netrc_nor_a_proxy_of_the_environment_is_used(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    netrc = cli.home.path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    netrc.chmod(0o600)
    names = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY", "https_proxy")
    proxies = dict.fromkeys(names, server.refused_url())

    result = cli.spawn(*address(server, dialect), "hi", environ=proxies)

    assert result.status == 0
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(
    cli: Runner, server: FakeServer, status: int, dialect: Dialect
) -> None:
    with FakeServer() as other:
        server.script(dialect.path, redirect(status, other.url + dialect.path))

        result = ask(cli, server, "hi", dialect=dialect)

        assert result.status == 5
        assert f"redirects to '{other.url}" in result.stderr
        assert (len(server.requests), other.connections) == (1, 0)


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_a_key_goes_where_it_is_set_for(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    table = f'[backends.{dialect}]\nbase_url = "{server.url}{dialect.suffix}"\n'
    cli.home.configure(f'{table}api_key_env = "SECRET_KEY"\n')
    environ = {"SECRET_KEY": "k-1"}

    with FakeServer() as other:
        here = cli.run("-b", dialect.name, "-m", "alpha", "hi", environ=environ)
        there = ask(
            cli, other, "-b", dialect.name, "hi", dialect=dialect, environ=environ
        )

        assert (here.status, there.status) == (0, 0)
        assert server.requests[0].headers["authorization"] == "Bearer k-1"
        assert "authorization" not in other.requests[0].headers


@pytest.mark.parametrize(
    "steps", [(), (ollama_reply(["one"])[:1])], ids=["head", "body"]
)
def test_another_thread_can_cancel(
    client: HttpClient, server: FakeServer, steps: tuple[Step, ...]
) -> None:
    server.script(_CHAT, *steps, Silence())
    token = CancelToken()
    errors: list[Exception] = []

    def read() -> None:
        try:
            with closing(client.open("POST", _CHAT, b"{}", cancel=token)) as reply:
                list(reply.pieces())
        except CancelledError as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    server.wait_for_silence()
    token.cancel()
    reader.join(_WAIT_S)

    assert not reader.is_alive()
    assert len(errors) == 1
    assert server.requests[0].disconnected.wait(_WAIT_S)


def test_cancelling_reaches_a_server_that_waits_for_room() -> None:
    """In the midst of a flood, of which the reader still takes what had come."""
    token = CancelToken()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader = socket.create_connection(listener.getsockname())
        writer, _ = listener.accept()
    with writer, reader:
        writer.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                writer.send(b"x" * 100)  # small ones leave no room at all
        token.attach(reader)
        token.cancel()
        while reader.recv(1 << 20):
            pass
        reader.close()

        writer.settimeout(_WAIT_S)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            writer.sendall(b"x")


def test_what_is_cancelled_already_is_not_sent(
    client: HttpClient, server: FakeServer
) -> None:
    token = CancelToken()
    token.cancel()

    with pytest.raises(CancelledError):
        client.open("GET", "/api/version", cancel=token)

    assert server.connections == 0


def test_a_cancelled_token_does_not_end_the_next_request(
    client: HttpClient, server: FakeServer
) -> None:
    """Its socket is another request's by then."""
    token = CancelToken()
    with closing(client.open("GET", "/api/version", cancel=token)) as first:
        first.read_all()
    gate = threading.Event()
    head = server.speech("ollama").head()
    server.script(_CHAT, head, WaitFor(gate), Body(b"whole"), EndBody())

    with closing(client.open("POST", _CHAT, b"{}")) as second:
        token.cancel()
        gate.set()
        body = second.read_all()

    assert (body, server.connections) == (b"whole", 1)


def test_the_socket_has_a_silence_of_its_own(
    server: FakeServer, clients: Clients
) -> None:
    server.script(None, Silence())

    with pytest.raises(DeadlineError, match="sent nothing for 100ms"):
        clients(server.url, silence_s=0.1).open("GET", "/api/version")
