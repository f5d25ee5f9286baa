"""Markdown on a terminal while it streams.

Not for: a pipe or a dumb terminal, which get the text as it is. Floor F3.
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
from .region import Region
from .render import Context, Renderer, Row
from .sanitize import visible

FRAME_S = 0.05
"""Shortest time between two frames: 20 a second look fluent."""
_SLOW_FRAMES = 4
"""A frame that took t is followed by none for this many t: drawing may take a
fifth of the time, however slow the terminal or hostile the markup."""
SETTLE_S = 0.3
"""After a resize nothing is drawn for so long: tmux (3.3a) tells of all but the
first of a quick series 0.25 s late, and what is drawn meanwhile cannot be found
again."""
_SIZE = (80, 24)  # where the terminal does not know its own


class MarkdownStream:
    """Renders one answer as it arrives; for one thread.

    Nothing else may write to the terminal between the first `feed` and `close`.
    Where a `feed` comes too soon after the last frame its text waits for the next
    one, or for `draw`; a caller that waits long between two pieces calls it.

    `write`: takes one frame, control sequences and all, and flushes it; its
    errors are passed on. `size`: returns columns and rows as they are now.
    `clock`: a monotonic one. `rewraps`: see Region.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        size: Callable[[], tuple[int, int]],
        *,
        color: bool,
        clock: Callable[[], float],
        rewraps: bool = True,
    ) -> None:
        self._size = size
        self._clock = clock
        self._fitter = Fitter()
        self._renderer = Renderer(color=color)
        self._region = Region(write, rewraps=rewraps)
        self._context = Context()
        self._finished: list[Block] = []
        self._next_frame = clock()
        self._last_size = self._screen()
        self._is_blank = True

    def feed(self, text: str) -> None:
        """Take the next piece of the answer; draw it if a frame is due."""
        now, size = self._clock(), self._screen()
        self._finished += self._fitter.feed(visible(text), size[0] - 1, size[1])
        if size != self._last_size:
            self._last_size, self._next_frame = size, now + SETTLE_S
            self._region.resized(size[0], now)
        if self._is_blank or now >= self._next_frame:
            self.draw()

    def draw(self) -> None:
        """Show all that has come, whether a frame is due or not."""
        started = self._clock()
        columns, rows = self._screen()
        done: list[Row] = []
        for block in self._finished:
            rendered = self._renderer.render(block, self._context, columns - 1)
            self._context = rendered.context
            done += rendered.rows
        self._finished.clear()
        open_ = self._preview(columns - 1)
        ended = self._clock()
        self._region.update(done, open_, columns=columns, lines=rows, now_s=ended)
        self._is_blank = self._is_blank and not (done or open_)
        self._next_frame = ended + max(FRAME_S, _SLOW_FRAMES * (ended - started))

    def close(self) -> None:
        """End the answer, whole or broken off, and show its final state.

        The cursor is left at the start of an empty row. May be called twice.
        """
        self._finished += self._fitter.finish()
        self.draw()

    def _preview(self, width: int) -> tuple[Row, ...]:
        block = self._fitter.open
        if block is None:
            return ()
        return self._renderer.render(block, self._context, width).rows

    def _screen(self) -> tuple[int, int]:
        columns, rows = self._size()
        return max(2, columns or _SIZE[0]), max(1, rows or _SIZE[1])
