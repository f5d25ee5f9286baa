"""Hold ports that answer badly at the TCP level: refused, or never accepted.

Nothing here speaks HTTP.
"""

import contextlib
import socket
from types import TracebackType
from typing import Self

_LOOPBACK = "127.0.0.1"
_FILLERS = 4


class RefusedPort:
    """Keep a port bound, so that nobody gets it, without listening: refused."""

    def __init__(self) -> None:
        """Bind a free port."""
        self._socket = socket.socket()
        self._socket.bind((_LOOPBACK, 0))
        self.url = f"http://{_LOOPBACK}:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def __enter__(self) -> Self:
        """Return the port itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the port back."""
        self.close()


class BlackHole(RefusedPort):
    """Listen with a backlog that is full: a connect gets no answer at all.

    The kernel drops the SYN of whoever comes when the queue is full (Linux, unless
    net.ipv4.tcp_abort_on_overflow is set), so the client waits until it gives up.
    """

    def __init__(self) -> None:
        """Bind, listen and fill the backlog with connections of our own."""
        super().__init__()
        self._socket.listen(0)
        self._fillers = [socket.socket() for _ in range(_FILLERS)]
        for filler in self._fillers:
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(self._socket.getsockname())

    def close(self) -> None:
        """Close the fillers and give the port back."""
        for filler in self._fillers:
            filler.close()
        super().close()
