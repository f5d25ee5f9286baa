"""The rows of a chat do not depend on when its pieces come, nor on when it is drawn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmwrap.repl.chat_painter import Painter
from llmwrap.repl.mailbox import WAKE, Event, EventKind, Facts
from llmwrap.repl.room import Room
from llmwrap.terminal.themes import DEFAULT

from .drawing import stage
from .fakeserver import FakeServer
from .runner import Home

ASIDE = "said beside it"
START = Event("start", facts=Facts("alpha"))
FRAGMENTS = (
    *("# Title\n\n", "## Part\n", "one ", "two ", "**bold** ", "\n", "\n\n"),
    *(
        "- item\n",
        "1. first\n",
        "> quote\n",
        "```py\n",
        "x = 1\n",
        "```\n",
        "| a | b |\n",
    ),
    *("a\r\n", "```\r\n", "\r", "\n"),
    *("|---|---|\n", "long words here " * 9, "`", "**", "世界"),
)


def committed(
    room: Room, events: Iterable[Event], draws: Sequence[bool] = (False,)
) -> list[str]:
    """Return the finished rows; `draws` says behind which events a frame is drawn."""
    painter = Painter(room, DEFAULT, lambda: (60, 24), lambda: None, has_color=False)
    done = ""
    for number, event in enumerate(events):
        room.talk.mailbox.post(event)
        if draws[number % len(draws)]:
            painter.paint()
            done += painter.take()[0]
    painter.paint()
    done += painter.take()[0]
    return re.sub(r"\x1b\[[\d;]*m", "", done).splitlines()


def told(pieces: Iterable[str], asides: Sequence[str] = ()) -> list[Event]:
    """Return the events of an answer, with something said between its pieces."""
    events = [START]
    for number, piece in enumerate(pieces):
        events.append(Event("text", piece))
        if asides and (level := asides[number % len(asides)]) != "none":
            text = "" if level == WAKE else ASIDE
            events.append(Event("note", text, level))
    return [*events, Event("end")]


@pytest.mark.slow
def test_rows_depend_on_the_text_only(home: Home, server: FakeServer) -> None:
    """Not on its pieces, on frames, nor on what is said meanwhile."""

    @settings(max_examples=200)
    @example(["# Title\n\n", "one "], [9], ["none", WAKE], [False])
    @example(["one ", "two "], [4], ["warning"], [True])
    @given(
        fragments=st.lists(st.sampled_from(FRAGMENTS), max_size=20),
        cuts=st.lists(st.integers(0, 400), max_size=10),
        asides=st.lists(st.sampled_from(["none", WAKE, "warning"]), min_size=1),
        draws=st.lists(st.booleans(), min_size=1, max_size=10),
    )
    def holds(
        fragments: list[str], cuts: list[int], asides: list[str], draws: list[bool]
    ) -> None:
        text = "".join(fragments)
        pieces = [text[a:b] for a, b in pairwise([0, *sorted(cuts), len(text)])]

        rows = committed(room, told(pieces, asides), draws)

        rows = [row for row in rows if ASIDE not in row]
        assert rows == committed(room, told([text]))

    with stage(home, server) as on:
        room = on.room
        holds()


def test_what_is_said_meanwhile_stands_above_the_open_block(
    home: Home, server: FakeServer
) -> None:
    aside = Event("note", ASIDE, "warning")
    events = [START, *(Event("text", t) for t in ("one\n\n", "two ")), aside]

    with stage(home, server) as on:
        rows = committed(on.room, [*events, Event("text", "three"), Event("end")])

    assert rows[1:] == ["one", f"warning: {ASIDE}", "", "two three", ""]


@pytest.mark.parametrize("kind", ["text", "thinking", "question"])
def test_lines_that_end_in_crlf_look_like_any_other(
    home: Home, server: FakeServer, kind: EventKind
) -> None:
    text = "one\n\n```py\nx = 1\n```\n\n- end\n"

    def rows(written: str) -> list[str]:
        pieces = [written] if kind == "question" else list(written)
        return committed(on.room, [*(Event(kind, p) for p in pieces), Event("end")])

    with stage(home, server) as on:
        assert rows(text.replace("\n", "\r\n")) == rows(text)
