"""Whatever a model writes, the terminal gets rows of printable characters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .fakeserver import TERMINAL_SEQUENCES
from .test_terminal_markdown import Show
from .test_terminal_sanitize import can_drive

OWN_SEQUENCES = re.compile(r"\x1b\[(?:[\d;]*m|\d*[AM]|2K|\?7[lh])")
FRAMES = {
    "plain": "{}",
    "strong": "**{}**",
    "code": "`{}`",
    "heading": "# {}",
    "block of code": "```{}\n{}\n```",
    "link": "[{}](<{}>)",
    "table": "|{}|\n|-|\n|{}|",
    "item": "- {}",
}
ENTITIES = "&#7; &#8; &#13; &#27;[2J &#155; &#x202e; &NewLine; &ZeroWidthSpace; &zwj;"


def foreign(show: Show) -> str:
    """Return what reached the terminal, can drive it and is not our own."""
    written = OWN_SEQUENCES.sub("", "".join(show.terminal.written))
    return "".join(can_drive(written.replace("\r", "")))


@pytest.mark.parametrize("payload", TERMINAL_SEQUENCES.values(), ids=TERMINAL_SEQUENCES)
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_no_payload_reaches_the_terminal(payload: str, frame: str) -> None:
    text = frame.format(payload, payload)
    for pieces in ([text], text):
        show = Show((40, 10))
        show.play(pieces)

        assert foreign(show) == ""


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "by character"])
def test_what_an_entity_stands_for_is_made_visible_too(is_bytewise: bool) -> None:
    show = Show((80, 24))
    rows = show.play(ENTITIES if is_bytewise else [ENTITIES])

    assert foreign(show) == ""
    assert "^M" in rows[0]


@pytest.mark.untraced
@settings(max_examples=200)
@given(st.text(st.characters(), max_size=60), st.booleans())
def test_no_text_at_all_gets_through(text: str, is_bytewise: bool) -> None:
    show = Show((20, 6))
    show.play(text if is_bytewise else [text])

    assert foreign(show) == ""


@pytest.mark.untraced
@pytest.mark.parametrize(
    "text",
    [
        *("[" * 3000, ">" * 3000, "- " * 1500, "|" * 3000, " " * 3000, "`" * 3000),
        *("#" * 3000, "<a " * 1000, "**a" * 1000, "=" * 3000, "1" * 3000, "\n" * 3000),
        *("|a|b|\n|-|-|\n" + "|x" * 1500, "👩\u200d" * 1500, "e" + "\u0301" * 3000),
        "".join(f"```l{n}\nx\n```\n" for n in range(300)),
        "".join(f"{'  ' * (n % 50)}- x\n" for n in range(500)),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_monsters_are_drawn_within_the_screen(text: str) -> None:
    show = Show((40, 10))
    show.play(text[start : start + 50] for start in range(0, len(text), 50))

    assert foreign(show) == ""
    assert all(frame.count("\x1b[A") < 10 for frame in show.terminal.written)
