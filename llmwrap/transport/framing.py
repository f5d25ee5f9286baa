r"""Bytes to lines, lines to events, events to JSON; no I/O.

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

Which of the two a reply is, or a page of HTML, or one document over many lines, its
first bytes tell: the label of Content-Type is wrong too often.

See: WHATWG HTML, server-sent events 9.2.6; ndjson.org.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Literal, NamedTuple, NoReturn, TypeAlias

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


class ServerSentEvent(NamedTuple):
    """A server-sent event: its name, `""` when it had none, and its data."""

    name: str
    data: bytes


class EventDecoder:
    """Put lines together to server-sent events.

    Lenient where servers are known to be sloppy: an event at the end of the reply
    needs no blank line, a field `error` is an event of that name (llama.cpp before
    PR #16109), a bare JSON document, over several lines too, is an event without a
    name. `limit_bytes` bounds the data of one event.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.error: LimitError | None = None
        """What is wrong behind the events that were handed out last."""
        self._lines = LineDecoder(limit_bytes)
        self._limit_bytes = limit_bytes
        self._name = ""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._is_bare = False
        self._is_first = True

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """Return the events that `piece` completes. Raises: LimitError."""
        if self.error:
            raise self.error
        events = self._events(self._lines.feed(piece))
        self.error = self.error or self._lines.error
        if self.error and not events:
            raise self.error
        return events

    def flush(self) -> list[ServerSentEvent]:
        """Return the event that was pending when the reply ended, if any."""
        return self._events([*self._lines.flush(), b""])

    def _events(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        if self._is_first and lines:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            self._is_first = False
        for line in lines:
            if self.error:
                break
            if line[:6] == b"data: " and not self._is_bare:
                self._add(line[6:])
            elif line:
                if self._is_bare and line[:5] in (b"data:", b"event"):
                    events.append(self._taken())  # nothing parted them
                self._read_field(line)
            elif len(self._data) == 1 and not self._is_bare:  # taken where it is
                events.append(ServerSentEvent(self._name, self._data[0]))
                self._name, self._data, self._data_bytes = "", [], 0
            elif self._data:
                events.append(self._taken())
            else:
                self._name = ""
        return events

    def _taken(self) -> ServerSentEvent:
        data = self._data
        event = ServerSentEvent(
            self._name, data[0] if len(data) == 1 else b"\n".join(data)
        )
        self._name, self._data, self._data_bytes = "", [], 0
        self._is_bare = False
        return event

    def _read_field(self, line: bytes) -> None:
        if self._is_bare:
            self._add(line)
            return
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
            self._is_bare = True
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


Form: TypeAlias = Literal["", "events", "lines", "document", "page", "text"]
"""What a reply consists of, empty while nothing of it has come."""

_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_FIELDS = (b"data", b"event", b"id", b"retry", b"error")
_KEPT_BYTES = 64 * 1024


class ReplyDecoder:
    """Cut a reply into JSON documents, whatever form its first bytes show it to have.

    A document is what an event or a line holds, or all of it where it goes on over
    many lines. `limit_bytes` bounds each. Of a page of HTML and of other text only
    the beginning is kept.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.form: Form = ""
        self.is_done = False
        """Whether `[DONE]` came."""
        self.error: LimitError | None = None
        """What is wrong behind the documents that were handed out last."""
        self.text = b""
        """The beginning of what is no JSON."""
        self._limit_bytes = limit_bytes
        self._events = EventDecoder(limit_bytes)
        self._lines = LineDecoder(limit_bytes)
        self._has_documents = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the documents that `piece` completes. Raises: LimitError."""
        if not self.form:
            piece = self._look(piece)
        if self.form == "events":
            if not self._has_documents and len(self.text) < _KEPT_BYTES:
                self.text += piece[:_KEPT_BYTES]
            return self._data_of(self._events.feed(piece), self._events)
        if self.form in ("lines", "document"):
            return self._whole_lines(self._lines.feed(piece))
        if self.form == "page" and len(self.text) < _KEPT_BYTES:
            self.text += piece[:_KEPT_BYTES]
        return []

    def flush(self) -> list[bytes]:
        """Return the document that was pending when the reply ended, if any."""
        if not self.form and self.text.strip(_BLANKS):
            self.form = "text"
        if self.form == "events":
            found = self._data_of(self._events.flush(), self._events)
            if not (self._has_documents or self.is_done) and _is_no_event(self.text):
                self.form = "text"
            return found
        if self.form == "document":
            self._document += self._lines.flush()
            return [b"\n".join(self._document)]
        return [line for line in self._lines.flush() if line.strip()]

    def _look(self, piece: bytes) -> bytes:
        """Find out the form; return what is to be read, once it is known."""
        self.text += piece
        start = self.text
        if _BOM.startswith(start[:3]) and len(start) < 3:
            return b""
        start = start.removeprefix(_BOM).lstrip(_BLANKS)
        if not start:
            return b""
        first = start[:1]
        if first in (b"{", b"["):
            self.form = "lines"
        elif first == b"<":
            self.form = "page"
        else:
            self.form = "events"
        if self.form != "lines":
            self.text = b""
        return start

    def _data_of(
        self, events: list[ServerSentEvent], decoder: EventDecoder
    ) -> list[bytes]:
        self.error = decoder.error
        found: list[bytes] = []
        if self.is_done:
            return found
        for name, data in events:
            if data[:1] == b"{" and name != "error":
                found.append(data)
            elif name == "error":
                found.append(_as_error(data))
            elif data.lstrip()[:6] == b"[DONE]":
                self.is_done = True
                break
            elif data.strip():
                found.append(data)
        self._has_documents = self._has_documents or bool(found)
        return found

    def _whole_lines(self, lines: list[bytes]) -> list[bytes]:
        self.error = self._lines.error
        found = [line for line in lines if line.strip()]
        if found and not self._has_documents:
            self._has_documents = True
            if _goes_on(found[0].rstrip()):
                self.form = "document"
                self._document: list[bytes] = []
                self._document_bytes = 0
        if self.form != "document":
            return found
        self._document += found
        self._document_bytes += sum(map(len, found))
        if self._document_bytes > self._limit_bytes:
            raise LimitError(
                f"the reply is longer than {format_size(self._limit_bytes)}",
                hint="limits.line sets the bound",
            )
        return []


def _goes_on(line: bytes) -> bool:
    """Tell whether the first line of a reply is the beginning of a document."""
    return line[-1:] in (b"{", b"[", b",") or (line[:1] == b"[" and line[-1:] != b"]")


def _is_no_event(start: bytes) -> bool:
    """Tell whether what a reply began with belongs to no event stream."""
    lines = start.replace(b"\r", b"\n").split(b"\n")
    fields = [line.partition(b":")[0] for line in lines if line[:1] not in (b"", b":")]
    # A reply may have ended within the very first word.
    return bool(fields) and not any(known.startswith(fields[0]) for known in _FIELDS)


def _as_error(data: bytes) -> bytes:
    """Return the data of an event named `error` as a document that reports one."""
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        data = json.dumps(data.decode("utf-8", "replace")).encode()
    return b'{"error":%b}' % data


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
        if text.lstrip()[:1] in ("{", "[", '"', ""):
            raise ProtocolError("the reply holds broken JSON") from error
        words = " ".join(text[:_SHOWN_CHARACTERS].split())
        raise ProtocolError(f"the reply holds '{words}' where JSON belongs") from error
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
