"""The line front: a chat at the bottom of the terminal's scrollback.

One long-lived application and one owner of the cursor. Finished blocks are written
once, within a frame, above where the interface then begins anew; the open block is a
window above the input. So keys are answered to while an answer streams, and neither
patch_stdout nor run_in_terminal is needed, which flicker and lose keys.
"""

from __future__ import annotations

from prompt_toolkit.history import History
from prompt_toolkit.layout import HSplit, Layout, Window

from ..terminal.themes import Theme
from ..threads import start_thread
from .chat_app import ChatApplication
from .chat_painter import Painter
from .front import Front
from .keys import key_help
from .looks import Fragment, theme_style
from .mailbox import Event, Facts
from .room import Room
from .rows import RowsControl
from .slash import enter
from .status import status_row
from .talk import INTERRUPTED
from .ttys import Terminal

_SHOWN_TURNS = 10


class ChatFront(Front):
    """A chat in the scrollback; for the main thread."""

    app: ChatApplication

    def __init__(self, room: Room, terminal: Terminal, history: History) -> None:
        super().__init__(room, terminal, history)
        self.painter = Painter(
            room,
            self.theme,
            self._screen,
            self._changed,
            has_color=terminal.has_color,
            scrolls_blanks=terminal.goes_back,
        )
        self._open: list[list[Fragment]] = []
        opened = Window(RowsControl(self._open_rows), dont_extend_height=True)
        bar = Window(RowsControl(self._bar), height=1)
        self.bind_common()
        self.app = ChatApplication(
            terminal,
            self._take,
            layout=Layout(
                HSplit([opened, self.input.container, bar]), self.input.window
            ),
            key_bindings=self.bindings,
            after_render=self.begin,
        )

    def run(self, first: str) -> None:
        """Chat until somebody leaves; `first` is asked at once.

        Raises: Interrupted, ExhaustedError, and what a bug raised.
        """
        self.first = first
        if self.talk.turns():
            self.show_conversation(is_other=True)
        start_thread(self.painter.run, "painter")
        try:
            self.app.run()
        except (EOFError, OSError):
            pass  # The terminal hung up: there is nobody left to talk to.
        finally:
            self.talk.stop()
            self.painter.stop()
            self._write_rest()
        self.check()

    def check(self) -> None:
        """Raise what a bug of ours raised on another thread."""
        self.talk.check()
        if self.painter.bug:
            raise self.painter.bug

    def set_theme(self, theme: Theme) -> None:
        """Change the colours of what comes from now on."""
        self.painter.theme = theme
        super().set_theme(theme)

    def show_conversation(self, *, is_other: bool) -> None:
        """Show the last turns of another conversation."""
        if not is_other:
            return  # Its turns stand in the scrollback already.
        turns = [turn for turn in self.talk.turns() if turn.is_said]
        post = self.talk.mailbox.post
        if len(turns) > _SHOWN_TURNS:
            self.say(f"{len(turns) - _SHOWN_TURNS} older messages are not shown")
        for turn in turns[-_SHOWN_TURNS:]:
            if turn.message.role == "user":
                post(Event("question", turn.message.content))
                continue
            facts = Facts(turn.model, turn.backend, turn.is_cached, turn.is_interrupted)
            post(Event("start", facts=facts))
            post(Event("text", turn.message.content))
            mark = INTERRUPTED if facts.is_interrupted else ""
            post(Event("end", mark, facts=facts))

    def show_help(self) -> None:
        """Show what keys and commands do."""
        pairs = key_help(self.keys, is_line=True)
        width = max(len(keys) for keys, _ in pairs)
        self.say("\n".join(f"{keys:{width}}  {text}" for keys, text in pairs))
        self.do(enter(self.room, "/help"))

    def _changed(self) -> None:
        self.draw(is_over=bool(self.painter.bug) or self.talk.has_bug)

    def _take(self) -> tuple[str, int]:
        done, self._open = self.painter.take()
        return done, len(self._open)

    def _write_rest(self) -> None:
        """Write what was not drawn any more."""
        self.painter.paint()
        done = self.app.unwritten + self._take()[0]
        try:
            self.terminal.output.write_raw(done.replace("\n", "\r\n"))
            self.terminal.output.flush()
        except OSError:
            pass  # It hung up.

    def _open_rows(self, width: int, height: int) -> list[list[Fragment]]:
        return self._open

    def _bar(self, width: int, height: int) -> list[list[Fragment]]:
        # Never up to the right edge: what is erased there still counts as used in
        # tmux, and would be wrapped when the screen becomes narrower.
        row = status_row(self.room, self.theme, max(1, width - 1))
        return [row or [(theme_style(self.theme, "bar"), "")]]

    def _screen(self) -> tuple[int, int]:
        size = self.terminal.size()
        return size.columns, size.rows
