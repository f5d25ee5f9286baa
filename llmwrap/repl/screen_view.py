"""Which rows of a conversation are on the screen: scrolling and searching. Floor F6.

A place is an item and a row in it, counted from the item's first. Nothing is ever
rendered but what is looked at, so ten thousand messages scroll like ten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .mailbox import LOOKS_OF_LEVELS, Event
from .screen_items import GrowingRows, Item, ItemRows

if TYPE_CHECKING:
    from ..terminal.render import Row

_ABOVE_MATCH = 2
_SLICE_CHARACTERS = 2048


class View:
    """The conversation as it is seen.

    Any thread may call it; one lock guards it. `make_rows` returns what renders items
    at a width, in the colours of the moment.
    """

    def __init__(self, make_rows: Callable[[int], ItemRows], *, follows: bool) -> None:
        self._make_rows = make_rows
        self._lock = threading.RLock()
        self._items: list[Item] = []
        self._rendered: ItemRows | None = None
        self._growing: GrowingRows | None = None
        self._width, self._height = 80, 20
        self._top: tuple[int, int] | None = None  # None: the end is at the bottom
        self.follows = follows
        """Whether the view goes with an answer as it grows."""
        self.query = ""
        self._matches: list[int] = []
        self._match = 0

    # -- what is said ---------------------------------------------------------

    def load(self, items: Iterable[Item]) -> None:
        """Show another conversation, from its end."""
        with self._lock:
            self._items = list(items)
            self._rendered = self._growing = self._top = None
            self._find()

    def take(self, events: Iterable[Event], *, shows_thinking: bool) -> None:
        """Take in what happened."""
        with self._lock:
            if not self.follows and self._top is None:
                self._top = self._top_place()
        for event in events:
            if event.kind == "thinking" and not shows_thinking:
                continue
            # In slices, between which keys are answered to: an answer of the cache
            # comes in one piece.
            text = event.text
            is_piece = event.kind in ("text", "thinking")
            end = len(text) if is_piece else 1
            for start in range(0, end, _SLICE_CHARACTERS):
                piece = text[start : start + _SLICE_CHARACTERS] if is_piece else text
                with self._lock:
                    self._apply(event._replace(text=piece))
        with self._lock:
            if self._growing:
                self._growing.draw()

    def repaint(self) -> None:
        """Render everything anew: the colours have changed."""
        with self._lock:
            self._rendered = None

    def _apply(self, event: Event) -> None:
        if event.kind == "question":
            self._add(Item("question", event.text))
        elif event.kind == "note":
            if event.level in LOOKS_OF_LEVELS:
                self._add(Item("note", event.text, level=event.level))
        elif event.kind == "start":
            item = Item("answer", facts=event.facts)
            self._add(item)
            self._growing = self._rows().growing(item)
        elif event.kind == "end":
            self._end(event)
        elif self._growing:
            growing = self._growing
            if event.kind == "text":
                growing.item.add(event.text)
                growing.feed(event.text)
            else:
                growing.item.think(event.text)
                growing.think(event.text)

    def _add(self, item: Item) -> None:
        growing = self._growing.item if self._growing else None
        # A note while an answer grows stands above it.
        at = len(self._items) - (growing is not None and item.kind == "note")
        self._items.insert(at, item)

    def _end(self, event: Event) -> None:
        growing, self._growing = self._growing, None
        if growing:
            growing.item.facts = event.facts
        elif event.text:
            self._add(Item("note", event.text, level="says"))

    # -- what is seen ---------------------------------------------------------

    def rows(self, width: int, height: int) -> list[Row]:
        """Return the rows to show on a place of this size."""
        with self._lock:
            if (width, height) != (self._width, self._height):
                self._resize(width, height)
            place = self._clamped(self._top) if self._top else self._top_place()
            rows: list[Row] = []
            index, row = place
            while index < len(self._items) and len(rows) < height:
                rows += self._slice(index, row, row + height - len(rows))
                index, row = index + 1, 0
            return rows

    def _resize(self, width: int, height: int) -> None:
        """Keep what was at the top there, as near as its new height allows."""
        top = self._clamped(self._top) if self._top else None
        before = self._item_height(top[0]) if top and self._items else 1
        self._width, self._height = width, height
        if self._top and self.query:
            self._go_to_match()
        elif top and self._items:
            after = self._item_height(top[0])
            self._top = (top[0], top[1] * after // max(1, before))

    def scroll(self, by: int) -> None:
        """Go down by so many rows, up if negative."""
        with self._lock:
            place = self._moved(self._top or self._top_place(), by)
            is_end = by > 0 and place >= self._top_place()
            self._top = None if is_end else place

    def page(self, by: int) -> None:
        """Go down by so many pages, up if negative."""
        self.scroll(by * max(1, self._height - 2))

    def to_top(self) -> None:
        """Show the beginning."""
        with self._lock:
            self._top = (0, 0)

    def to_bottom(self) -> None:
        """Show the end, and go with it."""
        with self._lock:
            self._top = None

    @property
    def is_at_end(self) -> bool:
        """Tell whether the end is shown."""
        with self._lock:
            return self._top is None or self._top >= self._top_place()

    @property
    def position(self) -> tuple[int, int]:
        """Return the number of the topmost message shown, and of all."""
        with self._lock:
            place = self._top or self._top_place()
            return min(place[0] + 1, len(self._items)), len(self._items)

    def toggle_follows(self) -> bool:
        """Follow the answer as it grows, or no longer; tell which."""
        with self._lock:
            self.follows = not self.follows
            self._top = None if self.follows else self._top or self._top_place()
            return self.follows

    # -- what is looked for ---------------------------------------------------

    def search(self, query: str) -> None:
        """Look for a text, whatever its case; go to the last message that holds it."""
        with self._lock:
            self.query = query
            self._find()
            self._match = len(self._matches) - 1
            self._go_to_match()

    def next_match(self, by: int) -> None:
        """Go to another message that holds the text."""
        with self._lock:
            if self._matches:
                self._match = (self._match + by) % len(self._matches)
                self._go_to_match()

    @property
    def matches(self) -> tuple[int, int]:
        """Return the number of the match shown, from 1, and of all."""
        return (self._match + 1 if self._matches else 0), len(self._matches)

    def _find(self) -> None:
        wanted = self.query.casefold()
        self._matches = [
            index
            for index, item in enumerate(self._items)
            if wanted and wanted in item.text.casefold()
        ]

    def _go_to_match(self) -> None:
        if not self._matches:
            return
        index, wanted = self._matches[self._match], self.query.casefold()
        rows = self._slice(index, 0, self._item_height(index))
        found = (
            number
            for number, row in enumerate(rows)
            if wanted in "".join(text for _, text in row.runs).casefold()
        )
        self._top = self._clamped(self._moved((index, next(found, 0)), -_ABOVE_MATCH))

    # -- places ---------------------------------------------------------------

    def _rows(self) -> ItemRows:
        if self._rendered is None or self._rendered.width != self._width:
            self._rendered = self._make_rows(self._width)
            if self._growing:
                self._growing = self._rendered.growing(self._growing.item)
                self._growing.draw()
        return self._rendered

    def _slice(self, index: int, start: int, end: int) -> list[Row]:
        rendered, item = self._rows(), self._items[index]
        if self._growing and self._growing.item is item:
            return self._growing.slice(start, end)
        return rendered.rows(item)[start:end]

    def _item_height(self, index: int) -> int:
        rendered, item = self._rows(), self._items[index]
        if self._growing and self._growing.item is item:
            return self._growing.height
        return len(rendered.rows(item))

    def _top_place(self) -> tuple[int, int]:
        """Return the place at the top when the end is at the bottom."""
        left = self._height
        for index in range(len(self._items) - 1, -1, -1):
            height = self._item_height(index)
            if height >= left:
                return index, height - left
            left -= height
        return 0, 0

    def _clamped(self, place: tuple[int, int]) -> tuple[int, int]:
        index, row = place
        if not self._items:
            return 0, 0
        index = min(index, len(self._items) - 1)
        row = min(row, max(0, self._item_height(index) - 1))
        return min((index, row), self._top_place())

    def _moved(self, place: tuple[int, int], by: int) -> tuple[int, int]:
        index, row = self._clamped(place)
        row += by
        while row < 0 and index > 0:
            index -= 1
            row += self._item_height(index)
        while index < len(self._items) - 1 and row >= self._item_height(index):
            row -= self._item_height(index)
            index += 1
        return self._clamped((index, max(0, row)))
