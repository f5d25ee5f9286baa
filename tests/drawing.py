"""Run the drawn fronts in this process: keys through a pipe, the screen emulated.

No terminal is needed, and nothing sleeps: each step waits for what it wants to see.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TextIO, cast

import pyte
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input

from llmwrap import Config
from llmwrap.engine import Choice, Engine
from llmwrap.messages import Message
from llmwrap.repl.asked import Settings
from llmwrap.repl.conversations import Unkept
from llmwrap.repl.front import Front
from llmwrap.repl.mailbox import Mailbox
from llmwrap.repl.offers import Offers
from llmwrap.repl.room import Room
from llmwrap.repl.talk import Talk
from llmwrap.repl.ttys import FrameOutput, Terminal

from .fakeserver import FakeServer
from .runner import Home
from .scrolling import Scrolling

LONG_S = 20.0

_OURS = re.compile(
    r"\x1b\[(?:[0-9;]*m"  # colours
    r"|[0-9]*[ABCDM]|[0-9;]*H|[0-2]?[JK]"  # the cursor, erasing
    r"|\?(?:1|7|12|25|1049|2004|2026)[hl]|[0-9]* q)"  # modes, the cursor's shape
    r"|\x1b[78]"
)


def alien_in(written: str) -> str:
    """Return the control characters that are not our own.

    A single backspace is: prompt_toolkit moves the cursor by one so.
    """
    left = re.sub(r"(?<!\x08)\x08(?!\x08)", "", _OURS.sub("", written))
    return "".join(c for c in left if not (c.isprintable() or c in "\r\n"))


class Emulated:
    """A terminal's screen, its scrollback, and every byte that was written to it."""

    def __init__(self, columns: int, rows: int) -> None:
        self.changed = threading.Condition()
        self.written: list[str] = []
        self.columns, self.rows = columns, rows
        self._screen = Scrolling(columns, rows, kept=5000)
        self._stream = pyte.Stream(self._screen)

    def write(self, text: str) -> int:
        with self.changed:
            self.written.append(text)
            self._stream.feed(text)
            self.changed.notify_all()
        return len(text)

    def flush(self) -> None:
        pass

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, and empty the screen; whoever draws finds out by himself."""
        with self.changed:
            self.columns, self.rows = columns, rows
            self._screen.resize(rows, columns)
            self._screen.erase_in_display(2)
            cursor = self._screen.cursor  # which pyte leaves where it was
            cursor.x, cursor.y = min(cursor.x, columns - 1), min(cursor.y, rows - 1)

    def narrow(self, columns: int) -> None:
        """Make the screen narrower as most terminals do: rows are wrapped again."""
        with self.changed:
            cursor, shown = self._screen.cursor, self.shown().rstrip().split("\n")
            heights = [max(1, -(-len(row) // columns)) for row in shown]
            at = sum(heights[: cursor.y]) + cursor.x // columns, cursor.x % columns
            self.columns = columns
            self._screen.resize(columns=columns)
            drawn = "\r\n".join(shown)
            self._stream.feed(f"\x1b[?7h\x1b[H\x1b[2J{drawn}\x1b[?7l")
            cursor.y, cursor.x = at
            cursor.y -= max(0, sum(heights) - self.rows)  # as much scrolled away

    @property
    def raw(self) -> str:
        """Return all that was written."""
        return "".join(self.written)

    @property
    def alien(self) -> str:
        """Return the control characters in it that are not our own."""
        return alien_in(self.raw)

    def text(self) -> str:
        """Return all rows, those that scrolled away too."""
        lines = []
        for row in self._screen.above:
            cells = (row[x].data for x in range(max(row, default=-1) + 1))
            lines.append("".join(cells).rstrip())
        return "\n".join([*lines, *(line.rstrip() for line in self._screen.display)])

    def shown(self) -> str:
        """Return the rows of the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def wait_for(self, is_there: Callable[[str], object]) -> None:
        """Wait until all rows satisfy somebody."""
        with self.changed:
            done = self.changed.wait_for(lambda: is_there(self.text()), LONG_S)
            assert done, f"it never came:\n{self.text()}"


class Blank(Emulated):
    """A terminal that keeps what was written, and shows none of it.

    For texts that the emulator has no notion of: it stumbles over some of them.
    """

    def write(self, text: str) -> int:
        with self.changed:
            self.written.append(text)
            self.changed.notify_all()
        return len(text)


class Stage(NamedTuple):
    """What a test of a front needs."""

    room: Room
    screen: Emulated
    keys: PipeInput
    terminal: Terminal


Step = str | Callable[[str], object]
"""Keys to type, or what must be on the screen before the next step."""


def seen(text: str) -> Step:
    """Return a step that waits until a text is on the screen."""
    return lambda shown: text in shown


@contextmanager
def terminal(
    columns: int, rows: int, make: type[Emulated] = Emulated
) -> Iterator[tuple[Emulated, PipeInput, Terminal]]:
    """Give a screen, keys, and both as the terminal that an application draws on."""
    screen = make(columns, rows)
    with create_pipe_input() as keys:
        output = FrameOutput(
            cast("TextIO", screen),
            lambda: Size(rows=screen.rows, columns=screen.columns),
            term="xterm-256color",
        )
        output.enable_cpr = False
        with create_app_session(input=keys, output=output):
            yield screen, keys, Terminal(keys, output)


@contextmanager
def stage(
    home: Home,
    server: FakeServer,
    size: tuple[int, int] = (80, 24),
    toml: str = "",
    choice: Choice | None = None,
    screen: type[Emulated] = Emulated,
    room: type[Room] = Room,
) -> Iterator[Stage]:
    """Give a room whose model is the server's alpha, by default, and a screen."""
    config = Config.load(home.configure(toml), home.environ)
    choice = choice or Choice(base_url=server.url, model="alpha:latest")
    mailbox = Mailbox()
    conversations = Unkept()
    with (
        Engine(config, environ=home.environ, choice=choice) as engine,
        terminal(*size, make=screen) as (emulated, keys, drawn),
    ):
        talk = Talk(engine, conversations, conversations.new(), Settings(), mailbox)
        offers = Offers(engine, choice, mailbox)
        talk.default_model = lambda: offers.found.pinned
        made = room(talk, conversations, offers, config, home.environ)
        yield Stage(made, emulated, keys, drawn)


def play(
    front: Callable[[Room, Terminal, Any], Front],
    on: Stage,
    *steps: Step,
    first: str = "",
    leaves: bool = True,
) -> Front:
    """Run a front until all steps are done, and return it.

    `leaves` False: the last step makes it end.
    """
    running = front(on.room, on.terminal, InMemoryHistory())
    failures: list[BaseException] = []

    def drive(steps: Sequence[Step]) -> None:
        try:
            for step in steps:
                if isinstance(step, str):
                    on.keys.send_text(step)
                else:
                    on.screen.wait_for(step)
        except BaseException as error:
            failures.append(error)
        finally:
            loop = running.app.loop
            if loop and (leaves or failures):
                loop.call_soon_threadsafe(running.leave)

    driver = threading.Thread(target=drive, args=(steps,), daemon=True)

    def begin(app: object) -> None:
        if driver.ident is None:
            driver.start()

    running.app.after_render += begin
    cast("Any", running).run(first)
    if failures:
        raise failures[0]
    return running


def talked(on: Stage, count: int) -> None:
    """Put turns into the conversation, before anything is shown."""
    conversation = on.room.talk.conversation
    for number in range(count):
        conversation.add(Message("user", f"question {number}"))
        conversation.add(Message("assistant", f"answer {number}"), model="alpha")
