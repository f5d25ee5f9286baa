"""What was said in a full-screen chat, and how each piece looks at a width."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..terminal.sanitize import lines_ended, visible
from ..units import format_duration
from .mailbox import LOOKS_OF_LEVELS, Facts

if TYPE_CHECKING:
    from ..terminal.paint import Paint
    from ..terminal.render import Row

ItemKind: TypeAlias = Literal["question", "answer", "note"]

OPEN_ROWS = 40
"""How high an open block may become: all of it is rendered again for each frame."""

_CACHED_ROWS = 20_000
_SLICE_CHARACTERS = 1024
_SLICE_LINES = 50
_MARKER = "> "


class Item:
    """A question, an answer or something said beside them; its text may grow."""

    __slots__ = (
        *("_pieces", "_thoughts", "facts", "kind", "level"),
        *("size", "thought_size"),
    )

    def __init__(
        self, kind: ItemKind, text: str = "", *, level: str = "", facts: Facts = Facts()
    ) -> None:
        self.kind = kind
        self.level = level
        self.facts = facts
        self._pieces = [text]
        self.size = len(text)
        """How many characters the text has."""
        self._thoughts: list[str] = []
        self.thought_size = 0

    @property
    def text(self) -> str:
        """Return its text, joined once, however often it is read."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    @property
    def thinking(self) -> str:
        """Return the reasoning before it."""
        if len(self._thoughts) > 1:
            self._thoughts = ["".join(self._thoughts)]
        return self._thoughts[0] if self._thoughts else ""

    @property
    def searched(self) -> str:
        """Return all that its rows may show of it."""
        words = (self.facts.model, "cached live TTFT tokens interrupted", self.level)
        return "\n".join([*words, self.thinking, self.text])

    def add(self, text: str) -> None:
        """Let the text grow."""
        self._pieces.append(text)
        self.size += len(text)

    def think(self, text: str) -> None:
        """Let the reasoning grow."""
        self._thoughts.append(text)
        self.thought_size += len(text)


class ItemRows:
    """Renders items for one width and one theme, and remembers the last ones.

    For one thread at a time. What is open is rendered on as it grows; the others when
    they are looked at.
    """

    def __init__(self, paint: Paint, width: int, *, has_color: bool) -> None:
        self._paint = paint
        self.width = width
        self._has_color = has_color
        self._cached: OrderedDict[int, list[Row]] = OrderedDict()
        self._cached_rows = 0
        self._rough: dict[int, list[Row]] = {}

    def rows(self, item: Item) -> list[Row]:
        """Return the rows of an item that no longer grows."""
        rows = self.known(item)
        if rows is None:
            rows = [row for piece in self.steps(item) for row in piece]
            self.remember(item, rows)
        return rows

    def known(self, item: Item) -> list[Row] | None:
        """Return rows that are remembered."""
        key = id(item)
        if key in self._cached:
            self._cached.move_to_end(key)
        return self._cached.get(key)

    def rough(self, item: Item) -> list[Row]:
        """Return rows that cost nothing, to be seen until the right ones are there."""
        from ..terminal.render import Row

        if id(item) in self._rough:
            return self._rough[id(item)]
        lines = visible(lines_ended(item.text)).replace("\t", "    ").split("\n")
        plain = self._paint.look("text")
        rows = [Row(text, len(text), ((plain, text),)) for text in lines]
        self._rough[id(item)] = rows
        return rows

    def remember(self, item: Item, rows: list[Row]) -> None:
        """Keep rows that were rendered elsewhere."""
        self._rough.pop(id(item), None)
        self._cached_rows += len(rows) - len(self._cached.get(id(item), ()))
        self._cached[id(item)] = rows
        while self._cached_rows > _CACHED_ROWS and len(self._cached) > 1:
            _, dropped = self._cached.popitem(last=False)
            self._cached_rows -= len(dropped)

    def growing(self, item: Item) -> GrowingRows:
        """Return what renders an answer as far as it has come; see `catch_up`."""
        return GrowingRows(item, self)

    def heading(self, facts: Facts) -> list[Row]:
        """Return the row above an answer: who says it, and what it cost."""
        words = [visible(facts.model, keep="")]
        words.append("cached" if facts.is_cached else "live")
        if facts.ttft_s is not None and not facts.is_cached:
            words.append(f"TTFT {format_duration(facts.ttft_s)}")
        if facts.tokens_per_s and not facts.is_cached:
            words.append(f"{facts.tokens_per_s:.0f} tokens/s")
        return self.styled(" · ".join(word for word in words if word), "assistant")

    def ending(self, facts: Facts) -> list[Row]:
        """Return the rows below an answer."""
        rows = self.styled("(interrupted)", "warning") if facts.is_interrupted else []
        return [*rows, *self.styled("", "text")]

    def styled(self, text: str, look: str) -> list[Row]:
        """Return a text in one look."""
        from ..terminal.pane import styled_rows

        style = self._paint.look(look)
        if not self._has_color:
            style = style.without_color
        shown = visible(lines_ended(text))
        return styled_rows(shown, self.width, style, self._paint)

    def steps(self, item: Item) -> Iterator[list[Row]]:
        """Render an item piece by piece: yield its rows, few at a time."""
        if item.kind == "answer":
            yield from self.finishing(self.growing(item))
            return
        look, marker, indent = "user", _MARKER, " " * len(_MARKER)
        if item.kind == "note":
            look, indent = LOOKS_OF_LEVELS[item.level], ""
            marker = "" if item.level == "says" else f"{item.level}: "
        lines = lines_ended(item.text).split("\n")
        for start in range(0, len(lines), _SLICE_LINES):
            text = f"\n{indent}".join(lines[start : start + _SLICE_LINES])
            yield self.styled((indent if start else marker) + text, look)
        if item.kind == "note":
            yield self.styled("", "text")

    def finishing(self, growing: GrowingRows) -> Iterator[list[Row]]:
        """Render the rest of an answer that has ended; yield its rows at last."""
        while growing.catch_up():
            yield []
        yield growing.finished()

    @property
    def paint(self) -> Paint:
        """Return the styles."""
        return self._paint

    @property
    def has_color(self) -> bool:
        """Tell whether there are colours."""
        return self._has_color


