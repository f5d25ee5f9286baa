"""Make the pictures of the README from real runs of both fronts.

    python -m tests.pictures [DIRECTORY]

The real program runs in tmux against the fake server; what its screen shows becomes an
SVG, cell by cell.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyte
from pyte.screens import Char

from .fakeserver import FakeServer
from .fakeserver.ports import RefusedPort
from .runner import ROOT, Home
from .terminals import llmwrap

_SIZE = (84, 30)
_CELL_WIDTH, _CELL_HEIGHT, _BASELINE, _MARGIN = 8.4, 18, 13, 12
_FONT = "DejaVu Sans Mono, Menlo, Consolas, monospace"
_PAPER, _INK = "#101418", "#d8dee9"
_COLORS = {
    "black": "#3b4252",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#d8dee9",
    "brightblack": "#7f8896",
    "brightred": "#ff7b85",
    "brightgreen": "#b5e890",
    "brightbrown": "#ffd580",
    "brightblue": "#82cfff",
    "brightmagenta": "#e5a0ff",
    "brightcyan": "#7fe0ea",
    "brightwhite": "#ffffff",
}
_ANSWER = """\
A *sourdough* loaf wants four things: **flour**, water, salt and time.

```python
def hydration(water_g: float, flour_g: float) -> float:
    # bakers count in percent of the flour
    return 100 * water_g / flour_g
```

| step | hours |
| --- | --- |
| mix and fold | 4 |
| proof, cold | 12 |
| bake at 240 °C | 1 |

- Fold every half hour while it rises.
- It is done when the loaf sounds hollow.
"""


class Picture(NamedTuple):
    """One picture: its file, the command, and what is typed, step by step."""

    name: str
    command: str
    steps: Sequence[tuple[str, str]]


_PICTURES = (
    Picture(
        "chat.svg",
        "chat",
        [("How do I bake bread?", "TTFT")],
    ),
    Picture(
        "interactive.svg",
        "interactive",
        [("How do I bake bread?", "TTFT")],
    ),
)


def main(directory: Path) -> None:
    """Make all pictures."""
    directory.mkdir(exist_ok=True)
    for picture in _PICTURES:
        rows = captured(picture)
        path = directory / picture.name
        path.write_text(svg(rows, picture.command), encoding="utf-8")
        sys.stdout.write(f"{path}\n")


def captured(picture: Picture) -> str:
    """Run a front and return its screen with the escape sequences of its colours."""
    with (
        tempfile.TemporaryDirectory() as place,
        FakeServer(models=("llama3.2", "qwen3", "gemma3")) as server,
        RefusedPort() as port,
    ):
        home = Home(Path(place), port.url)
        server.answer = re.findall(r"\s*\S+|\s+$", _ANSWER)
        server.token_delay_s = 0.02
        argv = [picture.command, "--base-url", server.url, "-m", "llama3.2"]
        with llmwrap(home, Path(place), *argv, size=_SIZE) as window:
            window.wait_for("ollama")
            for typed, shown in picture.steps:
                window.type(typed)
                window.send("Enter")
                window.wait_for("answering")
                window.wait_for(shown)
            window.type("And with rye?")
            window.wait_for("> And with rye?")
            return window.screen("-e", "-N")


def svg(rows: str, title: str) -> str:
    """Return a captured screen as SVG."""
    columns, lines = _SIZE
    screen = pyte.Screen(columns, lines)
    pyte.Stream(screen).feed(rows.rstrip("\n").replace("\n", "\r\n"))
    width = 2 * _MARGIN + columns * _CELL_WIDTH
    height = 2 * _MARGIN + lines * _CELL_HEIGHT
    box = f"0 0 {width:g} {height:g}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">',
        f'<g font-family="{_FONT}" font-size="14">',
        f"<title>llmwrap {escape(title)}</title>",
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{_PAPER}"/>',
    ]
    for y in range(lines):
        cells = [screen.buffer[y][x] for x in range(columns)]
        parts += _runs(cells, y)
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _runs(cells: Sequence[Char], y: int) -> Iterator[str]:
    x = 0
    top = _MARGIN + y * _CELL_HEIGHT
    for style, group in groupby(cells, key=lambda cell: cell._replace(data="")):
        text = "".join(cell.data for cell in group)
        left, size = _MARGIN + x * _CELL_WIDTH, len(text) * _CELL_WIDTH
        x += len(text)
        ink, paper = _color(style.fg, _INK), _color(style.bg, "")
        if style.reverse:
            ink, paper = paper or _PAPER, ink
        if paper:
            yield (
                f'<rect x="{left:g}" y="{top}" width="{size:g}"'
                f' height="{_CELL_HEIGHT}" fill="{paper}"/>'
            )
        if text.strip():
            looks = ' font-weight="bold"' if style.bold else ""
            looks += ' font-style="italic"' if style.italics else ""
            looks += ' text-decoration="underline"' if style.underscore else ""
            yield (
                f'<text x="{left:g}" y="{top + _BASELINE}" fill="{ink}"'
                f' textLength="{size:g}" xml:space="preserve"{looks}>'
                f"{escape(text)}</text>"
            )


def _color(name: str, default: str) -> str:
    if name == "default":
        return default
    return _COLORS.get(name, f"#{name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs")
