"""prompt_toolkit's application: frame by frame, or below what scrolls away.

The renderer of prompt_toolkit has no public way to begin anew below what was just
written, nor to be told that the terminal wrapped its rows again: hence its private
names, and the upper bound of its version in setup.cfg.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point, Size
from prompt_toolkit.layout.screen import Screen

from ..terminal.region import IN_FLIGHT_S, SETTLE_S
from .ttys import FrameOutput, Terminal

_NARROWEST = 8  # columns: a terminal that is wrapped to less is no use
_LOOK_S = 0.5  # from one look at the terminal's size to the next


class DrawnApplication(Application[None]):
    """An application that draws each frame at once; for the front's thread."""

    def __init__(self, terminal: Terminal, **options: Any) -> None:
        self._modes = terminal.modes
        super().__init__(
            input=terminal.input,
            output=terminal.output,
            color_depth=terminal.color_depth,
            include_default_pygments_style=False,
            **options,
        )

    def give_way(self, pause: Callable[[], object]) -> None:
        """Let the shell have the terminal while `pause` lasts; then draw anew."""
        with self._frame(is_last=True):
            self.renderer.erase()
        if self._modes:
            self._modes.give_back()
        pause()
        self.come_back()

    def come_back(self) -> None:
        """Draw everything anew, as somebody else may have had the terminal."""
        if self._modes:
            self._modes.take()
        with self._frame(is_last=True):
            self.output.write_raw("\r")
            self.renderer.reset()
        self.invalidate()

    def _frame(self, *, is_last: bool = False) -> AbstractContextManager[None]:
        if isinstance(self.output, FrameOutput):
            return self.output.frame(is_last=is_last)
        return nullcontext()

    def _redraw(self, render_as_done: bool = False) -> None:
        with self._frame(is_last=render_as_done):
            if self._is_resized():
                # A frame may come before the signal does, which would then find
                # nothing changed, and rows that were drawn at a wrong place.
                self._find_again()
                self._go_to_top()
                self.renderer.erase(leave_alternate_screen=False)
            super()._redraw(render_as_done)

    def _on_resize(self) -> None:
        with self._frame():
            self._find_again()
            super()._on_resize()

    async def _poll_output_size(self) -> None:
        # There is no signal for what changed while the program was stopped. Not as
        # prompt_toolkit does it: that compares with what its own first look found,
        # half a second after the first frame, and misses what changed in between.
        self._look()

    def _look(self) -> None:
        if self._is_resized():
            self.invalidate()
        if self.loop and self.is_running:
            self.loop.call_later(_LOOK_S, self._look)

    def _is_resized(self) -> bool:
        """Tell whether the terminal has another size than the last frame."""
        last = self.renderer._last_size  # noqa: SLF001
        return last is not None and last != self.output.get_size()

    def _find_again(self) -> None:
        """Correct where the last frame stands, by what a resize did to it."""

    def _go_to_top(self) -> None:
        """Go to where the last frame begins, where that needs more than going up."""

    def _handle_exception(self, loop: Any, context: dict[str, Any]) -> None:
        # A bug ends the chat as it ends every command, instead of waiting for a key.
        error = context.get("exception")
        if error and self.is_running and not self.is_done:
            self.exit(exception=error)


