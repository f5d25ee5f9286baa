"""Which rows of a conversation are on the screen: scrolling and searching.

A place is an item and a row in it, counted from the item's first. Nothing is ever
rendered but what is looked at, so ten thousand messages scroll like ten; and what is
long is rendered piece by piece by `work`, on another thread than that of the keys:
until it is there, its rows of another width are seen, or its lines as they are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from .mailbox import LOOKS_OF_LEVELS, Event
from .screen_items import GrowingRows, Item, ItemRows
from .screen_search import Span, may_hold, occurrences

if TYPE_CHECKING:
    from ..terminal.render import Row

_ABOVE_MATCH = 2
_MOMENT_S = 0.05
_QUICK_CHARACTERS = 4096
"""What is not longer is rendered as soon as it is looked at."""


class Seen(NamedTuple):
    """A row, and where in it what is looked for stands, as pairs of start and end."""

    row: Row
    marks: tuple[tuple[int, int], ...] = ()


class _Job(NamedTuple):
    """An item that is being rendered: for whom, what comes, what has come."""

    item: Item
    rendered: ItemRows
    steps: Iterator[list[Row]]
    rows: list[Row]


class _Match(NamedTuple):
    """The number of an item, and where in its rows a text stands once."""

    item: int
    spans: tuple[Span, ...]


class View:
    """The conversation as it is seen.

    Any thread may call it; one lock guards it. `make_rows` returns what renders items
    at a width, in the colours of the moment; `wake` is called when there is something
    for `work` to do.
    """

    def __init__(
        self,
        make_rows: Callable[[int], ItemRows],
        wake: Callable[[], object],
        *,
        follows: bool,
    ) -> None:
        self._make_rows = make_rows
        self._wake = wake
        self._lock = threading.RLock()
        self._items: list[Item] = []
        self._rendered: ItemRows | None = None
        self._growing: GrowingRows | None = None
        self._width, self._height = 80, 20
        self._top: tuple[int, int] | None = None  # None: the end is at the bottom
        self.follows = follows
        """Whether the view goes with an answer as it grows."""
        self.query = ""
        self._matches: list[_Match] = []
        self._match = 0
        self._marks: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self._unsearched: list[int] = []
        self._wanted_match: int | None = None  # counted from the last one
        self._stale: dict[int, list[Row]] = {}
        self._waiting: dict[int, Item] = {}
        self._job: _Job | None = None
        self._coming: GrowingRows | None = None  # the growing one, at another width

    # -- what is said ---------------------------------------------------------

    def load(self, items: Iterable[Item]) -> None:
        """Show another conversation, from its end."""
        with self._lock:
            self._items = list(items)
            self._rendered = self._growing = self._top = self._coming = None
            self._stale, self._waiting = {}, {}
            self._find(moves=False)

    def take(self, events: Iterable[Event], *, shows_thinking: bool) -> None:
        """Take in what happened."""
        until = time.monotonic() + _MOMENT_S
        with self._lock:
            if not self.follows and self._top is None:
                self._top = self._top_place()
        for event in events:
            if event.kind == "thinking" and not shows_thinking:
                continue
            if event.kind == "end":
                self._draw(until)
            with self._lock:
                self._apply(event)
        self._draw(until)

    def _draw(self, until: float) -> None:
        """Render what the answer under way has brought, as long as there is time.

        `work` goes on with the rest: an answer of the cache comes in one piece.
        """
        while self._grow() and time.monotonic() < until:
            time.sleep(0)  # lets who waits for the lock have it

    def _grow(self) -> bool:
        """Render on the answer under way; tell whether more of it has come."""
        with self._lock:
            return self._growing is not None and self._growing.catch_up()

    def work(self) -> bool:
        """Render and search on, a little; tell whether more is to be done.

        For one thread, that of `take`.
        """
        if self._grow():
            return True
        with self._lock:
            coming, job = self._coming, self._next_job()
        if coming:
            if not coming.catch_up():
                with self._lock:
                    self._growing, self._coming = coming, None
            return True
        if job:
            rows = next(job.steps, None)
            if rows is not None:
                job.rows.extend(rows)
                return True
            with self._lock:
                self._publish(job)
            return True
        with self._lock:
            return self._search_on()

    def _next_job(self) -> _Job | None:
        rendered = self._rows()
        if self._job is None or self._job.rendered is not rendered:
            self._job = None
            if self._waiting:
                _, item = self._waiting.popitem()
                self._job = _Job(item, rendered, rendered.steps(item), [])
        return self._job

    def _publish(self, job: _Job) -> None:
        """Let the rows of an item be seen; what is at the top stays there."""
        self._job = None
        if job.rendered is not self._rendered:
            return
        before = len(self._item_rows(job.item))
        job.rendered.remember(job.item, job.rows)
        self._stale.pop(id(job.item), None)
        self._waiting.pop(id(job.item), None)
        if self._top and self._items[self._top[0]] is job.item:
            index, row = self._top
            self._top = (index, row * len(job.rows) // max(1, before))

    def repaint(self) -> None:
        """Render everything anew: the colours have changed."""
        with self._lock:
            self._forget_rows()

    def _forget_rows(self) -> None:
        """Render anew what is looked at; what is long is seen as it was meanwhile."""
        if self._rendered:
            for item in self._items:
                rows = self._rendered.known(item)
                if rows is not None and item.size > _QUICK_CHARACTERS:
                    self._stale[id(item)] = rows
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
            self._growing, self._coming = self._rows().growing(item), None
        elif event.kind == "end":
            self._end(event)
        elif self._growing:
            item = self._growing.item
            (item.add if event.kind == "text" else item.think)(event.text)

    def _add(self, item: Item) -> None:
        growing = self._growing.item if self._growing else None
        # A note while an answer grows stands above it.
        at = len(self._items) - (growing is not None and item.kind == "note")
        self._items.insert(at, item)

    def _end(self, event: Event) -> None:
        growing, self._growing, self._coming = self._growing, None, None
        if growing:
            growing.item.facts = event.facts
            is_as_wide = growing.width == self._width
            if growing.is_behind:
                # Its lines are seen as they are meanwhile.
                if is_as_wide and self._rendered and not self._job:
                    steps = self._rendered.finishing(growing)
                    self._job = _Job(growing.item, self._rendered, steps, [])
            elif is_as_wide and self._rendered:
                self._rendered.remember(growing.item, growing.finished())
            else:
                self._stale[id(growing.item)] = growing.finished()
            self._find(moves=False)
        elif event.text:
            self._add(Item("note", event.text, level="says"))

    # -- what is seen ---------------------------------------------------------

    def rows(self, width: int, height: int) -> list[Seen]:
        """Return the rows to show on a place of this size."""
        with self._lock:
            if (width, height) != (self._width, self._height):
                self._resize(width, height)
            place = self._clamped(self._top) if self._top else self._top_place()
            rows: list[Seen] = []
            index, row = place
            while index < len(self._items) and len(rows) < height:
                found = self._slice(index, row, row + height - len(rows))
                for number, one in enumerate(found, row):
                    marks = self._marks.get((index, number), ())
                    rows.append(Seen(one, tuple(marks)))
                index, row = index + 1, 0
            return rows

    def _resize(self, width: int, height: int) -> None:
        """Keep what was at the top there, as near as its new height allows."""
        top = self._clamped(self._top) if self._top else None
        before = self._item_height(top[0]) if top and self._items else 1
        is_other_width = width != self._width
        if is_other_width:
            self._forget_rows()
        self._width, self._height = width, height
        self._rows()
        if self.query and is_other_width:
            self._find(moves=self._top is not None)
        elif self._top and self._matches:
            self._go_to_match()
            return
        if top and self._items:
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
        """Look for a text in all rows, whatever its case; go to the last place."""
        with self._lock:
            self.query = query
            self._match, self._matches = 0, []
            self._find(moves=bool(query))

    def next_match(self, by: int) -> None:
        """Go to another place where the text stands."""
        with self._lock:
            if self._matches:
                self._match = (self._match + by) % len(self._matches)
                self._go_to_match()

    def next_question(self, by: int) -> None:
        """Go to another question: the one before, or behind, what is at the top."""
        with self._lock:
            index, row = self._clamped(self._top) if self._top else self._top_place()
            index += 1 if by < 0 and row > 0 else 0
            index += by
            while 0 <= index < len(self._items):
                if self._items[index].kind == "question":
                    self._top = self._clamped((index, 0))
                    return
                index += by
            self._top = None if by > 0 else (0, 0)

    @property
    def matches(self) -> tuple[int, int]:
        """Return the number of the match shown, from 1, and of all found so far."""
        return (self._match + 1 if self._matches else 0), len(self._matches)

    def _find(self, *, moves: bool) -> None:
        """Begin to search anew; `work` goes on, from the last item to the first.

        `moves`: go to the match that was shown, or else to the last one.
        """
        shown = len(self._matches) - self._match if self._matches else 1
        self._wanted_match = shown if moves else None
        self._matches, self._marks, self._match = [], {}, 0
        self._unsearched = list(range(len(self._items))) if self.query else []
        if self.query:
            self._wake()

    def _search_on(self) -> bool:
        """Search in one more item; tell whether there was one."""
        while self._unsearched:
            index = self._unsearched.pop()
            item = self._items[index]
            is_growing = self._growing is not None and self._growing.item is item
            if is_growing or not may_hold(item.searched, self.query):
                continue  # One that grows is searched when it is whole.
            self._item_rows(item)
            if self._rows().known(item) is None:
                self._unsearched.append(index)  # once it is rendered
                return True
            self._found(index, self._item_rows(item))
            return True
        return False

    def _found(self, index: int, rows: list[Row]) -> None:
        spans = list(occurrences(rows, self.query))
        for span in (one for found in spans for one in found):
            self._marks.setdefault((index, span.row), []).append((span.start, span.end))
        before = len(self._matches)
        self._matches = [*(_Match(index, found) for found in spans), *self._matches]
        self._match += len(spans) if before else max(0, len(spans) - 1)
        wanted = self._wanted_match
        if wanted is not None and len(self._matches) >= wanted:
            self._match = len(self._matches) - wanted
            self._wanted_match = None
            self._go_to_match()

    def _go_to_match(self) -> None:
        index, spans = self._matches[self._match]
        self._top = self._clamped(self._moved((index, spans[0].row), -_ABOVE_MATCH))

    # -- places ---------------------------------------------------------------

    def _rows(self) -> ItemRows:
        if self._rendered is None or self._rendered.width != self._width:
            self._rendered = self._make_rows(self._width)
            if self._growing:
                self._coming = self._rendered.growing(self._growing.item)
                self._wake()
        return self._rendered

    def _item_rows(self, item: Item) -> list[Row]:
        """Return the rows of an item that does not grow, or what stands for them."""
        rendered = self._rows()
        rows = rendered.known(item)
        if rows is not None:
            return rows
        if item.size + item.thought_size <= _QUICK_CHARACTERS:
            return rendered.rows(item)
        is_under_way = self._job is not None and self._job.item is item
        if not is_under_way and id(item) not in self._waiting:
            self._waiting[id(item)] = item
            self._wake()
        rows = self._stale.get(id(item))
        return rendered.rough(item) if rows is None else rows

    def _slice(self, index: int, start: int, end: int) -> list[Row]:
        item = self._items[index]
        if self._growing and self._growing.item is item:
            return self._growing.slice(start, end)
        return self._item_rows(item)[start:end]

    def _item_height(self, index: int) -> int:
        item = self._items[index]
        if self._growing and self._growing.item is item:
            return self._growing.height
        return len(self._item_rows(item))

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
