"""Run the real program in a real terminal: a window of tmux."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .runner import ROOT, Home

LONG_S = 30.0


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
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, script)
        self._tmux("set-option", "-g", "history-limit", "20000")

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

    def pid(self, name: str) -> int:
        """Return the process in the window whose command line holds a word."""
        top = int(self._tmux("display-message", "-p", "#{pane_pid}"))
        listed = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(top)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return next(
            int(line.split()[0]) for line in listed.splitlines() if name in line
        )

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
    window = Window(directory, *size)
    environ = {**home.environ, "PYTHONPATH": str(ROOT), "TERM": "tmux-256color"}
    words = ["env", "-i", *(f"{name}={value}" for name, value in environ.items())]
    command = shlex.join([*words, sys.executable, "-m", "llmwrap", *argv])
    try:
        window.start(command)
        yield window
    finally:
        window.close()
