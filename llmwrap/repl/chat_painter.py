"""Events of a chat to rows, on a thread of its own: the line front's painter.

Rendering takes up to milliseconds a row, so it never happens where keys are read. What
is finished and what is still open are published together, under one lock, and taken
together by whoever draws: nothing is shown twice, nothing is missing in between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..terminal.sanitize import lines_ended, visible
from ..terminal.themes import Theme
from .looks import Fragment, fragments
from .mailbox import LOOKS_OF_LEVELS, WAKE, Event, Facts, Mailbox
from .room import Room

if TYPE_CHECKING:
    from ..terminal.paint import Paint
    from ..terminal.pane import Pane, QuietPane
    from ..terminal.render import Row

_FRAME_S = 0.05
"""Shortest time between two frames: here, and not as prompt_toolkit's
min_redraw_interval, which would hold back the echo of keys too."""
_WAIT_S = 1.0
_TURN_S = 0.1
_MOST_OPEN = 12
_NARROWING = 3
"""So many times higher the interface may become when the window becomes narrower: what
scrolls away then cannot be erased."""
_BESIDES_ROWS = 3  # what the input and the bar take
_CUT_ROWS = 4  # Fitter keeps open blocks that much lower than it is told
_MARKER = "> "


class Painter:
    """Turns what happens into what is shown.

    `run` belongs to its thread, `take` to the front's; `paint` may be called by either.
    `size` returns columns and rows of the screen, `changed` is called when there is
    something to draw, on the painter's thread. `scrolls_blanks`: where the terminal
    wraps rows again, as many scroll away, though there are blank ones below (tmux).
    """

    def __init__(
        self,
        room: Room,
        theme: Theme,
        size: Callable[[], tuple[int, int]],
        changed: Callable[[], object],
        *,
        has_color: bool,
        scrolls_blanks: bool = False,
    ) -> None:
        self.theme = theme
        self._room = room
        self._mailbox: Mailbox = room.talk.mailbox
        self._size = size
        self._changed = changed
        self._has_color = has_color
        self._scrolls_blanks = scrolls_blanks
        self._above = 0  # how many rows stand above the open ones, at least
        self._painting = threading.Lock()
        self._publishing = threading.Lock()
        self._done: list[str] = []
        self._open: list[list[Fragment]] = []
        self._stopped = threading.Event()
        self._paint: Paint | None = None
        self._pane: Pane | QuietPane | None = None
        self._thinking: bool = False
        self.bug: BaseException | None = None

    def run(self) -> None:
        """Paint until `stop`."""
        try:
            while not self._stopped.is_set():
                is_waiting = self._room.talk.is_waiting
                if self._mailbox.wait(_TURN_S if is_waiting else _WAIT_S):
                    self.paint()
                    self._changed()
                elif is_waiting:
                    self._changed()
                self._stopped.wait(_FRAME_S)
        except BaseException as error:
            self.bug = error
            self._changed()
            raise

    def stop(self) -> None:
        """Let `run` end."""
        self._stopped.set()
        self._mailbox.note(WAKE, "")

    def take(self) -> tuple[str, list[list[Fragment]]]:
        """Return what is finished, to be written for good, and the open rows."""
        with self._publishing:
            done, self._done = self._done, []
            return "".join(done), self._open

    def open_height(self) -> int:
        """Return how many rows may be open: what is higher could not be redrawn."""
        room = (self._size()[1] - _BESIDES_ROWS) // _NARROWING
        if self._scrolls_blanks:
            room = min(room, self._above // (_NARROWING - 1))
        return max(1, min(_MOST_OPEN, room))

    def paint(self) -> None:
        """Show what happened since the last call."""
        with self._painting:
            rows: list[Row] = []
            width = max(2, self._size()[0] - 1)
            for event in self._mailbox.take():
                rows += self._rows(event, width)
            opened: tuple[Row, ...] = ()
            if self._pane:
                rows += self._pane.done(width)
                opened = self._pane.open(width)[-self.open_height() :]
            self._above += len(rows)
            with self._publishing:
                self._done += [f"{row.text}\n" for row in rows]
                self._open = [fragments(row) for row in opened]

    def _painted(self) -> Paint:
        from ..terminal.paint import Paint

        if self._paint is None or self._paint.theme is not self.theme:
            highlighted = self._room.config.ui.syntax_highlighting
            self._paint = Paint(self.theme, has_highlighting=highlighted)
        return self._paint

    def _rows(self, event: Event, width: int) -> list[Row]:
        """Return the rows that an event finishes."""
        if event.kind in ("text", "thinking"):
            return self._piece(event, width)
        if event.kind == "note":
            return self._note(event, width)
        rows = self._closed(width)
        if event.kind == "question":
            rows += self._styled(event.text, "user", width, marker=_MARKER)
        elif event.kind == "start":
            rows += self._heading(event.facts, width)
        else:
            if event.text:
                rows += self._styled(event.text, "warning", width)
            rows += self._styled("", "quiet", width)
        return rows

    def _note(self, event: Event, width: int) -> list[Row]:
        """Return a note's rows: above the open block, which goes on below them.

        Ending the block there would make two of one, at whatever moment the note came.
        """
        if event.level not in LOOKS_OF_LEVELS:
            return []
        rows = self._pane.done(width) if self._pane else []
        label = "" if event.level == "says" else f"{event.level}: "
        text = label + event.text
        return rows + self._styled(text, LOOKS_OF_LEVELS[event.level], width)

    def _piece(self, event: Event, width: int) -> list[Row]:
        from ..terminal.pane import Pane, QuietPane

        rows: list[Row] = []
        is_thinking = event.kind == "thinking"
        if is_thinking and not self._room.shows_thinking:
            return rows
        if self._pane is None or is_thinking != self._thinking:
            rows = self._closed(width)
            paint = self._painted()
            self._thinking = is_thinking
            if is_thinking:
                self._pane = QuietPane(paint, "quiet")
            else:
                self._pane = Pane(paint, color=self._has_color)
        if isinstance(self._pane, QuietPane):
            self._pane.feed(event.text, width)
        else:
            self._pane.feed(event.text, width, self.open_height() + _CUT_ROWS)
        return rows

    def _closed(self, width: int) -> list[Row]:
        """Return the last rows of what was under way."""
        pane, self._pane = self._pane, None
        if pane is None:
            return []
        pane.finish()
        return pane.done(width)

    def _heading(self, facts: Facts, width: int) -> list[Row]:
        mark = "cached" if facts.is_cached else "live"
        name = visible(facts.model, keep="")
        return self._styled(f"{name} · {mark}", "assistant", width)

    def _styled(
        self, text: str, look: str, width: int, *, marker: str = ""
    ) -> list[Row]:
        from ..terminal.pane import styled_rows

        paint = self._painted()
        shown = visible(lines_ended(text)).replace("\n", "\n" + " " * len(marker))
        style = paint.look(look)
        if not self._has_color:
            style = style.without_color
        return styled_rows(marker + shown, width, style, paint)
