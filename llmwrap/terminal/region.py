"""The rows at the bottom of the screen that may still change.

Not for: what the rows say (`render`).

Rows that are finished are written once and left to the terminal; below them the
open ones are redrawn in place: the rows from the first changed one on are erased,
from the cursor up, and written anew, all in one write.

* Rows are erased with EL, then deleted with DL. Not with ED: tmux (3.3a) copies the
  screen into its history when ED erases from the top row. Not with EL alone: cells
  that it erased count as used there when the screen becomes narrower. Not with DL
  alone: pyte (0.8.2) leaves a row as it is if there was never one below it.
* Open rows are written with autowrap off. Terminals disagree about the width of
  joined emoji and flags; a row that is wider than thought must not become two, or
  each frame would leave one behind. Finished rows get autowrap back, so that
  nothing of them is lost at the right edge.
* Where the size of the screen has changed, nobody can say for certain which rows of
  the terminal are ours. When in doubt fewer are erased: a row that is seen twice is
  a smaller harm than one that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `rewraps` alone must not cost the import of rich
    from .render import Row

_NO_WRAP = "\x1b[?7l"
_WRAP = "\x1b[?7h"
_EMOJI_STYLE = "\ufe0f"
SETTLE_S = 0.3
"""After a resize nothing is drawn for so long: tmux (3.3a) tells of all but the
first of a quick series 0.25 s late, and what is drawn meanwhile cannot be found
again."""
IN_FLIGHT_S = 0.03
"""A row younger than this may have met the new size of the screen, not the old."""


def rewraps(environ: Mapping[str, str]) -> bool:
    """Guess whether the terminal breaks rows anew when it becomes narrower.

    Most do; xterm, GNU screen and the Linux console cut them off instead.
    """
    name = environ.get("TERM", "")
    is_screen = name.startswith("screen") and not is_tmux(environ)
    return not (is_screen or name == "linux" or "XTERM_VERSION" in environ)


def is_tmux(environ: Mapping[str, str]) -> bool:
    """Tell whether the terminal is tmux, as far as one can see from here."""
    return "TMUX" in environ or environ.get("TERM", "").startswith("tmux")


class Region:
    """Draws finished and open rows; for one thread, and the only writer.

    `rewraps`: see the function of that name.
    """

    def __init__(self, write: Callable[[str], None], *, rewraps: bool) -> None:
        self._write = write
        self._rewraps = rewraps
        self._open: list[Row] = []
        self._drawn_s: list[float] = []  # when each of the open rows was written
        self._columns = 0

    def resized(self, columns: int, now_s: float) -> None:
        """Take note that the screen is `columns` wide since just before `now_s`."""
        for index, row in enumerate(self._open):
            if now_s - self._drawn_s[index] < IN_FLIGHT_S and row.cells > columns:
                self._open[index] = replace(row, cells=columns)

    def update(
        self,
        done: Sequence[Row],
        open_: Sequence[Row],
        *,
        columns: int,
        lines: int,
        now_s: float,
    ) -> None:
        """Write `done` for good where the open rows were, and `open_` below.

        `columns`, `lines`: the size of the screen now. Of more open rows than the
        screen has, the last are shown. The cursor stays behind the last open row,
        or at the start of an empty one if none is open.
        """
        shown = list(open_[-max(1, lines) :])
        wanted = [*done, *shown]
        kept = self._kept(wanted, len(done), columns, lines)
        parts = [self._back_to(kept, columns, lines)]
        if kept == len(self._open) > 0 and (kept < len(wanted) or not shown):
            parts.append("\n")  # the cursor is still behind the last row
        parts += [f"{row.text}\n" for row in wanted[kept : len(done)]]
        if rest := [row.text for row in wanted[max(kept, len(done)) :]]:
            parts += [_NO_WRAP, "\n".join(rest), _WRAP]
        drawn_s = self._drawn_s[:kept] + [now_s] * (len(wanted) - kept)
        self._drawn_s = drawn_s[len(done) :]
        self._open, self._columns = shown, columns
        if text := "".join(parts):
            self._write(text)

    def _kept(self, wanted: Sequence[Row], done: int, columns: int, lines: int) -> int:
        """Return how many rows of the screen may stay as they are."""
        kept = 0
        if columns == self._columns:
            for old, new in zip(self._open, wanted, strict=False):
                if old != new:
                    break
                kept += 1
        if kept == len(wanted) > done and kept < len(self._open):
            kept -= 1  # rows below go away: the cursor must end behind this one
        reachable = max(0, len(self._open) - lines)
        for index in range(reachable, min(kept, done)):
            if not wanted[index].text.isascii():  # may have been cut off at the edge
                return index
        return kept

    def _back_to(self, kept: int, columns: int, lines: int) -> str:
        """Return what erases the open rows from `kept` on."""
        if kept == len(self._open):
            return ""
        heights = [self._height(row, columns) for row in self._open[kept:]]
        up = min(sum(heights) - 1, max(0, lines - 1))
        return "\r\x1b[2K" + "\x1b[A\x1b[2K" * up + f"\x1b[{up + 1}M"

    def _height(self, row: Row, columns: int) -> int:
        """Return how many rows of the terminal `row` takes now, at least."""
        if not self._rewraps:
            return 1
        doubtful = row.text.count(_EMOJI_STYLE)  # not every terminal widens these
        return max(1, -(-(row.cells - doubtful) // columns))
