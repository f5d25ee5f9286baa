"""Test the fake server: what it records, scripts, does by default and leaves behind."""

import socket
import threading
from collections.abc import Iterator

import pytest
import requests

from tests.fakeserver import (
    FOREVER,
    BlackHole,
    Body,
    FakeServer,
    Head,
    Pause,
    Raw,
    RefusedPort,
    Repeat,
    Respond,
    Silence,
    WaitFor,
    json_reply,
    ollama_reply,
    whole_reply,
)
from tests.fakeserver.rawclient import RawClient, exchange
from tests.fakeserver.received import WAIT_S

CHAT = {"model": "alpha", "messages": [{"role": "user", "content": "Hi there"}]}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Run a server for one test."""
    with FakeServer() as one:
        yield one


def threads_of_servers() -> list[str]:
    """Return the names of the threads any fake server has running."""
    names = (thread.name for thread in threading.enumerate())
    return [name for name in names if name.startswith("fakeserver")]


class TestRecords:
    """What the server keeps of requests and connections."""

    def test_a_request_is_kept_whole(self, server: FakeServer) -> None:
        exchange(server.port, "POST", "/api/chat?x=1", CHAT, ("X-Key", "v"))

        (request,) = server.requests

        assert (request.method, request.target) == ("POST", "/api/chat?x=1")
        assert request.path == "/api/chat"
        assert request.headers["x-key"] == "v"
        assert ("X-Key", "v") in request.header_list
        assert request.json == CHAT
        assert request.connection == 1

    def test_a_chunked_request_body_is_put_together(self, server: FakeServer) -> None:
        requests.post(server.url + "/x", data=iter([b"ab", b"cde"]), timeout=WAIT_S)

        assert server.requests[0].body == b"abcde"

    def test_a_client_that_expects_100_gets_it(self, server: FakeServer) -> None:
        with RawClient(server.port) as client:
            client.send(
                b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                b"Content-Length: 2\r\n\r\n"
            )

            assert client.read_through(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

            client.send(b"ok")
            assert server.wait_for_requests(1)[0].body == b"ok"

    def test_requests_of_one_connection_share_its_number(
        self, server: FakeServer
    ) -> None:
        with requests.Session() as session:
            for _ in range(3):
                session.post(server.url + "/api/chat", json=CHAT, timeout=WAIT_S)

        assert [one.connection for one in server.requests] == [1, 1, 1]
        assert server.connections == 1

    def test_pipelined_requests_are_answered_in_order(self, server: FakeServer) -> None:
        server.script("/a", json_reply("first"))
        server.script("/b", json_reply("second"))
        with RawClient(server.port) as client:
            client.send(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n")

            assert client.read_through(b'"first"').startswith(b"HTTP/1.1 200 OK")
            assert client.read_through(b'"second"').startswith(b"HTTP/1.1 200 OK")

    def test_waiting_for_too_many_requests_says_what_came(
        self, server: FakeServer
    ) -> None:
        exchange(server.port, "GET", "/api/version")

        with pytest.raises(TimeoutError, match="GET /api/version"):
            server.wait_for_requests(2, timeout_s=0.01)

    def test_a_client_that_leaves_in_mid_answer_is_noticed(
        self, server: FakeServer
    ) -> None:
        server.script(None, Head(), Repeat((Body(b"more"),)))
        with RawClient(server.port) as client:
            client.request("POST", "/api/chat", CHAT)
            client.read_through(b"more")

        (request,) = server.wait_for_requests(1)

        assert request.disconnected.wait(WAIT_S)
        assert not request.answered.is_set()

    @pytest.mark.parametrize(
        "step", [Silence(), Pause(3600), WaitFor(threading.Event())]
    )
    def test_a_client_that_leaves_in_a_wait_is_noticed(
        self, server: FakeServer, step: Silence | Pause | WaitFor
    ) -> None:
        server.script(None, Raw(b"x"), step)
        with RawClient(server.port) as client:
            client.request("GET", "/")
            client.read_through(b"x")

        assert server.requests[0].disconnected.wait(WAIT_S)

    def test_a_client_that_leaves_at_the_end_marker_has_all(
        self, server: FakeServer
    ) -> None:
        """A client may leave at `done`; the last chunk then finds nobody."""
        left = threading.Event()
        *steps, end = ollama_reply(["a"])
        server.script("/api/chat", *steps, WaitFor(left), Body(b"\n"), end)
        with RawClient(server.port) as client:
            client.request("POST", "/api/chat", CHAT)
            client.read_through(b'"done":true')
        left.set()

        (request,) = server.requests

        assert request.answered.wait(WAIT_S)
        assert not request.disconnected.is_set()

    def test_the_most_requests_in_flight_are_counted(self, server: FakeServer) -> None:
        gate = threading.Event()
        server.script(None, WaitFor(gate), whole_reply(b"ok"), times=FOREVER)
        clients = [RawClient(server.port) for _ in range(5)]
        for client in clients:
            client.request("GET", "/")
        server.wait_for_requests(5)
        gate.set()
        for client in clients:
            client.read_all()
            client.close()

        assert server.max_in_flight == 5

    def test_requests_one_after_the_other_never_count_as_two(
        self, server: FakeServer
    ) -> None:
        """The count must fall before the client can know that the answer is over."""
        for _ in range(100):
            with RawClient(server.port) as client:
                client.request("POST", "/api/chat", CHAT)
                client.read_through(b'"done":true')

        assert server.max_in_flight == 1


class TestPorts:
    """The addresses that answer badly."""

    def test_a_refused_url_refuses(self, server: FakeServer) -> None:
        with pytest.raises(requests.ConnectionError, match="refused"):
            requests.get(server.refused_url(), timeout=WAIT_S)

    def test_a_black_hole_does_not_answer_a_connect(self, server: FakeServer) -> None:
        with pytest.raises(requests.ConnectTimeout):
            requests.get(server.black_hole_url(), timeout=0.2)

    def test_both_can_stand_alone(self) -> None:
        with RefusedPort() as refused, BlackHole() as hole:
            assert refused.url != hole.url


class TestClosing:
    """What is left when the server is closed: nothing."""

    def test_clients_that_hang_do_not_hold_it_up(self) -> None:
        with FakeServer() as server:
            server.script("/silent", Silence())
            server.script("/pause", Pause(3600))
            server.script("/wait", WaitFor(threading.Event(), 3600))
            server.script("/flood", Head(), Repeat((Body(b"x" * 65536),)))
            clients = [RawClient(server.port) for _ in range(6)]
            for client, path in zip(
                clients, ("/silent", "/pause", "/wait", "/flood"), strict=False
            ):
                client.request("GET", path)
            clients[4].send(b"POST / HTTP/1.1\r\nContent-Le")
            server.wait_for_requests(4)
            server.wait_for_connections(6)

        for client in clients:
            client.close()

        assert threads_of_servers() == []

    def test_the_port_is_free_again(self) -> None:
        with FakeServer() as server:
            port = server.port

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), WAIT_S)

    def test_an_error_in_a_script_is_raised_when_it_is_closed(self) -> None:
        server = FakeServer().start()
        server.script("/", Respond(lambda request: 1 / 0))  # type: ignore[arg-type,return-value]  # wrong on purpose
        exchange(server.port, "GET", "/")

        with pytest.raises(RuntimeError) as caught:
            server.close()

        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    def test_a_wait_in_vain_is_raised_when_it_is_closed(self) -> None:
        server = FakeServer().start()
        server.script("/", WaitFor(threading.Event(), timeout_s=0.01))
        exchange(server.port, "GET", "/")

        with pytest.raises(RuntimeError) as caught:
            server.close()

        assert isinstance(caught.value.__cause__, TimeoutError)

    def test_an_error_of_the_test_is_not_hidden(self) -> None:
        def failing_test() -> None:
            with FakeServer() as server:
                server.script("/", WaitFor(threading.Event(), timeout_s=0.01))
                exchange(server.port, "GET", "/")
                raise KeyError("of the test")

        with pytest.raises(KeyError, match="of the test"):
            failing_test()

    def test_a_request_that_is_no_http_is_reported(self) -> None:
        server = FakeServer().start()
        with RawClient(server.port) as client:
            client.send(b"nonsense\r\n\r\n")
            client.read_all()

        with pytest.raises(RuntimeError) as caught:
            server.close()

        assert isinstance(caught.value.__cause__, ValueError)
