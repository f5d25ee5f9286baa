"""The full screen: scrolling, searching, help and following, by keys."""

from __future__ import annotations

import re
import threading

import pytest

from llmwrap.messages import Message
from llmwrap.repl.mailbox import Event, Facts
from llmwrap.repl.screen_front import ScreenFront
from llmwrap.repl.screen_items import ItemRows
from llmwrap.repl.screen_view import View
from llmwrap.terminal.paint import Paint
from llmwrap.terminal.themes import THEMES

from .drawing import Step, play, seen, stage, talked
from .fakeserver import FakeServer, OllamaSpeech, WaitFor, spoken
from .runner import Home

ENTER, ESCAPE, CTRL_F = "\r", "\x1b", "\x06"
UP, DOWN, PAGE_UP, PAGE_DOWN = "\x1b[A", "\x1b[B", "\x1b[5~", "\x1b[6~"
C_UP, C_DOWN = "\x1b[1;5A", "\x1b[1;5B"
END, HOME_KEY = "\x1b[F", "\x1b[H"
F5, F10 = "\x1b[15~", "\x1b[21~"
WORDS = [f"w{number:03}" for number in range(100)]


def first_row(text: str) -> str:
    return text.splitlines()[1]


def test_arrows_pages_home_and_end_scroll(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        talked(on, 100)
        play(
            ScreenFront,
            on,
            *(seen("answer 99"), HOME_KEY, seen("question 0\n"), DOWN),
            lambda shown: first_row(shown) == "alpha · live",
            *(UP, seen("> question 0"), PAGE_DOWN),
            lambda shown: "question 0\n" not in shown,
            *(PAGE_UP, seen("> question 0"), END, seen("answer 99")),
        )


def test_arrows_and_home_edit_while_something_is_typed(
    home: Home, server: FakeServer
) -> None:
    with stage(home, server) as on:
        talked(on, 100)
        play(
            ScreenFront,
            on,
            *(seen("answer 99"), "bc", HOME_KEY + "a", END + "d"),
            lambda shown: "> abcd" in shown and "answer 99" in shown,
        )


def test_a_question_mark_is_typed_while_something_is(
    home: Home, server: FakeServer
) -> None:
    with stage(home, server) as on:
        play(ScreenFront, on, "why?", seen("> why?"))


@pytest.mark.parametrize("key", [F10, "?"])
def test_help_shows_keys_and_commands(home: Home, server: FakeServer, key: str) -> None:
    with stage(home, server, size=(80, 60)) as on:
        play(
            ScreenFront,
            on,
            *(key, seen("Ctrl-Q"), seen("/compact"), ESCAPE),
            lambda shown: "/compact" not in shown,
        )


def test_a_search_marks_what_it_finds_and_goes_from_one_to_the_next(
    home: Home, server: FakeServer
) -> None:
    with stage(home, server) as on:
        talked(on, 100)
        play(
            ScreenFront,
            on,
            *(CTRL_F, seen("search (0/0)"), "SWER 7", seen("search (11/11)")),
            *(seen("answer 79"), UP, seen("search (10/11)"), seen("answer 78")),
            *(DOWN, DOWN, seen("search (1/11)"), seen("answer 7\n")),
            ESCAPE,
            lambda shown: "search" not in shown.replace("Ctrl-F search", ""),
        )


def test_what_was_found_is_highlighted(home: Home, server: FakeServer) -> None:
    with stage(home, server, toml='[ui]\ntheme = "high-contrast"\n') as on:
        talked(on, 2)
        play(ScreenFront, on, CTRL_F, "answer 1", seen("(1/1)"))

        raw = on.screen.raw
    assert re.search(r"\x1b\[[0-9;]*48;5;226m(\x1b\[[0-9;]*m)*a", raw)


def test_auto_scroll_can_be_switched_off(home: Home, server: FakeServer) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    start, *more = spoken(speech, [f"{word}\n\n" for word in WORDS])
    server.script("/api/chat", start, *more[:2], WaitFor(gate), *more[2:])

    def opened(shown: str) -> bool:
        gate.set()
        return True

    with stage(home, server) as on:
        play(
            ScreenFront,
            on,
            *("Hi" + ENTER, seen("w000"), F5, seen("auto-scroll off")),
            opened,
            lambda shown: "more below" in shown,
            lambda shown: "w000" in shown and "w099" not in shown,
        )


def test_the_view_follows_an_answer(home: Home, server: FakeServer) -> None:
    server.answer = [f"{word}\n\n" for word in WORDS]

    with stage(home, server) as on:
        play(ScreenFront, on, "Hi" + ENTER, seen("w099"))


def test_a_question_mark_can_be_searched_for(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        on.room.talk.conversation.add(Message("user", "why?"))
        play(ScreenFront, on, CTRL_F, "y?", seen("search (1/1): y?"))


def test_what_was_found_stays_on_the_screen_at_another_size(
    home: Home, server: FakeServer
) -> None:
    long = " ".join(WORDS * 5)
    with stage(home, server, size=(120, 24)) as on:
        on.room.talk.conversation.add(Message("user", f"{long} needle {long}"))

        def is_found(shown: str) -> bool:
            before, bar, _ = shown.partition("search (1/1)")
            return bool(bar) and "needle" in before

        def shrink(shown: str) -> bool:
            on.screen.resize(40, 10)
            return True

        play(ScreenFront, on, CTRL_F, "needle", is_found, shrink, is_found)


def test_every_place_on_the_screen_is_found(home: Home, server: FakeServer) -> None:
    """Not in the source: markup, and where rows break, make no difference."""
    answer = "the **big** answer, the `big` answer\n\n" + "x " * 36 + "the big answer\n"
    with stage(home, server) as on:
        on.room.talk.conversation.add(Message("user", "hi"))
        on.room.talk.conversation.add(Message("assistant", answer), model="alpha")
        play(
            *(ScreenFront, on, CTRL_F, "the BIG answer", seen("search (3/3)")),
            *(UP, seen("search (2/3)"), UP, UP, seen("search (3/3)")),
        )


def test_a_key_goes_from_question_to_question(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        talked(on, 40)

        def is_top(number: int) -> Step:
            return lambda shown: first_row(shown) == f"> question {number}"

        play(ScreenFront, on, C_UP, is_top(34), C_UP, is_top(33), C_DOWN, is_top(34))


def test_the_end_of_a_long_answer_is_seen_before_all_of_it_is_rendered() -> None:
    paint = Paint(THEMES["default"], has_highlighting=True)
    view = View(
        lambda width: ItemRows(paint, width, has_color=True),
        lambda: None,
        follows=True,
    )
    lines = [f"def name_{number}(value): pass  # why\n" for number in range(3000)]
    text = "".join(["```python\n", *lines, "```\n\nTHE END\n"])
    view.rows(80, 10)

    view.take(
        [Event("start", facts=Facts("m")), Event("text", text)], shows_thinking=True
    )
    view.take([Event("end", facts=Facts("m"))], shows_thinking=True)

    assert "THE END" in str(view.rows(80, 10))
    assert "```" in str(view.rows(80, 10))  # its lines as they are
    while view.work():
        pass
    assert "THE END" in str(view.rows(80, 10))
    assert "```" not in str(view.rows(80, 10))
    view.to_top()
    assert "name_0" in str(view.rows(80, 10))
