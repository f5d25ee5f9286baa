"""Stand between a client and a server: as a TLS server, as a proxy, or as a slow road.

Passes bytes on and knows nothing of what they mean, but for the head a proxy reads.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_WAIT_S = 10.0
_READ_BYTES = 65536


class Relay:
    """Pass connections on to `port`, or where a proxy's request wants to go.

    `tls` makes it speak TLS. `heads` are what a proxy read, `connections` how many
    came. While `road` is not set, nothing of the client is read.
    """

    def __init__(
        self,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        is_proxy: bool = False,
    ) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self.road = threading.Event()
        self.road.set()
        self._port = port
        self._tls = tls
        self._is_proxy = is_proxy
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def address(self) -> str:
        """Return host and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """End every connection and every thread."""
        self.road.set()
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_WAIT_S)
        for one in [self._listener, *self._open]:
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]  # a method of ours
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                self._open.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
                self._open.append(client)
            port, first = self._port, b""
            if self._is_proxy:
                port, first = self._read_head(client)
            server = socket.create_connection(("127.0.0.1", port))
            self._open.append(server)
            server.sendall(first)
            self._pass_on(client, server)
        with contextlib.suppress(OSError):
            client.close()

    def _read_head(self, client: socket.socket) -> tuple[int, bytes]:
        """Return where a request wants to go, and what to send there."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(_READ_BYTES)
        self.heads.append(head)
        method, target, rest = head.split(b" ", 2)
        if method == b"CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return int(target.rpartition(b":")[2]), b""
        url = urlsplit(target.decode())
        return url.port or 80, b" ".join([method, url.path.encode(), rest])

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        others = {client: server, server: client}
        try:
            while True:
                self.road.wait(_WAIT_S)
                waiting = isinstance(client, ssl.SSLSocket) and client.pending()
                ready = [client] if waiting else select.select([*others], [], [])[0]
                for one in ready:
                    piece = one.recv(_READ_BYTES)
                    if not piece:
                        return
                    others[one].sendall(piece)
        finally:
            for one in others:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(one, socket.SHUT_RDWR)
                one.close()
