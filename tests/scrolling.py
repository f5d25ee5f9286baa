"""A terminal's screen that keeps the rows which scroll away."""

from __future__ import annotations

from collections import deque
from typing import Any

import pyte


class Scrolling(pyte.Screen):
    """A screen of pyte's, and its scrollback in `above`.

    Not pyte's HistoryScreen, which can page back too: it looks into a list at each
    attribute of it that is read, a third of all the time that emulation takes.
    """

    def __init__(self, columns: int, lines: int, kept: int) -> None:
        self.above: deque[Any] = deque(maxlen=kept)
        """Rows by column, as those of `buffer`."""
        super().__init__(columns, lines)

    def index(self) -> None:
        """Keep the row that goes, if one does."""
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == bottom:
            self.above.append(self.buffer[top])
        super().index()

    def reset(self) -> None:
        """Forget what scrolled away too."""
        super().reset()
        self.above.clear()

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        """Forget what scrolled away where that is asked for."""
        super().erase_in_display(how, *args, **kwargs)
        if how == 3:
            self.above.clear()
