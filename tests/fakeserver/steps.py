"""Describe a reply as small steps that a `Link` runs one after the other.

A reply is a tuple of steps. When they are through and the body has ended as its head
said, the connection stays open for the next request; in every other case it is
closed. To leave it open and say nothing is a step of its own, `Silence`.

Steps are values: they may be shared by replies, servers and threads.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from .link import Framing, Link
from .received import WAIT_S, ReceivedRequest
from .wire import Header


class Step(Protocol):
    """Do one thing on a link."""

    def run(self, link: Link) -> None:
        """Do it.

        Raises:
            PeerGone: the client left.
            HangUp: the step closed the connection.
        """


Reply = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """Send status line and headers.

    `framing` adds `Transfer-Encoding: chunked` for "chunked", `Content-Length` of
    `length_bytes` for "length" and nothing for "close" (the body ends with the
    connection).
    """

    status: int = 200
    headers: tuple[Header, ...] = ()
    framing: Framing = "chunked"
    length_bytes: int = 0
    version: str = "HTTP/1.1"
    reason: str | None = None

    def run(self, link: Link) -> None:
        """Send it; the body steps that follow are framed as it says."""
        headers = [*self.headers]
        if self.framing == "chunked":
            headers.append(("Transfer-Encoding", "chunked"))
        elif self.framing == "length":
            headers.append(("Content-Length", str(self.length_bytes)))
        link.send_head(
            self.status, tuple(headers), self.framing, self.version, self.reason
        )


@dataclass(frozen=True, slots=True)
class Body:
    """Send a part of the body in one write: one chunk where chunks are used."""

    data: bytes

    def run(self, link: Link) -> None:
        """Send it."""
        link.send_body(self.data)


@dataclass(frozen=True, slots=True)
class Raw:
    """Send bytes that no framing touches."""

    data: bytes

    def run(self, link: Link) -> None:
        """Send them in one write."""
        link.send(self.data)


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Send a whole reply as recorded bytes, head and framing included."""

    data: bytes
    keep_alive: bool = True

    def run(self, link: Link) -> None:
        """Send them in one write."""
        link.send_verbatim(self.data, self.keep_alive)


@dataclass(frozen=True, slots=True)
class Bytewise:
    """Send a part of the body one byte at a time, each its own write (and chunk)."""

    data: bytes
    pause_s: float = 0.0

    def run(self, link: Link) -> None:
        """Send the bytes, with a pause after each."""
        for value in self.data:
            link.send_body(bytes((value,)))
            if self.pause_s:
                link.pause(self.pause_s)


@dataclass(frozen=True, slots=True)
class Over:
    """Mark where a client may take the answer for ended, before its end marker.

    From here on the request is no longer in flight, and a client that leaves is no
    longer one that left in the middle.
    """

    def run(self, link: Link) -> None:
        """Note it."""
        link.be_over()


@dataclass(frozen=True, slots=True)
class EndBody:
    """End a chunked body with its last chunk."""

    def run(self, link: Link) -> None:
        """Send the last chunk."""
        link.end_body()


@dataclass(frozen=True, slots=True)
class Trailers:
    """End a chunked body with a last chunk that carries trailer fields."""

    fields: tuple[Header, ...]

    def run(self, link: Link) -> None:
        """Send the last chunk, the fields and the blank line."""
        link.end_body(
            b"".join(f"{name}: {value}\r\n".encode() for name, value in self.fields)
        )


@dataclass(frozen=True, slots=True)
class Pause:
    """Let `seconds` pass."""

    seconds: float

    def run(self, link: Link) -> None:
        """Wait, unless the client leaves."""
        link.pause(self.seconds)


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Go on when the test sets `event`."""

    event: threading.Event
    timeout_s: float = WAIT_S

    def run(self, link: Link) -> None:
        """Wait; a time-out is reported when the server is closed."""
        link.wait_for(self.event, self.timeout_s)


@dataclass(frozen=True, slots=True)
class WaitForBytes:
    """Go on when the client sends something more; what it sent stays unread."""

    def run(self, link: Link) -> None:
        """Wait, unless the client leaves."""
        link.wait_for_bytes()


@dataclass(frozen=True, slots=True)
class Tell:
    """Set an event of the test: the reply has come this far."""

    event: threading.Event

    def run(self, link: Link) -> None:
        """Set it."""
        self.event.set()


@dataclass(frozen=True, slots=True)
class Silence:
    """Keep the connection open and say nothing until the client or server ends it."""

    def run(self, link: Link) -> None:
        """Wait for ever."""
        link.fall_silent()


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection in good order (FIN)."""

    def run(self, link: Link) -> None:
        """Close it."""
        link.close()


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection off with a reset (RST)."""

    def run(self, link: Link) -> None:
        """Reset it."""
        link.reset()


@dataclass(frozen=True, slots=True)
class Together:
    """Run sending steps and let what they send leave in one write."""

    steps: Reply

    def run(self, link: Link) -> None:
        """Gather and send."""
        with link.corked():
            run_steps(self.steps, link)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Run steps again and again: `times`, or for ever when that is None."""

    steps: Reply
    times: int | None = None

    def run(self, link: Link) -> None:
        """Repeat them."""
        done = 0
        while self.times is None or done < self.times:
            run_steps(self.steps, link)
            done += 1


@dataclass(frozen=True, slots=True)
class Respond:
    """Make the steps from the request when it is there; `make` may be called anew."""

    make: Callable[[ReceivedRequest], Iterable[Step]]

    def run(self, link: Link) -> None:
        """Make the steps and run them."""
        if link.request is None:
            raise TypeError("Respond needs a request; a connection script has none")
        run_steps(self.make(link.request), link)


def run_steps(steps: Iterable[Step], link: Link) -> None:
    """Run steps in order; the first that raises ends them."""
    for step in steps:
        step.run(link)
