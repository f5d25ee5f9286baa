"""List the faults of heads: status lines, headers, content types, interim replies."""

from collections.abc import Callable

from ..speech import Speech
from ..steps import Close, Head, Raw, Repeat, Step
from ..wire import Header
from .kinds import Build, Kind, none_of, spoken_whole

_HEADERS_TOO_MANY = 150
_HEADER_TOO_LONG_BYTES = 70_000
_FILLERS = tuple((f"X-Filler-{n}", "x") for n in range(_HEADERS_TOO_MANY))
_INTERIM = {
    100: b"HTTP/1.1 100 Continue\r\n\r\n",
    102: b"HTTP/1.1 102 Processing\r\n\r\n",
    103: b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n",
}


def _headed(head: Callable[[Speech], Head]) -> Build:
    """Return a builder of a good answer under another head."""
    return lambda speech, tokens: (head(speech), *spoken_whole(speech, tokens)[1:])


def _typed(content_type: str | None) -> Build:
    headers = (("Content-Type", content_type),) if content_type else ()
    return _headed(lambda speech: Head(headers=headers))


def _charset(charset: str) -> Build:
    return _headed(
        lambda speech: Head(
            headers=(("Content-Type", f"{speech.stream_type}; charset={charset}"),)
        )
    )


def _adding(*headers: Header) -> Build:
    return _headed(lambda speech: speech.head(*headers))


def _before(*steps: Step) -> Build:
    return lambda speech, tokens: (*steps, *spoken_whole(speech, tokens))


def _instead(*steps: Step) -> Build:
    return lambda speech, tokens: steps


TYPE_KINDS = (
    Kind(
        "content_type_missing",
        "whole",
        "a good stream without a Content-Type",
        _typed(None),
    ),
    Kind(
        "content_type_wrong",
        "whole",
        "a good stream that calls itself text/plain",
        _typed("text/plain"),
    ),
    Kind(
        "content_type_html",
        "whole",
        "a good stream that calls itself text/html; the bytes say what it is",
        _typed("text/html; charset=utf-8"),
    ),
    Kind(
        "content_type_nonsense",
        "whole",
        "a good stream whose Content-Type is no media type",
        _typed(";;=\t/"),
    ),
    Kind(
        "charset_latin_1",
        "whole",
        "a good UTF-8 stream that says charset=iso-8859-1; JSON is UTF-8 all the same",
        _charset("iso-8859-1"),
    ),
    Kind(
        "charset_utf_16",
        "whole",
        "a good UTF-8 stream that says charset=utf-16",
        _charset("utf-16"),
    ),
    Kind(
        "charset_unknown",
        "whole",
        "a good UTF-8 stream that names a charset nobody knows",
        _charset("x-no-such-charset"),
    ),
)

STATUS_LINE_KINDS = (
    Kind(
        "not_http",
        "malformed",
        "the reply is a line of text, then the close",
        _instead(Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Close()),
        none_of,
    ),
    Kind(
        "binary_garbage",
        "malformed",
        "the reply is binary, as of a TLS port, then the close",
        _instead(Raw(b"\x15\x03\x01\x00\x02\x02\x46\r\n" + bytes(range(256))), Close()),
        none_of,
    ),
    Kind(
        "status_line_cut",
        "malformed",
        "the status line has no status",
        _instead(Raw(b"HTTP/1.1\r\n\r\n"), Close()),
        none_of,
    ),
    Kind(
        "status_no_number",
        "malformed",
        "the status is no number",
        _instead(Raw(b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"), Close()),
        none_of,
    ),
    Kind(
        "status_line_too_long",
        "malformed",
        "the status line has 70,000 bytes",
        _instead(
            Raw(b"HTTP/1.1 200 " + b"O" * _HEADER_TOO_LONG_BYTES + b"\r\n\r\n"),
            Close(),
        ),
        none_of,
    ),
    Kind(
        "no_reason",
        "whole",
        "a good reply whose status line has no reason phrase",
        _headed(lambda speech: Head(headers=speech.head().headers, reason="")),
    ),
)

HEADER_KINDS = (
    Kind(
        "headers_too_many",
        "malformed",
        "150 headers; Python's http.client refuses more than 100",
        _adding(*_FILLERS),
        none_of,
    ),
    Kind(
        "header_too_long",
        "malformed",
        "a header of 70,000 bytes; Python's http.client refuses more than 65,536",
        _adding(("X-Filler", "x" * _HEADER_TOO_LONG_BYTES)),
        none_of,
    ),
    Kind(
        "headers_endless",
        "malformed",
        "headers come for ever, which is more than 100",
        _instead(
            Raw(b"HTTP/1.1 200 OK\r\n"),
            Repeat((Raw(b"X-Filler: " + b"x" * 500 + b"\r\n"),)),
        ),
        none_of,
    ),
    Kind(
        "header_without_colon",
        "malformed",
        "a header line has no colon: Python's http.client loses what follows it, the "
        "chunked coding too",
        _adding(
            ("Connection", "close"), ("X-Before\r\nthis is no header\r\nX-After", "x")
        ),
        none_of,
    ),
    Kind(
        "header_not_ascii",
        "whole",
        "a header has bytes beyond ASCII, UTF-8 and not",
        _adding(("X-Text", "äß\udcff")),
    ),
    Kind(
        "connection_close_and_keep_alive",
        "whole",
        "the headers say both that the connection closes and that it stays",
        _adding(("Connection", "close"), ("Keep-Alive", "timeout=5, max=100")),
    ),
)

INTERIM_KINDS = (
    Kind(
        "interim_100",
        "whole",
        "a 100 Continue that nobody asked for, then a good reply",
        _before(Raw(_INTERIM[100])),
    ),
    Kind(
        "interim_100_many",
        "whole",
        "twenty times 100 Continue, then a good reply",
        _before(Repeat((Raw(_INTERIM[100]),), 20)),
    ),
    Kind(
        "interim_102",
        "whole",
        "a 102 Processing, then a good reply; Python's http.client takes it for the "
        "reply",
        _before(Raw(_INTERIM[102])),
    ),
    Kind(
        "interim_103",
        "whole",
        "103 Early Hints, then a good reply, as with 102",
        _before(Raw(_INTERIM[103])),
    ),
    Kind(
        "interim_endless",
        "endless",
        "100 Continue for ever",
        _instead(Repeat((Raw(_INTERIM[100] * 20),))),
        none_of,
    ),
    Kind(
        "switching_protocols",
        "malformed",
        "101 Switching Protocols, which nobody asked for, then the close",
        _instead(
            Raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), Close()
        ),
        none_of,
    ),
)

HEAD_KINDS = (*TYPE_KINDS, *STATUS_LINE_KINDS, *HEADER_KINDS, *INTERIM_KINDS)
