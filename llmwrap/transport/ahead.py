"""A request written by hand, which goes ahead, and what comes of it meanwhile.

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

import _socket  # socket takes 6 ms, for names that no question needs
import re
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

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


def connected(ahead: Ahead, timeout_s: float) -> _socket.socket:
    """Return a connection to where a request goes.

    Raises: OSError as the first address of the host failed, gaierror without one.
    """
    # Bytes: text would go through the codec of IDNA, whose import takes 3 ms.
    host, port = ahead.host.encode("ascii"), ahead.port
    errors = []
    for found in _socket.getaddrinfo(host, port, type=_socket.SOCK_STREAM):
        family, kind, protocol, _, address = found
        one = None
        try:
            one = _socket.socket(family, kind, protocol)
            one.settimeout(timeout_s)
            one.connect(address)
            return one
        except OSError as error:
            if one:
                one.close()
            errors.append(error)
    raise errors[0]


class Sent:
    """A request that is out, and what came meanwhile, with the times at which it came.

    What goes wrong is kept, for where the ordinary connection would meet it.
    """

    def __init__(self, connected: _socket.socket) -> None:
        self.socket = connected
        """What carries it at the moment."""
        self.came: deque[tuple[float, bytes | OSError]] = deque()
        """What nobody has read yet."""
        self.error: OSError | None = None
        """What went wrong with the sending."""
        self.arrived_at = 0.0
        """When the bytes that were read last came, on the monotonic clock."""

    def ask(self, data: bytes, cancel: CancelToken, silence_s: float) -> None:
        """Send the request."""
        wire = self.socket
        wire.settimeout(silence_s)
        cancel.attach(wire)
        try:
            wire.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)  # as urllib3
            wire.sendall(data)
            cancel.mark_sent()
        except OSError as error:
            self.error = error

    def gather(self, is_over: Callable[[], bool]) -> None:
        """Keep what comes until `is_over`, the end or an error, which is kept too."""
        size = 0
        self.socket.settimeout(_LOOK_S)
        while not (self.error or is_over()) and size < _AHEAD_BYTES:
            came: bytes | OSError
            try:
                came = self.socket.recv(_READ_BYTES)
            except TimeoutError:
                continue
            except OSError as error:
                came = error
            self.came.append((time.monotonic(), came))
            if isinstance(came, OSError) or not came:
                return
            size += len(came)

    def arrival(self) -> float:
        """Return when the bytes that were read last came."""
        return self.arrived_at

    def close(self) -> None:
        """Close what carries it."""
        self.socket.close()
