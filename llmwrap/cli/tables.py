"""Data as aligned tables or JSON on stdout, a progress bar on stderr. Floor F7.

A table has a line for each row and is never wrapped, so that `grep`, `awk` and a wide
terminal can all read it; programs take `--json`.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ..errors import LLMWrapError
from ..messages import Json
from ..terminal.sanitize import visible
from ..units import format_size
from .context import Context
from .fronts import error_fields, json_line
from .status_line import StatusLine

if TYPE_CHECKING:
    from ..backends.base import Progress

_GAP = "  "
_NOTHING = "-"
_DRAW_S = 0.1
_WIDEST_BAR = 30
_NARROWEST_BAR = 8


class Column(NamedTuple):
    """A column of a table; numbers stand on the right."""

    title: str
    is_right: bool = False


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> str:
    """Return lines of aligned cells, titles first; without titles if all are empty.

    Cells may come from a server: what could drive a terminal or break the line is made
    visible. An empty cell is `-`.
    """
    lines = [[column.title for column in columns]] if _has_titles(columns) else []
    lines += [[visible(cell, keep="") or _NOTHING for cell in row] for row in rows]
    widths = [max(map(_cells, cells)) for cells in zip(*lines, strict=True)]
    return "".join(f"{_line(cells, columns, widths)}\n" for cells in lines)


def write_rows(
    context: Context, group: str, rows: Iterable[Mapping[str, Json]], **others: Json
) -> None:
    """Write the one JSON object of a command: version, rows under the group's name."""
    context.stdout.write(
        json_line({"version": 1, group: [dict(row) for row in rows], **others})
    )


@contextmanager
def errors_as_json(context: Context, *, is_wanted: bool) -> Iterator[None]:
    """Put an error on stdout as well, for who asked for JSON and reads only that."""
    try:
        yield
    except LLMWrapError as error:
        is_ours = error.exit_status > 2
        if is_wanted and is_ours and not context.is_stdout_lost(error):
            document: dict[str, Json] = {"version": 1, "error": error_fields(error)}
            context.stdout.write(json_line(document))
        raise


class ProgressBar(StatusLine):
    """How far something is that has a size, redrawn a few times a second."""

    def __init__(
        self,
        context: Context,
        *,
        is_quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(context, is_quiet=is_quiet)
        self._clock = clock
        self._label = ""
        self._began = (0.0, 0)

    def show(self, progress: Progress) -> None:
        """Draw how far it is, unless that was done a moment ago."""
        if not self._is_shown:
            return
        now = self._clock()
        is_new = progress.label != self._label
        if is_new:
            self._label, self._began = progress.label, (now, progress.done_bytes)
        elif self._was_drawn(now, _DRAW_S):
            return
        text = progress_line(progress, self._speed(progress, now), self._width)
        self._draw(text, now)

    def _speed(self, progress: Progress, now: float) -> float | None:
        """Return bytes a second since the label appeared, None in its first second."""
        began, done_bytes = self._began
        if now - began < 1.0:
            return None
        return max(0.0, (progress.done_bytes - done_bytes) / (now - began))


def progress_line(progress: Progress, speed: float | None, width: int) -> str:
    """Return a line of at most `width` cells; `speed` is in bytes a second."""
    label = visible(progress.label, keep="")
    total_bytes = progress.total_bytes
    if not total_bytes:
        done = f"  {format_size(progress.done_bytes)}" if progress.done_bytes else ""
        return f"{label}{done}"[: max(0, width)]
    ratio = min(1.0, max(0.0, progress.done_bytes / total_bytes))
    figures = f"{ratio:4.0%}  {format_size(progress.done_bytes)} of"
    figures = f"{figures} {format_size(total_bytes)}"
    if speed is not None:
        figures += f"  {format_size(speed)}/s"
    size = min(_WIDEST_BAR, width - len(label) - len(figures) - 4)
    bar = ""
    if size >= _NARROWEST_BAR:
        filled = int(size * ratio)
        bar = f"[{'#' * filled}{'.' * (size - filled)}] "
    return f"{label} {bar}{figures}"[: max(0, width)]


def _has_titles(columns: Sequence[Column]) -> bool:
    return any(column.title for column in columns)


def _line(cells: Sequence[str], columns: Sequence[Column], widths: list[int]) -> str:
    padded = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        blanks = " " * (width - _cells(cell))
        padded.append(f"{blanks}{cell}" if column.is_right else f"{cell}{blanks}")
    return _GAP.join(padded).rstrip()


def _cells(text: str) -> int:
    """Return the width of a text in terminal cells, as far as Unicode alone tells."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(char)
        else 2
        if unicodedata.east_asian_width(char) in "FW"
        else 1
        for char in text
    )
