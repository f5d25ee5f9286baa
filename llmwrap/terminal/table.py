"""The lines of a table.

Not for: finding the rows (`blocks`) nor their geometry (`columns`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.style import Style
from rich.text import Text

from .columns import GAP, Align, Columns, aligns_of, fitted, row_cells, spread
from .wrap import wrapped

_HEADER = Style(bold=True)
_LINE = Style(dim=True)

Inline = Callable[[str], Text]


def new_table(
    rows: Sequence[str], width: int, inline: Inline, *, is_cut: bool
) -> tuple[list[Text], Columns]:
    """Return the lines of a whole table, or its beginning, and its columns."""
    aligns = aligns_of(rows[1])
    count = len(aligns)
    table = [_texts(row, count, inline) for row in (rows[0], *rows[2:])]
    wanted = [max(row[i].cell_len for row in table) for i in range(count)]
    widths = fitted(wanted, width)
    columns = Columns(spread(widths, width) if is_cut else widths, aligns)
    for text in table[0]:
        text.stylize(_HEADER)
    rule = GAP.join("\u2500" * size for size in columns.widths)
    lines = [*_lines(table[0], columns), Text(rule, _LINE)]
    for row in table[1:]:
        lines += _lines(row, columns)
    return lines, columns


def more_rows(
    rows: Sequence[str], columns: Columns, width: int, inline: Inline
) -> list[Text]:
    """Return the lines of rows that follow a part of the table shown before."""
    columns = Columns(fitted(columns.widths, width), columns.aligns)
    lines: list[Text] = []
    for row in rows:
        lines += _lines(_texts(row, len(columns.widths), inline), columns)
    return lines


def _texts(row: str, count: int, inline: Inline) -> list[Text]:
    return [inline(cell) for cell in row_cells(row, count)]


def _lines(row: Sequence[Text], columns: Columns) -> list[Text]:
    """Return the lines of one row: as many as its highest cell has."""
    stacks = [
        [_aligned(line, size, align) for line in wrapped(text, size)]
        for text, size, align in zip(row, columns.widths, columns.aligns, strict=True)
    ]
    height = max(len(stack) for stack in stacks)
    lines = []
    for index in range(height):
        line = Text()
        for stack, size in zip(stacks, columns.widths, strict=True):
            if line.plain:
                line.append(GAP)
            line.append_text(stack[index] if index < len(stack) else Text(" " * size))
        lines.append(line)
    return lines


def _aligned(line: Text, size: int, align: Align) -> Text:
    line.rstrip()
    spare = max(0, size - line.cell_len)
    left = {"left": 0, "center": spare // 2, "right": spare}[align]
    line.pad_left(left)
    line.pad_right(spare - left)
    return line