class ChatApplication(DrawnApplication):
    """An application at the bottom of the scrollback; for the front's thread.

    `take` returns text that is to be written for good, where the interface begins,
    which then begins anew below it, and how many rows of it are above the input. Rows
    of the text end in newlines.

    A frame is written whole and at the size it was made for, or not at all, and nothing
    is drawn for a moment after each change: what meets another size cannot be found
    again, and erasing it would erase what stands above. One that is on its way when the
    terminal changes its size cannot be called back. So what is drawn from nothing may
    wrap, as the rows do that stand there already: their heights are the same, whichever
    came first. What is drawn over it may not, nor what terminals know no one width of.
    """

    def __init__(
        self, terminal: Terminal, take: Callable[[], tuple[str, int]], **options: Any
    ) -> None:
        self._rewraps = terminal.rewraps
        self._goes_back = terminal.goes_back
        self._take = take
        self._size: Size | None = None
        self._settled_s = 0.0
        self._height = self._frames = 0
        self._is_anew = False
        self._before: dict[str, Any] = {}
        """The renderer before the frames that may have met another size."""
        self.unwritten = ""
        """What was taken, and is not on the screen yet."""
        super().__init__(
            terminal,
            erase_when_done=True,
            before_render=lambda app: self._commit(),
            **options,
        )
        self.after_render += lambda app: self._drawn()

    def _redraw(self, render_as_done: bool = False) -> None:
        if render_as_done:
            super()._redraw(render_as_done)
            self.unwritten = ""
        elif not self._is_settling():
            before = dict(vars(self.renderer))
            super()._redraw()
            if isinstance(self.output, FrameOutput) and self.output.was_dropped:
                vars(self.renderer).update(before)
                self.invalidate()
            else:
                # What was drawn from nothing has nothing before it.
                self._before = {} if self._is_anew else self._before or before
                self._is_anew = False
                self.unwritten = ""
                self._frames += 1
                if self.loop:
                    self.loop.call_later(IN_FLIGHT_S, self._confirm, self._frames)

    def _confirm(self, frames: int) -> None:
        """Take note that the last frame met no other size."""
        if frames == self._frames and not self._is_resized():
            self._before = {}

    def _on_resize(self) -> None:
        self.invalidate()

    def _drawn(self) -> None:
        if isinstance(self.output, FrameOutput):
            self.output.may_wrap = False
            self.output.disable_autowrap()

    def _is_settling(self) -> bool:
        """Tell whether the size has just changed, and may change again."""
        now_s, size = time.monotonic(), self.output.get_size()
        if self._size not in (None, size) and self.loop:
            self._settled_s = now_s + SETTLE_S
            self.loop.call_later(SETTLE_S, self.invalidate)
        self._size = size
        return now_s < self._settled_s

    def _commit(self) -> None:
        """Write what is finished, and let the interface begin below it.

        One that becomes higher begins anew, too: see above.
        """
        done, height = self._take()
        self.unwritten += done
        if not self.unwritten and height == self._height:
            return
        self._height = height
        self._is_anew = True
        self._go_to_top()
        renderer, output = self.renderer, self.output
        position = renderer._cursor_pos  # noqa: SLF001
        output.cursor_backward(position.x)
        output.cursor_up(position.y)
        output.erase_down()
        output.reset_attributes()
        output.enable_autowrap()
        if isinstance(output, FrameOutput):
            output.may_wrap = True
        output.write_raw(self.unwritten.replace("\n", "\r\n"))
        renderer.reset()

    def _find_again(self) -> None:
        """Correct where the interface began: the terminal has wrapped its rows.

        The last frame may have met the new size already. Then it was drawn over rows
        that were wrapped before, and what it added was not. When in doubt the lower
        height is taken: a row that is seen twice is a smaller harm than one that is
        gone.
        """
        columns = self.output.get_size().columns
        renderer = self.renderer
        screen = renderer._last_screen  # noqa: SLF001
        if screen is None or columns <= 0 or not self._rewraps or self._goes_back:
            return
        x, y = renderer._cursor_pos  # noqa: SLF001
        above = _height(screen, y, columns)
        earlier = self._before.get("_last_screen")
        if earlier:
            y_before = self._before["_cursor_pos"].y
            above = min(above, _height(earlier, y_before, columns) + y - y_before)
        renderer._cursor_pos = Point(  # noqa: SLF001
            x % columns, x // columns + max(y, above)
        )

    def _go_to_top(self) -> None:
        """Go up row by row, and within each to its beginning, however it is wrapped.

        So it does not matter whether the terminal has wrapped the rows again, before
        anybody here could know; see Terminal.goes_back.
        """
        screen = self.renderer._last_screen  # noqa: SLF001
        if screen is None or not self._goes_back:
            return
        y = self.renderer._cursor_pos.y  # noqa: SLF001
        backs = [
            "\r" + "\b\r" * (_used(screen, row) // _NARROWEST)
            for row in range(y, -1, -1)
        ]
        self.output.write_raw("\x1b[A".join(backs))
        self.renderer._cursor_pos = Point(0, 0)  # noqa: SLF001


def _used(screen: Screen, row: int) -> int:
    """Return how many columns of a row are used, one at least."""
    cells = screen.data_buffer[row].items()
    return max((x + c.width for x, c in cells if c.char != " "), default=1)


def _height(screen: Screen, rows: int, columns: int) -> int:
    """Return how many rows of the terminal the first rows of a screen take."""
    return sum(-(-_used(screen, y) // columns) for y in range(rows))
