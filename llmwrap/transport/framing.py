r"""Bytes to lines, lines to events, events to JSON; no I/O. Floor F2.

Decoders are fed whatever a read brought and give what is complete; where the bytes
were cut never matters. Lines end with LF, CR LF or CR and nothing else: requests'
`iter_lines` and `str.splitlines` also split at U+2028, U+2029 and U+0085, which
servers write raw inside JSON strings.

NDJSON (Ollama), one document a line::

    {"model":"m","message":{"role":"assistant","content":"Hi"},"done":false}\n
    {"model":"m","message":{"role":"assistant","content":""},"done":true,...}\n

Server-sent events (everything else), a blank line ends an event, `:` is a comment::

    : ping\n
    \n
    data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":null}]}\n
    \n
    data: [DONE]\n
    \n

See: WHATWG HTML, server-sent events 9.2.6; ndjson.org.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple, NoReturn

from ..errors import LimitError, ProtocolError
from ..messages import Json
from ..units import format_size

_SHOWN_CHARACTERS = 80


class LineDecoder:
    """Cut bytes into lines, without their ends.

    `limit_bytes` bounds a line; a longer one is a LimitError, so memory stays bounded
    whatever a server sends.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.error: LimitError | None = None
        """What is wrong behind the lines that were handed out last."""
        self._limit_bytes = limit_bytes
        self._tail: list[bytes] = []
        self._tail_bytes = 0
        self._skip_lf = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the lines that `piece` completes. Raises: LimitError."""
        if self.error:
            raise self.error
        if self._skip_lf and piece:
            # The CR that ended the last line may have been half of a CR LF.
            self._skip_lf = False
            if piece[:1] == b"\n":
                piece = piece[1:]
        if b"\r" in piece:
            self._skip_lf = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, tail = piece.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._tail, lines[0]])
            self._tail, self._tail_bytes = [], 0
        if tail:
            self._tail.append(tail)
            self._tail_bytes += len(tail)
        # The tail is a list, joined once: a line that comes byte by byte costs its
        # length, not the square of it.
        if self._tail_bytes > self._limit_bytes:
            self._refuse()
        if lines and max(map(len, lines)) > self._limit_bytes:
            self._refuse()
            lines = list(takewhile(lambda line: len(line) <= self._limit_bytes, lines))
        if self.error and not lines:
            raise self.error
        return lines

    def flush(self) -> list[bytes]:
        """Return what came after the last line end, if anything."""
        tail = b"".join(self._tail)
        self._tail, self._tail_bytes = [], 0
        return [tail] if tail else []

    def _refuse(self) -> None:
        self.error = LimitError(
            f"a line of the reply is longer than {format_size(self._limit_bytes)}",
            hint="limits.line sets the bound",
        )


class Event(NamedTuple):
    """A server-sent event: its name, `""` when it had none, and its data."""

    name: str
    data: bytes


class EventDecoder:
    """Put lines together to server-sent events.

    Lenient where servers are known to be sloppy: an event at the end of the reply
    needs no blank line, a field `error` is an event of that name (llama.cpp before
    PR #16109), a bare JSON document is an event without a name. `limit_bytes` bounds
    the data of one event.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.error: LimitError | None = None
        """What is wrong behind the events that were handed out last."""
        self._lines = LineDecoder(limit_bytes)
        self._limit_bytes = limit_bytes
        self._name = ""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._is_first = True

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that `piece` completes. Raises: LimitError."""
        if self.error:
            raise self.error
        events = self._events(self._lines.feed(piece))
        self.error = self.error or self._lines.error
        if self.error and not events:
            raise self.error
        return events

    def flush(self) -> list[Event]:
        """Return the event that was pending when the reply ended, if any."""
        return self._events([*self._lines.flush(), b""])

    def _events(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        if self._is_first and lines:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            self._is_first = False
        for line in lines:
            if self.error:
                break
            if line[:6] == b"data: ":
                self._add(line[6:])
            elif line:
                self._read_field(line)
            elif self._data:
                data = self._data
                whole = data[0] if len(data) == 1 else b"\n".join(data)
                events.append(Event(self._name, whole))
                self._name, self._data, self._data_bytes = "", [], 0
            else:
                self._name = ""
        return events

    def _read_field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._add(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"error":
            self._name = "error"
            self._add(value)
        elif field[:1] == b"{":
            self._add(line)

    def _add(self, value: bytes) -> None:
        self._data.append(value)
        self._data_bytes += len(value)
        if self._data_bytes > self._limit_bytes:
            self.error = LimitError(
                "an event of the reply is longer than"
                f" {format_size(self._limit_bytes)}",
                hint="limits.line sets the bound",
            )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


# NaN and Infinity are no JSON, though Python's parser takes them by default.
_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


def parse_json(document: bytes) -> Json:
    """Return the value of a JSON document in UTF-8; bad bytes become U+FFFD.

    Raises: ProtocolError for what is no JSON, nests too deeply, or holds a number
    that Python refuses to read.
    """
    text = document.decode("utf-8", "replace")
    try:
        value: Json = _decode(text)
    except (ValueError, RecursionError) as error:
        shown = text[:_SHOWN_CHARACTERS]
        raise ProtocolError(f"the reply holds broken JSON: {shown!r}") from error
    return value


def parse_documents(documents: Sequence[bytes]) -> Iterator[Json]:
    """Yield the value of each JSON document, in order.

    Many are parsed in one go: one call for a joined read is 3 times as fast as one a
    line. Only when the parts are unmistakably one object each is the result taken;
    otherwise each is parsed by itself, so that those before a broken one still come.
    Raises: ProtocolError at the first that is no JSON.
    """
    if len(documents) > 1:
        joined = b",".join(documents).decode("utf-8", "replace")
        try:
            values = _decode(f"[{joined}]")
        except (ValueError, RecursionError):
            values = []
        if len(values) == len(documents):
            yield from values
            return
    for document in documents:
        yield parse_json(document)
