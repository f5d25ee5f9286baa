"""Test that the faults of framing and heads do on the wire what their names say."""

from collections.abc import Mapping

import pytest

from tests.fakeserver import TOKENS, Fault
from tests.fakeserver.decoding import has_end_marker, text_of
from tests.fakeserver.faults.framing import FRAMING_KINDS
from tests.fakeserver.faults.heads import HEAD_KINDS
from tests.fakeserver.rawclient import RawReply
from tests.fakeserver.striking import (
    Check,
    assert_cut,
    assert_whole,
    faults_of,
    struck,
    struck_until,
)


def _check_chunk_size(size_line: bytes) -> Check:
    def check(fault: Fault) -> None:
        reply = struck(fault)

        assert_cut(fault, b"".join(reply.chunked.chunks))
        assert (
            reply.raw_body.endswith(b"}\n\r\n" + size_line)
            or (b"\n\r\n" + size_line) in reply.raw_body
        )
        assert reply.ending == "closed"

    return check


def _check_extensions(fault: Fault) -> None:
    reply = struck(fault)

    assert_whole(fault, reply.body)
    assert reply.raw_body.count(b';name="value"\r\n') == len(reply.chunked.chunks)
    assert reply.chunked.is_ended


def _check_trailers(fault: Fault) -> None:
    reply = struck(fault)

    assert_whole(fault, reply.body)
    assert reply.raw_body.endswith(b"\r\n0\r\nX-Checksum: none\r\nX-More: yes\r\n\r\n")


def _sized(fault: Fault) -> tuple[RawReply, int]:
    """Return a reply and by how much its length says more than came."""
    reply = struck(fault)
    assert "transfer-encoding" not in reply.headers
    return reply, int(reply.headers["content-length"]) - len(reply.raw_body)


def _check_length_exact(fault: Fault) -> None:
    reply, surplus = _sized(fault)

    assert_whole(fault, reply.body)
    assert surplus == 0


def _check_length_too_long(fault: Fault) -> None:
    reply, surplus = _sized(fault)

    assert_cut(fault, reply.body)
    assert (surplus, reply.ending) == (1000, "closed")


def _check_length_too_long_after_end(fault: Fault) -> None:
    reply, surplus = _sized(fault)

    assert_whole(fault, reply.body)
    assert (surplus, reply.ending) == (1000, "closed")


def _check_length_too_short(fault: Fault) -> None:
    reply, surplus = _sized(fault)

    assert surplus < 0
    assert_cut(fault, reply.body[:surplus])
    assert_whole(fault, reply.body)


def _check_length_and_chunks(fault: Fault) -> None:
    reply = struck(fault)

    assert_whole(fault, reply.body)
    assert reply.headers["content-length"] == "5"
    assert reply.headers["transfer-encoding"] == "chunked"


def _check_until_close(length: str | None, version: bytes = b"HTTP/1.1") -> Check:
    def check(fault: Fault) -> None:
        reply = struck(fault)

        assert_whole(fault, reply.raw_body)
        assert reply.headers.get("content-length") == length
        assert "transfer-encoding" not in reply.headers
        assert reply.data.startswith(version + b" 200 OK\r\n")

    return check


def _check_cut_without_framing(fault: Fault) -> None:
    reply = struck(fault)

    assert_cut(fault, reply.raw_body)
    assert not reply.raw_body.endswith(b"\n")
    assert not {"content-length", "transfer-encoding"} & set(reply.headers)


FRAMING_CHECKS: Mapping[str, Check] = {
    "bad_chunk_size": _check_chunk_size(b"zz\r\nwhat\r\n"),
    "negative_chunk_size": _check_chunk_size(b"-5\r\nwhat\r\n"),
    "huge_chunk_size": _check_chunk_size(b"ffffffffffffffff\r\nwhat"),
    "chunk_longer_than_its_size": _check_chunk_size(b"3\r\nlonger\r\n0\r\n\r\n"),
    "chunk_extensions": _check_extensions,
    "chunk_trailers": _check_trailers,
    "length_exact": _check_length_exact,
    "length_too_long": _check_length_too_long,
    "length_too_short": _check_length_too_short,
    "length_too_long_after_end_marker": _check_length_too_long_after_end,
    "length_and_chunks": _check_length_and_chunks,
    "length_negative": _check_until_close("-1"),
    "length_no_number": _check_until_close("many"),
    "close_delimited": _check_until_close(None),
    "close_delimited_cut": _check_cut_without_framing,
    "http_10": _check_until_close(None, b"HTTP/1.0"),
}


@pytest.mark.parametrize("fault", faults_of(FRAMING_KINDS), ids=str)
def test_a_fault_of_framing_does_what_its_name_says(fault: Fault) -> None:
    FRAMING_CHECKS[fault.kind.name](fault)


