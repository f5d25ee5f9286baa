"""Connections that can be cancelled: what we add to urllib3's.

A connection class is the only place that holds the socket before the reply's headers
come, and Ollama sends none before the first token. requests offers no way to choose
it, so the adapter replaces the pool classes of its pool manager. Which token a
connection reports to travels in a context variable: every thread has its own, and
a request is sent by the thread that asks for it.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from requests import Response
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.poolmanager import PoolManager

from .adopted import AheadSocket
from .ahead import Sent
from .cancel import CancelToken
from .heads import HeadResponse

_HELD_BYTES = 64 * 1024


class Exchange:
    """What happened to one request on the wire; filled in by its connection.

    `is_connected` tells that there was a connection, TLS included; `was_reused` that
    it was a pooled one, `is_answered` that response headers came back. `silence_s` is
    how long the server may take nothing, `ahead` the request where it was sent before.
    """

    def __init__(
        self, cancel: CancelToken, silence_s: float, ahead: Sent | None
    ) -> None:
        self.cancel = cancel
        self.silence_s = silence_s
        self.ahead = ahead
        self.is_connected = False
        self.was_reused = False
        self.is_answered = False


_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


@contextmanager
def exchange_of(
    cancel: CancelToken, silence_s: float, ahead: Sent | None = None
) -> Iterator[Exchange]:
    """Bind this thread's next request to `cancel`."""
    exchange = Exchange(cancel, silence_s, ahead)
    binding = _exchange.set(exchange)
    try:
        yield exchange
    finally:
        _exchange.reset(binding)


class _ReportingMixin(HTTPConnection):
    """Tell the exchange what the connection is doing."""

    response_class = HeadResponse
    _is_used = False
    _held: list[bytes] | None = None

    def connect(self) -> None:
        super().connect()
        self._is_used = False
        self._attach()

    def request(self, *args: Any, **kwargs: Any) -> None:
        exchange = _exchange.get()
        if exchange:
            # TLS and tunnels connect before they are asked to send something.
            exchange.was_reused = self.sock is not None and self._is_used
            self._attach()
        self._held = []
        try:
            super().request(*args, **kwargs)
            self._send_held()
        finally:
            self._held = None
        self._is_used = True
        if exchange and exchange.ahead is None:
            exchange.cancel.mark_sent()

    def send(self, data: Any) -> None:
        """Send the headers together with the body: one packet, one system call.

        http.client sends them one after the other, and between the two a busy
        interpreter may let every other thread go first.
        """
        if self._held is None or not isinstance(data, bytes):
            self._send_held()
            super().send(data)
            return
        self._held.append(data)
        if sum(map(len, self._held)) > _HELD_BYTES:
            self._send_held()

    def _send_held(self) -> None:
        if self._held:
            data, self._held = b"".join(self._held), []
            super().send(data)

    def getresponse(self) -> Any:
        response = super().getresponse()
        exchange = _exchange.get()
        if exchange:
            exchange.is_answered = True
        return response

    def _attach(self) -> None:
        exchange = _exchange.get()
        if exchange and self.sock is not None:
            exchange.is_connected = True
            exchange.cancel.attach(self.sock)
            # urllib3 sends within the time for connecting, and that as a whole: too
            # little for a long prompt on a slow road.
            self.timeout = exchange.silence_s
            self.sock.settimeout(exchange.silence_s)


class _Connection(_ReportingMixin):
    """A connection that may take over a socket whose request went ahead."""

    @property
    def is_connected(self) -> bool:
        """Tell whether it can carry another request."""
        return super().is_connected and not isinstance(self.sock, AheadSocket)

    def _new_conn(self) -> socket.socket:
        exchange = _exchange.get()
        if exchange and exchange.ahead:
            return AheadSocket(exchange.ahead)
        return super()._new_conn()


class _TlsConnection(_ReportingMixin, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Reply(Response):
    """A response with no more than status, headers and what is below."""

    def __init__(self, below: BaseHTTPResponse) -> None:  # and not all the rest
        self.status_code = below.status
        self.headers: Any = below.headers
        self.raw = below


class CancellableAdapter(HTTPAdapter):
    """requests' adapter over connections that report to an `Exchange`.

    For one server, asked the same way each time: what requests works out anew for
    each request, the pool, and attaches to each response, cookies and a history, is a
    tenth of what a short request costs.
    """

    def __init__(self, context: ssl.SSLContext | None = None, **options: Any) -> None:
        """Take whom TLS trusts, and the options of requests' adapter."""
        self._context = context
        self._pool: Any = None
        self._paths: dict[str, str] = {}
        super().__init__(**options)

    def close(self) -> None:
        """Close every kept connection."""
        if self._pool is not None:
            self._pool.close()  # urllib3 leaves that to the garbage collector.
        super().close()

    def start_anew(self) -> None:
        """Keep no connection, in a forked child: they are the parent's too.

        What is let go closes descriptors and says nothing on the wire. The queue of
        connections is made again in its place, with its lock: urllib3 empties it at
        the end of the interpreter, and would wait for one that nobody frees.
        """
        self.poolmanager.pools.lock = threading.RLock()
        if self._pool is not None and self._pool.pool is not None:
            queue = self._pool.pool
            queue.__init__(queue.maxsize)

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the server's pool, looked for once."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(
                request, verify, proxies, cert
            )
        return self._pool

    def request_url(self, request: Any, proxies: Any) -> str:
        """Return what to ask the server for, worked out once for each address."""
        url: str = request.url
        if url not in self._paths:
            self._paths[url] = super().request_url(request, proxies)
        return self._paths[url]

    def build_response(self, req: Any, resp: Any) -> Response:
        """Return a response with no more than status, headers and what is below."""
        return _Reply(resp)

    def cert_verify(self, *args: Any) -> None:
        """Leave it to the context: requests would trust certifi's list as well."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pool manager with our pools."""
        if self._context:
            kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)
        _use_our_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the proxy's pool manager with our pools."""
        if self._context:
            kwargs["ssl_context"] = kwargs["proxy_ssl_context"] = self._context
        manager = super().proxy_manager_for(*args, **kwargs)
        _use_our_pools(manager)
        return manager


def _use_our_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


__all__ = ["BaseHTTPResponse", "CancellableAdapter", "Exchange", "exchange_of"]
