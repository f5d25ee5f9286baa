"""One server's HTTP client: pooled connections, the errors of one attempt.

The only module that sends a request. It knows no protocol above HTTP, makes no second
attempt (but replaces a pooled connection that died while idle) and keeps no clock but
the socket's: first-token, idle and total time-outs belong to the engine, which sees
when a piece of the answer came; the socket's silence time-out is a net below them.

Requests go through the adapter directly, not through a Session: no cookies, no
.netrc (which would replace the Authorization header), no proxy from the environment
(which would take loopback too), no redirect ever followed.
"""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Callable, Iterator, Mapping

import requests
import urllib3.exceptions

from .. import lives
from ..errors import (
    ClosedError,
    IncompleteError,
    LimitError,
    LLMWrapError,
    UnreachableError,
)
from ..units import format_size
from .ahead import Sent
from .cancel import CancelToken
from .chunking import Dechunker
from .connections import CancellableAdapter, Exchange, exchange_of
from .endpoint import Endpoint
from .faults import connect_error, read_error
from .tls import Tls, tls_of

_READ_BYTES = 64 * 1024
_DRAIN_S = 0.01
_MESSAGE_S = 5.0
_KEPT_REQUESTS = 1000
_Looks = tuple[str, str, str, int | None]  # method, path, what is accepted, length


class HttpClient:
    """Send requests to one server.

    Any thread may send; each reply belongs to the thread that asked for it. Closed,
    it sends no more.
    """

    def __init__(self, endpoint: Endpoint, tls: Tls | None = None) -> None:
        """Take what connections need, or find it. Raises: ConfigError."""
        self.endpoint = endpoint
        self.tls = tls or tls_of(endpoint)
        size = max(1, endpoint.pool_size)
        self._requests: dict[_Looks, requests.PreparedRequest] = {}
        self._timeout = urllib3.Timeout(
            connect=endpoint.connect_timeout_s, read=endpoint.silence_s
        )
        self._adapter = CancellableAdapter(
            self.tls.context, pool_connections=1, pool_maxsize=size
        )
        self._is_closed = False
        lives.enter(self)

    def open(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        cancel: CancelToken | None = None,
        accept: str = "application/json",
        ahead: Sent | None = None,
    ) -> ByteStream:
        """Send a request and return the reply once its headers are there.

        Any HTTP status is a reply. `ahead` is this very request where it has been sent
        already. Raises: UnreachableError, DeadlineError,
        ProtocolError, CancelledError, ConfigError.
        """
        if self._is_closed:
            raise ClosedError("it is closed, and nothing can be asked any more")
        prepared = self._prepared(method, path, accept, body)
        token = cancel or CancelToken()
        token.check()
        with exchange_of(token, self.endpoint.silence_s, ahead) as exchange:
            try:
                response = self._send(prepared, exchange)
            except UnreachableError:
                # A kept connection may have died while idle, which says nothing of
                # the server; this is the one replacement that is no retry.
                if not exchange.was_reused or exchange.is_answered:
                    raise
                token.check()
                response = self._send(prepared, exchange)
        arrival = ahead.arrival if ahead else time.monotonic
        return ByteStream(response, self.endpoint, token, arrival)

    def close(self) -> None:
        """Close every kept connection, for good."""
        self._is_closed = True
        self._adapter.close()

    def start_anew(self) -> None:
        """Keep no connection, in a forked child."""
        self._adapter.start_anew()

    def _prepared(
        self, method: str, path: str, accept: str, body: bytes | None
    ) -> requests.PreparedRequest:
        """Return a request; preparing takes half of sending, so it is done once.

        All that look the same, and are as long, share headers that nobody changes.
        """
        looks = (method, path, accept, None if body is None else len(body))
        kept = self._requests.get(looks)
        if kept is None:
            headers = self.endpoint.request_headers(accept, has_body=body is not None)
            url = self.endpoint.base_url + path + self.endpoint.query
            kept = requests.Request(method, url, headers, data=body).prepare()
            # A plain dictionary: requests' own takes time at each look.
            kept.headers = dict(kept.headers)  # type: ignore[assignment]
            if len(self._requests) >= _KEPT_REQUESTS:
                self._requests.clear()
            self._requests[looks] = kept
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url = kept.method, kept.url
        prepared.headers, prepared.body = kept.headers, body
        return prepared

    def _send(
        self, prepared: requests.PreparedRequest, exchange: Exchange
    ) -> requests.Response:
        endpoint = self.endpoint
        exchange.is_connected = False
        proxies = {}
        if endpoint.proxy:
            proxies = {"http": endpoint.proxy, "https": endpoint.proxy}
        try:
            return self._adapter.send(
                prepared,
                stream=True,
                timeout=self._timeout,  # type: ignore[arg-type]  # it may be urllib3's
                verify=True,
                proxies=proxies,
            )
        except (OSError, urllib3.exceptions.HTTPError, ValueError) as error:
            # requests' own exceptions are OSErrors.
            exchange.cancel.check(endpoint)
            raise connect_error(
                endpoint, error, is_connected=exchange.is_connected
            ) from error


