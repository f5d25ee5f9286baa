"""Write one reply to one client, at byte level, and notice when the client leaves.

A `Link` is what the steps of a reply act upon. It knows HTTP framing and nothing of
JSON or of any dialect.
"""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Literal

from .received import ReceivedRequest, RequestLog
from .wire import CRLF, LAST_CHUNK, Header, chunk, http_head

Framing = Literal["chunked", "length", "close"]

_POLL_S = 0.005
# A peer that closed shows as POLLRDHUP, even with unread bytes before its FIN. Where
# that flag is missing, bytes that come early look like a peer that left.
_HUNG_UP = getattr(select, "POLLRDHUP", select.POLLIN)
_READABLE = select.POLLIN | _HUNG_UP
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class PeerGone(Exception):
    """Say that the client (or the whole server) went away in the middle of a reply."""


class HangUp(Exception):
    """Unwind the steps of a reply: one of them has closed the connection."""


class Link:
    """Carry the steps of one reply over one connection.

    Used by the connection's own thread only. `request` is None while a connection
    script runs, before anything was read.
    """

    def __init__(
        self,
        sock: socket.socket,
        request: ReceivedRequest | None,
        log: RequestLog,
    ) -> None:
        """Take over a connected socket; the caller still has to close it."""
        self.request = request
        self.is_over = False
        self._sock = sock
        self._log = log
        self._framing: Framing = "close"
        self._is_whole = False
        self._must_close = False
        self._missing_bytes = 0
        self._corked: bytearray | None = None
        self._poll = select.poll()

    @property
    def port(self) -> int:
        """Return the server's port."""
        return int(self._sock.getsockname()[1])

    @property
    def keep_alive(self) -> bool:
        """Say whether another request may follow on this connection.

        It may when a whole reply was sent and its head did not say otherwise.
        """
        return self._is_whole and not self._must_close

    def be_over(self) -> None:
        """Note that the client may take what comes next for the end of the answer."""
        self.is_over = True
        if self.request is not None:
            self._log.end(self.request)

    def send_verbatim(self, data: bytes, keep_alive: bool) -> None:
        """Send a whole reply, head and framing included; say if another may follow."""
        self.be_over()
        self.send(data)
        self._is_whole, self._must_close = True, not keep_alive

    def send(self, data: bytes) -> None:
        """Send `data` as it is, in one write.

        Raises:
            PeerGone: the client has closed its side.
        """
        if self._corked is not None:
            self._corked += data
            return
        self.check()
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise PeerGone from error

    def send_head(
        self,
        status: int,
        headers: tuple[Header, ...],
        framing: Framing,
        version: str = "HTTP/1.1",
        reason: str | None = None,
    ) -> None:
        """Send a head; `framing` says how what `send_body` sends is to be framed."""
        fields = {name.lower(): value.lower() for name, value in headers}
        self._framing = framing
        self._must_close = (
            framing == "close"
            or version == "HTTP/1.0"
            or fields.get("connection") == "close"
        )
        if framing == "length":
            self._count_missing(int(fields["content-length"]))
        self.send(http_head(status, headers, version, reason))

    def send_body(self, data: bytes) -> None:
        """Send a part of the body: one chunk, or the bytes themselves.

        A HEAD request gets none, but is counted as if it did.
        """
        if self._framing == "length":
            self._count_missing(self._missing_bytes - len(data))
        if self.request is None or self.request.method != "HEAD":
            self.send(chunk(data) if self._framing == "chunked" else data)

    def end_body(self, trailer: bytes = b"") -> None:
        """End a chunked body; the other framings need no end.

        `trailer` are whole field lines to send behind the last chunk's size.
        """
        if self._framing == "chunked":
            self.be_over()
            self.send(LAST_CHUNK.removesuffix(CRLF) + trailer + CRLF)
        self._is_whole = self._framing == "chunked" or self._is_whole

    @contextlib.contextmanager
    def corked(self) -> Iterator[None]:
        """Gather what is sent inside and send it in one write at the end."""
        if self._corked is not None:
            yield
            return
        self._corked = bytearray()
        try:
            yield
        finally:
            gathered, self._corked = bytes(self._corked), None
        self.send(gathered)

    def check(self) -> None:
        """Look, without waiting, whether the client is still there.

        Raises:
            PeerGone: it has closed its side, or only half of it.
        """
        if self._polled(_HUNG_UP, 0):
            raise PeerGone

    def pause(self, seconds: float) -> None:
        """Wait, but not for a client that has gone.

        Raises:
            PeerGone: the client went away meanwhile.
        """
        if self._polled(_HUNG_UP, seconds):
            raise PeerGone

    def fall_silent(self) -> None:
        """Say nothing more, tell those who wait for it, end when the client leaves.

        Raises:
            PeerGone: always, in the end.
        """
        if self.request is not None:
            self.request.silent.set()
        self._log.add_silence()
        self._polled(_HUNG_UP, None)
        raise PeerGone

    def wait_for(self, event: threading.Event, timeout_s: float) -> None:
        """Wait for an event of the test.

        Raises:
            PeerGone: the client went away meanwhile.
            TimeoutError: the event was not set within `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while not event.wait(_POLL_S):
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"no event of the test within {timeout_s} s")

    def wait_for_bytes(self) -> None:
        """Wait until the client sends something more; leave it unread.

        Raises:
            PeerGone: the client went away instead.
        """
        if self._polled(_READABLE, None) & ~select.POLLIN:
            raise PeerGone

    def close(self) -> None:
        """Close the connection in good order (FIN).

        Raises:
            HangUp: always.
        """
        self.be_over()
        # What is unread would turn the FIN into a reset.
        with contextlib.suppress(OSError):
            while self._sock.recv(65536, socket.MSG_DONTWAIT):
                pass
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._hang_up()

    def reset(self) -> None:
        """Break the connection with a reset (RST); what was sent still arrives.

        Raises:
            HangUp: always.
        """
        self.be_over()
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._hang_up()

    def _hang_up(self) -> None:
        self._must_close = True
        raise HangUp

    def _count_missing(self, count: int) -> None:
        self._missing_bytes = count
        self._is_whole = count == 0
        if self._is_whole:
            self.be_over()

    def _polled(self, mask: int, seconds: float | None) -> int:
        self._poll.register(self._sock, mask)
        found = self._poll.poll(None if seconds is None else seconds * 1000)
        return found[0][1] if found else 0
