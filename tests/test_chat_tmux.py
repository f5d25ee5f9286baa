"""The line front in a real terminal: tmux."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from pathlib import Path

import pytest

from .asking import address
from .fakeserver import FakeServer, OllamaSpeech, WaitFor, spoken
from .runner import Home
from .terminals import Window, llmwrap

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

WORDS = [f"w{number:03}" for number in range(400)]


def words(text: str) -> list[str]:
    return re.findall(r"w\d{3}", re.sub(r"\n\s*", " ", text))


def is_restored(window: Window) -> bool:
    return re.search(r"[^-]echo\b", window.text()) is not None


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (200, 50)], ids=str)
def test_a_chat_at_any_size(
    home: Home, server: FakeServer, tmp_path: Path, size: tuple[int, int]
) -> None:
    server.answer = [f"{word} " for word in WORDS]

    with llmwrap(home, tmp_path, "chat", *address(server), size=size) as window:
        window.wait_for("ollama")
        window.send("Hello", "Enter")
        window.wait_for(
            lambda text: "live ·" in text or "live\n>" in text or "w399" in text
        )
        window.wait_for(lambda text: text.rstrip().splitlines()[-2].startswith(">"))
        window.send("C-d")
        text = window.wait_for("ENDED with 0")

    assert words(text) == WORDS
    assert text.count("> Hello") == 1


def test_a_resize_while_an_answer_streams(
    home: Home, server: FakeServer, tmp_path: Path
) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    half = len(WORDS) // 2
    first = [f"{word} " for word in WORDS[:half]]
    second = [f"{word} " for word in WORDS[half:]]
    server.script(
        "/api/chat",
        speech.head(),
        spoken(speech, first)[1:],
        WaitFor(gate),
        spoken(speech, second)[1:],
    )

    with llmwrap(home, tmp_path, "chat", *address(server)) as window:
        window.wait_for("ollama")
        window.send("Hello", "Enter")
        window.wait_for("w199")
        for size in ((60, 24), (50, 24), (100, 30), (80, 24)):
            window.resize(*size)
        gate.set()
        window.wait_for("w399")
        window.send("C-d")
        text = window.wait_for("ENDED with 0")

    assert set(words(text)) == set(WORDS)
    assert len(words(text)) <= len(WORDS) + 40


@pytest.mark.parametrize("sizes", [(200, 80), (100, 40), (80, 60)], ids=str)
def test_a_window_that_is_narrowed_at_the_beginning_doubles_no_row(
    home: Home, server: FakeServer, tmp_path: Path, sizes: tuple[int, int]
) -> None:
    """There tmux scrolls rows away, though there are blank ones below."""
    (wide, narrow), gate = sizes, threading.Event()
    start, *more = spoken(OllamaSpeech(), [f"{word} " for word in WORDS])
    at = 2 * wide // 5  # words are five characters wide: two rows of them
    server.script("/api/chat", start, *more[:at], WaitFor(gate), *more[at:])

    with llmwrap(home, tmp_path, "chat", *address(server), size=(wide, 24)) as window:
        window.wait_for("ollama")
        window.send("Hello", "Enter")
        window.wait_for(WORDS[at - 2])
        window.resize(narrow, 24)
        window.wait_for(lambda text: "answering" in text)
        gate.set()
        window.wait_for("w399")
        window.send("C-d")
        text = window.wait_for("ENDED with 0")

    assert words(text) == WORDS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_as_before(
    home: Home, server: FakeServer, tmp_path: Path, number: int
) -> None:
    with llmwrap(home, tmp_path, "chat", *address(server)) as window:
        window.wait_for("ollama")
        os.kill(window.pid("llmwrap"), number)
        window.wait_for(f"ENDED with {128 + number}")
        window.wait_for(lambda text: " icanon" in text)

        assert is_restored(window)


def test_ctrl_d_leaves_the_terminal_as_before(
    home: Home, server: FakeServer, tmp_path: Path
) -> None:
    with llmwrap(home, tmp_path, "chat", *address(server)) as window:
        window.wait_for("ollama")
        window.send("C-d")
        window.wait_for("ENDED with 0")
        window.wait_for(lambda text: " icanon" in text)

        assert is_restored(window)


def test_plain_needs_no_more_than_a_dumb_terminal(
    home: Home, server: FakeServer, tmp_path: Path
) -> None:
    server.answer = ["Yes"]

    with llmwrap(home, tmp_path, "chat", "--plain", *address(server)) as window:
        window.wait_for("You:")
        window.send("one", "Enter")
        window.wait_for("Assistant (alpha:latest, live):\nYes\nYou:")
        window.send("C-c", "two", "Enter")
        window.wait_for(lambda text: text.count("Yes") == 2)
        window.send("C-d")
        window.wait_for("ENDED with 0")


def test_ctrl_c_stops_a_plain_answer_only(
    home: Home, server: FakeServer, tmp_path: Path
) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    server.script("/api/chat", spoken(speech, ["one", "two"]), WaitFor(gate))

    with llmwrap(home, tmp_path, "chat", "--plain", *address(server)) as window:
        window.wait_for("You:")
        window.send("go", "Enter")
        window.wait_for("onetwo")
        window.send("C-c")
        window.wait_for("(interrupted)\nYou:")
        gate.set()
        window.send("C-d")
        window.wait_for("ENDED with 0")
