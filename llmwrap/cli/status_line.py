"""One line on stderr that is drawn again and again while something lasts. Floor F7."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from .context import Context

_ERASE_LINE = "\r\x1b[K"


class StatusLine:
    """A line on stderr, gone at the end.

    Only where stderr is a terminal that can do it. A context manager; belongs to one
    thread.
    """

    def __init__(self, context: Context, *, is_quiet: bool) -> None:
        self._context = context
        is_terminal = context.stderr.is_tty and context.is_smart_terminal
        self._is_shown = is_terminal and not is_quiet
        self._drawn_at: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._drawn_at is not None:
            self._context.say(_ERASE_LINE)

    @property
    def _width(self) -> int:
        """Return how many cells may be drawn."""
        return self._context.size()[0] - 1

    def _was_drawn(self, now: float, within_s: float) -> bool:
        """Tell whether it was drawn a moment ago."""
        return self._drawn_at is not None and now - self._drawn_at < within_s

    def _draw(self, text: str, now: float) -> None:
        self._drawn_at = now
        self._context.say(f"{_ERASE_LINE}{text}")
