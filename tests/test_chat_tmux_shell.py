"""Chats that are stopped and go on, in a terminal whose shell has job control."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .asking import address
from .chatting import asked
from .fakeserver import FakeServer, OllamaSpeech, WaitFor, spoken
from .runner import Home
from .terminals import PROGRAM, Window, shell

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

FRONTS = ["chat", "interactive"]
BOTH = pytest.mark.parametrize("command", FRONTS)

MODES = "#{alternate_on} #{cursor_flag} #{keypad_cursor_flag} #{mouse_any_flag}"


class Shell:
    """A chat that a shell runs in a window, and the shell."""

    def __init__(self, window: Window, home: Path, command: str) -> None:
        self.window = window
        self._home = home
        self._command = command
        self.modes = window.format(MODES)

    def begin(self) -> None:
        """Start the chat, and wait until one can type."""
        self.do("stty -a | tail -n +2 > ~/before")
        self.window.type(f"clear; {self._command}")
        self.window.send("Enter")
        self.window.wait_for("ollama")

    def do(self, command: str) -> None:
        """Let the shell run a command."""
        self.window.type(f'{command}; echo do""ne')
        self.window.send("Enter")
        self.window.wait_for("done\nshell:")
        self.window.type("clear")
        self.window.send("Enter")
        self.window.wait_for(lambda text: text.strip() == "shell:")

    def file(self, name: str) -> str:
        """Return a file that the shell wrote."""
        return (self._home / name).read_text()

    def wait_until_stopped(self) -> None:
        """Wait for the shell's prompt."""
        self.window.wait_for(lambda text: "shell:" in text.partition("Stopped")[2])

    def check_terminal(self) -> None:
        """Assert that it is as the shell had it."""
        assert self.window.format(MODES) == self.modes
        self.do("stty -a | tail -n +2 > ~/after")
        assert self.file("after") == self.file("before")


@contextmanager
def chatting(
    home: Home, directory: Path, server: FakeServer, command: str
) -> Iterator[Shell]:
    with shell(home, directory) as window:
        line = shlex.join([*PROGRAM, command, *address(server)])
        running = Shell(window, Path(home.environ["HOME"]), line)
        running.begin()
        yield running


def fg(window: Window, key: str = "Enter") -> None:
    window.type("fg")
    window.send(key)


@BOTH
def test_ctrl_z_gives_the_shell_its_terminal_and_fg_takes_it_again(
    home: Home, server: FakeServer, tmp_path: Path, command: str
) -> None:
    server.answer = ["Yes, of course"]

    with chatting(home, tmp_path, server, command) as running:
        window = running.window
        window.type("Hello")
        window.send("Enter")
        window.wait_for("TTFT")
        window.type("half a question")
        window.wait_for("> half a question")
        window.send("C-z")
        running.wait_until_stopped()
        assert "> half" not in window.screen()
        running.check_terminal()
        window.resize(60, 20)
        fg(window)
        window.wait_for("> half a question")
        window.type(", and the rest")
        window.send("Enter")
        window.wait_for("> half a question, and the rest")
        whole = ("user", "half a question, and the rest")
        window.wait_for(lambda text: asked(server)[-1][-1] == whole)
        window.send("C-q")
        window.wait_for(lambda text: text.rstrip().endswith("shell:"))
        running.check_terminal()


@BOTH
def test_it_is_stopped_from_outside_while_an_answer_streams(
    home: Home, server: FakeServer, tmp_path: Path, command: str
) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    server.script(
        "/api/chat",
        spoken(speech, ["first words\n\n", "and more"]),
        WaitFor(gate),
        spoken(speech, ["\n\nlast words"])[1:],
    )

    with chatting(home, tmp_path, server, command) as running:
        window = running.window
        window.type("Hello")
        window.send("Enter")
        window.wait_for("and more")
        os.kill(window.pid("sh -i", "llmwrap"), signal.SIGTSTP)
        running.wait_until_stopped()
        running.check_terminal()
        window.resize(50, 12)
        gate.set()
        fg(window)
        text = window.wait_for("last words")

    assert text.count("and more") == 1


def is_redrawn(text: str) -> bool:
    """Tell whether a draft is in a line of its own again, below what the shell said."""
    return "> a draft\n" in text.partition("Stopped")[2] or "Stopped" not in text


@BOTH
def test_it_comes_back_from_a_stop_that_it_could_not_see(
    home: Home, server: FakeServer, tmp_path: Path, command: str
) -> None:
    with chatting(home, tmp_path, server, command) as running:
        window = running.window
        window.type("a draft")
        window.wait_for("> a draft")
        os.kill(window.pid("sh -i", "llmwrap"), signal.SIGSTOP)
        running.wait_until_stopped()
        fg(window, "C-j")  # Enter is one only where the shell has its modes
        window.wait_for(is_redrawn)
        window.type(" goes on")
        window.wait_for("> a draft goes on")
        window.send("C-c", "C-q")
        window.wait_for(lambda text: text.rstrip().endswith("shell:"))