def _check_type(content_type: str | None) -> Check:
    def check(fault: Fault) -> None:
        reply = struck(fault)

        assert_whole(fault, reply.body)
        assert reply.headers.get("content-type") == content_type

    return check


def _check_charset(charset: str) -> Check:
    def check(fault: Fault) -> None:
        reply = struck(fault)

        assert_whole(fault, reply.body)
        said = f"{fault.speech.stream_type}; charset={charset}"
        assert reply.headers["content-type"] == said

    return check


def _check_begins(start: bytes) -> Check:
    """Return a check for replies that are no replies: these bytes and the close."""

    def check(fault: Fault) -> None:
        reply = struck(fault)

        assert reply.data.startswith(start)
        assert reply.ending == "closed"

    return check


def _check_status_line_too_long(fault: Fault) -> None:
    first = struck(fault).data.partition(b"\r\n")[0]

    assert len(first) > 65536
    assert first.startswith(b"HTTP/1.1 200 OOO")


def _check_no_reason(fault: Fault) -> None:
    reply = struck(fault)

    assert_whole(fault, reply.body)
    assert reply.data.startswith(b"HTTP/1.1 200 \r\n")


def _check_many_headers(fault: Fault) -> None:
    assert struck(fault).head.count(b"\r\n") > 150


def _check_long_header(fault: Fault) -> None:
    assert max(map(len, struck(fault).head.split(b"\r\n"))) > 65536


def _check_endless_headers(fault: Fault) -> None:
    data = struck_until(fault, lambda data: data.count(b"X-Filler") > 5000)

    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in data


def _check_no_colon(fault: Fault) -> None:
    reply = struck(fault)

    assert b"\r\nthis is no header\r\n" in reply.head
    assert text_of(fault.dialect, reply.body) == "".join(TOKENS)
    assert has_end_marker(fault.dialect, reply.body)


def _check_not_ascii(fault: Fault) -> None:
    assert b"X-Text: \xc3\xa4\xc3\x9f\xff\r\n" in struck(fault).head


def _check_close_and_keep(fault: Fault) -> None:
    reply = struck(fault)

    assert (reply.headers["connection"], reply.ending) == ("close", "closed")
    assert reply.headers["keep-alive"].startswith("timeout=")
    assert_whole(fault, reply.body)


def _check_interim(line: bytes, times: int = 1) -> Check:
    def check(fault: Fault) -> None:
        data = struck(fault).data
        before, _, reply = data.partition(b"HTTP/1.1 200 OK\r\n")

        assert before.count(line) == before.count(b"\r\n\r\n") == times
        final = RawReply(b"HTTP/1.1 200 OK\r\n" + reply, "closed")
        assert_whole(fault, final.body)

    return check


def _check_endless_interim(fault: Fault) -> None:
    data = struck_until(fault, lambda data: data.count(b"100 Continue") > 5000)

    assert b" 200 " not in data


HEAD_CHECKS: Mapping[str, Check] = {
    "content_type_missing": _check_type(None),
    "content_type_wrong": _check_type("text/plain"),
    "content_type_html": _check_type("text/html; charset=utf-8"),
    "content_type_nonsense": _check_type(";;=\t/"),
    "charset_latin_1": _check_charset("iso-8859-1"),
    "charset_utf_16": _check_charset("utf-16"),
    "charset_unknown": _check_charset("x-no-such-charset"),
    "not_http": _check_begins(b"SSH-2.0-"),
    "binary_garbage": _check_begins(b"\x15\x03\x01"),
    "status_line_cut": _check_begins(b"HTTP/1.1\r\n"),
    "status_no_number": _check_begins(b"HTTP/1.1 abc OK\r\n"),
    "status_line_too_long": _check_status_line_too_long,
    "no_reason": _check_no_reason,
    "headers_too_many": _check_many_headers,
    "header_too_long": _check_long_header,
    "headers_endless": _check_endless_headers,
    "header_without_colon": _check_no_colon,
    "header_not_ascii": _check_not_ascii,
    "connection_close_and_keep_alive": _check_close_and_keep,
    "interim_100": _check_interim(b"HTTP/1.1 100 Continue\r\n"),
    "interim_100_many": _check_interim(b"HTTP/1.1 100 Continue\r\n", 20),
    "interim_102": _check_interim(b"HTTP/1.1 102 Processing\r\n"),
    "interim_103": _check_interim(b"HTTP/1.1 103 Early Hints\r\n"),
    "interim_endless": _check_endless_interim,
    "switching_protocols": _check_begins(b"HTTP/1.1 101 Switching Protocols\r\n"),
}


@pytest.mark.parametrize("fault", faults_of(HEAD_KINDS), ids=str)
def test_a_fault_of_heads_does_what_its_name_says(fault: Fault) -> None:
    HEAD_CHECKS[fault.kind.name](fault)
