"""The terminal as prompt_toolkit's input and output."""

from __future__ import annotations

import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple, TextIO

from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import Input
from prompt_toolkit.input.vt100 import Vt100Input, raw_mode
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.output.vt100 import Vt100_Output

from ..terminal.region import is_tmux, rewraps


class Modes:
    """How a terminal treats keys: as the shell had it, or key by key for a front."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._before = termios.tcgetattr(number)

    def give_back(self) -> None:
        """Let it be as the shell had it."""
        with suppress(termios.error):  # it hung up
            termios.tcsetattr(self._number, termios.TCSANOW, self._before)

    def take(self) -> None:
        """Have it hand over each key, whatever it was set to meanwhile."""
        raw_mode(self._number).__enter__()  # left for good by who entered it first


class Terminal(NamedTuple):
    """A terminal that a front may draw on, and what is known of it.

    `has_color` False leaves bold and reverse. `rewraps`: see terminal.region.
    `modes` is None for one that has none. `goes_back`: a backspace at the left edge
    goes up to the row that this one was wrapped from, and nowhere where there is none.
    """

    input: Input
    output: Output
    has_color: bool = True
    rewraps: bool = True
    modes: Modes | None = None
    goes_back: bool = False

    def size(self) -> Size:
        """Return its size; one that does not know its own has 80 by 24."""
        size = self.output.get_size()
        return Size(size.rows or 24, size.columns or 80)

    @property
    def color_depth(self) -> ColorDepth | None:
        """Return how many colours are used, None for as many as there are."""
        return None if self.has_color else ColorDepth.DEPTH_1_BIT


class FrameOutput(Vt100_Output):
    """An output that writes each frame at once, within a synchronized update.

    The terminal has one size throughout a frame. Where that has changed meanwhile
    nothing of the frame is written, unless it is the last one.

    Its erasing leaves no copy of the screen in tmux's history: there ED at the top row
    copies the screen, so rows are erased with EL, and ED begins below.
    """

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]  # handed on as is
        self._held = 0
        self._size_held = Size(0, 0)
        self.was_dropped = False
        """Whether the last frame met another size."""
        self.may_wrap = False
        """Whether a row that is too long for the terminal becomes two."""

    @contextmanager
    def frame(self, *, is_last: bool = False) -> Iterator[None]:
        """Hold back what is written until the block is left."""
        if self._held == 0:
            self._size_held = super().get_size()
            self.write_raw("\x1b[?2026h")
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._held == 0:
                self.was_dropped = super().get_size() != self._size_held and not is_last
                if self.was_dropped:
                    self._buffer.clear()
                else:
                    self.write_raw("\x1b[?2026l")
                    self.flush()

    def get_size(self) -> Size:
        """Return the terminal's size, that of the frame while one is under way."""
        return self._size_held if self._held else super().get_size()

    def flush(self) -> None:
        """Write what was held back, unless a frame is under way."""
        if not self._held:
            super().flush()

    def disable_autowrap(self) -> None:
        """Let rows be cut off at the edge, unless they may wrap."""
        if not self.may_wrap:
            super().disable_autowrap()

    def erase_down(self) -> None:
        """Erase from the cursor to the end of the screen."""
        self.write_raw("\x1b[K\x1b7\x1b[B\r\x1b[J\x1b8")


@contextmanager
def opened_terminal(
    numbers: tuple[int, int], environ: Mapping[str, str], *, has_color: bool
) -> Iterator[Terminal]:
    """Open the terminal behind two descriptors, for reading and for writing."""
    term = environ.get("TERM", "")
    reading, writing = numbers
    with _text(reading, "r") as stdin, _text(writing, "w") as stdout:
        output = FrameOutput.from_pty(stdout, term=term)
        # No stray replies of the terminal among the keys, and bars where they belong.
        output.enable_cpr = False
        modes = Modes(reading)
        yield Terminal(
            Vt100Input(stdin),
            output,
            has_color,
            rewraps(environ),
            modes,
            goes_back=is_tmux(environ),
        )


def _text(number: int, mode: str) -> TextIO:
    # `open` is typed by literal modes only.
    return open(  # type: ignore[return-value]
        number, mode, encoding="utf-8", errors="replace", closefd=False
    )
