"""The full screen in a real terminal: tmux."""

from __future__ import annotations

import os
import re
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest

from .asking import address
from .fakeserver import FakeServer
from .runner import Home, Runner
from .terminals import llmwrap

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

WORDS = [f"w{number:03}" for number in range(300)]


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (300, 100)], ids=str)
def test_a_chat_at_any_size(
    home: Home, server: FakeServer, tmp_path: Path, size: tuple[int, int]
) -> None:
    server.answer = [f"{word} " for word in WORDS]

    with llmwrap(home, tmp_path, "interactive", *address(server), size=size) as window:
        window.wait_for("alpha:latest")
        window.send("Hello", "Enter")
        window.wait_for("w299")
        window.send("Home")
        window.wait_for("> Hello")
        window.send("C-q")
        text = window.wait_for("ENDED with 0")

    assert "w299" not in text  # the screen from before is back


def is_whole(rows: int, text: str) -> bool:
    """Tell whether the bar is at the bottom of a screen that shows the last word."""
    return "w299" in text and len(text.rstrip().splitlines()) >= rows - 1


def test_a_resize_finds_everything_its_place(
    home: Home, server: FakeServer, tmp_path: Path
) -> None:
    server.answer = [f"{word} " for word in WORDS]

    with llmwrap(home, tmp_path, "interactive", *address(server)) as window:
        window.wait_for("alpha:latest")
        window.send("Hello", "Enter")
        window.wait_for("w299")
        for columns, rows in ((40, 10), (200, 60), (60, 15)):
            window.resize(columns, rows)
            window.wait_for(partial(is_whole, rows))
        window.send("C-q")
        window.wait_for("ENDED with 0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_as_before(
    home: Home, server: FakeServer, tmp_path: Path, number: int
) -> None:
    with llmwrap(home, tmp_path, "interactive", *address(server)) as window:
        window.wait_for("alpha:latest")
        os.kill(window.pid("llmwrap"), number)
        window.wait_for(f"ENDED with {128 + number}")
        text = window.wait_for(lambda text: " icanon" in text)

    assert re.search(r"[^-]echo\b", text)


def test_it_needs_a_terminal(cli: Runner) -> None:
    result = cli.run("interactive")

    assert result.status == 2
    assert "needs a terminal" in result.stderr
