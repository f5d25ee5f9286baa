"""Whatever is typed: sent, saved, loaded and edited as it is."""

from __future__ import annotations

import base64
import os
import random
import re
import unicodedata
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from llmwrap.messages import Message
from llmwrap.repl.chat_front import ChatFront
from llmwrap.repl.front import Front
from llmwrap.repl.screen_front import ScreenFront
from llmwrap.repl.slash import enter, is_slashed

from .chatting import asked
from .drawing import Blank, Stage, Step, play, stage
from .fakeserver import FakeServer
from .runner import Home

ROUNDS = int(os.environ.get("LLMWRAP_TEST_ROUNDS", "10"))
"""How many texts go through each front: 1,000 were once proved."""
UNCACHED = "[cache]\nenabled = false\n"
ENTER, ALT_ENTER, UP = "\r", "\x1b\r", "\x1b[A"
PASTE = "\x1b[200~{}\x1b[201~"
FRONTS = pytest.mark.parametrize("front", [ScreenFront, ChatFront])

PIECES = (
    *("a", "word", " ", "  ", "\n", "\r\n", "\r", "\t", "/", "//", "/help", "\\"),
    *("```", "```py\n", "~~~", "> ", "- ", "# ", "<b>", "&amp;", "{{x}}", '"', "'"),
    *("ä", "世界", "👩\u200d💻", "\u202e", "\u200b", "\x1b[31m", "\x07", "\u2028"),
    *(
        "e\u0301",
        "\u0300",
        "한",
        "ก็",
        "سلام",
        "🇩🇪",
        "❤️",
        "\xa0",
        "\u3000",
        "\U0010fffd",
    ),
    *(
        "\0",
        "\x7f",
        "\x85",
        "\x9b2J",
        "\x1b",
        "\x1b]0;t\x07",
        "\ufeff",
        "\xad",
        "é",
        "?",
    ),
)


def texts(count: int) -> list[str]:
    """Return texts of all kinds that are asked, the same ones each time."""
    chance = random.Random(1)
    asked: dict[str, None] = {}
    while len(asked) < count:
        text = "".join(
            piece
            if chance.random() < 0.9
            else chr(chance.choice((*range(1, 0xD7FF), *range(0x10000, 0x1FAFF))))
            for piece in chance.choices(PIECES, k=chance.randint(1, 12))
        )
        if lined(text).strip() and not is_slashed(lined(text)):
            asked[text] = None
    return list(asked)


