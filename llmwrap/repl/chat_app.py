"""prompt_toolkit's application: frame by frame, or below what scrolls away.

The renderer of prompt_toolkit has no public way to begin anew below what was just
written, nor to be told that the terminal wrapped its rows again: hence its private
names, and the upper bound of its version in setup.cfg.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point

from .ttys import FrameOutput, Terminal

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
        with self._frame():
            self.renderer.erase()
        if self._modes:
            self._modes.give_back()
        pause()
        self.come_back()

    def come_back(self) -> None:
        """Draw everything anew, as somebody else may have had the terminal."""
        if self._modes:
            self._modes.take()
        with self._frame():
            self.output.write_raw("\r")
            self.renderer.reset()
        self.invalidate()

    def _frame(self) -> AbstractContextManager[None]:
        if isinstance(self.output, FrameOutput):
            return self.output.frame()
        return nullcontext()

    def _redraw(self, render_as_done: bool = False) -> None:
        with self._frame():
            if self._is_resized():
                # A frame may come before the signal does, which would then find
                # nothing changed, and rows that were drawn at a wrong place.
                self._find_again()
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

    def _handle_exception(self, loop: Any, context: dict[str, Any]) -> None:
        # A bug ends the chat as it ends every command, instead of waiting for a key.
        error = context.get("exception")
        if error and self.is_running and not self.is_done:
            self.exit(exception=error)


class ChatApplication(DrawnApplication):
    """An application at the bottom of the scrollback; for the front's thread."""

    def __init__(self, terminal: Terminal, **options: Any) -> None:
        self._rewraps = terminal.rewraps
        super().__init__(terminal, erase_when_done=True, **options)

    def write_above(self, text: str) -> None:
        """Write text for good, where the interface begins, which then begins anew.

        Only while a frame is drawn. Rows end in newlines.
        """
        renderer, output = self.renderer, self.output
        position = renderer._cursor_pos  # noqa: SLF001
        output.cursor_backward(position.x)
        output.cursor_up(position.y)
        output.erase_down()
        output.reset_attributes()
        output.enable_autowrap()
        output.write_raw(text.replace("\n", "\r\n"))
        renderer.reset()

    def _find_again(self) -> None:
        """Correct where the interface began: the terminal has wrapped its rows."""
        if not self._rewraps:
            return
        renderer = self.renderer
        screen, last = renderer._last_screen, renderer._last_size  # noqa: SLF001
        columns = self.output.get_size().columns
        if screen is None or last is None or not 0 < columns < last.columns:
            return
        position = renderer._cursor_pos  # noqa: SLF001
        above = 0
        for y in range(position.y):
            cells = screen.data_buffer[y].items()
            used = max((x + c.width for x, c in cells if c.char != " "), default=1)
            above += -(-used // columns)
        renderer._cursor_pos = Point(  # noqa: SLF001
            position.x, position.x // columns + above
        )
