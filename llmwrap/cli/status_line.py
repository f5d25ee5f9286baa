"""How far something is: one line on stderr, drawn again while it lasts."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..terminal.sanitize import visible
from ..units import format_size
from .output import Output
from .tables import cells, cut

if TYPE_CHECKING:
    from ..backends.base import Progress

_DRAW_S = 0.1
_WIDEST_BAR = 30
_NARROWEST_BAR = 8


class StatusLine:
    """A line that is gone at the end; a context manager for one thread."""

    def __init__(
        self, output: Output, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._output = output
        self._clock = clock
        self._is_shown = output.can_animate
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
            self._output.progress("")

    @property
    def _width(self) -> int:
        """Return how many cells may be drawn."""
        return self._output.size()[0] - 1

    def _was_drawn(self, now: float, within_s: float) -> bool:
        """Tell whether it was drawn a moment ago."""
        return self._drawn_at is not None and now - self._drawn_at < within_s

    def _draw(self, text: str, now: float) -> None:
        self._drawn_at = now
        self._output.progress(text)


class ProgressBar(StatusLine):
    """How far something is that has a size, redrawn a few times a second."""

    def __init__(
        self,
        output: Output,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(output, clock=clock)
        self._label = ""
        self._began = (0.0, 0)

    def show(self, progress: Progress) -> None:
        """Draw how far it is, unless that was done a moment ago."""
        if not self._is_shown:
            return
        now = self._clock()
        is_new = progress.label != self._label
        if is_new:
            self._label, self._began = progress.label, (now, progress.done_bytes)
        elif self._was_drawn(now, _DRAW_S):
            return
        text = progress_line(progress, self._speed(progress, now), self._width)
        self._draw(text, now)

    def _speed(self, progress: Progress, now: float) -> float | None:
        """Return bytes a second since the label appeared, None in its first second."""
        began, done_bytes = self._began
        if now - began < 1.0:
            return None
        return max(0.0, (progress.done_bytes - done_bytes) / (now - began))


def progress_line(progress: Progress, speed: float | None, width: int) -> str:
    """Return a line of at most `width` cells; `speed` is in bytes a second."""
    label = visible(progress.label, keep="")
    total_bytes = progress.total_bytes
    if not total_bytes:
        done = f"  {format_size(progress.done_bytes)}" if progress.done_bytes else ""
        return cut(f"{label}{done}", width)
    ratio = min(1.0, max(0.0, progress.done_bytes / total_bytes))
    figures = f"{ratio:4.0%}  {format_size(progress.done_bytes)} of"
    figures = f"{figures} {format_size(total_bytes)}"
    if speed is not None:
        figures += f"  {format_size(speed)}/s"
    size = min(_WIDEST_BAR, width - cells(label) - len(figures) - 4)
    bar = ""
    if size >= _NARROWEST_BAR:
        filled = int(size * ratio)
        bar = f"[{'#' * filled}{'.' * (size - filled)}] "
    return cut(f"{label} {bar}{figures}", width)
