"""Rows fit their width, and no character gets lost between them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from llmwrap.terminal.wrap import Gauge, breaks, fold, wrapped

WORDS = st.sampled_from(
    [
        "a",
        "word",
        "longerword",
        " ",
        "  ",
        "\n",
        "世界",
        "한",
        "。",
        "é",
        "👍",
        "❤\ufe0f",
        "-",
    ]
)
TEXTS = st.lists(WORDS, max_size=30).map("".join)
FAMILY = "👩\u200d👩\u200d👧"


def rows(text: str, offsets: list[int]) -> list[str]:
    return [text[a:b] for a, b in pairwise([0, *offsets, len(text)])]


@pytest.mark.parametrize(
    ("line", "width", "shown"),
    [
        ("", 5, [""]),
        ("one two", 7, ["one two"]),
        ("one two", 6, ["one ", "two"]),
        ("one     two", 4, ["one     ", "two"]),
        ("longerword", 4, ["long", "erwo", "rd"]),
        ("a longerword b", 6, ["a ", "longer", "word b"]),
        ("世界世界", 5, ["世界", "世界"]),
        ("ab世界。cd", 6, ["ab世", "界。cd"]),
        ("no\u00a0break here", 8, ["no\u00a0break ", "here"]),
        (f"ab{FAMILY}", 3, ["ab", FAMILY]),
        ("e\u0301e\u0301", 1, ["e\u0301", "e\u0301"]),
    ],
)
def test_a_line_breaks_between_words(line: str, width: int, shown: list[str]) -> None:
    assert rows(line, breaks(line, width)) == shown


def test_code_breaks_anywhere() -> None:
    assert rows("if x: 世界", fold("if x: 世界", 4)) == ["if x", ": 世", "界"]
    assert fold("12345678", 4) == [4]


@given(TEXTS.map(lambda text: text.replace("\n", "")), st.integers(2, 30))
def test_no_row_is_too_wide(line: str, width: int) -> None:
    for offsets in (breaks(line, width), fold(line, width)):
        assert all(cell_len(row.rstrip()) <= width for row in rows(line, offsets))
        assert all(row for row in rows(line, offsets)) or not line


def test_a_character_without_width_does_not_make_an_endless_row() -> None:
    """Joined characters are two cells, however many: memory would have no bound."""
    endless = "👩\u200d" * 5000

    offsets = breaks(endless, 10)

    assert max(b - a for a, b in pairwise([0, *offsets, len(endless)])) < 200


@given(TEXTS, st.integers(2, 20))
def test_styles_and_text_survive_wrapping(text: str, width: int) -> None:
    styled = Text(text)
    styled.stylize(Style(bold=True), 0, len(text) // 2)

    lines = wrapped(styled, width)

    assert "".join(line.plain for line in lines) == text.replace("\n", "")
    bold = sum(span.end - span.start for line in lines for span in line.spans)
    assert bold == len(text[: len(text) // 2].replace("\n", ""))


@given(st.lists(TEXTS, max_size=6), st.integers(2, 20))
def test_a_growing_text_is_measured_as_if_it_were_whole(
    pieces: list[str], width: int
) -> None:
    gauge = Gauge()
    text = ""
    for piece in pieces:
        text += piece

        whole = sum(1 + len(breaks(line, width)) for line in text.split("\n"))
        assert gauge.rows(text, width) == whole


def test_another_text_or_width_is_measured_anew() -> None:
    gauge = Gauge()

    assert gauge.rows("one two three", 5) == 3
    assert gauge.rows("one two three", 80) == 1
    assert gauge.rows("other", 80) == 1
