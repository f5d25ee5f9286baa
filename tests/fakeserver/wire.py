"""Turn values into the bytes that local LLM servers write.

HTTP heads, chunked framing, JSON as Go and as llama.cpp write it, NDJSON lines and
server-sent events. Pure functions: no socket, no state.

See: RFC 9112 (heads, section 2; chunked coding, section 7.1), WHATWG server-sent
events (section 9.2.5), Ollama docs/api.md.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

Header = tuple[str, str]

CRLF = b"\r\n"
LAST_CHUNK = b"0\r\n\r\n"
DATE: Header = ("Date", "Mon, 23 Nov 2026 16:07:31 GMT")

# Go's encoding/json writes these as escapes inside strings, llama.cpp writes them raw.
_GO_ESCAPES = str.maketrans(
    {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
)


def json_bytes(value: object) -> bytes:
    """Encode `value` as llama.cpp does: compact, UTF-8 raw, controls escaped.

    A lone surrogate becomes its escape, since raw it has no UTF-8 form.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def go_json_bytes(value: object) -> bytes:
    """Encode `value` as Go's encoder does: also `<`, `>`, `&`, U+2028/9 escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_GO_ESCAPES).encode("utf-8", "backslashreplace")


def http_head(
    status: int,
    headers: Iterable[Header],
    version: str = "HTTP/1.1",
    reason: str | None = None,
) -> bytes:
    """Build a status line and headers up to and including the blank line.

    Nothing is checked: a test may put whatever it likes into a header.
    """
    if reason is None:
        known = {code.value: code.phrase for code in HTTPStatus}
        reason = known.get(status, "Unknown")
    lines = [f"{version} {status} {reason}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def chunk(data: bytes) -> bytes:
    """Frame `data` as one HTTP chunk; empty data gives nothing, not the last chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


@dataclass(frozen=True, slots=True)
class ChunkedBody:
    """Hold what came of a chunked body."""

    chunks: tuple[bytes, ...]
    """The whole chunks, in order."""
    cut: bytes = b""
    """What came of a chunk that was cut, or of what is no chunk."""
    is_ended: bool = False
    """Whether the last chunk was seen."""

    @property
    def body(self) -> bytes:
        """Return all that was said, without the framing."""
        return b"".join(self.chunks) + self.cut


def dechunked(data: bytes) -> ChunkedBody:
    """Take a chunked body apart; what is no chunk size ends the chunks."""
    chunks: list[bytes] = []
    at = 0
    while at < len(data):
        end = data.find(CRLF, at)
        try:
            size = int(data[at:end].split(b";")[0], 16) if end > at else -1
        except ValueError:
            size = -1
        if size < 0:
            return ChunkedBody(tuple(chunks), data[at:])
        if size == 0:
            return ChunkedBody(tuple(chunks), is_ended=True)
        start = end + len(CRLF)
        at = start + size + len(CRLF)
        if at > len(data):
            return ChunkedBody(tuple(chunks), data[start : start + size])
        chunks.append(data[start : start + size])
    return ChunkedBody(tuple(chunks))


def line(payload: bytes) -> bytes:
    """Frame `payload` as one NDJSON line."""
    return payload + b"\n"


def event(payload: bytes, name: str = "") -> bytes:
    """Frame `payload` as one server-sent event, with an `event:` line when named."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + payload + b"\n\n"
