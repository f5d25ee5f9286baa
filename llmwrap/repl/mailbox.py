"""What happens in a chat, handed from the threads where it does to the front."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from ..messages import Usage

EventKind: TypeAlias = Literal["question", "start", "thinking", "text", "end", "note"]
"""A question was put; its answer begins, brings a piece, is over; something is said."""


WAKE = ""
"""The level of a note that says nothing: something that is shown has changed."""

LOOKS_OF_LEVELS: Mapping[str, str] = {
    "says": "quiet",
    "note": "note",
    "warning": "warning",
    "error": "error",
    "info": "quiet",
    "debug": "quiet",
    "log": "quiet",
}
"""Levels of notes, and the look of a theme that each has; `says` is a command's output,
`log` a line of the log."""


class Facts(NamedTuple):
    """What is known of one answer; None and empty what is not, durations in seconds."""

    model: str = ""
    backend: str = ""
    is_cached: bool = False
    is_interrupted: bool = False
    ttft_s: float | None = None
    tokens_per_s: float | None = None
    usage: Usage = Usage()


class Event(NamedTuple):
    """One thing that happened.

    `text` is as it came: whoever shows it makes control characters visible. `level`
    is that of a note, one of the log's. The text of an `end` is the mark of an answer
    that was stopped. `facts` come with `start` and `end`.
    """

    kind: EventKind
    text: str = ""
    level: str = ""
    facts: Facts = Facts()


class Mailbox:
    """Events in the order they happened.

    Any thread may post; one thread takes. `listener`, once set, is called after each
    post, on the thread that posts, and must not block.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self.listener: Callable[[], object] | None = None

    def post(self, event: Event) -> None:
        """Add an event."""
        with self._changed:
            self._events.append(event)
            self._changed.notify()
        if self.listener:
            self.listener()

    def note(self, level: str, text: str) -> None:
        """Add something said, at a level of the log."""
        self.post(Event("note", text, level))

    def take(self) -> list[Event]:
        """Return what happened since the last call."""
        with self._changed:
            events = list(self._events)
            self._events.clear()
        return events

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is an event; tell whether there is."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._events), timeout_s)
