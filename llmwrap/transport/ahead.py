"""A request written by hand, and the socket on which it goes ahead.

What is written is, byte for byte, what requests, urllib3 and http.client would send;
where they might write it in any other way there is none, and they send it.

    POST /api/chat HTTP/1.1
    Host: 127.0.0.1:11434
    User-Agent: llmwrap/1.0.0
    Accept-Encoding: identity
    Accept: application/x-ndjson
    Content-Type: application/json
    Content-Length: 63
"""

from __future__ import annotations

import re
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from .cancel import CancelToken
from .endpoint import Endpoint

_READ_BYTES = 64 * 1024
_AHEAD_BYTES = 1 << 20
_LOOK_S = 0.002
_DEFAULT_PORT, _HIGHEST_PORT = 80, 65535
_ADDRESS = re.compile(
    r"http://((?:[a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63}|\[::1\])(?::([1-9][0-9]{0,4}))?"
    r"((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)"
)
"""An address that everybody writes in the same way: host, port, path."""
_KEY = re.compile(r"[!-~]*")


class Ahead(NamedTuple):
    """A request as it goes out, and where to."""

    host: str
    port: int
    data: bytes


def written_ahead(
    endpoint: Endpoint, method: str, path: str, accept: str, body: bytes
) -> Ahead | None:
    """Return a request as it goes out, None where that is the ordinary way's."""
    found = _ADDRESS.fullmatch(endpoint.base_url + path)
    is_plain = not (endpoint.proxy or endpoint.headers or endpoint.query)
    if not (is_plain and found and _KEY.fullmatch(endpoint.api_key or "")):
        return None
    host, port = found[1], int(found[2] or _DEFAULT_PORT)
    if port > _HIGHEST_PORT:
        return None
    headers = {
        "Host": host if port == _DEFAULT_PORT else f"{host}:{port}",
        **endpoint.request_headers(accept, has_body=True),
        "Content-Length": str(len(body)),
    }
    lines = [f"{method} {found[3]} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""])
    return Ahead(host.strip("[]"), port, head.encode("ascii") + body)


class AheadSocket(socket.socket):
    """A socket whose request has been sent, for a connection that would send it.

    What the connection sends is what went out already, so nothing is sent any more.
    What came meanwhile is read first, with the times at which it came, and what went
    wrong is raised where the connection would have met it. For one request.
    """

    arrived_at = 0.0
    """When the bytes that were read last came, on the monotonic clock."""

    def __init__(self, connected: socket.socket) -> None:
        """Take over a connection."""
        super().__init__(fileno=connected.detach())
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as urllib3 does
        self._came: deque[tuple[float, bytes | OSError]] = deque()
        self._send_error: OSError | None = None

    def ask(self, data: bytes, cancel: CancelToken, silence_s: float) -> None:
        """Send the request, and keep what goes wrong with it for `sendall`."""
        self.settimeout(silence_s)
        cancel.attach(self)
        try:
            super().sendall(data)
            cancel.mark_sent()
        except OSError as error:
            self._send_error = error

    def gather(self, is_over: Callable[[], bool]) -> None:
        """Keep what comes until `is_over`, the end or an error, which is kept too."""
        size = 0
        self.settimeout(_LOOK_S)
        while not (self._send_error or is_over()) and size < _AHEAD_BYTES:
            came: bytes | OSError
            try:
                came = super().recv(_READ_BYTES)
            except TimeoutError:
                continue
            except OSError as error:
                came = error
            self._came.append((time.monotonic(), came))
            if isinstance(came, OSError) or not came:
                return
            size += len(came)

    def arrival(self) -> float:
        """Return when the bytes that were read last came."""
        return self.arrived_at

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Say what became of it when it was sent."""
        if self._send_error:
            raise self._send_error

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Read what came meanwhile, then what comes."""
        if not self._came:
            size = super().recv_into(buffer, nbytes, flags)
            self.arrived_at = time.monotonic()
            return size
        self.arrived_at, came = self._came.popleft()
        if isinstance(came, OSError):
            raise came
        room = memoryview(buffer)
        size = min(len(came), nbytes or len(room))
        room[:size] = came[:size]
        if size < len(came):
            self._came.appendleft((self.arrived_at, came[size:]))
        return size
