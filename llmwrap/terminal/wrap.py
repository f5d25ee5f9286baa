"""Where a line breaks so that it fits a width, counted in terminal cells.

Not for: what a line looks like.

rich has a wrapper of its own; not taken, because it cannot break between two CJK
characters, breaks at a no-break space, and the height of a text must be known
here without rendering it.
"""

from __future__ import annotations

import re

from rich.cells import cell_len, split_graphemes
from rich.text import Text

_WIDE = "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f"
_WIDE += "\uff00-\uff60\uffe0-\uffe6\U00020000-\U0003fffd"
_CLOSING = "\u3001\u3002\uff0c\uff0e\uff01\uff1f\uff1a\uff1b\uff09\u300d\u300f\u3011"
_MARKS_IN_CELL = 8
"""Code points that may share a cell; a row of joined ones would never be full."""
_UNIT = re.compile(
    rf"(?P<blank> +)|[{_WIDE}][{_CLOSING}]*|[^ {_WIDE}]+",
)


def _size(text: str) -> int:
    return max(cell_len(text), len(text) // _MARKS_IN_CELL)


def fold(text: str, width: int) -> list[int]:
    """Return the offsets at which `text` breaks if it may break anywhere."""
    if text.isascii():
        return list(range(width, len(text), width))
    offsets: list[int] = []
    used = 0
    for start, end, cells in split_graphemes(text)[0]:
        for piece in range(start, end, 2 * _MARKS_IN_CELL):  # one, but for a hostile
            size = max(cells, min(2, (end - piece) // _MARKS_IN_CELL))
            if used + size > width and piece:
                offsets.append(piece)
                used = 0
            used += size
    return offsets


def breaks(line: str, width: int) -> list[int]:
    """Return the offsets at which `line` breaks between words and CJK characters.

    A word that is longer than a row is folded. Blanks at the end of a row hang
    over its edge; strip them.
    """
    if line.isascii() and len(line) <= width:
        return []
    offsets: list[int] = []
    used = 0
    for unit in _UNIT.finditer(line):
        text, start = unit.group(), unit.start()
        size = _size(text)
        if unit["blank"] is None and used + size > width:
            if start:
                offsets.append(start)
            used = 0
            if size > width:
                folds = [start + offset for offset in fold(text, width)]
                offsets += folds
                size = _size(line[folds[-1] : unit.end()]) if folds else size
        used += size
    return offsets


def wrapped(text: Text, width: int) -> list[Text]:
    """Return `text` in lines of at most `width` cells, blanks at their ends kept."""
    offsets: list[int] = []
    start = 0
    for plain in text.plain.split("\n"):
        offsets += [start + offset for offset in breaks(plain, width)]
        start += len(plain) + 1
        offsets.append(start)
    lines = list(text.divide(offsets[:-1]))
    for line in lines:
        if line.plain.endswith("\n"):
            line.right_crop(1)
    return lines


class Gauge:
    """Measures the rows of a text that grows at its end.

    What an update costs depends on the last row and what was added, not on the
    text before.
    """

    def __init__(self) -> None:
        self._width = 0
        self._seen = ""
        self._row_start = 0
        self._full_rows = 0

    def rows(self, text: str, width: int) -> int:
        """Return how many rows of `width` cells `text` takes; at least 1."""
        if width != self._width or not text.startswith(self._seen):
            self._width, self._row_start, self._full_rows = width, 0, 0
        self._seen = text
        start = self._row_start
        for line in text[start:].split("\n"):
            offsets = breaks(line, width)
            self._full_rows += len(offsets) + 1
            self._row_start = start + (offsets[-1] if offsets else 0)
            start += len(line) + 1
        self._full_rows -= 1
        return self._full_rows + 1
