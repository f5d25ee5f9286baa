"""The one thing that travels against the stream: cancelling, and the clock.

Closing a response or a session from another thread leaves its reader blocked until
the read times out (urllib3 issue #2868), and before the headers there is no response
to close. So the connection registers its socket here as soon as it has one, and
cancelling shuts that socket down: the reader ends at once, at any moment. Once it is
closed the server ends too, whatever it waits for, as that is a reset. When the
deadline passes, the same is done by the one thread that watches all of them; bytes
that drip, in a head or in the body of an error, do not put it off.
"""

from __future__ import annotations

import _socket  # as in ahead.py
import os
import struct
import threading
import time
from collections.abc import Callable

from ..errors import CancelledError, DeadlineError
from ..threads import LONGEST_WAIT_S, WATCHER

_FOREVER = float("inf")
# struct linger of socket(7), switched on, with no time: closing it is a reset.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class CancelToken:
    """One request's right to be cancelled, its deadline, and when its bytes went out.

    Any thread may call any method, and `cancel` may also come from a finalizer or from
    a signal: it waits for nothing. It is final, as is a deadline that has passed: what
    is attached later is shut down on the spot. What cannot be cancelled is name
    resolution and connecting; both end with the connect time-out.
    """

    def __init__(self, until: float | None = None) -> None:
        self.until = until
        """When it ends by itself, on the monotonic clock; may be moved any time."""
        self.sent_at: float | None = None
        """When the request had been written, on the monotonic clock."""
        self.received_at: float | None = None
        """When the last bytes of the reply's body came, on the same clock; stamped
        before anybody has looked at them."""
        self.on_end: Callable[[], object] | None = None
        """Called when it is cancelled, by whoever does it; wakes up who waits."""
        self._lock = threading.Lock()
        # No event: setting one waits for its lock, which may be held by the very
        # thread that is called away to collect garbage.
        self._gate = threading.Lock()
        self._gate.acquire()
        self._birthplace = os.getpid()
        self._is_cancelled = False
        self._has_expired = False
        self._socket: _socket.socket | None = None

    @property
    def is_cancelled(self) -> bool:
        """Tell whether `cancel` was called."""
        return self._is_cancelled

    @property
    def has_expired(self) -> bool:
        """Tell whether the deadline has passed and somebody has seen it."""
        return self._has_expired

    def cancel(self) -> None:
        """End the request on the wire, now; nothing is done in a forked child."""
        if os.getpid() == self._birthplace:
            self._is_cancelled = True
            self._end()

    def look(self, now: float) -> float:
        """End the request if its deadline has passed; return when it does."""
        until = _FOREVER if self.until is None else self.until
        if now >= until:
            self._has_expired = True
            self._end()
            return _FOREVER
        return until

    def attach(self, connected: _socket.socket) -> None:
        """Name the socket that carries the request; the last one counts."""
        with self._lock:
            self._socket = connected
        if self.until is not None:
            WATCHER.watch(self)
        if self._is_over:
            self._shut_down()

    def detach(self) -> None:
        """Forget the socket: the reply is read, another request may use it."""
        WATCHER.let_go(self)
        with self._lock:
            self._socket = None

    def mark_sent(self) -> None:
        """Record that the request has been written."""
        self.sent_at = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep, at most until it is over.

        Raises: CancelledError when it was cancelled, DeadlineError when its time is
        up.
        """
        end = time.monotonic() + seconds
        if self.until is not None:
            end = min(end, self.until)
        while not self._is_over and (left_s := end - time.monotonic()) > 0:
            if self._gate.acquire(timeout=min(left_s, LONGEST_WAIT_S)):
                self._open()  # for the next one
        self.check()

    def check(self, who: object = "it") -> None:
        """Raise CancelledError when cancelled, DeadlineError when its time is up."""
        if self._is_cancelled:
            raise CancelledError("the request was cancelled")
        if self.until is not None and time.monotonic() >= self.until:
            self._has_expired = True
        if self._has_expired:
            raise DeadlineError(f"{who} took too long to answer")

    @property
    def _is_over(self) -> bool:
        return self._is_cancelled or self._has_expired

    def _end(self) -> None:
        self._open()
        self._shut_down()
        if self.on_end:
            self.on_end()

    def _open(self) -> None:
        try:
            self._gate.release()
        except RuntimeError:
            pass  # It was open.

    def _shut_down(self) -> None:
        # Not waiting: the garbage collector may call it while this very thread holds
        # the lock. Whoever holds it looks again once it is free.
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._socket is not None:
                # Without it a server that waits for room to write more is not told of
                # the end for a minute: what is read after the shutdown makes no room.
                self._socket.setsockopt(
                    _socket.SOL_SOCKET, _socket.SO_LINGER, _RESET_ON_CLOSE
                )
                # The plain socket's method: SSLSocket.shutdown would first take the
                # TLS object away from under the reader.
                _socket.socket.shutdown(self._socket, _socket.SHUT_RDWR)
        except OSError:
            pass  # It was closed already, which is what we want.
        finally:
            self._lock.release()
