r"""The chunked transfer coding of HTTP/1.1, taken off a body; no I/O.

The hexadecimal size of each chunk first, a chunk of size 0 and trailers last::

    5\r\nhello\r\n0\r\n\r\n

See: RFC 9112 section 7.1.
"""

from __future__ import annotations

import re

from ..errors import ProtocolError

_LONGEST_CHUNK_HEADER = 16 * 1024
_CHUNK_HEADER = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")


class Dechunker:
    """Take the chunked transfer coding off a body.

    By hand, because urllib3 hands out one chunk (one token) at a time at 2 µs each,
    which alone would halve the throughput. `is_done` is True after the last chunk
    and its trailers; `has_leftover` when bytes followed them, which makes the
    connection unfit for another request.
    """

    def __init__(self) -> None:
        self.is_done = False
        self.error: ProtocolError | None = None
        """What is wrong behind the bytes that were handed out last."""
        self._buffer = b""
        self._left = 0  # bytes of the current chunk not seen yet, its CR LF included
        self._in_trailers = False

    @property
    def has_leftover(self) -> bool:
        """Tell whether bytes came after the end of the body."""
        return bool(self._buffer)

    def feed(self, piece: bytes) -> bytes:
        """Return the body bytes in `piece`.

        Raises: ProtocolError for what is no chunked coding.
        """
        data = self._buffer + piece if self._buffer else piece
        parts: list[bytes] = []
        try:
            self._buffer = data[self._take(data, parts) :]
            self._check_header()
        except ProtocolError as error:
            # What came before the damage is the reply's, so it is handed out first.
            self.error = error
            if not parts:
                raise
        return b"".join(parts)

    def _check_header(self) -> None:
        if not self.is_done and len(self._buffer) > _LONGEST_CHUNK_HEADER:
            raise ProtocolError("the reply's chunked coding is broken")

    def _take(self, data: bytes, parts: list[bytes]) -> int:
        """Move body bytes from `data` to `parts`; return how far it was read."""
        at, size = 0, len(data)
        while at < size and not self.is_done:
            if not (self._left or self._in_trailers):
                at = self._take_whole_chunks(data, at, parts)
            if self._left > 2:
                end = min(size, at + self._left - 2)
                parts.append(data[at:end])
                self._left -= end - at
                at = end
            elif self._left and at < size:
                at = self._skip_line_end(data, at)
            else:
                end = data.find(b"\n", at)
                if end < 0:
                    break
                self._read_line(data[at:end])
                at = end + 1
        return at

    @staticmethod
    def _take_whole_chunks(data: bytes, at: int, parts: list[bytes]) -> int:
        # The usual case in a tight loop: a read holds hundreds of small chunks.
        while header := _CHUNK_HEADER.match(data, at):
            start = header.end()
            end = start + int(header[1], 16)
            if start == end or data[end : end + 2] != b"\r\n":
                break
            parts.append(data[start:end])
            at = end + 2
        return at

    def _skip_line_end(self, data: bytes, at: int) -> int:
        if data[at] != b"\r\n"[2 - self._left]:
            raise ProtocolError("the reply's chunked coding is broken")
        self._left -= 1
        return at + 1

    def _read_line(self, line: bytes) -> None:
        if self._in_trailers:
            self.is_done = line in (b"", b"\r")
            return
        digits = line.split(b";", 1)[0].strip()
        # int() alone would take "+5", "0x5" and "5_0" too.
        if not digits or digits.strip(b"0123456789abcdefABCDEF"):
            raise ProtocolError("the reply's chunked coding is broken")
        length = int(digits, 16)
        self._in_trailers = length == 0
        self._left = length + 2 if length else 0
