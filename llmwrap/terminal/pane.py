"""One answer as rows while it arrives, for a screen that somebody else draws.

Not for: writing (`markdown` does both). Importing it imports rich.

    text -> visible -> Fitter -> blocks -> Renderer -> rows: finished, and open
"""

from __future__ import annotations

from rich.style import Style

from .fitting import Fitter
from .leaf import Block
from .paint import Paint
from .render import Preceding, Renderer, Row
from .sanitize import LineEnds, visible
from .wrap import fold


class Pane:
    """Markdown that grows; for one thread.

    What a piece costs depends on the open block only, not on the answer.
    """

    def __init__(self, paint: Paint, *, color: bool) -> None:
        self._ends = LineEnds()
        self._size = (80, 24)
        self._fitter = Fitter()
        self._renderer = Renderer(color=color, paint=paint)
        self._context = Preceding()
        self._finished: list[Block] = []

    def feed(self, text: str, width: int, height: int) -> None:
        """Take the next piece; open blocks are kept lower than `height`."""
        self._size = (width, height)
        text = visible(self._ends.feed(text))
        self._finished += self._fitter.feed(text, width, height)

    def finish(self) -> None:
        """End the answer."""
        if rest := self._ends.finish():
            self._finished += self._fitter.feed(visible(rest), *self._size)
        self._finished += self._fitter.finish()

    def done(self, width: int) -> list[Row]:
        """Return the rows of what was finished since the last call."""
        rows: list[Row] = []
        for block in self._finished:
            rendered = self._renderer.render(block, self._context, width)
            self._context = rendered.context
            rows += rendered.rows
        self._finished.clear()
        return rows

    def open(self, width: int) -> tuple[Row, ...]:
        """Return the rows of the open block as it looks now."""
        block = self._fitter.open
        if block is None:
            return ()
        return self._renderer.render(block, self._context, width).rows


class QuietPane:
    """Text in one style that grows by lines: reasoning; for one thread."""

    def __init__(self, paint: Paint, look: str) -> None:
        self._paint = paint
        self._style = paint.look(look)
        self._ends = LineEnds()
        self._partial = ""
        self._finished: list[str] = []

    def feed(self, text: str, width: int) -> None:
        """Take the next piece."""
        text = visible(self._ends.feed(text))
        *lines, self._partial = (self._partial + text).split("\n")
        self._finished += lines
        while len(offsets := fold(self._partial, width)) > 1:
            self._finished.append(self._partial[: offsets[0]])
            self._partial = self._partial[offsets[0] :]

    def finish(self) -> None:
        """End the text."""
        self._partial += visible(self._ends.finish())
        if self._partial:
            self._finished.append(self._partial)
        self._partial = ""

    def done(self, width: int) -> list[Row]:
        """Return the rows of what was finished since the last call."""
        lines, self._finished = self._finished, []
        return [row for line in lines for row in self._rows(line, width)]

    def open(self, width: int) -> tuple[Row, ...]:
        """Return the rows of the last line."""
        return tuple(self._rows(self._partial, width)) if self._partial else ()

    def _rows(self, line: str, width: int) -> list[Row]:
        return styled_rows(line, width, self._style, self._paint)


def styled_rows(text: str, width: int, style: Style, paint: Paint) -> list[Row]:
    """Return a text of one style as rows that break between words.

    Make control characters visible before.
    """
    from rich.text import Text

    from .wrap import wrapped

    rows = []
    for line in wrapped(Text(text.replace("\t", "    ")), width):
        line.rstrip()
        shown = line.plain
        rows.append(Row(paint.ansi(shown, style), line.cell_len, ((style, shown),)))
    return rows
