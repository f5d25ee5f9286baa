"""Test that the faults of connections do on the wire what their names say."""

import socket
from collections.abc import Callable, Mapping

import pytest

from tests.fakeserver import DEFAULT_ANSWER, FakeServer, Fault
from tests.fakeserver.decoding import has_done, has_end_marker, text_of
from tests.fakeserver.faults.connection import CONNECTION_KINDS
from tests.fakeserver.rawclient import RawClient, RawReply, silent_exchange
from tests.fakeserver.striking import (
    Check,
    after_strikes,
    assert_whole,
    faults_of,
    request_for,
    struck,
    struck_until,
)
from tests.fakeserver.wire import ChunkedBody, dechunked

_BLANK = b"\r\n\r\n"


def _chunked(data: bytes) -> ChunkedBody:
    return dechunked(data.partition(_BLANK)[2])


MOMENTS: Mapping[str, Callable[[Fault, bytes], bool]] = {
    "before_headers": lambda fault, data: data == b"",
    "inside_headers": lambda fault, data: data == b"HTTP/1.1 200 OK\r\nContent-Ty",
    "after_headers": lambda fault, data: data.endswith(_BLANK),
    "between_chunks": lambda fault, data: (
        text_of(fault.dialect, b"".join(_chunked(data).chunks)) == fault.kept()
        and (_chunked(data).cut, _chunked(data).is_ended) == (b"", False)
    ),
    "inside_chunk": lambda fault, data: (
        text_of(fault.dialect, b"".join(_chunked(data).chunks)) == fault.kept()
        and len(_chunked(data).cut) == 20
    ),
    "inside_chunk_size": lambda fault, data: _chunked(data).cut == b"4",
}
"""What has come when a connection ends at a moment, and not a byte more."""


def _check_end(ending: str) -> Check:
    def check(fault: Fault) -> None:
        reply = struck(fault)

        assert MOMENTS[fault.kind.name.partition("_")[2]](fault, reply.data)
        assert reply.ending == ending

    return check


def _check_silent(fault: Fault) -> None:
    moment = MOMENTS[fault.kind.name.partition("_")[2]]

    data = struck_until(fault, lambda data: moment(fault, data))

    assert moment(fault, data)


def _check_refused(fault: Fault) -> None:
    with FakeServer() as server:
        port = int(fault.arm(server).rpartition(":")[2])

        with pytest.raises(ConnectionRefusedError):
            RawClient(port)


def _check_full_backlog(fault: Fault) -> None:
    with FakeServer() as server:
        port = int(fault.arm(server).rpartition(":")[2])

        with socket.socket() as sock:
            sock.settimeout(0.2)
            with pytest.raises(TimeoutError):
                sock.connect(("127.0.0.1", port))


def _check_black_hole(fault: Fault) -> None:
    with FakeServer() as server:
        fault.arm(server)
        with RawClient(server.port) as client:
            client.request("POST", fault.path, b"never read")
            server.wait_for_silence()

            assert client.read_waiting() == b""
        assert server.requests == []


def _check_on_connect(ending: str) -> Check:
    def check(fault: Fault) -> None:
        with FakeServer() as server:
            fault.arm(server)
            reply = silent_exchange(server.port)

            assert (reply.data, reply.ending) == (b"", ending)
            assert server.requests == []

    return check


def _check_no_last_chunk(ending: str) -> Check:
    def check(fault: Fault) -> None:
        reply = struck(fault)

        assert_whole(fault, reply.body)
        assert (reply.chunked.is_ended, reply.ending) == (False, ending)

    return check


def _has_done_line(body: bytes) -> bool:
    return has_end_marker("ollama", body)


def _check_open(fault: Fault) -> None:
    is_there = has_done if fault.dialect == "openai" else _has_done_line
    data = struck_until(fault, lambda data: is_there(b"".join(_chunked(data).chunks)))

    assert text_of(fault.dialect, b"".join(_chunked(data).chunks)) == fault.kept()
    assert not _chunked(data).is_ended


def _check_open_without_done(fault: Fault) -> None:
    data = struck_until(
        fault, lambda data: has_end_marker("openai", b"".join(_chunked(data).chunks))
    )

    assert not has_done(b"".join(_chunked(data).chunks))


def _second_request(fault: Fault, is_sent: bool) -> tuple[RawReply, bytes]:
    """Read one good reply on a kept connection; return what comes after it."""
    with FakeServer() as server:
        fault.arm(server)
        method, body = request_for(fault)
        with RawClient(server.port) as client:
            client.request(method, fault.path, body, keep_alive=True)
            first = client.read_through(b"0\r\n\r\n")
            if is_sent:
                client.request(method, fault.path, body)
            rest = client.read_all()
        assert len(server.requests) == 1
        return rest, first


def _check_closed_when_idle(fault: Fault) -> None:
    rest, first = _second_request(fault, is_sent=False)

    assert text_of(fault.dialect, b"".join(_chunked(first).chunks)) == fault.kept()
    assert b"connection: close" not in first.lower()
    assert (rest.data, rest.ending) == (b"", "closed")


def _check_on_reuse(ending: str) -> Check:
    def check(fault: Fault) -> None:
        rest, first = _second_request(fault, is_sent=True)

        assert text_of(fault.dialect, b"".join(_chunked(first).chunks)) == fault.kept()
        assert (rest.data, rest.ending) == (b"", ending)

    return check


def _check_works_then(ending: str) -> Check:
    def check(fault: Fault) -> None:
        replies, last = after_strikes(fault)

        assert [(one.data, one.ending) for one in replies] == [(b"", ending)] * 2
        assert text_of(fault.dialect, last.body) == "".join(DEFAULT_ANSWER)

    return check


CHECKS: Mapping[str, Check] = {
    "refused": _check_refused,
    "full_backlog": _check_full_backlog,
    "black_hole": _check_black_hole,
    "reset_on_connect": _check_on_connect("reset"),
    "close_on_connect": _check_on_connect("closed"),
    **{f"close_{moment}": _check_end("closed") for moment in MOMENTS},
    **{f"reset_{moment}": _check_end("reset") for moment in MOMENTS},
    **{f"silent_{moment}": _check_silent for moment in MOMENTS},
    "chunks_without_end": _check_no_last_chunk("closed"),
    "reset_after_end_marker": _check_no_last_chunk("reset"),
    "open_after_end_marker": _check_open,
    "silent_after_finish_reason": _check_open_without_done,
    "closed_when_idle": _check_closed_when_idle,
    "closed_on_reuse": _check_on_reuse("closed"),
    "reset_on_reuse": _check_on_reuse("reset"),
    "closes_twice_then_works": _check_works_then("closed"),
    "resets_twice_then_works": _check_works_then("reset"),
}


@pytest.mark.parametrize("fault", faults_of(CONNECTION_KINDS), ids=str)
def test_a_fault_does_what_its_name_says(fault: Fault) -> None:
    CHECKS[fault.kind.name](fault)
