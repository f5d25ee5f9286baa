"""Talk to the fake server byte for byte, for the tests of the server itself.

Not an HTTP client: it judges nothing and hides nothing.
"""

import contextlib
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from .received import WAIT_S
from .wire import ChunkedBody, Header, dechunked

_READ_BYTES = 65536

Ending = Literal["closed", "reset"]


@dataclass(frozen=True, slots=True)
class RawReply:
    """Hold all bytes of one reply and how the connection ended."""

    data: bytes
    ending: Ending

    @property
    def head(self) -> bytes:
        """Return the bytes up to and including the first blank line."""
        head, mark, _ = self.data.partition(b"\r\n\r\n")
        return head + mark

    @property
    def status(self) -> int:
        """Return the status of the status line."""
        return int(self.data.split(b" ", 2)[1])

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers by lower-case name; the last of a name wins."""
        lines = self.head.decode("utf-8", "surrogateescape").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.lower(): value.strip() for name, _, value in pairs}

    @property
    def raw_body(self) -> bytes:
        """Return what follows the head, framing included."""
        return self.data[len(self.head) :]

    @property
    def chunked(self) -> ChunkedBody:
        """Return the chunked body taken apart."""
        return dechunked(self.raw_body)

    @property
    def body(self) -> bytes:
        """Return the body without its framing."""
        is_chunked = self.headers.get("transfer-encoding") == "chunked"
        return self.chunked.body if is_chunked else self.raw_body


class RawClient:
    """Hold one connection to a server. Used by one thread."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self._sock = socket.create_connection(("127.0.0.1", port), WAIT_S)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._sock.sendall(data)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *headers: Header,
        keep_alive: bool = False,
    ) -> None:
        """Send a request; a `body` that is not bytes goes as JSON."""
        has_host = any(name.lower() == "host" for name, _ in headers)
        data = body if isinstance(body, bytes) else b""
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            *(("Host: 127.0.0.1",) if not has_host else ()),
            f"Content-Length: {len(data)}",
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        self.send("\r\n".join([*lines, "", ""]).encode() + data)

    def read_some(self, size: int = _READ_BYTES) -> bytes:
        """Return what comes next; empty at the end.

        Raises:
            ConnectionResetError: the server has reset the connection.
        """
        return self._sock.recv(size)

    def read_through(self, mark: bytes) -> bytes:
        """Return what comes up to and including `mark`, or to the end, and no more."""
        data = bytearray()
        while not data.endswith(mark):
            byte = self._sock.recv(1)
            if not byte:
                break
            data += byte
        return bytes(data)

    def read_waiting(self) -> bytes:
        """Return all that has arrived already, without waiting."""
        data = bytearray()
        # Not MSG_DONTWAIT: Python waits for a socket with a time-out all the same.
        self._sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while piece := self._sock.recv(_READ_BYTES):
                data += piece
        self._sock.settimeout(WAIT_S)
        return bytes(data)

    def read_all(self) -> RawReply:
        """Return everything up to the end of the connection."""
        data = bytearray()
        try:
            while piece := self._sock.recv(_READ_BYTES):
                data += piece
        except ConnectionResetError:
            return RawReply(bytes(data), "reset")
        return RawReply(bytes(data), "closed")


def exchange(
    port: int, method: str, path: str, body: object = None, *headers: Header
) -> RawReply:
    """Send one request on a connection of its own and return all that comes back."""
    try:
        with RawClient(port) as client:
            try:
                client.request(method, path, body, *headers)
            except ConnectionResetError:
                # Told once: reading would find nothing but an end.
                return RawReply(client.read_all().data, "reset")
            except ConnectionError:
                pass  # The server may have gone before all was sent.
            return client.read_all()
    except ConnectionResetError:  # as early as in the connect
        return RawReply(b"", "reset")


def silent_exchange(port: int) -> RawReply:
    """Connect, send nothing and return all that comes."""
    try:
        with RawClient(port) as client:
            return client.read_all()
    except ConnectionResetError:
        return RawReply(b"", "reset")
