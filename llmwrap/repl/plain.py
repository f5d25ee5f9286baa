"""The plain chat: a line in, an answer out.

For pipes, dumb terminals and screen readers: nothing is drawn again, no cursor moves,
nothing is animated, and there is no escape code. On a terminal roles are announced in
words.
"""

from __future__ import annotations

from typing import Protocol

from ..terminal.sanitize import LineEnds, visible
from .clipboard import copied
from .mailbox import Event, Facts
from .room import Effect, Room
from .slash import ask, enter, known

_POLL_S = 0.1
_PROMPT = "You: "


class Console(Protocol):
    """Where a plain chat reads and writes.

    `is_terminal`: somebody types and reads here. What is written is made safe here.
    """

    is_terminal: bool

    def read_line(self) -> str | None:
        """Return the next line, None at the end. Raises: LineDropped, LimitError."""
        ...

    def write(self, text: str) -> None:
        """Write a piece of an answer."""
        ...

    def prompt(self, text: str) -> None:
        """Write what a line is typed behind."""
        ...

    def say(self, text: str) -> None:
        """Write text for people, beside the answers."""
        ...

    def tell(self, level: str, message: str) -> None:
        """Write a note, a warning or an error, as one line."""
        ...

    def has_interrupt(self) -> bool:
        """Tell whether Ctrl-C was pressed since the last call."""
        ...


class LineDropped(Exception):
    """Say that Ctrl-C dropped the line that was being typed."""


class PlainChat:
    """Runs one plain chat; for the main thread.

    Where it takes no commands each line is a question: on a pipe lines are data, and
    data must not read files and write them.
    """

    def __init__(self, room: Room, console: Console, *, takes_commands: bool) -> None:
        self._room = room
        self._console = console
        self._takes_commands = takes_commands
        self._has_warned = False
        self._last = ""
        self._has_thought = False
        self._thought_ends = LineEnds()
        self._refusals = 0
        self._failures_before = room.talk.failures
        self.lines = 0
        """How many lines were not empty."""

    @property
    def failures(self) -> int:
        """Return how many lines came to nothing: commands and questions."""
        return self._refusals + self._room.talk.failures - self._failures_before

    def run(self, first: str) -> None:
        """Chat until stdin ends or somebody leaves; `first` is asked at once.

        Raises: what writing raises.
        """
        if self._console.is_terminal:
            self._console.say("Chat. /help lists commands, Ctrl-D leaves.\n")
        self._show_turns()
        if first and not self._do(first):
            return
        while True:
            if self._console.is_terminal:
                self._console.prompt(_PROMPT)
            try:
                line = self._console.read_line()
            except LineDropped:
                self._console.say("\n")
                continue
            if line is None:
                break
            if not self._do(line):
                return
        if self._console.is_terminal:
            self._console.say("\n")

    def _do(self, line: str) -> bool:
        """Do what a line says; tell whether the chat goes on."""
        self.lines += bool(line.strip())
        effect = self._effect(line)
        if effect.then:
            self._look_up()
            effect = effect.then()
        if effect.error:
            self._refusals += 1
            self._console.tell("warning", effect.error)
        if effect.is_new:
            self._show_turns()
        if effect.says:
            self._console.say(f"{effect.says}\n")
        self._say_rest(effect)
        if effect.is_asked:
            self._show_answer()
        return not effect.is_leaving

    def _effect(self, line: str) -> Effect:
        if self._takes_commands:
            return enter(self._room, line)
        if not self._has_warned and known(line):
            self._has_warned = True
            word = line.split(maxsplit=1)[0]
            why = f"'{word}' is asked, as every line of a pipe is"
            self._console.tell("warning", f"{why}; with --commands it is a command")
        return ask(self._room, line)

    def _look_up(self) -> None:
        """Look up which models there are, unless Ctrl-C ends the wait."""
        looked = self._room.offers.look(self._room.talk.settings.model)
        while not self._console.has_interrupt():
            try:
                looked.result(_POLL_S)
            except TimeoutError:
                continue
            break
        for event in self._room.talk.mailbox.take():
            self._show(event)

    def _say_rest(self, effect: Effect) -> None:
        if effect.fills is not None and not effect.error:
            self._console.say(f"the question was: {effect.fills}\n")
        if effect.copies is not None:
            says = ""
            if self._console.is_terminal:
                says = copied(effect.copies, self._room.environ)
            says = says or "there is no clipboard here; /save FILE writes a file"
            self._console.say(f"{says}\n")

    def _show_turns(self) -> None:
        """Say what was said before, where somebody reads."""
        if not self._console.is_terminal:
            return
        for turn in self._room.talk.turns():
            if turn.is_said:
                role = "You" if turn.message.role == "user" else "Assistant"
                mark = " (interrupted)" if turn.is_interrupted else ""
                self._console.say(f"{role}{mark}: {turn.message.content}\n")

    def _show_answer(self) -> None:
        talk = self._room.talk
        while True:
            talk.mailbox.wait(_POLL_S)
            if self._console.has_interrupt():
                talk.stop()
            is_over = False
            for event in talk.mailbox.take():
                self._show(event)
                is_over = is_over or event.kind == "end"
            talk.check()
            if is_over:
                break
        for event in talk.mailbox.take():
            self._show(event)
        effect = self._room.after_answer()
        if effect.error:
            self._console.tell("warning", effect.error)
        if effect.says and self._console.is_terminal:
            self._console.say(f"{effect.says}\n")
        if talk.is_busy:
            self._show_answer()

    def _show(self, event: Event) -> None:
        console = self._console
        if event.kind == "start":
            self._last = ""
            if console.is_terminal:
                console.say(f"Assistant{_origin(event.facts)}:\n")
        elif event.kind == "thinking":
            self._think(event.text)
        elif event.kind == "text":
            self._end_thinking()
            console.write(event.text)
            self._last = event.text[-1]
        elif event.kind == "end":
            self._end_thinking()
            self._end(event)
        elif event.kind == "note" and event.text:
            # An error of one turn is a warning: the chat goes on.
            level = "warning" if event.level == "error" else event.level
            console.tell(level, event.text)

    def _think(self, text: str) -> None:
        if self._console.is_terminal and self._room.shows_thinking:
            if not self._has_thought:
                self._console.say("Reasoning:\n")
            self._has_thought = True
            self._console.say(self._thought_ends.feed(text))

    def _end_thinking(self) -> None:
        if self._has_thought:
            self._has_thought = False
            self._console.say("\nAnswer:\n")

    def _end(self, event: Event) -> None:
        self._thought_ends.finish()
        is_empty = self._last == "" and event.facts.is_interrupted
        if not is_empty and self._last != "\n":
            self._console.write("\n")
        self._last = ""
        if event.text and self._console.is_terminal:
            self._console.say(f"{event.text}\n")


def _origin(facts: Facts) -> str:
    return (
        f" ({visible(facts.model, keep='')}, {'cached' if facts.is_cached else 'live'})"
    )
