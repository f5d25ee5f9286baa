"""Turn blocks into rows of a given width, styled by rich.

Not for: the screen (`region`) nor the stream (`markdown`). Pure but for caches.
Importing it imports rich and markdown-it (80 ms), so a pipe never does.

rich's own Markdown is not used: it drops HTML and the addresses of images, pads
rows to the full width, puts blank rows round code and tables, and can neither
carry on a list, a table or a paragraph nor colour code that comes by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from .columns import Columns, is_tabular
from .inline import InlineParser
from .leaf import Block
from .paint import Paint
from .prefix import code_indent, prefix_of, text_width
from .table import more_rows, new_table
from .wrap import fold, wrapped

if TYPE_CHECKING:
    from .highlight import Code, Colored, Highlighter

Run: TypeAlias = tuple[Style, str]
"""A piece of a row in one style, the theme's own left out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the screen: what to write, and the cells it takes.

    `runs` is the same text, in pieces of one style.
    """

    text: str
    cells: int
    runs: tuple[Run, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Carry:
    """The last row of a block that was cut, to which the next one adds.

    `opens`: containers whose markers stand before it.
    """

    text: Text
    opens: int


@dataclass(frozen=True, slots=True)
class Preceding:
    """What a block needs to know of those before it; the first one nothing."""

    last: Block | None = None
    carry: Carry | None = None
    code: Code | None = None
    columns: Columns | None = None


@dataclass(frozen=True, slots=True)
class DrawnBlock:
    """The rows of a block, and the context of the next."""

    rows: tuple[Row, ...]
    context: Preceding


@dataclass(frozen=True, slots=True)
class _Unprefixed:
    """The lines of a block without its prefix, and what the next block needs.

    `opens`: containers whose markers stand before the first line.
    """

    lines: list[Text]
    opens: int
    context: Preceding = field(default_factory=Preceding)


class Renderer:
    """Renders blocks one after the other; for one thread."""

    def __init__(self, *, color: bool, paint: Paint | None = None) -> None:
        self._color = color
        self._paint = paint or Paint()
        self._inline = InlineParser(self._paint)
        self._highlighter: Highlighter | None = None

    def render(self, block: Block, context: Preceding, width: int) -> DrawnBlock:
        """Return the rows of `block`, none wider than `width` cells.

        With the context that is returned the next block is rendered; to see how
        an open block looks, forget that context.
        """
        body = self._body(block, context, width)
        prefix = prefix_of(block.path, body.opens, width)
        rows: list[Row] = []
        if _has_gap(context.last, block):
            rows.append(self._row(Text(), prefix.gap))
        for index, line in enumerate(body.lines):
            rows.append(self._row(line, prefix.others if index else prefix.first))
        return DrawnBlock(tuple(rows), replace(body.context, last=block))

    def _body(self, block: Block, context: Preceding, width: int) -> _Unprefixed:
        room = text_width(block.path, width)
        if block.kind == "rule":
            return _Unprefixed([Text("\u2500" * room, self._paint.rule)], block.opens)
        if block.kind in ("code", "html"):
            return self._code(block, context, room)
        if block.kind == "table":
            return self._table(block, context, room)
        return self._flow(block, context, room)

    def _flow(self, block: Block, context: Preceding, room: int) -> _Unprefixed:
        """Wrap a paragraph or heading, from where the last row was left."""
        text = self._inline.text(block.text)
        opens = block.opens
        if block.kind == "heading":
            text = self._heading(block, text)
        if block.joint == "cut" and context.carry is not None:
            text = context.carry.text.copy().append_text(text)
            opens = context.carry.opens
        is_empty = block.joint == "cut" and not (text or opens)
        lines = [] if is_empty else wrapped(text, room)
        if not block.is_cut:
            return _Unprefixed(lines, opens)
        last = lines.pop() if lines else Text()
        carry = Carry(last, 0 if lines else opens)
        return _Unprefixed(lines, opens, Preceding(carry=carry))

    def _heading(self, block: Block, text: Text) -> Text:
        headings = self._paint.headings
        style = headings[min(block.level, len(headings)) - 1]
        text.stylize_before(style)
        if self._color or block.joint == "cut":
            return text
        return Text("#" * block.level + " ").append_text(text)

    def _code(self, block: Block, context: Preceding, room: int) -> _Unprefixed:
        """Colour one line of code, and fold it."""
        text, after = Text(block.text), None
        if self._color and self._paint.has_highlighting and block.kind == "code":
            colored = self._colored(block, context)
            text, after = colored.text, colored.after
        indent = code_indent(block.kind, room)
        lines = list(text.divide(fold(text.plain, room - indent)))
        for line in lines:
            line.pad_left(indent)
        is_over = block.joint == "cut" and not block.text  # the row is complete
        return _Unprefixed([] if is_over else lines, block.opens, Preceding(code=after))

    def _colored(self, block: Block, context: Preceding) -> Colored:
        from .highlight import Code, Highlighter  # pygments: 10 ms, with code only

        if self._highlighter is None:
            self._highlighter = Highlighter(self._paint)
        code = None if block.joint == "none" else context.code
        return self._highlighter.line(
            code or Code(block.language), block.text, ends_line=not block.is_cut
        )

    def _table(self, block: Block, context: Preceding, room: int) -> _Unprefixed:
        rows = block.text.removesuffix("\n").split("\n") if block.text else []
        if block.joint == "cut" and context.columns is not None:
            columns = context.columns
            lines = more_rows(rows, columns, room, self._inline.text)
        elif block.joint != "cut" and is_tabular(rows[0], room):
            lines, columns = new_table(
                rows, room, self._inline.text, is_cut=block.is_cut
            )
        else:
            return self._flow(block, context, room)
        return _Unprefixed(lines, block.opens, Preceding(columns=columns))

    def _row(self, line: Text, prefix: str) -> Row:
        line.rstrip()
        if not line.plain:
            prefix = prefix.rstrip()
        size = cell_len(prefix) + line.cell_len
        if not self._color:
            return Row(
                prefix + line.plain, size, ((Style.null(), prefix + line.plain),)
            )
        runs = ((self._paint.prefix, prefix), *_runs(line))
        text = "".join(self._paint.ansi(run, style) for style, run in runs)
        return Row(text, size, runs)


def _has_gap(last: Block | None, block: Block) -> bool:
    """Say whether a blank row parts two blocks.

    Within a list or a quote there is one where the model left one, elsewhere
    always.
    """
    if last is None or block.joint != "none":
        return False
    if last.path and block.path and (last.path[0] == ">") == (block.path[0] == ">"):
        return block.after_blank
    return True


def _runs(text: Text) -> Iterator[Run]:
    """Yield `text` in runs of one style."""
    styles = [Style.null()] * len(text.plain)
    for span in text.spans:
        style = span.style
        if isinstance(style, Style):  # always: nothing here is styled by name
            for index in range(span.start, span.end):
                styles[index] += style
    position = 0
    for style, run in groupby(styles):
        start, position = position, position + len(list(run))
        yield style, text.plain[start:position]
