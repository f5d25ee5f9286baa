"""Clients, and one whose first request goes out before requests is imported.

That import takes as long as many a server takes to its first token. So in a process
that ends after one answer the question goes out through a plain socket, and requests
is imported while the server works; then a connection of the ordinary client takes the
socket over, and all that follows is as ever.
"""

from __future__ import annotations

import errno

from ..threads import start_together
from .ahead import Ahead, Sent, connected, written_ahead
from .cancel import CancelToken
from .endpoint import Endpoint
from .lean import import_requests
from .tls import Tls

TYPE_CHECKING = False  # importing it is what is put off
if TYPE_CHECKING:
    from .client import ByteStream, HttpClient

_FOREVER = float("inf")
_NO_SUCH_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""How the last address of a name fails on a machine without IPv6, which urllib3 knows
beforehand."""


def new_client(
    endpoint: Endpoint, tls: Tls | None = None, *, is_lean: bool
) -> HttpClient:
    """Return the ordinary client of a server.

    `is_lean`: nobody else in this process needs requests.
    """
    if is_lean:
        import_requests()
    from .client import HttpClient

    return HttpClient(endpoint, tls)


class EarlyClient:
    """An HttpClient of which the first request goes ahead, if it can.

    One thread at a time may send; any thread may close it.
    """

    def __init__(self, endpoint: Endpoint, tls: Tls | None = None) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._client: HttpClient | None = None
        self._is_closed = False

    def open(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        cancel: CancelToken | None = None,
        accept: str = "application/json",
    ) -> ByteStream:
        """Send a request, as HttpClient does. Raises: as that does."""
        token = cancel or CancelToken()
        sent = None
        if self._client is None and not self._is_closed and body is not None:
            ahead = written_ahead(self._endpoint, method, path, accept, body)
            sent = ahead and self._sent(ahead, token)
        try:
            client = self._ordinary(sent, token)
            return client.open(
                method, path, body, cancel=token, accept=accept, ahead=sent
            )
        except BaseException:
            if sent:
                sent.close()
            raise

    def close(self) -> None:
        """Close every kept connection, for good."""
        self._is_closed = True
        if self._client:
            self._client.close()

    def _sent(self, ahead: Ahead, token: CancelToken) -> Sent | None:
        """Send a request; None where the ordinary way knows what to connect to."""
        token.check()
        try:
            sent = Sent(connected(ahead, self._endpoint.connect_timeout_s))
        except OSError as error:
            if error.errno in _NO_SUCH_FAMILY:
                return None
            # Not once more: it would be another attempt, or take as long again.
            import_requests()
            from .faults import connect_error

            token.check(self._endpoint)
            raise connect_error(self._endpoint, error, is_connected=False) from error
        sent.ask(ahead.data, token, self._endpoint.silence_s)
        return sent

    def _ordinary(self, sent: Sent | None, token: CancelToken) -> HttpClient:
        """Return the client, with requests imported while the server works."""
        if self._client is None:
            self._client = self._imported(sent, token) if sent else self._new()
            if self._is_closed:
                self._client.close()  # and it says so
        return self._client

    def _imported(self, sent: Sent, token: CancelToken) -> HttpClient:
        [importing] = start_together([self._new])
        sent.gather(lambda: importing.has_ended)
        return importing.result(_FOREVER, lambda: token.check(self._endpoint))

    def _new(self) -> HttpClient:
        return new_client(self._endpoint, self._tls, is_lean=True)
