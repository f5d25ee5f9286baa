"""Keep what the fake server received, so that tests can look at it and wait for it.

Not for answering: `server` reads requests and fills these records.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .wire import Header

WAIT_S = 60.0
"""How long a test waits for the server by default; only a failing one waits it out."""


@dataclass(slots=True, eq=False)
class ReceivedRequest:
    """Hold one request and what became of it.

    The first fields never change. The three events are set by the server's threads
    and may be waited for by any thread.
    """

    method: str
    target: str
    version: str
    header_list: tuple[Header, ...]
    body: bytes
    connection: int
    """Number of the connection it came on, from 1."""
    received_s: float = field(default_factory=time.monotonic)
    """When its last byte was read, on the monotonic clock."""
    silent: threading.Event = field(default_factory=threading.Event)
    """Set when the reply has reached a `Silence` step: nothing more will come."""
    answered: threading.Event = field(default_factory=threading.Event)
    """Set when the reply was sent as it was meant to be (a reset may be meant)."""
    disconnected: threading.Event = field(default_factory=threading.Event)
    """Set when the client was found gone in the middle of the reply, or in a silence.

    A client that leaves at the end marker, before the last chunk, is not: it has all.
    """

    @property
    def path(self) -> str:
        """Return the target without its query."""
        return self.target.partition("?")[0]

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers by lower-case name; the last of a name wins."""
        return {name.lower(): value for name, value in self.header_list}

    @property
    def json(self) -> Any:
        """Return the decoded JSON body.

        Raises:
            ValueError: the body is not JSON.
        """
        return json.loads(self.body)


class RequestLog:
    """Count and keep requests, connections and silences.

    Each method is atomic. A snapshot may be out of date when it is looked at: wait for
    what a test needs instead of reading twice.
    """

    def __init__(self) -> None:
        """Start with nothing received."""
        self._changed = threading.Condition()
        self._requests: list[ReceivedRequest] = []
        self._connections = 0
        self._silences = 0
        self._in_flight: set[ReceivedRequest] = set()
        self._max_in_flight = 0

    def add_connection(self) -> int:
        """Count a connection and return its number, from 1."""
        with self._changed:
            self._connections += 1
            self._changed.notify_all()
            return self._connections

    def add_silence(self) -> None:
        """Count a reply that has fallen silent."""
        with self._changed:
            self._silences += 1
            self._changed.notify_all()

    def begin(self, request: ReceivedRequest) -> None:
        """Keep a request that is about to be answered."""
        with self._changed:
            self._requests.append(request)
            self._in_flight.add(request)
            self._max_in_flight = max(self._max_in_flight, len(self._in_flight))
            self._changed.notify_all()

    def end(self, request: ReceivedRequest) -> None:
        """Take a request out of those in flight; a second time does nothing.

        It must happen before the client can know that the answer has ended: its next
        request would else be counted beside this one.
        """
        with self._changed:
            self._in_flight.discard(request)
            self._changed.notify_all()

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Return the requests so far, in the order they were read."""
        with self._changed:
            return list(self._requests)

    @property
    def connections(self) -> int:
        """Return how many connections were accepted so far."""
        with self._changed:
            return self._connections

    @property
    def max_in_flight(self) -> int:
        """Return the most requests that were being answered at one time."""
        with self._changed:
            return self._max_in_flight

    def wait_for_requests(
        self, count: int, timeout_s: float = WAIT_S
    ) -> list[ReceivedRequest]:
        """Wait until `count` requests were read and return all of them.

        Raises:
            TimeoutError: fewer came within `timeout_s` seconds.
        """
        self._wait(lambda: len(self._requests) >= count, "requests", count, timeout_s)
        return self.requests

    def wait_for_connections(self, count: int, timeout_s: float = WAIT_S) -> None:
        """Wait until `count` connections were accepted.

        Raises:
            TimeoutError: fewer came within `timeout_s` seconds.
        """
        self._wait(lambda: self._connections >= count, "connections", count, timeout_s)

    def wait_for_silence(self, count: int = 1, timeout_s: float = WAIT_S) -> None:
        """Wait until `count` replies or connections have fallen silent.

        Raises:
            TimeoutError: fewer did within `timeout_s` seconds.
        """
        self._wait(lambda: self._silences >= count, "silences", count, timeout_s)

    def wait_until_idle(self, timeout_s: float = WAIT_S) -> None:
        """Wait until no request is being answered.

        Raises:
            TimeoutError: one still is after `timeout_s` seconds.
        """
        self._wait(lambda: not self._in_flight, "requests in flight", 0, timeout_s)

    def _wait(
        self, is_true: Callable[[], bool], what: str, count: int, timeout_s: float
    ) -> None:
        with self._changed:
            if not self._changed.wait_for(is_true, timeout_s):
                seen = [f"{one.method} {one.target}" for one in self._requests]
                raise TimeoutError(
                    f"waited {timeout_s} s for {count} {what}; there are "
                    f"{self._connections} connections, {self._silences} silences, "
                    f"{len(self._in_flight)} in flight, requests {seen}"
                )
