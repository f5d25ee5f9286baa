"""An answer is drawn while it streams, and ends as if it had come at once."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from itertools import pairwise
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwrap.terminal.markdown import FRAME_S, MarkdownStream
from llmwrap.terminal.region import SETTLE_S

from .test_terminal_region import Emulator

SIZES = [(10, 5), (40, 10), (80, 24), (200, 50), (2, 1), (25, 3)]
PROSE = " ".join(f"word{number}" for number in range(400))
ANSWERS = {
    "mixed": "# Title\n\nSome **bold** and `code`.\n\n- one\n- two\n  1. three\n\n"
    "> quote\n> goes on\n\n```python\nif x:\n    '''a\n    b'''\n```\n\nend",
    "prose": PROSE,
    "cjk": "世界の言葉、" * 60 + "end\n\n- 한국어 " + "말" * 50,
    "emoji": "a 👍 b 🎉 c ❤\ufe0f d 👩\u200d👩\u200d👧 e 🇩🇪 f\n" * 5,
    "long words": f"{'x' * 300} {'y' * 300}",
    "long code": "```c\n" + "int main(void); " * 20 + "\n```\nend",
    "wide table": "| a | b | c | d |\n|---|--:|:-:|---|\n| one | two **b** "
    f"| three words here | {'four ' * 40} |\n| 1 | 2 |\n",
    "long table": "| n | text |\n|---|---|\n"
    + "".join(f"| {n} | cell {n} |\n" for n in range(60)),
    "unclosed fence": "text\n\n```py\nx = '''\nstill open\n",
    "unclosed marks": "a **b `c [d](e",
    "250 lines": "".join(
        f"- item {n}\n" if n % 50 else f"\n## Part {n}\n\n" for n in range(250)
    ),
    "crlf": "one\r\n\r\n```py\r\nx = 1\r\n```\r\nend\r",
    "spaces": "  \n\n  a\n\n \n",
}


class Show:
    """A stream on a terminal, with a clock that each look moves on."""

    def __init__(
        self, size: tuple[int, int], *, color: bool = True, tick_s: float = 0.02
    ) -> None:
        self.terminal = Emulator(*size)
        self.now_s = 100.0
        self.tick_s = tick_s
        self.stream = MarkdownStream(
            self.terminal.write,
            lambda: self.terminal.size,
            color=color,
            clock=self.clock,
            rewraps=False,
        )

    def clock(self) -> float:
        self.now_s += self.tick_s
        return self.now_s

    def play(self, pieces: Iterable[str]) -> list[str]:
        for piece in pieces:
            self.stream.feed(piece)
        self.stream.close()
        return self.terminal.rows


@pytest.mark.untraced
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_pieces_end_as_the_whole_does(answer: str, size: tuple[int, int]) -> None:
    whole = Show(size).play([answer])
    is_long = len(answer) > 3000
    by_token = Show(size, tick_s=0.002 if is_long else 0.02)

    assert by_token.play(re.findall(r"\s*\S{1,4}|\s+", answer)) == whole
    if not is_long:
        assert Show(size, tick_s=0.001).play(answer) == whole


@pytest.mark.untraced
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_ends_with_one_newline(answer: str, size: tuple[int, int]) -> None:
    show = Show(size, tick_s=0.001)
    rows = show.play(answer.splitlines(keepends=True))

    assert show.terminal.cursor[0] == 0
    assert rows[-1] == ""
    assert rows[-2] != ""
    assert show.terminal.wraps


FRAGMENTS = (
    *("- ", "* ", "1. ", "> ", "# ", "~~~\n", "---\n", "===\n", "\n", "\n\n", "\n\n"),
    *("  ", "    ", " ", " ", "<p>\n", "**b** ", "**", "_", "[t](u) ", "\n- ", "\n  "),
    *("世界", "long" * 30, "Lorem ipsum dolor sit amet " * 3, "| a | b |\n", "|"),
    *("alpha ", "beta ", "gamma ", "delta "),
)


@pytest.mark.untraced
@settings(max_examples=200)
@given(
    fragments=st.lists(st.sampled_from(FRAGMENTS), max_size=25),
    cuts=st.lists(st.integers(0, 600), max_size=12),
    waits=st.lists(st.sampled_from([0.0, 0.01, 0.06, 1.0]), min_size=1),
    draws=st.lists(st.booleans(), min_size=1),
    size=st.sampled_from([(10, 5), (40, 10), (80, 24)]),
)
def test_rows_depend_on_the_text_only(
    fragments: list[str],
    cuts: list[int],
    waits: list[float],
    draws: list[bool],
    size: tuple[int, int],
) -> None:
    """Not on its pieces, nor on the moments at which frames are drawn."""
    text = "".join(fragments)
    show = Show(size, tick_s=0)
    for number, (start, end) in enumerate(pairwise([0, *sorted(cuts), len(text)])):
        show.now_s += waits[number % len(waits)]
        show.stream.feed(text[start:end])
        if draws[number % len(draws)]:
            show.stream.draw()
    show.stream.close()

    assert show.terminal.rows == Show(size).play([text])


def letters(text: str) -> str:
    return "".join(character for character in text if character.isalpha())


@pytest.mark.untraced
@settings(max_examples=100)
@given(
    fragments=st.lists(st.sampled_from(FRAGMENTS), max_size=25),
    size=st.sampled_from([(10, 5), (11, 4), (40, 10), (80, 24), (25, 3)]),
)
def test_what_is_visible_never_vanishes(
    fragments: list[str], size: tuple[int, int]
) -> None:
    text = "".join(fragments)
    show = Show(size, tick_s=1)
    before = ""
    for character in text:
        show.stream.feed(character)
        now = letters("".join(show.terminal.rows))

        assert now.startswith(before)
        before = now
    show.stream.close()

    assert letters("".join(show.terminal.rows)) == letters(text)


def test_the_first_token_is_visible_at_once() -> None:
    show = Show((80, 24), tick_s=0)

    show.stream.feed("\n")
    show.stream.feed("He")

    assert show.terminal.rows == ["He"]


def test_frames_are_throttled_and_none_is_forgotten() -> None:
    show = Show((80, 24), tick_s=0)
    for piece in ("one", " two", " three"):
        show.stream.feed(piece)
    assert show.terminal.rows == ["one"]

    show.stream.draw()
    assert show.terminal.rows == ["one two three"]

    show.now_s += FRAME_S * 1.01
    show.stream.feed(" four")
    assert show.terminal.rows == ["one two three four"]

    show.stream.feed(" five")
    show.stream.close()
    assert show.terminal.rows == ["one two three four five", ""]


def test_a_slow_frame_puts_off_the_next() -> None:
    show = Show((80, 24), tick_s=1)  # each look at the clock takes a second
    show.stream.feed("one")
    show.tick_s = 0

    show.now_s += 3
    show.stream.feed(" two")
    assert show.terminal.rows == ["one"]

    show.now_s += 1.5
    show.stream.feed(" three")
    assert show.terminal.rows == ["one two three"]


def test_an_empty_answer_writes_nothing() -> None:
    for pieces in ([], [""], ["\n", " "]):
        show = Show((80, 24))
        show.play(pieces)

        assert show.terminal.written == []


def test_closing_twice_writes_nothing_more() -> None:
    show = Show((80, 24))
    show.play(["a"])
    written = len(show.terminal.written)

    show.stream.close()

    assert len(show.terminal.written) == written


@pytest.mark.parametrize("position", range(0, len(ANSWERS["mixed"]), 7))
def test_a_broken_off_answer_leaves_what_came(position: int) -> None:
    part = ANSWERS["mixed"][:position]
    show = Show((80, 24), tick_s=0)

    rows = show.play(part)

    without_fence = re.sub(r"```\w*", "", part)
    marks = r"\W|1\."
    assert re.sub(marks, "", "".join(rows)) == re.sub(marks, "", without_fence)


def test_an_interrupt_while_drawing_loses_nothing() -> None:
    show = Show((80, 24))
    looks = iter([False, False, True])

    def clock() -> float:
        if next(looks, False):
            raise KeyboardInterrupt
        return 0.0

    stream = MarkdownStream(
        show.terminal.write, lambda: (80, 24), color=True, clock=clock
    )
    with pytest.raises(KeyboardInterrupt):
        stream.feed("one\n\ntwo\n\nthree")
    stream.close()

    assert show.terminal.rows == ["one", "", "two", "", "three", ""]


def test_after_a_resize_nothing_is_drawn_until_it_settled() -> None:
    show = Show((40, 10), tick_s=0)
    show.stream.feed("one")
    show.terminal.narrow(30)
    show.now_s += 1

    show.stream.feed(" two")
    show.stream.draw()
    assert show.terminal.rows == ["one"]

    show.now_s += SETTLE_S * 1.01
    show.stream.draw()
    assert show.terminal.rows == ["one two"]


@pytest.mark.parametrize("columns", [39, 30, 20, 11])
def test_a_narrower_screen_doubles_and_loses_nothing(columns: int) -> None:
    show = Show((40, 24), tick_s=0)
    words = PROSE.split()[:60]
    for number, word in enumerate(words):
        if number == 30:
            show.terminal.narrow(columns)
        show.now_s += 1
        show.stream.feed(f"{word} ")
    show.stream.close()

    assert " ".join(show.terminal.rows).split() == words


def test_an_unknown_size_is_taken_for_the_usual_one() -> None:
    show = Show((80, 24))
    stream = MarkdownStream(
        show.terminal.write, lambda: (0, 0), color=False, clock=lambda: 0.0
    )

    stream.feed("x" * 100)
    stream.close()

    assert show.terminal.rows == ["x" * 79, "x" * 21, ""]


def test_without_colour_there_is_none() -> None:
    show = Show((80, 24), color=False)
    show.play(ANSWERS["mixed"])

    assert not re.search(r"\x1b\[[\d;]*m", "".join(show.terminal.written))


@pytest.mark.untraced
def test_the_work_for_a_token_does_not_grow() -> None:
    """Counted in calls, not in seconds: those of the second half against the first."""
    show = Show((80, 24))
    tokens = re.findall(r"\s*\S{1,4}|\s+", ANSWERS["mixed"] + f"\n\n{PROSE}\n\n")
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    counts = []
    for half in (tokens, tokens):
        calls = 0
        sys.setprofile(count)
        for token in half:
            show.stream.feed(token)
        sys.setprofile(None)
        counts.append(calls)

    assert counts[1] < counts[0] * 1.2
