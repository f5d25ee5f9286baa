"""Open rows are redrawn in place; finished ones are left to the terminal."""

from __future__ import annotations

from collections.abc import Iterable

import pyte
import pytest

from llmwrap.terminal.region import Region, rewraps
from llmwrap.terminal.render import Row

from .scrolling import Scrolling

JOINERS = str.maketrans("", "", "\u200d\ufe0f")


class Emulator:
    """A terminal in memory that keeps every row; it cuts off what is too wide.

    pyte drops the rest of a text behind a joiner, so it gets none.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.size = (columns, lines)
        self.written: list[str] = []
        self._screen = Scrolling(columns, lines, kept=100_000)
        self._stream = pyte.Stream(self._screen)

    def write(self, text: str) -> None:
        self.written.append(text)
        self._stream.feed(text.replace("\n", "\r\n").translate(JOINERS))

    def narrow(self, columns: int) -> None:
        """Make the screen narrower; its height stays, for pyte loses rows then."""
        self.size = (columns, self.size[1])
        self._screen.resize(columns=columns)

    @property
    def rows(self) -> list[str]:
        """All rows down to the cursor's, those that scrolled away included."""
        above = [
            "".join(row[x].data for x in range(self.size[0])).rstrip()
            for row in self._screen.above
        ]
        display = self._screen.display[: self._screen.cursor.y + 1]
        return above + [row.rstrip() for row in display]

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row, on the screen."""
        return self._screen.cursor.x, self._screen.cursor.y

    @property
    def wraps(self) -> bool:
        return pyte.modes.DECAWM in self._screen.mode


class World:
    """A region on a terminal, with a clock that is moved by hand."""

    def __init__(self, columns: int = 20, lines: int = 6, *, rewraps: bool = False):
        self.terminal = Emulator(columns, lines)
        self.region = Region(self.terminal.write, rewraps=rewraps)
        self.now_s = 0.0

    def update(self, done: Iterable[str] = (), open_: Iterable[str] = ()) -> None:
        columns, lines = self.terminal.size
        self.region.update(
            [Row(text, len(text)) for text in done],
            [Row(text, len(text)) for text in open_],
            columns=columns,
            lines=lines,
            now_s=self.now_s,
        )


def test_open_rows_are_redrawn_and_finished_ones_stay() -> None:
    world = World()

    world.update([], ["a"])
    world.update([], ["a b", "c"])
    world.update(["A", "B"], ["d"])
    world.update(["D"], [])

    assert world.terminal.rows == ["A", "B", "D", ""]
    assert world.terminal.cursor == (0, 3)


def test_the_cursor_rests_behind_the_last_open_row() -> None:
    world = World()
    for open_ in (["abc"], ["abc", "de"], ["abc"]):
        world.update([], open_)

        assert world.terminal.rows == open_
        assert world.terminal.cursor == (len(open_[-1]), len(open_) - 1)


def test_rows_that_go_away_are_erased() -> None:
    world = World()

    world.update([], ["a", "b", "c"])
    world.update([], ["x"])
    world.update([], [])

    assert world.terminal.rows == [""]


def test_rows_that_stay_are_not_written_again() -> None:
    world = World()
    world.update([], ["a", "b"])
    world.terminal.written.clear()

    world.update([], ["a", "b"])
    world.update([], ["a", "b", "c"])
    world.update(["a", "b"], ["c", "d"])

    assert "".join(world.terminal.written).count("a") == 0
    assert world.terminal.rows == ["a", "b", "c", "d"]


def test_a_frame_is_one_write() -> None:
    world = World()

    world.update(["a", "b"], ["c"])
    world.update(["d"], ["e"])

    assert len(world.terminal.written) == 2


def test_nothing_is_written_for_nothing() -> None:
    world = World()

    world.update()
    world.update([], ["a"])
    world.update([], ["a"])

    assert len(world.terminal.written) == 1


def test_a_screen_that_scrolls_keeps_every_row_once() -> None:
    world = World(lines=4)
    for number in range(50):
        world.update([f"done {number}"], ["open", "rows", str(number)])
    world.update(["end"], [])

    done = [f"done {number}" for number in range(50)]
    assert world.terminal.rows == [*done, "end", ""]


def test_of_too_many_open_rows_the_last_are_shown() -> None:
    world = World(lines=3)
    rows = [str(number) for number in range(10)]

    world.update([], rows[:8])
    world.update([], rows)
    assert world.terminal.rows == ["7", "8", "9"]

    world.update(rows, [])
    assert world.terminal.rows == [*rows, ""]


def test_a_row_wider_than_thought_leaves_nothing_behind() -> None:
    """As joined emoji are, where a terminal draws each part of them."""
    world = World(columns=10)
    wide = "é" * 14
    for open_ in (["a", wide], ["a", wide + "é"], ["a", wide + "éé", "b"]):
        world.update([], open_)
    assert world.terminal.rows == ["a", "é" * 10, "b"]

    world.update(["a", wide, "b"], [])
    assert world.terminal.rows == ["a", "é" * 10, "éééé", "b", ""]
    assert world.terminal.wraps


def test_on_a_narrower_screen_that_cuts_off_the_open_rows_are_found() -> None:
    world = World(columns=20)
    world.update(["above"], ["a long open row", "another"])
    world.terminal.narrow(10)
    world.now_s = 1

    world.region.resized(10, world.now_s)
    world.update(["done"], ["open"])

    assert world.terminal.rows == ["above", "done", "open"]


@pytest.mark.parametrize(
    ("age_s", "erased"), [(1.0, 5), (0.0, 3)], ids=["settled", "in flight"]
)
def test_on_a_terminal_that_rewraps_more_rows_are_erased(
    age_s: float, erased: int
) -> None:
    """Not those that may have been written for the new width already."""
    world = World(columns=20, lines=10, rewraps=True)
    world.update([], ["a" * 19, "b" * 12, "c"])
    world.terminal.narrow(10)
    world.now_s = age_s

    world.region.resized(10, world.now_s)
    world.update([], ["d"])

    assert f"\x1b[{erased}M" in world.terminal.written[-1]


def test_no_more_rows_are_erased_than_the_screen_has() -> None:
    world = World(columns=20, lines=4, rewraps=True)
    world.update([], ["a" * 19, "b" * 19, "c" * 19])
    world.terminal.narrow(5)
    world.now_s = 1

    world.region.resized(5, world.now_s)
    world.update([], ["d"])

    assert "\x1b[4M" in world.terminal.written[-1]
    assert world.terminal.written[-1].count("\x1b[A") == 3


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "screen"}, False),
        ({"TERM": "screen-256color", "TMUX": "/tmp/x,1,0"}, True),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x,1,0"}, True),
        ({}, True),
    ],
)
def test_terminals_that_rewrap_are_known(
    environ: dict[str, str], expected: bool
) -> None:
    assert rewraps(environ) is expected
