"""The socket of a request that went ahead, for the connection that would send it."""

from __future__ import annotations

import socket
import time
from typing import Any

from .ahead import Sent


class AheadSocket(socket.socket):
    """A socket whose request has been sent; for this one request.

    What the connection sends is what went out already, so nothing is sent any more.
    What came meanwhile is read first, and what went wrong is raised where the
    connection would have met it.
    """

    def __init__(self, sent: Sent) -> None:
        """Take over the connection."""
        super().__init__(fileno=sent.socket.detach())
        sent.socket = self
        self._sent = sent

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Say what became of it when it was sent."""
        if self._sent.error:
            raise self._sent.error

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Read what came meanwhile, then what comes."""
        sent = self._sent
        if not sent.came:
            size = super().recv_into(buffer, nbytes, flags)
            sent.arrived_at = time.monotonic()
            return size
        sent.arrived_at, came = sent.came.popleft()
        if isinstance(came, OSError):
            raise came
        room = memoryview(buffer)
        size = min(len(came), nbytes or len(room))
        room[:size] = came[:size]
        if size < len(came):
            sent.came.appendleft((sent.arrived_at, came[size:]))
        return size
