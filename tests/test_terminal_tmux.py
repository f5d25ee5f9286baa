"""A real terminal that breaks rows anew when its size changes: tmux."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwrap.terminal.markdown import MarkdownStream
from llmwrap.terminal.region import SETTLE_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

LONG_S = 20.0
PROSE = [f"w{number:03}" for number in range(120)]
CODE = [f"c{number:03}" for number in range(20)]
MIXED = [f"m{number:03}" for number in range(60)]
EMOJI = ("👍", "世界", "👩\u200d👩\u200d👧", "❤\ufe0f", "🇩🇪")


class Tmux:
    """A window of tmux that shows what is written, and how large it is.

    A context manager; the sizes are set by the test, so nothing has to be asked.
    """

    def __init__(self, directory: Path, columns: int, lines: int) -> None:
        self.size = (columns, lines)
        self._socket = str(directory / "tmux")
        fifo = directory / "fifo"
        subprocess.run(["mkfifo", str(fifo)], check=True)
        size = ["-x", str(columns), "-y", str(lines)]
        # Its own configuration and no other; stty: nothing typed is echoed.
        command = f"stty -echo; cat {fifo}; sleep 60"
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, command)
        self._tmux("set-option", "-g", "history-limit", "5000")
        self._pipe = fifo.open("w", encoding="utf-8")

    def write(self, text: str) -> None:
        self._pipe.write(text)
        self._pipe.flush()

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))
        self.size = (columns, lines)

    def text(self) -> str:
        """Return all rows, those that scrolled away too, as one text."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-")

    def wait_for(self, word: str) -> None:
        """Wait until `word` is on the screen: tmux reads when it likes."""
        deadline_s = time.monotonic() + LONG_S
        while word not in self.text():
            assert time.monotonic() < deadline_s, f"{word} never came"
            time.sleep(0.01)

    def close(self) -> None:
        self._pipe.close()
        self._tmux("kill-server")

    def _tmux(self, *argv: str) -> str:
        result = subprocess.run(
            ["tmux", "-u", "-S", self._socket, *argv],
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        return result.stdout


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    window = Tmux(tmp_path, 80, 24)
    yield window
    window.close()


def words(text: str) -> list[str]:
    return re.findall(r"[wcm]\d{3}", re.sub(r"\n +|\n▌ ?", "", text))


def play(tmux: Tmux, tokens: list[str], sizes: list[tuple[int, int]]) -> list[str]:
    """Stream `tokens`; at even distances the window takes the next of `sizes`.

    Below a full screen: what is broken anew at the top of an empty one is pushed by
    tmux into its history, where nothing can be redrawn.
    """
    tmux.write("\n" * 40)
    now_s = 0.0
    stream = MarkdownStream(
        tmux.write, lambda: tmux.size, color=True, clock=lambda: now_s
    )
    distance = len(tokens) // (len(sizes) + 1)
    for number, token in enumerate(tokens):
        if number and number % distance == 0 and sizes:
            stream.draw()
            tmux.wait_for(words("".join(tokens[:number]))[-1])
            tmux.resize(*sizes.pop(0))
        now_s += SETTLE_S * 1.1
        stream.feed(token)
    stream.close()
    tmux.write("END\n")
    tmux.wait_for("END")
    return words(tmux.text())


def test_an_answer_is_whole(tmux: Tmux) -> None:
    tokens = [
        *(f"{word} " for word in PROSE),
        "\n\n```\n",
        *(f"{word} = {word}\n" for word in CODE),
        "```\n\n",
        *(f"- {word}\n" for word in MIXED),
    ]

    found = play(tmux, tokens, [])

    assert found == [*PROSE, *(word for word in CODE for _ in "=="), *MIXED]


@pytest.mark.parametrize(
    "sizes",
    [
        [(70, 24), (60, 24), (50, 24), (40, 24)],
        [(40, 24), (100, 24), (30, 24), (80, 24)],
        [(80, 12), (80, 30), (80, 14), (80, 24)],
        [(79, 24), (78, 24), (77, 24), (76, 24)],
    ],
    ids=str,
)
def test_a_resize_neither_doubles_nor_loses(
    tmux: Tmux, sizes: list[tuple[int, int]]
) -> None:
    found = play(tmux, [f"{word} " for word in PROSE], sizes)

    assert found == PROSE


def test_emoji_of_any_width_leave_nothing_behind(tmux: Tmux) -> None:
    tokens = [f"{word} {EMOJI[n % len(EMOJI)]} " for n, word in enumerate(MIXED)]

    found = play(tmux, tokens, [])

    assert found == MIXED
