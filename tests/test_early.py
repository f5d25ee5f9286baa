"""The first request goes out before requests is imported, and is the very same."""

from __future__ import annotations

import _socket
import errno
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from llmwrap.backends import create_backend
from llmwrap.backends.base import BackendSettings
from llmwrap.errors import LLMWrapError, UnreachableError
from llmwrap.messages import Message, Request, Sampling
from llmwrap.transport.adopted import AheadSocket
from llmwrap.transport.ahead import Sent, connected, written_ahead
from llmwrap.transport.cancel import CancelToken
from llmwrap.transport.client import HttpClient
from llmwrap.transport.early import EarlyClient
from llmwrap.transport.endpoint import Endpoint

from .asking import DIALECTS, OLLAMA, Dialect, address, chats
from .fakeserver import FakeServer, Silence, json_reply
from .runner import ROOT, Runner

_WAIT_S = 30.0
_CHAT = OLLAMA.path
_REPLY = b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_REQUEST = Request(
    model="alpha:latest",
    messages=(Message("system", "Be brief."), Message("user", "Hällo \u2028 \ud83d!")),
    sampling=Sampling(temperature=0.5, stop=("x",)),
)

_HELD_IMPORT = """
import os, sys
def hold(event, arguments):
    if event == "import" and arguments[0] == "requests":
        os.read({number}, 1)  # until the test says so, or ends
sys.addaudithook(hold)
sys.argv = ["llmwrap", *{argv!r}]
from llmwrap.__main__ import main
main()
"""


class _Raw:
    """A server that keeps the bytes of each request and refuses it."""

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family)
        self.port = self.listener.getsockname()[1]
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.requests.append(_whole_request(connection))
                connection.sendall(_REPLY)


def _whole_request(connection: socket.socket) -> bytes:
    data = b""
    while True:
        head, end, body = data.partition(b"\r\n\r\n")
        if end:
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            if len(body) >= length:
                return data
        data += connection.recv(65536)


@contextmanager
def _raw(host: str = "127.0.0.1") -> Iterator[_Raw]:
    try:
        raw = _Raw(host)
    except OSError:
        pytest.skip(f"there is no {host} here")
    with closing(raw.listener):
        yield raw


@pytest.mark.parametrize("key", [None, "sk-1", "~!\"'"])
@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("127.0.0.1", ""),
        ("localhost", "/v1"),
        ("127.0.0.1", "/a_b/x.y-~/v1"),
        ("[::1]", "/v1"),
    ],
)
@pytest.mark.parametrize("kind", ["ollama", "openai", "lmstudio"])
def test_the_bytes_are_those_of_the_ordinary_way(
    kind: str, host: str, path: str, key: str | None
) -> None:
    with _raw("::1" if host == "[::1]" else "127.0.0.1") as raw:
        for is_reused in (False, True):
            settings = BackendSettings(
                name="b",
                kind=kind,
                base_url=f"http://{host}:{raw.port}{path}",
                environ={},
                api_key=key,
                is_reused=is_reused,
            )
            backend = create_backend(settings)
            with pytest.raises(LLMWrapError, match="answered 400"):
                list(backend.chat(_REQUEST, CancelToken()))
            backend.close()

        early, ordinary = raw.requests
    assert early.split(b"\r\n") == ordinary.split(b"\r\n")
    assert early.startswith(b"POST ")


def test_the_usual_port_is_not_named() -> None:
    ahead = written_ahead(Endpoint("b", "http://h:80/v1"), "POST", "/c", "a/b", b"{}")

    assert ahead
    assert ahead.data.startswith(b"POST /v1/c HTTP/1.1\r\nHost: h\r\n")


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "https://h/v1"},
        {"base_url": "http://h/v1", "proxy": "http://p:1"},
        {"base_url": "http://h/v1", "api_key": "schlüssel"},
        {"base_url": "http://h/v1", "api_key": "two words"},
        {"base_url": "http://user:pw@h/v1"},
        {"base_url": "http://Host/v1"},
        {"base_url": "http://höst/v1"},
        {"base_url": "http://h./v1"},
        {"base_url": f"http://{'h' * 64}/v1"},
        {"base_url": "http://h:070/v1"},
        {"base_url": "http://h:70000/v1"},
        {"base_url": "http://h/../v1"},
        {"base_url": "http://h//v1"},
        {"base_url": "http://h/a%20b"},
        {"base_url": "http://h/a?b=c"},
        {"base_url": "http://[fe80::1%25eth0]/v1"},
    ],
    ids=str,
)
def test_what_may_be_written_in_another_way_is_not_sent_ahead(
    options: dict[str, Any],
) -> None:
    endpoint = Endpoint("b", **options)

    assert written_ahead(endpoint, "POST", "/chat", "a/b", b"{}") is None


