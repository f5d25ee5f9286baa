"""What both drawn fronts do alike: lines entered, models, themes, leaving."""

from __future__ import annotations

import base64
from collections.abc import Callable

from prompt_toolkit.application import Application
from prompt_toolkit.filters import Condition, Filter
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.search import stop_search

from ..errors import ExhaustedError, Interrupted
from ..terminal.fences import code_blocks
from ..terminal.themes import HIGH_CONTRAST, THEMES, Theme, chosen_theme
from ..threads import start_thread
from .chat_app import DrawnApplication
from .clipboard import copied
from .input_line import InputLine
from .keys import Do, Keys, bind, configured_keys
from .mailbox import Event
from .room import Effect, Room
from .slash import enter, is_question
from .slash_settings import choose_model
from .slash_turns import last_answer
from .ttys import Terminal

_CLIPBOARD_BYTES = 74_994
"""What xterm takes at most by OSC 52; others take more."""


class Front:
    """A chat that is drawn; for the main thread.

    Derived classes make `app`, and say how things are shown.
    """

    app: DrawnApplication

    def __init__(self, room: Room, terminal: Terminal, history: History) -> None:
        self.room = room
        self.talk = room.talk
        self.terminal = terminal
        self.theme = chosen_theme(room.config)
        self._plain_theme = THEMES[room.config.ui.theme]
        self.keys: Keys = configured_keys(room.config)
        self.input = InputLine(room, history, lambda: self.theme)
        self.bindings = KeyBindings()
        self.pause: Callable[[bool], object] = lambda is_group: None
        """Stops the process, or its group too, until somebody says to go on."""
        self.first = ""
        """What is asked at once."""
        self._has_begun = False
        self.talk.on_end = lambda: self._soon(self._after_answer)

    def begin(self, app: Application[None]) -> None:
        """Do what waited for the first frame.

        Requests take as long to import as all that the first frame needs.
        """
        if self._has_begun:
            return
        self._has_begun = True
        self.room.offers.look(self.talk.settings.model)
        if self.first:
            self.enter(self.first)

    def say(self, text: str, level: str = "says") -> None:
        """Show a text beside the conversation."""
        self.talk.mailbox.note(level, text)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.app.invalidate()

    def show_conversation(self, *, is_other: bool) -> None:
        """Show another conversation, or what is left of the one so far."""
        raise NotImplementedError

    def bind(self, name: str, do: Do, when: Filter | None = None) -> None:
        """Bind the keys of an action."""
        if when is None:
            when = Condition(lambda: True)
        bind(self.bindings, self.keys, name, do, when, self.input.is_empty)

    def bind_common(self) -> None:
        """Bind what both fronts have."""
        is_typing = Condition(lambda: self.app.layout.has_focus(self.input.buffer))
        self.bind("send", lambda event: self.send(), is_typing)
        self.bind("newline", lambda event: self.input.break_line(), is_typing)
        self.bind("stop", self.stop)
        # Behind the configured ones: what arrives as a signal instead of a key.
        self.bindings.add("<sigint>")(self.stop)
        self.bind("suspend", lambda event: self._suspend(is_group=True))
        self.bind("quit", lambda event: self.leave())
        self.bindings.add("c-d", filter=self.input.is_empty)(lambda _: self.leave())
        for number in range(4):
            self.bind(f"model_{number + 1}", self._choose(number))
        self.bind("high_contrast", lambda event: self.toggle_contrast())
        self.bind("copy", lambda event: self.do(enter(self.room, "/copy")))
        self.bind("copy_code", lambda event: self.copy_code())
        self.bind("help", lambda event: self.show_help())

    def show_help(self) -> None:
        """Show what keys and commands do."""
        raise NotImplementedError

    def send(self) -> None:
        """Do what was typed."""
        buffer = self.input.buffer
        state = buffer.complete_state
        if state and state.current_completion:
            buffer.apply_completion(state.current_completion)
            return
        text = buffer.text
        if self.talk.is_busy and is_question(text):
            self.say("an answer is under way; Ctrl-C stops it", "warning")
            return
        if text.strip() or self.room.attached:
            self.enter(self.input.taken())

    def enter(self, text: str) -> None:
        """Do what a line says."""
        if is_question(text):
            if self.talk.drop_edited():
                self.show_conversation(is_other=False)
            self.talk.mailbox.post(Event("question", text))
        elif text.strip():
            self.say(text)
        before = self.talk.conversation
        effect = enter(self.room, text)
        self.do(effect, is_other=self.talk.conversation is not before)

    def do(self, effect: Effect, *, is_other: bool = False) -> None:
        """Show what a line brought about; `is_other`: in another conversation."""
        if effect.error:
            self.say(effect.error, "warning")
        if effect.theme:
            self._plain_theme = THEMES[effect.theme]
            self.set_theme(THEMES[effect.theme])
        if effect.is_new:
            self.show_conversation(is_other=is_other)
        if effect.fills is not None:
            self.input.fill(effect.fills)
        if effect.gives_back and not self.input.buffer.text:
            self.input.fill(self.room.take(effect.gives_back))
        if effect.copies is not None:
            self.copy(effect.copies)
        if effect.says:
            self.say(effect.says)
        if effect.is_leaving:
            self.leave()
        if effect.then:
            self._once_looked_up(effect.then)

    def _once_looked_up(self, then: Callable[[], Effect]) -> None:
        """Do something once models were looked up, which is done beside the keys."""
        offers, model = self.room.offers, self.talk.settings.model
        offers.look(model, lambda: self._soon(lambda: self.do(then())))

    def copy(self, text: str) -> None:
        """Put a text, safe to paste, on the user's clipboard; say what is known then.

        By a program beside the keys, where there is one for that; else by OSC 52.
        """

        def copy() -> None:
            if says := copied(text, self.room.environ):
                self.say(says)
            else:
                self._soon(lambda: self.hand_over(text))

        try:
            start_thread(copy, "copy")
        except ExhaustedError as error:
            self.say(str(error), "error")

    def hand_over(self, text: str) -> None:
        """Hand a text to the terminal for its clipboard, by OSC 52.

        That works over ssh too; what is in it is nothing but base64.
        """
        data = base64.b64encode(text.encode("utf-8", "replace"))
        self.terminal.output.write_raw(f"\x1b]52;c;{data.decode()}\x07")
        self.terminal.output.flush()
        doubt = "; it is long for some" if len(data) > _CLIPBOARD_BYTES else ""
        self.say(
            f"handed to the terminal, which does not say whether it copied it{doubt}"
        )

    def copy_code(self) -> None:
        """Copy the last block of code of the last answer."""
        answer = last_answer(self.room)
        blocks = code_blocks(answer.message.content) if answer else []
        if blocks:
            self.do(enter(self.room, f"/copy {len(blocks)}"))
        else:
            self.say("the last answer has no code", "warning")

    def toggle_contrast(self) -> None:
        """Change between high contrast and the chosen theme."""
        is_high = self.theme is HIGH_CONTRAST
        self.set_theme(self._plain_theme if is_high else HIGH_CONTRAST)

    def stop(self, event: KeyPressEvent | None = None) -> None:
        """Stop the answer under way, clear the line, or leave."""
        if self.app.layout.is_searching:
            stop_search()
        elif self.talk.stop():
            return
        elif self.input.buffer.text:
            self.input.drop()
            self.room.keep_edited()
        else:
            self.leave()

    def draw(self, *, is_over: bool = False) -> None:
        """Draw a frame soon, or leave; any thread may call it, at any moment.

        Not Application.invalidate: that needs a loop that may end meanwhile.
        """
        self._soon(self.leave if is_over else self._draw)

    def _after_answer(self) -> None:
        """Show what follows from an answer's end."""
        before = self.talk.conversation
        effect = self.room.after_answer()
        self.do(effect, is_other=self.talk.conversation is not before)

    def _soon(self, call: Callable[[], object]) -> None:
        try:
            if loop := self.app.loop:
                loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass  # The loop is closed: nothing is drawn any more.

    def _draw(self) -> None:
        self.app.invalidate()

    def leave(self) -> None:
        """Leave the chat."""
        if self.app.is_running and not self.app.is_done:
            self.app.exit()

    def end_by(self, signum: int) -> None:
        """Leave because of a signal; a signal's handler."""
        loop = self.app.loop
        if loop is None or self.app.is_done:
            raise Interrupted(signum)
        loop.call_soon_threadsafe(self._interrupt, signum)

    def stop_by(self, signum: int) -> None:
        """Stop until somebody says to go on; a signal's handler."""
        loop = self.app.loop
        if loop is None or self.app.is_done:
            self.pause(False)
        else:
            loop.call_soon_threadsafe(lambda: self._suspend(is_group=False))

    def go_on_by(self, signum: int) -> None:
        """Draw anew: the process was stopped, by no wish of ours; a handler."""
        self._soon(self._come_back)

    def _suspend(self, *, is_group: bool) -> None:
        if self.app.is_running and not self.app.is_done:
            self.app.give_way(lambda: self.pause(is_group))

    def _come_back(self) -> None:
        if self.app.is_running and not self.app.is_done:
            self.app.come_back()

    def _interrupt(self, signum: int) -> None:
        if not self.app.is_done:
            self.app.exit(exception=Interrupted(signum))

    def _choose(self, number: int) -> Do:
        return lambda event: self.do(choose_model(self.room, number))