class GrowingRows:
    """The rows of the answer under way.

    What a piece costs does not depend on how long the answer is: what is finished is
    rendered once.
    """

    def __init__(self, item: Item, rows: ItemRows) -> None:
        from ..terminal.pane import Pane, QuietPane

        self.item = item
        self._rows = rows
        self._thinking = QuietPane(rows.paint, "quiet")
        self._text = Pane(rows.paint, color=rows.has_color)
        self._thoughts: list[Row] = []
        self._done: list[Row] = []
        self._open: tuple[Row, ...] = ()
        self._thought = self._fed = 0

    @property
    def width(self) -> int:
        """Return the width of the rows."""
        return self._rows.width

    def catch_up(self) -> bool:
        """Render some of what has come; tell whether more is left."""
        item, width = self.item, self._rows.width
        if thoughts := item.thinking[self._thought :]:
            piece = thoughts[:_SLICE_CHARACTERS]
            self._thought += len(piece)
            self._thinking.feed(piece, width)
        elif text := item.text[self._fed : self._fed + _SLICE_CHARACTERS]:
            self._fed += len(text)
            self._thinking.finish()
            self._text.feed(text, width, OPEN_ROWS)
        self._thoughts += self._thinking.done(width)
        self._done += self._text.done(width)
        self._open = (*self._thinking.open(width), *self._text.open(width))
        return self.is_behind

    @property
    def is_behind(self) -> bool:
        """Tell whether more has come than was rendered."""
        return self._thought < self.item.thought_size or self._fed < self.item.size

    def finished(self) -> list[Row]:
        """Return all rows of an answer that has ended; nothing may follow."""
        width = self._rows.width
        self._thinking.finish()
        self._text.finish()
        thoughts = self._thoughts + self._thinking.done(width)
        facts = self.item.facts
        text = self._done + self._text.done(width)
        return [
            *self._rows.heading(facts),
            *thoughts,
            *text,
            *self._rows.ending(facts),
        ]

    @property
    def height(self) -> int:
        """Return how many rows there are."""
        return 1 + len(self._thoughts) + len(self._done) + len(self._open)

    def slice(self, start: int, end: int) -> list[Row]:
        """Return some of the rows."""
        heading = self._rows.heading(self.item.facts)[:1]
        found: list[Row] = []
        at = 0
        for part in (heading, self._thoughts, self._done, self._open):
            found += part[max(0, start - at) : max(0, end - at)]
            at += len(part)
        return found
