"""Read HTTP requests from a socket, one after the other.

Accepts what clients send and little more: a length or chunks, no trailers. Not a
judge of clients: what cannot be read ends the connection with a ValueError, which the
server reports when it is closed.
"""

import socket

from .received import ReceivedRequest
from .wire import CRLF, Header

_READ_BYTES = 65536
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestReader:
    """Cut the bytes of one connection into requests.

    Used by the connection's own thread only.
    """

    def __init__(self, sock: socket.socket, connection: int) -> None:
        """Read from `sock`; `connection` is its number, for the records."""
        self._sock = sock
        self._connection = connection
        self._buffer = bytearray()

    def read(self) -> ReceivedRequest | None:
        """Read the next request.

        Returns None when the client closes instead, or in the middle of one.

        Raises:
            ValueError: that was no HTTP request.
        """
        try:
            head = self._through(b"\r\n\r\n").decode("latin-1")
            first, *lines = head.split("\r\n")[:-2]
            method, target, version = first.split(" ")
            headers = tuple(_header(line) for line in lines)
            body = self._body({name.lower(): value for name, value in headers})
        except (EOFError, ConnectionError):
            return None
        return ReceivedRequest(method, target, version, headers, body, self._connection)

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("expect", "").lower() == "100-continue":
            self._sock.sendall(_CONTINUE)
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        return self._exactly(int(headers.get("content-length", "0")))

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := int(self._through(CRLF), 16):
            parts.append(self._exactly(size))
            self._through(CRLF)
        self._through(CRLF)
        return b"".join(parts)

    def _through(self, mark: bytes) -> bytes:
        searched = 0
        while (at := self._buffer.find(mark, searched)) < 0:
            searched = max(0, len(self._buffer) - len(mark))
            self._more()
        return self._exactly(at + len(mark))

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _more(self) -> None:
        data = self._sock.recv(_READ_BYTES)
        if not data:
            raise EOFError
        self._buffer += data


def _header(line: str) -> Header:
    name, _, value = line.partition(":")
    return name, value.strip()
