"""Split Markdown so that no open block outgrows the screen.

Not for: drawing. Sans-IO; imports rich's cell widths only.

What is higher than the screen cannot be redrawn: its top has scrolled away. So an
open block that grows too high is cut, its first part is finished early, and the
rest goes on from there. `render` joins the two so that no seam shows, unless a
pair of marks such as ** lies across it, which then show as they are.

Where a block is cut depends on the text and the size of the screen only, not on
the pieces in which the text came: the height is looked at behind each word, and
each so many characters within a long one.
"""

from __future__ import annotations

import re

from .blocks import Splitter
from .columns import guessed_widths, height, is_tabular, spread
from .leaf import Block
from .prefix import code_indent, text_width
from .wrap import Gauge, fold

_WORD_END = re.compile(r"(?<=[^ \n])[ \n]")
_LONGEST_STRIDE = 64
_SPARE_ROWS = 4
"""Rows of the screen left free for a gap, a row carried over, a last word and
what is below the block; the height is known to the row in a table only."""


class Fitter:
    """A Splitter whose open block stays lower than the screen; for one thread."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._gauge = Gauge()
        self._last_character = " "
        self._since_look = 0
        self._is_tabular = False
        self._table_lines = 0
        self._widths: tuple[int, ...] = ()  # of a table of which a part was cut off
        self._finished: list[Block] = []  # here, not in feed: Ctrl-C must lose none

    @property
    def open(self) -> Block | None:
        """The block that is not finished; see Splitter.open."""
        return self._splitter.open

    def finish(self) -> list[Block]:
        """End the text and return what was open."""
        self._finished += self._splitter.finish()
        return self._take_finished()

    def feed(self, text: str, width: int, height: int) -> list[Block]:
        """Take the next piece and return the blocks that it finishes.

        `width`, `height`: of the part of the screen that can be redrawn.
        """
        stride = max(4, min(_LONGEST_STRIDE, width // 2))
        text = self._last_character + text  # so that a word may end between pieces
        position = 1
        while position < len(text):
            limit = position + max(1, stride - self._since_look)
            word_end = _WORD_END.search(text, position, limit)
            end = word_end.end() if word_end else min(limit, len(text))
            self._finished += self._splitter.feed(text[position:end])
            self._since_look += end - position
            if word_end or self._since_look >= stride:
                self._since_look = 0
                self._finished += self._cut(width, height)
            position = end
        self._last_character = text[-1]
        return self._take_finished()

    def _take_finished(self) -> list[Block]:
        finished, self._finished = self._finished, []
        return finished

    def _cut(self, width: int, height: int) -> list[Block]:
        block, text = self._splitter.open, self._splitter.cuttable
        if block is None or not text:
            return []
        room = text_width(block.path, width)
        if block.kind == "table" and self._has_columns(block, room):
            size = self._table_cut(text, room, max(1, height - _SPARE_ROWS // 2))
        elif block.kind in ("code", "html"):
            limit = max(1, height - _SPARE_ROWS)
            folds = fold(text, room - code_indent(block.kind, room))
            size = folds[-1] if len(folds) >= limit else 0
        else:
            rows = self._gauge.rows(block.text, room)
            size = _text_cut(text) if rows > max(1, height - _SPARE_ROWS) else 0
        return [self._splitter.cut(size)] if size else []

    def _has_columns(self, block: Block, room: int) -> bool:
        if block.joint != "cut":
            self._is_tabular = is_tabular(block.text.partition("\n")[0], room)
            self._widths = ()
        return self._is_tabular

    def _table_cut(self, text: str, room: int, limit: int) -> int:
        """Return where to cut a table: above its last row.

        A row that is too high by itself is no longer part of the table.
        """
        rows = text.split("\n")
        is_head_only = len(rows) < 3 and not self._widths
        is_known = len(rows) == self._table_lines and len(rows[-1]) <= room
        if is_head_only or is_known:
            return 0
        self._table_lines = len(rows)
        if height(rows, self._widths or guessed_widths(rows, room)) <= limit:
            return 0
        widths = self._widths
        if len(rows) > 1 and not widths:
            widths = spread(guessed_widths(rows[:-1], room), room)
        if len(rows) == 1 or height(rows[-1:], widths) > limit:
            self._splitter.end_table()
            return 0
        self._widths = widths
        return len(text) - len(rows[-1])


def _text_cut(text: str) -> int:
    """Return where to cut a paragraph: late, but not within a pair of marks."""
    start = text.rfind("\n") + 1
    if start and "|" in text[start:]:  # may be the head of a table
        return start
    end = len(text)
    while end > len(text) // 2:
        if _is_balanced(text[:end]):
            return end
        end = max(text.rfind(" ", 0, end - 1), text.rfind("\n", 0, end - 1)) + 1
    return len(text)


def _is_balanced(text: str) -> bool:
    is_paired = all(text.count(mark) % 2 == 0 for mark in ("*", "**", "`", "~~"))
    return is_paired and text.count("[") == text.count("]") and not _ends_open(text)


def _ends_open(text: str) -> bool:
    """Say whether the address of a link is not complete."""
    address = text.rfind("](")
    return address >= 0 and ")" not in text[address:]
