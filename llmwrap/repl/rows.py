"""Rows that are drawn as they are: a control of prompt_toolkit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prompt_toolkit.layout.controls import GetLinePrefixCallable, UIContent, UIControl

from .looks import Fragment


class RowsControl(UIControl):
    """Shows ready rows; nothing is parsed or split at the time of drawing.

    FormattedTextControl(ANSI(...)) makes a fragment of each character and splits them
    again in several passes of the layout: 12 to 16 ms a frame where this takes 3.
    """

    def __init__(self, rows: Callable[[int, int], Sequence[list[Fragment]]]) -> None:
        self._rows = rows
        self._height = 0

    def create_content(self, width: int, height: int) -> UIContent:
        """Return the rows for a place of this size."""
        rows = self._rows(width, height)
        return UIContent(
            get_line=lambda number: list(rows[number]),
            line_count=len(rows),
            show_cursor=False,
        )

    def preferred_height(
        self,
        width: int,
        max_available_height: int,
        wrap_lines: bool,
        get_line_prefix: GetLinePrefixCallable | None,
    ) -> int | None:
        """Return how many rows there are."""
        return len(self._rows(width, max_available_height))
