"""Heads read by hand are what http.client makes of them, usual ones and odd ones."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from llmwrap.transport.heads import HeadResponse

BODY = b"3\r\nabc\r\n0\r\n\r\n"
USUAL = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
OLLAMA = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
ODD = {
    "no reason": b"HTTP/1.1 200 \r\n" + CHUNKED + b"\r\n",
    "closing": b"HTTP/1.1 200 OK\r\nConnection: Close\r\n" + CHUNKED + b"\r\n",
    "twice": b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\n" + CHUNKED + b"\r\n",
    "blanks": b"HTTP/1.1 200 OK\r\nX-A: \t b c \r\n" + CHUNKED + b"\r\n",
    "empty": b"HTTP/1.1 200 OK\r\nX-A:\r\n" + CHUNKED + b"\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n" + CHUNKED + b"\r\n",
    "beyond ASCII": b"HTTP/1.1 200 OK\r\nX-A: \xc3\xa9\r\n" + CHUNKED + b"\r\n",
    "upper case": b"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n",
    "two codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "a length too": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + CHUNKED + b"\r\n",
    "only a length": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
    "neither": b"HTTP/1.1 200 OK\r\n\r\n",
    "old": b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n",
    "an error": b"HTTP/1.1 404 Not Found\r\n" + CHUNKED + b"\r\n",
    "continued": b"HTTP/1.1 100 Continue\r\n\r\n" + USUAL,
    "bare newlines": b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n",
    "long": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 20_000 + b"\r\n" + CHUNKED + b"\r\n",
}


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def read(kind: type[http.client.HTTPResponse], data: bytes) -> dict[str, Any]:
    """Return what a response makes of a reply."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        response = kind(ours, method="POST")
        response.begin()
        found = {
            "status": (response.status, response.reason, response.version),
            "headers": response.headers.items(),
            "code": response.getcode(),
            "framing": (response.chunked, response.length, response.will_close),
            "defects": len(response.msg.defects),
            "body": response.read(),
        }
        response.close()
    return found


@pytest.mark.parametrize(
    "head", [USUAL, OLLAMA, *ODD.values()], ids=["usual", "ollama", *ODD]
)
def test_a_head_is_what_http_client_reads(head: bytes) -> None:
    expected = read(http.client.HTTPResponse, head + BODY)

    assert read(HeadResponse, head + BODY) == expected


@pytest.mark.parametrize("head", [USUAL, OLLAMA])
def test_the_usual_head_is_read_by_hand(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the tests above would compare http.client with itself."""
    monkeypatch.delattr(http.client, "parse_headers")

    assert read(HeadResponse, head + BODY)["body"] == b"abc"


def test_a_head_may_come_in_two_pieces_anywhere(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends

    for cut in range(1, len(USUAL)):
        theirs.sendall(USUAL[:cut])
        response = HeadResponse(ours, method="POST")
        assert response.fp.peek(1)[:cut] == USUAL[:cut]
        theirs.sendall(USUAL[cut:] + BODY)
        response.begin()
        assert (response.status, response.read()) == (200, b"abc")


def test_more_fields_than_a_hundred_are_refused_still() -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100 + CHUNKED + b"\r\n"

    with pytest.raises(http.client.HTTPException, match="100 headers"):
        read(HeadResponse, head + BODY)


def test_a_head_that_broke_off_is_no_reply() -> None:
    """http.client takes the end of the stream for the end of the head."""
    for cut in range(1, len(OLLAMA) - 2):
        with pytest.raises((http.client.RemoteDisconnected, http.client.BadStatusLine)):
            read(HeadResponse, OLLAMA[:cut])
    for cut in range(len(b"HTTP/1.1 200 "), len(OLLAMA) - 2):
        with pytest.raises(http.client.RemoteDisconnected):
            read(HeadResponse, OLLAMA[:cut])


def test_a_header_without_a_colon_is_refused() -> None:
    """http.client would take the chunked body behind it for a plain one."""
    head = b"HTTP/1.1 200 OK\r\nX-A: b\r\nnonsense\r\n" + CHUNKED + b"\r\n"

    with pytest.raises(http.client.HTTPException, match="no colon"):
        read(HeadResponse, head + BODY)


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_an_interim_reply_is_not_the_reply(status: int) -> None:
    note = b"HTTP/1.1 %d Note\r\nLink: <x>\r\n\r\n" % status

    found = read(HeadResponse, note * 3 + USUAL + BODY)

    assert (found["status"][0], found["body"]) == (200, b"abc")


def test_protocols_are_not_switched() -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"

    assert read(HeadResponse, head)["status"][0] == 101


def test_what_is_no_http_is_an_error_still() -> None:
    with pytest.raises(http.client.BadStatusLine):
        read(HeadResponse, b"garbage\r\n\r\n")
    with pytest.raises(http.client.RemoteDisconnected):
        read(HeadResponse, b"")
