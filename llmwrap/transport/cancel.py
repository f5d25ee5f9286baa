"""The one thing that travels against the stream: cancelling. Floor F2.

Closing a response or a session from another thread leaves its reader blocked until
the read times out (urllib3 issue #2868), and before the headers there is no response
to close. So the connection registers its socket here as soon as it has one, and
cancelling shuts that socket down: the reader ends at once, at any moment.
"""

from __future__ import annotations

import socket
import threading
import time

from ..errors import CancelledError

LONGEST_WAIT_S = 0.5
"""A signal that comes right before a thread goes to sleep does not wake it up: whoever
waits in the main thread looks up that often."""


def wait_for(event: threading.Event, seconds: float) -> bool:
    """Wait until an event is set, `seconds` at most; tell whether it is."""
    until = time.monotonic() + seconds
    while True:
        left_s = max(0.0, until - time.monotonic())
        if event.wait(min(left_s, LONGEST_WAIT_S)):
            return True
        if not left_s:
            return False


class CancelToken:
    """One request's right to be cancelled, and when its bytes went out.

    Any thread may call any method. `cancel` is final: what is attached later is shut
    down on the spot. What cannot be cancelled is name resolution and connecting;
    both end with the connect time-out.
    """

    def __init__(self) -> None:
        # Reentrant: the garbage collector may let an answer go, which cancels, in the
        # middle of any method here.
        self._lock = threading.RLock()
        self._cancelled = threading.Event()
        self._socket: socket.socket | None = None
        self.sent_at: float | None = None
        """When the request had been written, on the monotonic clock."""
        self.received_at: float | None = None
        """When the last bytes of the reply's body came, on the same clock; stamped
        before anybody has looked at them."""

    @property
    def is_cancelled(self) -> bool:
        """Tell whether `cancel` was called."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """End the request on the wire, now."""
        with self._lock:
            self._cancelled.set()
            self._shut_down()

    def attach(self, connected: socket.socket) -> None:
        """Name the socket that carries the request; the last one counts."""
        with self._lock:
            self._socket = connected
            if self._cancelled.is_set():
                self._shut_down()

    def detach(self) -> None:
        """Forget the socket: the reply is read, another request may use it."""
        with self._lock:
            self._socket = None

    def mark_sent(self) -> None:
        """Record that the request has been written."""
        self.sent_at = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep, at most until cancelled.

        Raises: CancelledError when it was.
        """
        wait_for(self._cancelled, seconds)
        self.check()

    def check(self) -> None:
        """Raise CancelledError when cancelled."""
        if self._cancelled.is_set():
            raise CancelledError("the request was cancelled")

    def _shut_down(self) -> None:
        if self._socket is None:
            return
        try:
            # The plain socket's method: SSLSocket.shutdown would first take the TLS
            # object away from under the reader.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            pass  # It was closed already, which is what we want.
