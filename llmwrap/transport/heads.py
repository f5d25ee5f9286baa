"""The head of the usual reply, read without the machinery for e-mail.

http.client parses headers with the email package, which takes as long as all else that
is done for a short reply. A stream of tokens always begins in the same way, 200 and
chunked, in one packet; whatever looks different in any way is left to http.client,
which takes three things for a reply that are none, so they are refused here: a head
that broke off, one whose rest it lost behind a line without a colon, an interim 102.

    HTTP/1.1 200 OK
    Content-Type: application/x-ndjson
    Transfer-Encoding: chunked
"""

from __future__ import annotations

import http.client
import re
from email.errors import MissingHeaderBodySeparatorDefect
from typing import Any

_MOST_FIELDS = 100  # more are refused, by http.client too
_END = b"\r\n\r\n"
_BEGINNING = b"HTTP/1.1 200 "
_FIELDS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*\r\n)+")
"""Fields of visible ASCII, each on a line of its own. See: RFC 9112, section 5."""


class HeadResponse(http.client.HTTPResponse):
    """A response that reads the usual head by itself."""

    def begin(self) -> None:
        """Read the head. Raises: as http.client does."""
        if self.headers is not None:
            return
        head = self._whole_head()
        start, _, fields = head.partition(b"\r\n")
        is_usual = start.startswith(_BEGINNING) and _FIELDS.fullmatch(fields)
        if not is_usual or fields.count(b"\r\n") > _MOST_FIELDS:
            self._begin_slowly()
            return
        message = _message(fields)
        if message.get_all("Transfer-Encoding") != ["chunked"]:
            self._begin_slowly()
            return
        self.fp.read(len(head) + 2)
        self.headers = self.msg = message
        self.code = self.status = 200
        self.reason = start[len(_BEGINNING) :].decode("latin-1").strip()
        self.version = 11
        self.chunked = True
        self.chunk_left = None
        self.length = None
        self.will_close = "close" in (message["Connection"] or "").lower()

    def _begin_slowly(self) -> None:
        lines = _Lines(self.fp)
        self.fp: Any = lines
        try:
            super().begin()
        finally:
            if self.fp is lines:
                self.fp = lines.fp
        if not lines.last:
            raise http.client.RemoteDisconnected("the head broke off")
        # The parser takes the first line without a colon for the end of the head, and
        # with what it loses goes the framing of the body.
        defects = self.headers.defects
        if any(isinstance(one, MissingHeaderBodySeparatorDefect) for one in defects):
            raise http.client.HTTPException("a header has no colon")

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        # http.client reads on behind a 100 only.
        is_interim = http.client.SWITCHING_PROTOCOLS < status < http.client.OK
        return version, http.client.CONTINUE if is_interim else status, reason

    def _whole_head(self) -> bytes:
        """Return the head without its blank line if it is there, and take nothing."""
        there: bytes = self.fp.peek(1)
        end = there.find(_END)
        return b"" if end < 0 else there[: end + 2]


class _Lines:
    """Hand lines to http.client, which does not say what it made of their end."""

    def __init__(self, fp: Any) -> None:
        self.fp = fp
        self.last = b""

    def readline(self, limit: int) -> bytes:
        self.last = self.fp.readline(limit)
        return self.last

    def close(self) -> None:
        self.fp.close()


def _message(fields: bytes) -> http.client.HTTPMessage:
    message = http.client.HTTPMessage()
    for line in fields.decode("ascii").splitlines():
        name, _, value = line.partition(":")
        message[name] = value.lstrip(" \t")
    return message
