"""What models and servers say never drives the terminal, in either drawn front."""

from __future__ import annotations

import re

import pytest

from llmwrap.repl.chat_front import ChatFront
from llmwrap.repl.front import Front
from llmwrap.repl.screen_front import ScreenFront

from .drawing import Emulated, play, seen, stage
from .fakeserver import HOSTILE_NAMES, TERMINAL_SEQUENCES, FakeServer, json_error
from .runner import Home

HELLO = "Hello\r"
pytestmark = pytest.mark.untraced

both = pytest.mark.parametrize("front", [ChatFront, ScreenFront])


def is_harmless(screen: Emulated) -> bool:
    return screen.alien == "" and "\x1b[8m" not in screen.raw


@both
@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "by character"])
@pytest.mark.parametrize("sequence", TERMINAL_SEQUENCES)
def test_no_answer_drives_the_terminal(
    home: Home, server: FakeServer, front: type[Front], sequence: str, is_whole: bool
) -> None:
    text = TERMINAL_SEQUENCES[sequence]
    server.answer = [text] if is_whole else list(text)

    with stage(home, server) as on:
        play(front, on, HELLO, seen("TTFT"))

        assert is_harmless(on.screen)
        assert on.screen.text().count("^[") >= text.count("\x1b")


@both
@pytest.mark.parametrize("sequence", TERMINAL_SEQUENCES)
def test_no_reasoning_drives_the_terminal(
    home: Home, server: FakeServer, front: type[Front], sequence: str
) -> None:
    server.thinking = list(TERMINAL_SEQUENCES[sequence])

    with stage(home, server) as on:
        play(front, on, HELLO, seen("TTFT"))

        assert is_harmless(on.screen)


@both
@pytest.mark.parametrize("sequence", TERMINAL_SEQUENCES)
def test_no_error_drives_the_terminal(
    home: Home, server: FakeServer, front: type[Front], sequence: str
) -> None:
    text = TERMINAL_SEQUENCES[sequence]
    server.script("/api/chat", json_error(400, {"error": text}))

    with stage(home, server) as on:
        play(front, on, HELLO, seen("error:"))

        assert is_harmless(on.screen)


@both
@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: ascii(name)[:12])
def test_no_name_drives_the_terminal(home: Home, front: type[Front], name: str) -> None:
    with (
        FakeServer(models=[name]) as server,
        stage(home, server, size=(140, 24)) as on,
    ):
        on.room.talk.settings = on.room.talk.settings._replace(model=name or None)
        listed = re.compile(r"^model\b|aaaa", re.MULTILINE)
        play(front, on, "/model\r", listed.search)

        assert is_harmless(on.screen)
