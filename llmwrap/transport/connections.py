"""Connections that can be cancelled: what we add to urllib3's. Floor F2.

A connection class is the only place that holds the socket before the reply's headers
come, and Ollama sends none before the first token. requests offers no way to choose
it, so the adapter replaces the pool classes of its pool manager. Which token a
connection reports to travels in a context variable: every thread has its own, and
a request is sent by the thread that asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.poolmanager import PoolManager

from .cancel import CancelToken


class Exchange:
    """What happened to one request on the wire; filled in by its connection.

    `was_reused` tells that it went out over a pooled connection; `is_sent` that the
    request had been written, `is_answered` that response headers came back.
    """

    def __init__(self, cancel: CancelToken) -> None:
        self.cancel = cancel
        self.was_reused = False
        self.is_answered = False


_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


@contextmanager
def exchange_of(cancel: CancelToken) -> Iterator[Exchange]:
    """Bind this thread's next request to `cancel`."""
    exchange = Exchange(cancel)
    binding = _exchange.set(exchange)
    try:
        yield exchange
    finally:
        _exchange.reset(binding)


class _ReportingMixin(HTTPConnection):
    """Tell the exchange what the connection is doing."""

    def connect(self) -> None:
        super().connect()
        self._attach()

    def request(self, *args: Any, **kwargs: Any) -> None:
        exchange = _exchange.get()
        if exchange:
            exchange.was_reused = self.sock is not None
            self._attach()
        super().request(*args, **kwargs)
        if exchange:
            exchange.cancel.mark_sent()

    def getresponse(self) -> Any:
        response = super().getresponse()
        exchange = _exchange.get()
        if exchange:
            exchange.is_answered = True
        return response

    def _attach(self) -> None:
        exchange = _exchange.get()
        if exchange and self.sock is not None:
            exchange.cancel.attach(self.sock)


class _Connection(_ReportingMixin):
    pass


class _TlsConnection(_ReportingMixin, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class CancellableAdapter(HTTPAdapter):
    """requests' adapter over connections that report to an `Exchange`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pool manager with our pools."""
        super().init_poolmanager(*args, **kwargs)
        _use_our_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the proxy's pool manager with our pools."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _use_our_pools(manager)
        return manager


def _use_our_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


__all__ = ["BaseHTTPResponse", "CancellableAdapter", "Exchange", "exchange_of"]
