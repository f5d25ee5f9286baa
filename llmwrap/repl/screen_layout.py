"""Where things are on the full screen, from 40 by 10 to 300 by 100."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    HSplit,
    VSplit,
    Window,
)
from prompt_toolkit.layout.processors import BeforeInput

from ..terminal.sanitize import visible
from ..units import format_duration
from .keys import key_help, shown
from .looks import Fragment, cut, fragments, theme_style
from .rows import RowsControl
from .slash import COMMANDS
from .status import context_words, model_name, status_row, waiting

if TYPE_CHECKING:
    from prompt_toolkit.buffer import Buffer

    from .front import Front
    from .screen_view import View

_LOW_ROWS = 14
"""Below so many rows there is no bar but the one with the figures."""
_WIDE_COLUMNS = 120
"""From so many columns on there is a panel at the side."""
_SIDE_COLUMNS = 34
_HELP_COLUMNS = 24
_WIDEST_TEXT = 120
_HINTS = (
    ("help", "help"),
    ("search", "search"),
    ("clear", "clear"),
    ("auto_scroll", "follow"),
    ("high_contrast", "contrast"),
    ("stop", "stop"),
    ("quit", "quit"),
)


class ScreenLayout:
    """The containers of the full screen, and what is in its bars and panels."""

    def __init__(self, front: Front, view: View, searched: Buffer) -> None:
        self._front = front
        self._view = view
        self.is_helping = False
        self.help_top = 0
        is_tall = Condition(lambda: front.terminal.size().rows >= _LOW_ROWS)
        is_wide = Condition(lambda: front.terminal.size().columns >= _WIDE_COLUMNS)
        text = self._style("text")
        body = Window(RowsControl(self._body), style=text, wrap_lines=False)
        side = Window(RowsControl(self._side), width=_SIDE_COLUMNS, style=text)
        edge = Window(width=1, char="│", style=self._style("quiet"))
        wide = ConditionalContainer(VSplit([edge, side]), is_wide)
        search = Window(
            BufferControl(searched, input_processors=[BeforeInput(self._found)]),
            height=1,
            style=text,
        )
        is_searching = has_focus(searched) | Condition(lambda: bool(view.query))
        self.root = HSplit(
            [
                ConditionalContainer(self._bar(self._title), is_tall),
                VSplit([body, wide]),
                ConditionalContainer(search, is_searching),
                self._bar(self._status),
                front.input.container,
                ConditionalContainer(self._bar(self._hints), is_tall),
            ]
        )

    def scroll_help(self, by: int) -> None:
        """Scroll the help."""
        self.help_top = max(0, min(self.help_top + by, len(self._help_lines()) - 1))

    def _bar(self, row: Callable[[int], list[Fragment]]) -> Window:
        return Window(
            RowsControl(lambda width, height: [row(width)]),
            height=1,
            style=self._style("bar"),
        )

    def _style(self, look: str) -> Callable[[], str]:
        return lambda: theme_style(self._front.theme, look)

    def _title(self, width: int) -> list[Fragment]:
        bar = theme_style(self._front.theme, "bar")
        at, count = self._view.position
        place = "" if self._view.is_at_end else f" · {at}/{count}"
        return cut([(bar, f" llmwrap · {model_name(self._front.room)}{place}")], width)

    def _status(self, width: int) -> list[Fragment]:
        row = status_row(self._front.room, self._front.theme, width)
        bar = theme_style(self._front.theme, "bar")
        view = self._view
        follows = "" if view.follows else "· auto-scroll off "
        below = "" if view.is_at_end else "· more below "
        return cut([*row, (bar, follows + below)], width)

    def _hints(self, width: int) -> list[Fragment]:
        bar = theme_style(self._front.theme, "bar")
        keys = self._front.keys
        words = [f"{shown(keys[n][0])} {word}" for n, word in _HINTS if keys[n]]
        return cut([(bar, " " + "  ".join(words))], width)

    def _found(self) -> StyleAndTextTuples:
        at, count = self._view.matches
        quiet = theme_style(self._front.theme, "user")
        return [(quiet, f"search ({at}/{count}): ")]

    def _body(self, width: int, height: int) -> list[list[Fragment]]:
        front = self._front
        if self.is_helping:
            return self._help(width)
        turning = waiting(front.room)
        room = max(1, height - bool(turning))
        rows = self._view.rows(max(2, min(_WIDEST_TEXT, width - 1)), room)
        match = theme_style(front.theme, "match")
        lines = [marked(fragments(seen.row), seen.marks, match) for seen in rows]
        if turning:
            lines.append([(theme_style(front.theme, "assistant"), turning)])
        return lines

    def _help(self, width: int) -> list[list[Fragment]]:
        lines = self._help_lines()[self.help_top :]
        key, text = self._style("code")(), self._style("text")()
        room = min(_HELP_COLUMNS, max(12, width // 2 - 5))
        return [
            cut([(key, f" {left:{room}} "), (text, right)], width)
            for left, right in lines
        ]

    def _help_lines(self) -> list[tuple[str, str]]:
        commands = [
            (f"/{slash.name} {slash.argument}".rstrip(), slash.help)
            for slash in COMMANDS.values()
        ]
        keys = key_help(self._front.keys, is_line=False)
        return [*keys, ("", ""), *commands]

    def _side(self, width: int, height: int) -> list[list[Fragment]]:
        front, talk = self._front, self._front.talk
        facts, answers = talk.facts, talk.answers
        hits = sum(one.is_cached for one in answers)
        pairs = [
            ("model", model_name(front.room)),
            ("backend", visible(facts.backend or front.room.offers.found.backend)),
            ("answers", f"{len(answers)}, {hits} of the cache"),
        ]
        if facts.ttft_s is not None:
            pairs.append(("TTFT", format_duration(facts.ttft_s)))
        if facts.tokens_per_s:
            pairs.append(("tokens/s", f"{facts.tokens_per_s:.0f}"))
        if context := context_words(front.room):
            pairs.append(("context", f"{context.removeprefix('context ')} tokens"))
        models = front.room.config.ui.models or front.room.offers.found.names
        pairs += [("", "")]
        pairs += [(f"F{n}", name) for n, name in enumerate(models[:4], 1)]
        key, text = self._style("code")(), self._style("text")()
        return [
            cut([(key, f" {left:10}"), (text, visible(right, keep=""))], width)
            for left, right in pairs
        ]


def marked(
    line: list[Fragment], places: Sequence[tuple[int, int]], match: str
) -> list[Fragment]:
    """Return a row in which some places, from start to end, are marked."""
    if not places:
        return line
    found: list[Fragment] = []
    start = 0
    for style, text in line:
        for offset, char in enumerate(text):
            is_in = any(a <= start + offset < b for a, b in places)
            found.append((match if is_in else style, char))
        start += len(text)
    return found
