"""Test that the faults of arrival and of content coding do what their names say."""

import gzip
import zlib
from collections.abc import Callable, Mapping

import pytest

from tests.fakeserver import TOKENS, FakeServer, Fault
from tests.fakeserver.decoding import has_end_marker, text_of
from tests.fakeserver.faults.arrival import ARRIVAL_KINDS, LONG_LINE_BYTES
from tests.fakeserver.faults.coding import (
    BOMB_BYTES,
    CODING_KINDS,
    DOUBLE_BOMB_BYTES,
    bomb_pieces,
)
from tests.fakeserver.rawclient import RawClient, RawReply
from tests.fakeserver.striking import (
    Check,
    assert_cut,
    assert_whole,
    faults_of,
    request_for,
    struck,
    struck_until,
)
from tests.fakeserver.wire import dechunked

_MIB = 1024 * 1024

Chunks = tuple[bytes, ...]


def _check_chunks(are_cut: Callable[[Chunks], bool]) -> Check:
    """Return a check for whole answers whose chunks have a property."""

    def check(fault: Fault) -> None:
        reply = struck(fault)

        assert_whole(fault, reply.body)
        assert are_cut(reply.chunked.chunks)
        assert reply.chunked.is_ended

    return check


def _are_single_bytes(chunks: Chunks) -> bool:
    return {len(one) for one in chunks} == {1}


def _are_cut_inside_characters(chunks: Chunks) -> bool:
    starts = [one[0] & 0xC0 == 0x80 for one in chunks]
    data = b"".join(chunks)
    return sum(starts) == sum(byte & 0xC0 == 0x80 for byte in data) > 0


def _are_cut_at_line_feeds(chunks: Chunks) -> bool:
    return all(one == b"\n" or b"\n" not in one for one in chunks)


def _are_cut_between_cr_and_lf(chunks: Chunks) -> bool:
    data = b"".join(chunks)
    pairs = data.count(b"\r\n")
    return pairs == data.count(b"\n") > 0 and not any(b"\r\n" in one for one in chunks)


def _end_with_crlf(chunks: Chunks) -> bool:
    data = b"".join(chunks)
    return data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r") > 0


def _end_with_cr(chunks: Chunks) -> bool:
    data = b"".join(chunks)
    return b"\n" not in data and all(one.endswith(b"\r\r") for one in chunks)


def _are_cut_at_each_cr(chunks: Chunks) -> bool:
    return all(one.count(b"\r") == 1 and one[-1:] == b"\r" for one in chunks)


def _check_one_write(fault: Fault) -> None:
    """A reply this small arrives in one read when it left in one write."""
    with FakeServer() as server, RawClient(server.port) as client:
        fault.arm(server)
        method, body = request_for(fault)
        client.request(method, fault.path, body)
        reply = RawReply(client.read_some(), "closed")

    assert_whole(fault, reply.body)
    assert reply.chunked.is_ended


def _check_keep_alives(fault: Fault) -> None:
    reply = struck(fault)

    assert_whole(fault, reply.body)
    if fault.dialect == "ollama":
        assert b"\n\n{" in reply.body
    else:
        assert reply.body.startswith(b":\n\n: ping")
        assert b": OPENROUTER PROCESSING\n\ndata: [DONE]" in reply.body


def _check_long_line(fault: Fault) -> None:
    body = struck(fault).body

    assert max(map(len, body.split(b"\n"))) > LONG_LINE_BYTES
    assert text_of(fault.dialect, body).startswith(fault.kept() + "xxx")
    assert has_end_marker(fault.dialect, body)


def _check_endless(mark: bytes, count: int) -> Check:
    """Return a check that `mark` comes more often than any end would allow."""

    def check(fault: Fault) -> None:
        data = struck_until(fault, lambda data: data.count(mark) > count)
        body = b"".join(dechunked(data.partition(b"\r\n\r\n")[2]).chunks)

        assert text_of(fault.dialect, body).startswith(fault.kept())
        assert not has_end_marker(fault.dialect, body)

    return check


def _check_endless_keep_alives(fault: Fault) -> None:
    ping = b"\r\n1\r\n\n" if fault.dialect == "ollama" else b"\r\n3\r\n:\n\n"

    data = struck_until(fault, lambda data: data.count(ping) > 500)

    assert b"three" in data


def _check_drip(fault: Fault) -> None:
    """Each byte is a chunk of its own after the last token."""
    data = struck_until(
        fault, lambda data: data.partition(b"three")[2].count(b"\r\n1\r\n") > 5
    )

    assert data.count(b"three") == 1


