"""What was said in a full-screen chat, and how each piece looks at a width. F6."""

from __future__ import annotations

from collections import OrderedDict
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
_SLICE_CHARACTERS = 2048
_MARKER = "> "


class Item:
    """A question, an answer or something said beside them; its text may grow."""

    __slots__ = ("_pieces", "_thoughts", "facts", "kind", "level")

    def __init__(
        self, kind: ItemKind, text: str = "", *, level: str = "", facts: Facts = Facts()
    ) -> None:
        self.kind = kind
        self.level = level
        self.facts = facts
        self._pieces = [text]
        self._thoughts: list[str] = []

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

    def add(self, text: str) -> None:
        """Let the text grow."""
        self._pieces.append(text)

    def think(self, text: str) -> None:
        """Let the reasoning grow."""
        self._thoughts.append(text)


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

    def rows(self, item: Item) -> list[Row]:
        """Return the rows of an item that no longer grows."""
        key = id(item)
        if key in self._cached:
            self._cached.move_to_end(key)
            return self._cached[key]
        rows = self._rendered(item)
        self.remember(item, rows)
        return rows

    def remember(self, item: Item, rows: list[Row]) -> None:
        """Keep rows that were rendered elsewhere."""
        self._cached_rows += len(rows) - len(self._cached.get(id(item), ()))
        self._cached[id(item)] = rows
        while self._cached_rows > _CACHED_ROWS and len(self._cached) > 1:
            _, dropped = self._cached.popitem(last=False)
            self._cached_rows -= len(dropped)

    def growing(self, item: Item) -> GrowingRows:
        """Return what renders an answer while it grows."""
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

    def pane_rows(self, item: Item) -> list[Row]:
        """Return the rows of an answer's reasoning and text."""
        from ..terminal.pane import Pane

        rows = self.styled(item.thinking, "quiet") if item.thinking else []
        pane = Pane(self._paint, color=self._has_color)
        pane.feed(item.text, self.width, OPEN_ROWS)
        pane.finish()
        return rows + pane.done(self.width)

    @property
    def paint(self) -> Paint:
        """Return the styles."""
        return self._paint

    @property
    def has_color(self) -> bool:
        """Tell whether there are colours."""
        return self._has_color

    def _rendered(self, item: Item) -> list[Row]:
        if item.kind == "question":
            text = lines_ended(item.text).replace("\n", "\n" + " " * len(_MARKER))
            return self.styled(_MARKER + text, "user")
        if item.kind == "note":
            label = "" if item.level == "says" else f"{item.level}: "
            look = LOOKS_OF_LEVELS[item.level]
            return [*self.styled(label + item.text, look), *self.styled("", "text")]
        heading = self.heading(item.facts)
        return [*heading, *self.pane_rows(item), *self.ending(item.facts)]


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
        if item.thinking:
            self.think(item.thinking)
        for start in range(0, len(item.text), _SLICE_CHARACTERS):
            self.feed(item.text[start : start + _SLICE_CHARACTERS])

    def feed(self, text: str) -> None:
        """Take the next piece of the text."""
        self._thinking.finish()
        self._text.feed(text, self._rows.width, OPEN_ROWS)

    def think(self, text: str) -> None:
        """Take the next piece of the reasoning."""
        self._thinking.feed(text, self._rows.width)

    def draw(self) -> None:
        """Render what came since the last call."""
        width = self._rows.width
        self._thoughts += self._thinking.done(width)
        self._done += self._text.done(width)
        self._open = (*self._thinking.open(width), *self._text.open(width))

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