def lined(text: str) -> str:
    """Return a text as it is pasted: many terminals send CR where a line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def harmless(text: str) -> str:
    """Return a text as it is copied: what drives a terminal is made visible."""
    found = ""
    for char in text.replace("\r\n", "\n"):
        code = ord(char)
        if char not in "\n\t" and (code < 0x20 or code == 0x7F):
            found += "^" + chr(code ^ 0x40)
        elif code in (
            *range(0x80, 0xA0),
            *range(0x202A, 0x202F),
            *range(0x2066, 0x206A),
        ):
            found += f"<U+{code:04X}>"
        else:
            found += char
    return found


def copied(on: Stage) -> list[str]:
    """Return what the terminal was handed for its clipboard."""
    found = re.findall(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", on.screen.raw)
    return [base64.b64decode(one).decode() for one in found]


def questions(server: FakeServer) -> list[str]:
    """Return the last message of each request."""
    return [messages[-1][1] for messages in asked(server)]


def blank_stage(home: Home, server: FakeServer) -> AbstractContextManager[Stage]:
    return stage(home, server, toml=UNCACHED, screen=Blank)


class Typist:
    """Puts texts through the line of a front, and notes what it shows then."""

    def __init__(self, front: type[Front], on: Stage, server: FakeServer) -> None:
        self._make, self._on, self._server = front, on, server
        self._front: Front | None = None
        self._count = 0

    def run(self, *steps: Step) -> None:
        """Play steps on the front."""

        def made(*given: object) -> Front:
            self._front = self._make(*given)  # type: ignore[arg-type]
            return self._front

        play(made, self._on, *steps)

    def holds(self, text: str) -> Step:
        """Return a step that waits until the line holds a text."""
        return lambda shown: self._front and self._front.input.buffer.text == text

    def is_answered(self) -> Step:
        """Return a step that waits until one more question has its answer."""
        self._count += 1
        count = self._count
        return lambda shown: (
            len(self._server.requests) >= count
            and len(asked(self._server)) == count
            and not self._on.room.talk.is_busy
        )

    def answers(self, text: str) -> Step:
        """Return a step that lets the server answer with a text from now on."""

        def set_answer(shown: str) -> bool:
            self._server.answer = [*text]
            return True

        return set_answer

    def copies(self, count: int) -> Step:
        """Return a step that waits until so much was copied."""
        return lambda shown: len(copied(self._on)) == count


@pytest.mark.slow
@FRONTS
def test_what_goes_through_the_line_is_what_was_meant(
    home: Home, front: type[Front]
) -> None:
    """Pasted, sent, answered, copied, brought back, edited, saved and loaded."""
    written = texts(ROUNDS)
    for start in range(0, len(written), 20):
        some = written[start : start + 20]
        file = home.path / f"{start}.json"
        with FakeServer() as server, blank_stage(home, server) as on:
            typist = Typist(front, on, server)

            def steps(
                typist: Typist = typist, some: list[str] = some
            ) -> Iterator[Step]:
                for number, text in enumerate(some, 1):
                    line = lined(text)
                    yield from (typist.answers(text), PASTE.format(text))
                    yield from (typist.holds(line), ENTER, typist.is_answered())
                    yield from ("/copy" + ENTER, typist.copies(number))
                    yield from ("/edit" + ENTER, typist.holds(line), "x")
                    yield from (typist.holds(line + "x"), ENTER, typist.is_answered())

            typist.run(*steps())
            said = [turn.message.content for turn in on.room.talk.turns()]
            assert not enter(on.room, f"/save {file}").error
            assert not enter(on.room, f"/load {file}").error
            loaded = [turn.message.content for turn in on.room.talk.turns()]

            assert copied(on) == [harmless(text) for text in some]
        sent = [lined(text) + mark for text in some for mark in ("", "x")]
        assert questions(server) == sent
        assert said == loaded
        assert said == [one for text in some for one in (lined(text) + "x", text)]


@pytest.mark.slow
@FRONTS
def test_what_is_typed_key_by_key_is_sent(home: Home, front: type[Front]) -> None:
    """Control characters are keys of their own, and so is a question mark at first."""
    written = []
    for text in texts(ROUNDS):
        line = "".join(
            char
            for char in lined(text)
            if char == "\n" or unicodedata.category(char) != "Cc"
        ).lstrip("?")
        if line.strip() and not is_slashed(line):
            written.append(line)
    for start in range(0, len(written), 20):
        some = written[start : start + 20]
        with FakeServer() as server, blank_stage(home, server) as on:
            typist = Typist(front, on, server)

            def steps(
                typist: Typist = typist, some: list[str] = some
            ) -> Iterator[Step]:
                for line in some:
                    yield line.replace("\n", ALT_ENTER)
                    yield from (typist.holds(line), ENTER, typist.is_answered())

            typist.run(*steps())
        assert questions(server) == some


def test_what_is_saved_is_loaded_and_edited_as_it_was(
    home: Home, server: FakeServer
) -> None:
    written = texts(max(300, ROUNDS))
    file = home.path / "all.json"
    with stage(home, server) as on:
        talk = on.room.talk
        for text in written:
            talk.conversation.add(Message("user", text))
            talk.conversation.add(Message("assistant", text), model="alpha")

        assert not enter(on.room, f"/save {file}").error
        assert not enter(on.room, f"/load {file}").error

        said = [turn.message.content for turn in talk.turns()]
        assert said == [text for text in written for _ in range(2)]
        for text in reversed(written):
            assert enter(on.room, "/edit").fills == text
            talk.drop_edited()