ARRIVAL_CHECKS: Mapping[str, Check] = {
    "one_byte_at_a_time": _check_chunks(_are_single_bytes),
    "characters_cut": _check_chunks(_are_cut_inside_characters),
    "several_events_in_one_read": _check_chunks(lambda chunks: len(chunks) == 1),
    "everything_in_one_write": _check_one_write,
    "lf_cut": _check_chunks(_are_cut_at_line_feeds),
    "crlf": _check_chunks(_end_with_crlf),
    "crlf_cut": _check_chunks(_are_cut_between_cr_and_lf),
    "cr": _check_chunks(_end_with_cr),
    "cr_cut": _check_chunks(_are_cut_at_each_cr),
    "byte_order_mark": _check_chunks(lambda chunks: chunks[0][:3] == b"\xef\xbb\xbf"),
    "keep_alives": _check_keep_alives,
    "line_64_mib": _check_long_line,
    "line_endless": _check_endless(b"x" * 65536, 100),
    "drip_endless": _check_drip,
    "keep_alives_endless": _check_endless_keep_alives,
    "empty_tokens_endless": _check_endless(b'"content":""', 500),
    "tokens_endless": _check_endless(b'"content":"more more', 500),
    "tokens_slow_endless": _check_endless(b'"content":"more "', 3),
}


@pytest.mark.parametrize("fault", faults_of(ARRIVAL_KINDS), ids=str)
def test_a_fault_of_arrival_does_what_its_name_says(fault: Fault) -> None:
    ARRIVAL_CHECKS[fault.kind.name](fault)


def _inflated(data: bytes, limit_bytes: int = 0) -> tuple[bytes, bool]:
    """Return what gzip bytes hold (at most so much), and if they ended in order."""
    unpacker = zlib.decompressobj(wbits=31)
    return unpacker.decompress(data, limit_bytes), unpacker.eof


def _said_size(data: bytes) -> int:
    """Return the size that gzip's trailer says, modulo 4 GiB."""
    return int.from_bytes(data[-4:], "little")


def _check_gzip(fault: Fault) -> None:
    reply = struck(fault)
    first, _ = _inflated(reply.chunked.chunks[0])

    assert reply.headers["content-encoding"] == "gzip"
    assert_whole(fault, gzip.decompress(reply.body))
    assert first.endswith(b"\n")


def _check_gzip_cut(fault: Fault) -> None:
    reply = struck(fault)
    data, is_ended = _inflated(reply.body)

    assert_cut(fault, data)
    assert not is_ended
    assert reply.chunked.is_ended


def _check_gzip_broken(fault: Fault) -> None:
    reply = struck(fault)

    assert_cut(fault, _inflated(b"".join(reply.chunked.chunks[:-1]))[0])
    with pytest.raises(zlib.error):
        _inflated(reply.body)


def _check_only_said(fault: Fault) -> None:
    reply = struck(fault)

    assert reply.headers["content-encoding"] == "gzip"
    with pytest.raises(zlib.error):
        _inflated(reply.body)


def _check_not_said(fault: Fault) -> None:
    reply = struck(fault)

    assert "content-encoding" not in reply.headers
    assert text_of(fault.dialect, gzip.decompress(reply.body)) == "".join(TOKENS)


def _check_bomb(fault: Fault) -> None:
    """Not inflated whole, which takes seconds: the trailer says the size."""
    body = struck(fault).body

    assert text_of(fault.dialect, _inflated(body, 4096)[0]) == fault.kept()
    assert 0 < _said_size(body) - BOMB_BYTES < 10_000
    assert len(body) < 2 * _MIB


def _check_double_bomb(fault: Fault) -> None:
    reply = struck(fault)
    inner = gzip.decompress(reply.body)

    assert reply.headers["content-encoding"] == "gzip, gzip"
    assert text_of(fault.dialect, _inflated(inner, 4096)[0]) == fault.kept()
    assert 0 < _said_size(inner) - DOUBLE_BOMB_BYTES % 2**32 < 10_000
    assert len(reply.body) < 100_000 < DOUBLE_BOMB_BYTES // 2000 < len(inner)


def _check_error_bomb(fault: Fault) -> None:
    reply = struck(fault)

    assert (reply.status, reply.headers["content-encoding"]) == (500, "gzip")
    assert _inflated(reply.body, 10)[0].startswith(b'{"error":')
    assert 0 < _said_size(reply.body) - BOMB_BYTES < 1000


def _check_endless_bomb(fault: Fault) -> None:
    data = struck_until(fault, lambda data: len(data) > 300_000)

    assert b"0\r\n\r\n" not in data[-5:]


CODING_CHECKS: Mapping[str, Check] = {
    "gzip": _check_gzip,
    "gzip_cut": _check_gzip_cut,
    "gzip_broken": _check_gzip_broken,
    "gzip_only_said": _check_only_said,
    "gzip_not_said": _check_not_said,
    "gzip_bomb": _check_bomb,
    "gzip_double_bomb": _check_double_bomb,
    "gzip_bomb_endless": _check_endless_bomb,
    "gzip_bomb_as_error": _check_error_bomb,
}


@pytest.mark.parametrize("fault", faults_of(CODING_KINDS), ids=str)
def test_a_fault_of_coding_does_what_its_name_says(fault: Fault) -> None:
    CODING_CHECKS[fault.kind.name](fault)


def test_a_bomb_inflates_to_just_what_it_says() -> None:
    """The trailer is written by hand, so that gzip itself has to agree with it."""
    packed = b"".join(bomb_pieces(b"before", b"after", 13 * _MIB - 1))

    assert gzip.decompress(packed) == b"before" + b"x" * (13 * _MIB) + b"after"
