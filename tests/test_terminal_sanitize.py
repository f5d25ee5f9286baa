"""No text can drive a terminal, however it is cut into pieces."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwrap.terminal.sanitize import LineEnds, lines_ended, visible

from .fakeserver import TERMINAL_SEQUENCES

FORBIDDEN = {"Cc", "Cs", "Zl", "Zp"}
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def can_drive(text: str) -> list[str]:
    """Return the characters of `text` that a terminal may act upon, or hide."""
    return [
        character
        for character in text.replace("\n", "").replace("\t", "")
        if unicodedata.category(character) in FORBIDDEN or character in BIDI
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "^[[31m"),
        ("\x07", "^G"),
        ("\x00", "^@"),
        ("\x7f", "^?"),
        ("a\rb", "a^Mb"),
        ("\x9b31m", "<U+009B>31m"),
        ("\x85", "<U+0085>"),
        ("\u202egnp", "<U+202E>gnp"),
        ("a\u2028b\u2029", "a<U+2028>b<U+2029>"),
        ("\u200b\ufeff\u00ad", "<U+200B><U+FEFF><U+00AD>"),
        ("\U000e0041", "<U+E0041>"),
        ("\ud800x\udfff", "\ufffdx\ufffd"),
    ],
)
def test_what_could_drive_or_hide_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "lines\nand\ttabs",
        "Grüße, 世界, 한국어, עברית, नमस्ते \u0645\u06cc\u200c\u062e",
        "👩\u200d👩\u200d👧 ❤\ufe0f 👍🏽 🇩🇪 e\u0301 葛\U000e0100",
        "[bold] %s {{> partial}} <ansired>",
        "private \ue0b0 blank \u2800\u3164",
    ],
)
def test_what_only_shows_is_left_alone(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("payload", TERMINAL_SEQUENCES.values(), ids=TERMINAL_SEQUENCES)
def test_no_payload_passes_whole_or_by_character(payload: str) -> None:
    whole = visible(payload)
    by_character = "".join(visible(character) for character in payload)

    assert whole == by_character
    assert not can_drive(whole)


@given(st.text(st.characters()))
def test_nothing_that_drives_a_terminal_passes(text: str) -> None:
    assert not can_drive(visible(text))


@given(st.text(st.characters()), st.integers(min_value=0))
def test_where_a_text_is_cut_makes_no_difference(text: str, position: int) -> None:
    cut = position % (len(text) + 1)

    assert visible(text[:cut]) + visible(text[cut:]) == visible(text)


@given(st.text(st.characters()))
def test_a_second_time_changes_nothing(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    ("keep", "shown"),
    [("", "a^Jb^Ic^["), ("\n", "a\nb^Ic^["), ("\n\t", "a\nb\tc^[")],
)
def test_what_is_kept_can_be_chosen(keep: str, shown: str) -> None:
    assert visible("a\nb\tc\x1b", keep=keep) == shown


def test_every_run_can_afford_the_import() -> None:
    """The module is on the path of every run; it must bring no other along."""
    code = (
        "import sys; before = set(sys.modules); import llmwrap.terminal.sanitize;"
        "print(*sorted(set(sys.modules) - before - {'__future__'}))"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    new = ["llmwrap", "llmwrap.terminal", "llmwrap.terminal.sanitize"]
    assert result.stdout.split() == new


@given(st.lists(st.sampled_from(["a", "\r", "\n", "\r\n", "b c"])))
def test_lines_end_alike_in_whatever_pieces_they_come(pieces: list[str]) -> None:
    ends = LineEnds()

    text = "".join([*map(ends.feed, pieces), ends.finish()])

    assert text == lines_ended("".join(pieces))
