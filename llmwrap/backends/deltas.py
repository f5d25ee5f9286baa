"""Pieces of answers: read out of parsed replies, and put together. Floor F3."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ProtocolError
from ..messages import Chunk, Json


def well_formed(text: str) -> str:
    """Return `text` with lone surrogates as U+FFFD, so that it can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # Halves of a pair that came as two escapes are put together first.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


_MOST = 1 << 63  # what a count in a cache or a log can hold


class DeltaMerger:
    """Put the deltas of one read together to as few chunks as keep their order.

    In a flood hundreds of tokens share a read; one chunk for all of them keeps the
    queue, the front and the terminal cheap. `model` is what the reply calls it: whoever
    shows the first piece wants to know who speaks.
    """

    def __init__(self) -> None:
        self.model: str | None = None
        self._thinking: list[str] = []
        self._text: list[str] = []

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits to be taken."""
        return not (self._text or self._thinking)

    def add_thinking(self, delta: str) -> Iterator[Chunk]:
        """Take a piece of reasoning; yield the text before it."""
        if self._text:
            yield from self.take()
        self._thinking.append(delta)

    def add_text(self, delta: str) -> None:
        """Take a piece of text."""
        self._text.append(delta)

    def take(self) -> Iterator[Chunk]:
        """Yield what was added since the last time, if anything."""
        if self._text or self._thinking:
            yield Chunk(
                text=well_formed("".join(self._text)),
                thinking=well_formed("".join(self._thinking)),
                deltas=len(self._text) + len(self._thinking),
                model=self.model,
            )
            self._text, self._thinking = [], []


def string_at(document: dict[str, Json], key: str) -> str:
    """Return a string that may be missing or null; Raises: ProtocolError."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ProtocolError(f"the reply has {value!r:.40} where '{key}' belongs")
    return value


def count_at(document: dict[str, Json], key: str) -> int | None:
    """Return a count that may be missing; what no server can count is none."""
    value = document.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < _MOST else None
    return None


def number_at(document: dict[str, Json], key: str) -> float | None:
    """Return a number that may be missing; what is no number is none."""
    value = document.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None
