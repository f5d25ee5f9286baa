"""List the faults of HTTP framing: chunks, lengths and what has neither."""

from collections.abc import Callable

from ..link import Framing
from ..speech import Speech
from ..steps import Body, Close, EndBody, Head, Over, Raw, Reply, Step, Trailers
from ..wire import CRLF, chunk
from .kinds import (
    Build,
    Kind,
    Tokens,
    bodies,
    frames_of,
    spoken,
    spoken_whole,
    whole_body,
)

_SURPLUS_BYTES = 1000


def _after_tokens(*steps: Step) -> Build:
    return lambda speech, tokens: (*spoken(speech, tokens), *steps)


def _with_extensions(speech: Speech, tokens: Tokens) -> Reply:
    chunks = [
        chunk(frame).replace(CRLF, b';name="value"' + CRLF, 1)
        for frame in frames_of(speech, tokens)
    ]
    *early, last = (Raw(one) for one in chunks)
    return (speech.head(), *early, Over(), last, EndBody())


def _with_trailers(speech: Speech, tokens: Tokens) -> Reply:
    trailers = Trailers((("X-Checksum", "none"), ("X-More", "yes")))
    return (*spoken_whole(speech, tokens)[:-1], trailers)


def _framed(
    framing: Framing, surplus_bytes: int = 0, version: str = "HTTP/1.1"
) -> Build:
    """Return a builder of a whole answer, in a framing, with a length that may lie."""

    def build(speech: Speech, tokens: Tokens) -> Reply:
        size = sum(map(len, frames_of(speech, tokens))) + surplus_bytes
        head = Head(200, speech.head().headers, framing, size, version)
        return (head, *whole_body(speech, tokens))

    return build


def _measured(
    sent: Callable[[Speech, Tokens], list[bytes]], surplus_bytes: int = 0
) -> Build:
    """Return a builder that gives the length of the tokens alone, plus a surplus."""

    def build(speech: Speech, tokens: Tokens) -> Reply:
        size = sum(map(len, speech.start(tokens))) + surplus_bytes
        head = Head(200, speech.head().headers, "length", size)
        return (head, *bodies(sent(speech, tokens)), Close())

    return build


def _cut_without_framing(speech: Speech, tokens: Tokens) -> Reply:
    head = Head(200, speech.head().headers, "close")
    half = speech.text("never whole")[:20]
    return (head, *bodies(speech.start(tokens)), Body(half), Close())


def _with_length(length: str, framing: Framing) -> Build:
    def build(speech: Speech, tokens: Tokens) -> Reply:
        headers = (*speech.head().headers, ("Content-Length", length))
        end = (EndBody(),) if framing == "chunked" else ()
        return (Head(200, headers, framing), *whole_body(speech, tokens), *end)

    return build


FRAMING_KINDS = (
    Kind(
        "bad_chunk_size",
        "malformed",
        "after the tokens, a chunk size that is no number",
        _after_tokens(Raw(b"zz\r\nwhat\r\n")),
    ),
    Kind(
        "negative_chunk_size",
        "malformed",
        "after the tokens, a chunk size below zero",
        _after_tokens(Raw(b"-5\r\nwhat\r\n")),
    ),
    Kind(
        "huge_chunk_size",
        "cut",
        "after the tokens, a chunk of 2^64-1 bytes is promised, then comes the close",
        _after_tokens(Raw(b"f" * 16 + CRLF + b"what")),
    ),
    Kind(
        "chunk_longer_than_its_size",
        "malformed",
        "after the tokens, a chunk goes on beyond its size",
        _after_tokens(Raw(b"3\r\nlonger\r\n0\r\n\r\n")),
    ),
    Kind(
        "chunk_extensions",
        "whole",
        "chunk sizes carry extensions, which mean nothing",
        _with_extensions,
    ),
    Kind(
        "chunk_trailers",
        "whole",
        "the last chunk carries trailer fields, which mean nothing",
        _with_trailers,
    ),
    Kind(
        "length_exact",
        "whole",
        "the stream has a Content-Length instead of chunks",
        _framed("length"),
    ),
    Kind(
        "length_too_long",
        "cut",
        "Content-Length promises more than the tokens, which are all that comes",
        _measured(lambda speech, tokens: speech.start(tokens), _SURPLUS_BYTES),
    ),
    Kind(
        "length_too_short",
        "cut",
        "Content-Length ends with the tokens, the end marker comes beyond it",
        _measured(frames_of),
    ),
    Kind(
        "length_too_long_after_end_marker",
        "whole",
        "Content-Length promises more than the whole answer, which is all that comes",
        _framed("length", _SURPLUS_BYTES),
    ),
    Kind(
        "length_and_chunks",
        "whole",
        "a chunked reply has a Content-Length too, which is wrong and does not count",
        _with_length("5", "chunked"),
    ),
    Kind(
        "length_negative",
        "whole",
        "Content-Length is below zero and does not count: the end marker came",
        _with_length("-1", "close"),
    ),
    Kind(
        "length_no_number",
        "whole",
        "Content-Length is no number and does not count: the end marker came",
        _with_length("many", "close"),
    ),
    Kind(
        "close_delimited",
        "whole",
        "HTTP/1.1 without length or chunks: the body ends with the connection",
        _framed("close"),
    ),
    Kind(
        "close_delimited_cut",
        "cut",
        "a body that ends with the connection, which is closed in mid line",
        _cut_without_framing,
    ),
    Kind(
        "http_10",
        "whole",
        "an HTTP/1.0 reply, ended by the close",
        _framed("close", version="HTTP/1.0"),
    ),
)
