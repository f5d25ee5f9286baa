"""The line one types in, its completions and its history, for both fronts."""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, has_completions
from prompt_toolkit.history import History
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    HSplit,
    Window,
)
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.widgets import SearchToolbar

from ..terminal.themes import Theme
from .completing import SlashCompleter
from .looks import Fragment, cut, theme_style
from .room import Room
from .rows import RowsControl

_MARKER = "> "
_MOST_ROWS = 6
_MOST_COMPLETIONS = 5


class InputLine:
    """What is typed; `theme` returns the colours of the moment."""

    def __init__(
        self, room: Room, history: History, theme: Callable[[], Theme]
    ) -> None:
        self._theme = theme
        self._dropped = ""
        self.is_empty = Condition(self._is_empty)
        is_command = Condition(lambda: self.buffer.text.startswith("/"))
        self.buffer = Buffer(
            multiline=True,
            history=history,
            completer=SlashCompleter(room),
            complete_while_typing=is_command,
        )
        search = SearchToolbar(ignore_case=True)
        marker = BeforeInput(lambda: [(theme_style(theme(), "user"), _MARKER)])
        self.control = BufferControl(
            self.buffer,
            input_processors=[marker],
            search_buffer_control=search.control,
            preview_search=True,
        )
        self.window = Window(
            self.control,
            wrap_lines=True,
            height=Dimension(min=1, max=_MOST_ROWS),
            dont_extend_height=True,
            style=self._text_style,
        )
        completions = Window(
            RowsControl(self._completions),
            height=lambda: Dimension.exact(len(self._completions(80, 0))),
        )
        self.container = HSplit(
            [
                self.window,
                ConditionalContainer(completions, has_completions),
                search,
            ]
        )

    def fill(self, text: str) -> None:
        """Put a text into the line instead of what is there."""
        self.buffer.reset()
        self.buffer.insert_text(text)

    def break_line(self) -> None:
        """Begin another line, with nothing in it that was not typed."""
        self.buffer.newline(copy_margin=False)

    def drop(self) -> None:
        """Clear the line; what it held comes back by `bring_back`, or by Up."""
        self._dropped = self.taken()

    def bring_back(self) -> bool:
        """Put what was dropped into the line again; tell whether there was any."""
        dropped, self._dropped = self._dropped, ""
        if dropped:
            self.fill(dropped)
        return bool(dropped)

    def taken(self) -> str:
        """Return what was typed, and remember it."""
        text, self._dropped = self.buffer.text, ""
        self.buffer.reset(append_to_history=True)
        return text

    def _is_empty(self) -> bool:
        """Tell whether one could type here, and nothing is typed."""
        return not self.buffer.text and get_app().layout.has_focus(self.buffer)

    def _text_style(self) -> str:
        return theme_style(self._theme(), "text")

    def _completions(self, width: int, height: int) -> list[list[Fragment]]:
        """Return rows for what could be meant, the chosen one marked.

        Below the line and not floating above it: what floats gets no room in a layout
        that is no higher than it must be.
        """
        state = self.buffer.complete_state
        if state is None:
            return []
        theme, at = self._theme(), state.complete_index or 0
        first = max(0, min(at - _MOST_COMPLETIONS + 1, len(state.completions)))
        shown = state.completions[first : first + _MOST_COMPLETIONS]
        rows = []
        for number, completion in enumerate(shown, first):
            is_chosen = number == state.complete_index
            name = theme_style(theme, "match" if is_chosen else "code")
            meta = theme_style(theme, "quiet")
            row = [
                (name, f"  {completion.display_text} "),
                (meta, f" {completion.display_meta_text}"),
            ]
            rows.append(cut(row, width - 1))
        return rows
