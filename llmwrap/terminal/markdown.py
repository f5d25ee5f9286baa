"""Markdown on a terminal while it streams.

Not for: a pipe or a dumb terminal, which get the text as it is.
Importing this module imports rich and markdown-it (80 ms), so do it late, best
while the first token is awaited.

    text -> visible -> Fitter -> blocks -> Renderer -> rows -> Region -> terminal

Finished blocks are written once, the open one is redrawn below them. Rows are one
column narrower than the screen: what a terminal does behind the last column
(stay, or wrap) differs from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable

from .fitting import Fitter
from .leaf import Block
from .paint import Paint
from .region import SETTLE_S, Region
from .render import Preceding, Renderer, Row
from .sanitize import LineEnds, visible

FRAME_S = 0.05
"""Shortest time between two frames: 20 a second look fluent."""
_SLOW_FRAMES = 4
"""A frame that took t is followed by none for this many t: drawing may take a
fifth of the time, however slow the terminal or hostile the markup."""
_SIZE = (80, 24)  # where the terminal does not know its own


class MarkdownStream:
    """Renders one answer as it arrives; for one thread.

    Nothing else may write to the terminal between the first `feed` and `close`, but
    between `withdraw` and the `feed` behind it.
    Where a `feed` comes too soon after the last frame its text waits for the next
    one, or for `draw`; a caller that waits between two pieces calls it.

    `write`: takes one frame, control sequences and all, and flushes it; its
    errors are passed on. `size`: returns columns and rows as they are now.
    `clock`: a monotonic one. `rewraps`: see region.rewraps. `paint`: the
    colours, the terminal's own unless given.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        size: Callable[[], tuple[int, int]],
        *,
        color: bool,
        clock: Callable[[], float],
        rewraps: bool = True,
        paint: Paint | None = None,
    ) -> None:
        self._size = size
        self._clock = clock
        self._ends = LineEnds()
        self._fitter = Fitter()
        self._renderer = Renderer(color=color, paint=paint)
        self._region = Region(write, rewraps=rewraps)
        self._context = Preceding()
        self._finished: list[Block] = []
        self._last_size = self._screen()
        self._next_frame_s = self._settled_s = clock()
        self._is_blank = True

    def feed(self, text: str) -> None:
        """Take the next piece of the answer; draw it if a frame is due."""
        now_s = self._clock()
        columns, rows = self._look_at_size(now_s)
        text = visible(self._ends.feed(text))
        self._finished += self._fitter.feed(text, columns - 1, rows)
        if self._is_blank or now_s >= max(self._next_frame_s, self._settled_s):
            self._paint(now_s)

    def draw(self) -> None:
        """Show all that has come, unless the size of the screen just changed."""
        now_s = self._clock()
        self._look_at_size(now_s)
        if self._is_blank or now_s >= self._settled_s:
            self._paint(now_s)

    def withdraw(self) -> None:
        """Take the open block off the screen; what is drawn next shows it again.

        The cursor is left at the start of an empty row, where somebody may write.
        """
        now_s = self._clock()
        self._look_at_size(now_s)
        self._paint(now_s, has_open=False)

    def close(self) -> None:
        """End the answer, whole or broken off, and show its final state.

        The cursor is left at the start of an empty row. May be called twice.
        """
        now_s = self._clock()
        columns, rows = self._look_at_size(now_s)
        text = visible(self._ends.finish())
        self._finished += self._fitter.feed(text, columns - 1, rows)
        self._finished += self._fitter.finish()
        self._paint(now_s)

    def _look_at_size(self, now_s: float) -> tuple[int, int]:
        size = self._screen()
        if size != self._last_size:
            self._last_size = size
            self._settled_s = now_s + SETTLE_S
            self._region.resized(size[0], now_s)
        return size

    def _paint(self, started_s: float, *, has_open: bool = True) -> None:
        columns, rows = self._last_size
        context = self._context
        done: list[Row] = []
        for block in self._finished:
            rendered = self._renderer.render(block, context, columns - 1)
            context = rendered.context
            done += rendered.rows
        open_ = self._preview(context, columns - 1) if has_open else ()
        now_s = self._clock()
        self._region.update(done, open_, columns=columns, lines=rows, now_s=now_s)
        # Only now: a Ctrl-C while rendering must not lose what is finished.
        self._context = context
        self._finished.clear()
        self._is_blank = self._is_blank and not (done or open_)
        took_s = now_s - started_s
        self._next_frame_s = now_s + max(FRAME_S, _SLOW_FRAMES * took_s)

    def _preview(self, context: Preceding, width: int) -> tuple[Row, ...]:
        block = self._fitter.open
        if block is None:
            return ()
        return self._renderer.render(block, context, width).rows

    def _screen(self) -> tuple[int, int]:
        columns, rows = self._size()
        return max(2, columns or _SIZE[0]), max(1, rows or _SIZE[1])