class ByteStream:
    """The body of a reply, piece by piece as it arrives.

    Belongs to the thread that opened it; only the token's `cancel` may come from
    another one. `arrival` tells when the bytes that were read last came.
    """

    def __init__(
        self,
        response: requests.Response,
        endpoint: Endpoint,
        cancel: CancelToken,
        arrival: Callable[[], float] = time.monotonic,
    ) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._raw: urllib3.BaseHTTPResponse = response.raw
        self._endpoint = endpoint
        self._cancel = cancel
        self._arrival = arrival
        self._dechunker: Dechunker | None = None
        self._buffered = _chunked_reader(self._raw)
        if self._buffered:
            self._dechunker = Dechunker()

    @property
    def media_type(self) -> str:
        """Return the media type of the body, lower case, without parameters."""
        return self.headers.get("Content-Type", "").split(";")[0].strip().lower()

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives, and end with it.

        Raises: IncompleteError when the connection broke, DeadlineError after too
        long a silence, ProtocolError for broken framing or compression,
        CancelledError.
        """
        while piece := self._read():
            yield piece

    def read_all(self) -> bytes:
        """Return the whole body of a reply that is no stream.

        Raises: as `pieces`, and LimitError for a body over the limit.
        """
        limit = self._endpoint.body_limit_bytes
        parts: list[bytes] = []
        size = 0
        for piece in self.pieces():
            parts.append(piece)
            size += len(piece)
            if size > limit:
                raise LimitError(
                    f"the reply of {self._endpoint} is longer than"
                    f" {format_size(limit)}",
                    hint="limits.body sets the bound",
                )
        return b"".join(parts)

    def read_some(self, most_bytes: int) -> bytes:
        """Return the beginning of the body, for a message; never raises.

        As far as it came within five seconds: the status alone says a lot, too.
        """
        parts: list[bytes] = []
        until = time.monotonic() + _MESSAGE_S
        try:
            while most_bytes > 0 and (left_s := until - time.monotonic()) > 0:
                self._bear_silence(left_s)
                piece = self._read()
                if not piece:
                    break
                parts.append(piece)
                most_bytes -= len(piece)
        except LLMWrapError:
            pass  # The status alone must do then.
        return b"".join(parts)

    def close(self) -> None:
        """Give the connection back when the body was read, else end the request."""
        self._cancel.detach()
        if self._is_drained():
            self._raw.release_conn()
        else:
            self._raw.close()

    def _is_drained(self) -> bool:
        if self._dechunker is None or self._buffered is None:
            return self._raw.closed
        if self._endpoint.is_reused and not self._dechunker.is_done:
            self._drain()
        if not self._dechunker.is_done or self._dechunker.has_leftover:
            return False
        # http.client lets a connection send again only when its response is closed.
        self._buffered.close()
        return True

    def _drain(self) -> None:
        # The end marker of the answer came; the end of the body is a moment behind.
        try:
            if self._bear_silence(_DRAIN_S):
                self._read()
        except LLMWrapError:
            pass

    def _bear_silence(self, seconds: float) -> bool:
        """Have each read wait so long at most; tell whether that can be done."""
        try:
            connection = getattr(self._raw, "connection", None)
            connection.sock.settimeout(seconds)  # type: ignore[union-attr]
        except (AttributeError, OSError):
            return False
        return True

    def _read(self) -> bytes:
        try:
            piece = self._read_body()
        except LLMWrapError:
            self._cancel.check(self._endpoint)
            raise
        except (
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
            ValueError,
        ) as error:
            self._cancel.check(self._endpoint)
            raise read_error(self._endpoint, error) from error
        self._cancel.check(self._endpoint)
        return piece

    def _read_body(self) -> bytes:
        if self._dechunker is None or self._buffered is None:
            read = self._raw.read1(_READ_BYTES, decode_content=True)
            self._cancel.received_at = self._arrival()
            return read
        while not self._dechunker.is_done:
            if self._dechunker.error:
                raise self._dechunker.error
            read = self._buffered.fp.read1(_READ_BYTES)
            self._cancel.received_at = self._arrival()
            if not read:
                raise IncompleteError(
                    f"{self._endpoint} closed the connection in the middle of its reply"
                )
            if body := self._dechunker.feed(read):
                return body
        return b""


def _chunked_reader(raw: urllib3.BaseHTTPResponse) -> http.client.HTTPResponse | None:
    """Return what is under urllib3's response, if its chunks may be read by hand.

    Only for a plain chunked reply that looks just as CPython's http.client makes it;
    otherwise None, and urllib3 reads.
    """
    below = getattr(raw, "_fp", None)
    if (
        isinstance(below, http.client.HTTPResponse)
        and isinstance(getattr(below, "fp", None), io.BufferedReader)
        and getattr(raw, "chunked", False) is True
        and not raw.headers.get("Content-Encoding")
    ):
        return below
    return None