@pytest.fixture
def held() -> Iterator[tuple[int, int]]:
    """Give a pipe that holds the import of requests until something is written."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def _started(cli: Runner, reader: int, *argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _HELD_IMPORT.format(number=reader, argv=list(argv))],
        env=cli.environ({"PYTHONPATH": str(ROOT)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[reader],
    )


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_the_question_is_there_before_requests_is_imported(
    cli: Runner, server: FakeServer, held: tuple[int, int], dialect: Dialect
) -> None:
    process = _started(cli, held[0], *address(server, dialect), "Hello")

    server.wait_for_requests(1, _WAIT_S)
    os.write(held[1], b"x")
    output, errors = process.communicate(timeout=_WAIT_S)

    assert (process.returncode, errors) == (0, b"")
    assert output
    assert len(chats(server)) == 1


def test_ctrl_c_ends_it_while_requests_is_imported(
    cli: Runner, server: FakeServer, held: tuple[int, int]
) -> None:
    server.script(_CHAT, Silence())
    process = _started(cli, held[0], *address(server), "Hello")
    server.wait_for_requests(1, _WAIT_S)
    (request,) = chats(server)

    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=_WAIT_S)

    assert (process.returncode, output, errors) == (-signal.SIGINT, b"", b"")
    assert request.disconnected.wait(_WAIT_S)


def test_the_deadline_ends_it_while_requests_is_imported(
    cli: Runner, server: FakeServer, held: tuple[int, int]
) -> None:
    server.script(_CHAT, Silence())
    options = ("--timeout", "1s", *address(server))

    process = _started(cli, held[0], *options, "Hello")
    _, errors = process.communicate(timeout=_WAIT_S)

    assert process.returncode == 124
    assert b"did not finish before the deadline" in errors


def test_a_cached_answer_is_sent_to_nobody(cli: Runner, server: FakeServer) -> None:
    argv = (*address(server), "Hello")
    cli.run(*argv)

    assert cli.run(*argv).status == 0
    assert len(chats(server)) == 1
    assert server.connections <= 2  # one for the answer, one for the digest


def test_the_second_request_goes_the_ordinary_way(server: FakeServer) -> None:
    server.script(_CHAT, json_reply({}), times=2)
    client = EarlyClient(Endpoint("b", server.url))

    with closing(client):
        for body in (b"{}", b"[1]"):
            with closing(client.open("POST", _CHAT, body)) as reply:
                assert reply.read_all() == b"{}"

    assert [chat.body for chat in chats(server)] == [b"{}", b"[1]"]
    assert server.connections == 2


def _failing_connect(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> list[tuple[str, int]]:
    tried = []

    class Failing(_socket.socket):
        def connect(self, where: Any, /) -> None:
            tried.append(where)
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(_socket, "socket", Failing)
    return tried


def test_a_connect_that_fails_is_not_made_once_more(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may reset what it has only just taken: that is one attempt."""
    tried = _failing_connect(monkeypatch, errno.ECONNRESET)
    client = EarlyClient(Endpoint("b", server.url))

    with closing(client), pytest.raises(UnreachableError, match="closed the conn"):
        client.open("POST", _CHAT, b"{}")

    assert (tried, server.connections) == ([("127.0.0.1", server.port)], 0)


def test_the_next_address_is_tried_where_one_takes_no_connection(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = (_socket.AF_INET, _socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
    strange = (-1, _socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
    monkeypatch.setattr(_socket, "getaddrinfo", lambda *args, **kw: [strange, there])
    ahead = written_ahead(Endpoint("b", server.url), "POST", _CHAT, "a/b", b"{}")
    assert ahead

    with closing(connected(ahead, _WAIT_S)) as found:
        assert found.getpeername() == ("127.0.0.1", server.port)


def test_urllib3_knows_which_addresses_there_are(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing_connect(monkeypatch, errno.EADDRNOTAVAIL)
    server.script(_CHAT, json_reply({}))
    client = EarlyClient(Endpoint("b", server.url))

    with closing(client), closing(client.open("POST", _CHAT, b"{}")) as reply:
        assert reply.read_all() == b"{}"


def test_what_is_sent_is_timed_before_requests_is_imported(server: FakeServer) -> None:
    server.script(_CHAT, json_reply({}))
    endpoint, token = Endpoint("b", server.url), CancelToken()
    ahead = written_ahead(endpoint, "POST", _CHAT, "application/json", b"{}")
    assert ahead
    sent = Sent(connected(ahead, 9.0))
    sent.ask(ahead.data, token, 9.0)
    sent_at = token.sent_at

    with closing(HttpClient(endpoint)) as client:
        client.open("POST", _CHAT, b"{}", cancel=token, ahead=sent).close()

    assert token.sent_at == sent_at
    assert len(chats(server)) == 1


def _pair() -> tuple[Sent, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    return Sent(ours), theirs


def test_pieces_are_read_as_they_came_and_with_their_times() -> None:
    ours, theirs = _pair()
    waiting = [b"one", b"", b"two", b""]

    def is_over() -> bool:
        if not waiting:
            return True
        theirs.sendall(waiting.pop(0))
        return False

    ours.gather(is_over)
    with theirs, AheadSocket(ours) as adopted, adopted.makefile("rb") as file:
        adopted.settimeout(_WAIT_S)
        read = [(file.read1(65536), ours.arrival()) for _ in range(2)]
        theirs.sendall(b"three")
        read.append((file.read1(65536), ours.arrival()))

    assert [piece for piece, _ in read] == [b"one", b"two", b"three"]
    times = [time for _, time in read]
    assert times == sorted(set(times))


def test_a_piece_may_be_longer_than_what_is_read() -> None:
    ours, theirs = _pair()
    theirs.sendall(b"abcdef")
    theirs.close()
    ours.gather(lambda: False)

    with AheadSocket(ours) as adopted:
        buffer = bytearray(4)
        found = [bytes(buffer[: adopted.recv_into(buffer)]) for _ in range(3)]

    assert found == [b"abcd", b"ef", b""]


def test_a_reset_is_met_where_it_came() -> None:
    """An end of the body would be taken for its whole where it has no length."""
    ours, theirs = _pair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    ours.gather(lambda: False)

    with AheadSocket(ours) as adopted, pytest.raises(ConnectionResetError):
        adopted.recv_into(bytearray(4))
