"""The full screen: a conversation that scrolls, is searched, and goes on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyPressEvent
from prompt_toolkit.layout import Layout

from ..history import Turn
from ..terminal.themes import Theme
from ..threads import start_thread
from .chat_app import DrawnApplication
from .front import Front
from .keys import Do
from .mailbox import WAKE, Facts
from .room import Room
from .screen_items import Item, ItemRows
from .screen_layout import ScreenLayout
from .screen_view import View
from .slash import enter
from .ttys import Terminal

if TYPE_CHECKING:
    from ..terminal.paint import Paint

_FRAME_S = 0.05
_WAIT_S = 1.0
_TURN_S = 0.1


class ScreenFront(Front):
    """A chat on the full screen; for the main thread."""

    def __init__(self, room: Room, terminal: Terminal, history: History) -> None:
        super().__init__(room, terminal, history)
        self.view = View(
            self._item_rows,
            lambda: self.talk.mailbox.note(WAKE, ""),
            follows=room.config.ui.auto_scroll,
        )
        self.searched = Buffer(
            multiline=False, on_text_changed=lambda b: self.view.search(b.text)
        )
        self._stopped = threading.Event()
        self._taking = threading.Lock()
        self._bug: BaseException | None = None
        self.layout = ScreenLayout(self, self.view, self.searched)
        self.bind_common()
        self._bind_own()
        self.app = DrawnApplication(
            terminal,
            layout=Layout(self.layout.root, self.input.window),
            key_bindings=self.bindings,
            full_screen=True,
            after_render=self.begin,
        )

    def run(self, first: str) -> None:
        """Chat until somebody leaves; `first` is asked at once.

        Raises: Interrupted, ExhaustedError, and what a bug raised.
        """
        self.first = first
        self.show_conversation(is_other=True)
        start_thread(self._paint_on, "painter")
        try:
            self.app.run()
        except (EOFError, OSError):
            pass  # The terminal hung up: there is nobody left to talk to.
        finally:
            self.talk.stop()
            self._stopped.set()
            self.talk.mailbox.note(WAKE, "")
        self.talk.check()
        if self._bug:
            raise self._bug

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.view.repaint()
        super().set_theme(theme)

    def show_conversation(self, *, is_other: bool) -> None:
        """Show the conversation as it is kept, and nothing else that happened so far.

        What of an answer is not drawn yet is kept, or was of another conversation.
        """
        mailbox = self.talk.mailbox
        with self._taking:
            notes = [event for event in mailbox.take() if event.kind == "note"]
            self.view.load(_item(turn) for turn in self.talk.turns() if turn.is_said)
            for note in notes:
                mailbox.post(note)

    def show_help(self) -> None:
        """Show what keys and commands do, or no longer."""
        self.layout.is_helping = not self.layout.is_helping
        self.layout.help_top = 0

    def stop(self, event: KeyPressEvent | None = None) -> None:
        """Close what is open, stop the answer under way, clear the line, or leave."""
        if self.is_searching or self.layout.is_helping:
            self.close_panels()
        else:
            super().stop(event)

    def enter(self, text: str) -> None:
        """Do what a line says, and show the end of the conversation."""
        self.view.to_bottom()
        super().enter(text)

    @property
    def is_searching(self) -> bool:
        """Tell whether a text is being looked for."""
        return self.app.layout.has_focus(self.searched)

    def close_panels(self) -> None:
        """End searching, and the help."""
        self.layout.is_helping = False
        self.searched.reset()
        self.view.search("")
        self.app.layout.focus(self.input.window)

    def _bind_own(self) -> None:
        searching = Condition(lambda: self.is_searching)
        helping = Condition(lambda: self.layout.is_helping)
        self.bind("clear", lambda event: self.do(enter(self.room, "/clear")))
        self.bind("auto_scroll", lambda event: self._toggle_follows())
        self.bind("search", lambda event: self.app.layout.focus(self.searched))
        self.bindings.add("escape", filter=searching | helping, eager=True)(
            lambda event: self.close_panels()
        )
        for key, by in (("enter", -1), ("up", -1), ("down", 1)):
            self.bindings.add(key, filter=searching, eager=True)(self._matching(by))
        reading = ~searching
        for name, by in (("line_up", -1), ("line_down", 1)):
            self.bind(name, self._scrolling(by), reading)
        self.bind("page_up", lambda event: self._page(-1))
        self.bind("page_down", lambda event: self._page(1))
        self.bind("question_up", lambda event: self.view.next_question(-1))
        self.bind("question_down", lambda event: self.view.next_question(1))
        self.bind("top", lambda event: self._go(to_end=False), reading)
        self.bind("bottom", lambda event: self._go(to_end=True), reading)

    def _matching(self, by: int) -> Do:
        return lambda event: self.view.next_match(by)

    def _scrolling(self, by: int) -> Do:
        return lambda event: self._scroll(by)

    def _scroll(self, by: int) -> None:
        if self.layout.is_helping:
            self.layout.scroll_help(by)
        elif not (by == -1 and self.input.bring_back()):
            self.view.scroll(by)

    def _page(self, by: int) -> None:
        if self.layout.is_helping:
            self.layout.scroll_help(by * 10)
        else:
            self.view.page(by)

    def _go(self, *, to_end: bool) -> None:
        if to_end:
            self.view.to_bottom()
        else:
            self.view.to_top()

    def _toggle_follows(self) -> None:
        self.view.toggle_follows()

    def _item_rows(self, width: int) -> ItemRows:
        return ItemRows(self._paint(), width, has_color=self.terminal.has_color)

    def _paint(self) -> Paint:
        from ..terminal.paint import Paint

        highlighted = self.room.config.ui.syntax_highlighting
        return Paint(self.theme, has_highlighting=highlighted)

    def _paint_on(self) -> None:
        """Take in what happens until the end; runs on a thread of its own."""
        mailbox = self.talk.mailbox
        try:
            while not self._stopped.is_set():
                is_waiting = self.talk.is_waiting
                if mailbox.wait(_TURN_S if is_waiting else _WAIT_S):
                    thinking = self.room.shows_thinking
                    with self._taking:
                        self.view.take(mailbox.take(), shows_thinking=thinking)
                elif not is_waiting:
                    continue
                self._changed()
                self._work()
        except BaseException as error:
            self._bug = error
            self._changed()
            raise

    def _work(self) -> None:
        """Render and search until nothing is left to do, for a frame at least."""
        until = time.monotonic() + _FRAME_S
        has_worked = False
        while not self._stopped.is_set() and self.view.work():
            has_worked = True
            if time.monotonic() >= until:
                self.talk.mailbox.note(WAKE, "")
                break
        if has_worked:
            self._changed()
        self._stopped.wait(max(0.0, until - time.monotonic()))

    def _changed(self) -> None:
        self.draw(is_over=bool(self._bug) or self.talk.has_bug)


def _item(turn: Turn) -> Item:
    if turn.message.role == "user":
        return Item("question", turn.message.content)
    facts = Facts(
        model=turn.model,
        backend=turn.backend,
        is_cached=turn.is_cached,
        is_interrupted=turn.is_interrupted,
        usage=turn.usage,
    )
    return Item("answer", turn.message.content, facts=facts)
