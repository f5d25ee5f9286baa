"""Decoders: the result may not depend on how the bytes arrive."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwrap.errors import LimitError, ProtocolError
from llmwrap.transport.chunking import Dechunker
from llmwrap.transport.framing import (
    EventDecoder,
    LineDecoder,
    ReplyDecoder,
    ServerSentEvent,
    parse_documents,
    parse_json,
)

_LIMIT = 1 << 20


def _lines(pieces: list[bytes]) -> list[bytes]:
    decoder = LineDecoder(_LIMIT)
    return [line for piece in pieces for line in decoder.feed(piece)] + decoder.flush()


def _events(pieces: list[bytes]) -> list[ServerSentEvent]:
    decoder = EventDecoder(_LIMIT)
    return [e for piece in pieces for e in decoder.feed(piece)] + decoder.flush()


def _reply(pieces: list[bytes]) -> list[object]:
    decoder = ReplyDecoder(_LIMIT)
    found = [d for piece in pieces for d in decoder.feed(piece)] + decoder.flush()
    return [*found, decoder.form, decoder.is_done]


def _body(pieces: list[bytes]) -> list[bytes]:
    decoder = Dechunker()
    body = b"".join(decoder.feed(piece) for piece in pieces)
    assert decoder.is_done
    return [body]


def _splits(data: bytes) -> list[list[bytes]]:
    """Return `data` cut at every place, at every two places, and to single bytes."""
    size = len(data)
    cuts = [
        [data[:i], data[i:j], data[j:]] for i in range(size) for j in range(i, size)
    ]
    return [*cuts, [data[i : i + 1] for i in range(size)]]


_WIRE: dict[str, tuple[Callable[[list[bytes]], Sequence[object]], bytes]] = {
    "lines": (_lines, 'a\n\n{"x":"\u2028é"}\r\nlast'.encode()),
    "a reply of events": (
        _reply,
        b'\xef\xbb\xbf\n: hm\n\ndata: {"a":1}\n\n{"b":\n2}\n\ndata:[DONE]\n\ndata: x',
    ),
    "a reply of lines": (_reply, b'\xef\xbb\xbf\r\n {"a":1}\r\n\r\n{"b":2}\r\n{"c"'),
    "a reply of one document": (_reply, b'{\n "a": [\n 1\n ]\n}\n'),
    "a reply that is a page": (_reply, b"\n <!DOCTYPE html>\n<title>x</title>"),
    "a reply of words": (_reply, b"it is broken\n"),
    "a reply with an error event": (_reply, b'event: error\ndata: {"a":1}\n\n'),
    "lines ended by CR": (_lines, b"a\rb\r\r\nc\r"),
    "events": (_events, b'data: {"a":1}\n\n: ping\n\ndata: x\ndata: y\n\n'),
    "events ended by CR LF": (
        _events,
        b"event: e\r\ndata:1\r\n\r\ndata: [DONE]\r\n\r\n",
    ),
    "events ended by CR": (_events, b"\xef\xbb\xbfdata: 1\r\rdata: 2\r\r:\r\r"),
    "chunks": (_body, b'5\r\nhello\r\n3;x="y"\r\n\r\n0\r\n1\r\nz\r\n0\r\nT: v\r\n\r\n'),
}


@pytest.mark.parametrize("name", _WIRE)
def test_every_split_gives_the_same_result(name: str) -> None:
    decode, wire = _WIRE[name]
    whole = decode([wire])

    assert whole
    assert all(decode(pieces) == whole for pieces in _splits(wire))


def test_lines_end_at_lf_and_cr_and_nowhere_else() -> None:
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf"

    assert _lines([f"{text}\nz".encode()]) == [text.encode(), b"z"]


def test_a_cr_lf_cut_in_two_ends_one_line() -> None:
    assert _lines([b"a\r", b"\nb\r", b"\n"]) == [b"a", b"b"]


@pytest.mark.parametrize("line", [b"x" * 11, b"x" * 11 + b"\n"])
def test_a_line_over_the_limit_is_refused(line: bytes) -> None:
    with pytest.raises(LimitError, match="longer than 10 B"):
        LineDecoder(10).feed(line)


def test_many_short_data_lines_are_bounded_too() -> None:
    decoder = EventDecoder(100)
    for _ in range(12):
        decoder.feed(b"data: xxxxxxxx\n")

    with pytest.raises(LimitError):
        decoder.feed(b"data: xxxxxxxx\n")


@pytest.mark.parametrize(
    ("wire", "events"),
    [
        (b": a comment\n\n:\n\n", []),
        (b"data:tight\n\n", [ServerSentEvent("", b"tight")]),
        (b"event: error\ndata: {}\n\n", [ServerSentEvent("error", b"{}")]),
        (b'error: {"code":400}\n\n', [ServerSentEvent("error", b'{"code":400}')]),
        (b'{"error":"bare"}\n', [ServerSentEvent("", b'{"error":"bare"}')]),
        (b"id: 1\nretry: 5\n\n", []),
        (b"event: gone\n\ndata: 1\n\n", [ServerSentEvent("", b"1")]),
        (b"data\n\n", [ServerSentEvent("", b"")]),
        (b"data: no blank line", [ServerSentEvent("", b"no blank line")]),
    ],
)
def test_events_are_read_as_servers_write_them(
    wire: bytes, events: list[ServerSentEvent]
) -> None:
    assert _events([wire]) == events


@pytest.mark.parametrize(
    "wire", [b"zz\r\n", b"\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"5_0\r\n"]
)
def test_broken_chunks_are_a_protocol_error(wire: bytes) -> None:
    with pytest.raises(ProtocolError, match="chunked"):
        Dechunker().feed(wire)


def test_what_came_before_a_broken_chunk_is_handed_out_first() -> None:
    decoder = Dechunker()

    assert decoder.feed(b"1\r\na\r\n5\r\nhelloX\r\n") == b"ahello"
    assert isinstance(decoder.error, ProtocolError)


def test_a_chunk_header_without_end_is_bounded() -> None:
    decoder = Dechunker()

    with pytest.raises(ProtocolError, match="chunked"):
        decoder.feed(b"1" * 20_000)


def test_bytes_behind_the_last_chunk_are_noticed() -> None:
    decoder = Dechunker()

    assert decoder.feed(b"1\r\nx\r\n0\r\n\r\nHTTP/1.1") == b"x"
    assert decoder.is_done
    assert decoder.has_leftover


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_chunked_coding_comes_off_whatever_the_bytes_and_cuts(
    chunks: list[bytes], cuts: list[int]
) -> None:
    wire = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
    places = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    pieces = [wire[a:b] for a, b in pairwise(places)]

    assert _body(pieces) == [b"".join(chunks)]


@pytest.mark.parametrize(
    "document",
    [b"{", b"NaN", b'{"a": Infinity}', b"[" * 100_000, b"9" * 5_000, b"", b"{} {}"],
)
def test_what_is_no_json_is_a_protocol_error(document: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"broken JSON|where JSON"):
        parse_json(document)


def test_bad_utf_8_in_json_becomes_replacement_characters() -> None:
    assert parse_json(b'"a\xff\xe2\x82"') == "a\ufffd\ufffd"


def test_documents_before_a_broken_one_still_come() -> None:
    documents = parse_documents([b'{"a":1}', b'{"b":2}', b'{"c":'])

    assert next(documents) == {"a": 1}
    assert next(documents) == {"b": 2}
    with pytest.raises(ProtocolError):
        next(documents)


@pytest.mark.slow
@given(st.lists(st.dictionaries(st.text(), st.integers()), max_size=6))
def test_parsing_in_one_go_equals_parsing_one_by_one(values: list[object]) -> None:
    documents = [json.dumps(value).encode() for value in values]

    assert list(parse_documents(documents)) == values


def test_two_documents_on_a_line_are_not_taken_for_two_lines() -> None:
    with pytest.raises(ProtocolError):
        list(parse_documents([b'{"a":1},{"b":2}', b'{"c":3}']))


@pytest.mark.parametrize(
    ("body", "form", "documents"),
    [
        (b"", "", []),
        (b"\xef\xbb", "text", []),
        (b" \n ", "", []),
        (b'{"a":1}', "lines", [b'{"a":1}']),
        (b'[{"a":1}]', "lines", [b'[{"a":1}]']),
        (b'[{"a":1},\n{"b":2}]\n', "document", [b'[{"a":1},\n{"b":2}]']),
        (b'{\n"a":1}\n', "document", [b'{\n"a":1}']),
        (b"data: 1\n\n", "events", [b"1"]),
        (b"event: error\ndata: words\n\n", "events", [b'{"error":"words"}']),
        (b"id: 1\nretry: 5\ndata: 1\n\n", "events", [b"1"]),
        (b"dat", "events", []),
        (b"<p>", "page", []),
        (b"words", "text", []),
        (
            b'data: {"a":1}\n\n{"b":2}\ndata: [DONE]\n\n',
            "events",
            [b'{"a":1}', b'{"b":2}'],
        ),
    ],
)
def test_the_first_bytes_tell_what_a_reply_is(
    body: bytes, form: str, documents: list[bytes]
) -> None:
    decoder = ReplyDecoder(_LIMIT)

    found = decoder.feed(body) + decoder.flush()

    assert (decoder.form, found) == (form, documents)


def test_a_document_over_many_lines_is_bounded() -> None:
    decoder = ReplyDecoder(100)

    with pytest.raises(LimitError):
        decoder.feed(b"{\n" + b'"a": 1,\n' * 20)


def test_of_a_page_only_the_beginning_is_kept() -> None:
    decoder = ReplyDecoder(_LIMIT)
    for _ in range(10):
        decoder.feed(b"<p>" * 100_000)

    assert len(decoder.text) < 200_000
