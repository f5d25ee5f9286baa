"""Run the real program in a real terminal: a window of tmux."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .runner import ROOT, Home

LONG_S = 30.0

PROGRAM = (sys.executable, "-m", "llmwrap")


class Window:
    """A window of tmux in which one command runs; for one thread."""

    def __init__(self, directory: Path, columns: int, rows: int) -> None:
        self._socket = str(directory / "tmux")
        self._size = (columns, rows)

    def start(self, command: str) -> None:
        """Run a shell's command line; the window stays when it ends."""
        columns, rows = map(str, self._size)
        size = ["-x", columns, "-y", rows]
        script = f"{command}; echo ENDED with $?; stty -a; exec sleep 600"
        kept = ["set-option", "-g", "history-limit", "20000", ";"]
        begin = ["new-session", "-d", *size, script]
        self._tmux("-f", "/dev/null", "start-server", ";", *kept, *begin)

    def send(self, *keys: str) -> None:
        """Press keys, as tmux names them; other words are typed."""
        for key in keys:
            self._tmux("send-keys", key)

    def type(self, text: str) -> None:
        """Type a text."""
        self._tmux("send-keys", "-l", text)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the window."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def pid(self, *names: str) -> int:
        """Return the process whose command line holds a word, child after child."""
        found = int(self.format("#{pane_pid}"))
        for name in names:
            found = _child(found, name)
        return found

    def format(self, words: str) -> str:
        """Return what tmux says of the window, in its own words."""
        return self._tmux("display-message", "-p", words).strip()

    def screen(self, *options: str) -> str:
        """Return the rows of the screen."""
        return self._tmux("capture-pane", "-p", *options)

    def text(self) -> str:
        """Return all rows, those that scrolled away too, as lines."""
        return self.screen("-J", "-S", "-")

    def wait_for(self, is_there: str | Callable[[str], object]) -> str:
        """Wait until a text is among the rows, or they satisfy somebody."""
        wanted = is_there
        until = time.monotonic() + LONG_S
        while True:
            text = self.text()
            if wanted in text if isinstance(wanted, str) else wanted(text):
                return text
            assert time.monotonic() < until, f"{wanted} never came:\n{text}"
            time.sleep(0.02)

    def close(self) -> None:
        """End the window and what runs in it."""
        subprocess.run(
            ["tmux", "-S", self._socket, "kill-server"],
            capture_output=True,
            check=False,
        )

    def _tmux(self, *argv: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-S", self._socket, *argv],
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        return done.stdout


@contextmanager
def llmwrap(
    home: Home, directory: Path, *argv: str, size: tuple[int, int] = (80, 24)
) -> Iterator[Window]:
    """Run a command line of llmwrap in a window."""
    with opened(home, directory, PROGRAM, *argv, size=size) as window:
        yield window


@contextmanager
def shell(
    home: Home, directory: Path, size: tuple[int, int] = (80, 24)
) -> Iterator[Window]:
    """Run a shell with job control in a window; its prompt is `shell:`."""
    argv = ["sh", "-i"]  # bash would restore the modes by itself
    with opened(home, directory, argv, size=size, PS1="shell: ") as window:
        window.wait_for("shell:")
        yield window


@contextmanager
def opened(
    home: Home,
    directory: Path,
    program: Sequence[str],
    *argv: str,
    size: tuple[int, int],
    **variables: str,
) -> Iterator[Window]:
    """Run a program in a window, with the variables of a home."""
    window = Window(directory, *size)
    environ = {**home.environ, "PYTHONPATH": str(ROOT), "TERM": "tmux-256color"}
    environ |= variables
    words = ["env", "-i", *(f"{name}={value}" for name, value in environ.items())]
    try:
        window.start(shlex.join([*words, *program, *argv]))
        yield window
    finally:
        window.close()


def _child(parent: int, name: str) -> int:
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(parent)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return next(int(line.split()[0]) for line in listed.splitlines() if name in line)
