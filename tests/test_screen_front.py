"""The full screen: keys through a pipe, the screen emulated."""

from __future__ import annotations

import base64
import re
import threading

import pytest
from prompt_toolkit.history import InMemoryHistory

from llmwrap.repl.chat_front import ChatFront
from llmwrap.repl.front import Front
from llmwrap.repl.mailbox import Event
from llmwrap.repl.screen_front import ScreenFront
from llmwrap.repl.slash import enter

from .chatting import asked
from .drawing import play, seen, stage, talked
from .fakeserver import (
    FakeServer,
    OllamaSpeech,
    WaitFor,
    json_error,
    spoken,
)
from .runner import Home

ENTER, UP = "\r", "\x1b[A"
CTRL_C, CTRL_L, CTRL_Q = "\x03", "\x0c", "\x11"
F2, F6, F7, F8 = "\x1bOQ", "\x1b[17~", "\x1b[18~", "\x1b[19~"


def test_an_answer_is_rendered_and_marked(home: Home, server: FakeServer) -> None:
    server.answer = ["# Title\n\n", "Some ", "**bold** text"]

    with stage(home, server) as on:
        play(
            ScreenFront,
            on,
            *("Hello" + ENTER, seen("TTFT")),
            seen("\nTitle\n\nSome bold text\n"),
        )


@pytest.mark.parametrize("mark", ["live", "cached"])
def test_cached_and_live_answers_are_marked(
    home: Home, server: FakeServer, mark: str
) -> None:
    with stage(home, server) as on:
        again = ["Hello" + ENTER, seen("alpha:latest · live")]
        if mark == "cached":
            again += [CTRL_L, "Hello" + ENTER, seen("alpha:latest · cached")]
        play(ScreenFront, on, *again)


def test_what_is_not_drawn_yet_stays_out_of_a_new_conversation(
    home: Home, server: FakeServer
) -> None:
    with stage(home, server) as on:
        front = ScreenFront(on.room, on.terminal, InMemoryHistory())
        mailbox = on.room.talk.mailbox
        mailbox.post(Event("question", "Old"))
        mailbox.post(Event("text", "what of an old answer came last"))
        mailbox.note("says", "said meanwhile")

        front.do(enter(on.room, "/clear"), is_other=True)

        told = [event.text for event in mailbox.take()]
        assert told == ["said meanwhile", "a new conversation begins"]


def test_something_turns_while_the_first_token_is_awaited(
    home: Home, server: FakeServer
) -> None:
    gate = threading.Event()
    server.script("/api/chat", WaitFor(gate))

    with stage(home, server) as on:
        wheel = [lambda shown, c=c: c in shown for c in "⠙⠸⠴"]
        play(ScreenFront, on, "Hi" + ENTER, *wheel, CTRL_C, seen("interrupted"))
        gate.set()


def test_ctrl_c_stops_the_answer_first_and_leaves_then(
    home: Home, server: FakeServer
) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    server.script("/api/chat", spoken(speech, ["one ", "two"]), WaitFor(gate))

    with stage(home, server) as on:
        steps = ["Hi" + ENTER, seen("one two"), CTRL_C, seen("(interrupted)"), CTRL_C]
        play(ScreenFront, on, *steps, leaves=False)
        gate.set()

    assert [turn.is_interrupted for turn in on.room.talk.turns()] == [False, True]


@pytest.mark.parametrize("key", [CTRL_Q, CTRL_C, "\x04"])
def test_these_keys_leave(home: Home, server: FakeServer, key: str) -> None:
    with stage(home, server) as on:
        play(ScreenFront, on, key, leaves=False)


def test_ctrl_l_begins_anew_and_keeps_the_conversation(
    home: Home, server: FakeServer
) -> None:
    with stage(home, server) as on:
        before = on.room.talk.conversation
        play(
            ScreenFront,
            on,
            *("one" + ENTER, seen("TTFT"), CTRL_L, seen("a new conversation")),
            *("two" + ENTER, seen("> two")),
            lambda shown: len(asked(server)) == 2,
        )

        assert len(before.turns()) == 2
    assert asked(server)[-1] == [("user", "two")]


def test_f6_changes_to_high_contrast_and_back(home: Home, server: FakeServer) -> None:
    dark, contrast = "48;5;17m", "48;5;231m"  # the bars

    with stage(home, server, toml='[ui]\ntheme = "dark"\n') as on:
        play(
            ScreenFront,
            on,
            *(F6, lambda shown: contrast in on.screen.raw, F6),
            lambda shown: on.screen.raw.rfind(dark) > on.screen.raw.rfind(contrast),
        )


def test_the_function_keys_choose_models(home: Home, server: FakeServer) -> None:
    with stage(home, server, toml='[ui]\nmodels = ["x", "beta:7b"]\n') as on:
        play(ScreenFront, on, F2, seen("llmwrap · beta:7b"))

        assert on.room.talk.settings.model == "beta:7b"


def test_the_last_answer_and_its_code_are_copied(
    home: Home, server: FakeServer
) -> None:
    server.answer = ["Say\n\n```sh\nrm \x1b[31m\n```\n"]

    with stage(home, server) as on:
        play(
            ScreenFront,
            on,
            *("a" + ENTER, seen("TTFT"), F8, seen("handed"), F7),
            lambda shown: shown.count("handed to the terminal") == 2,
        )

        copied = re.findall(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", on.screen.raw)
    assert base64.b64decode(copied[0]) == b"rm ^[[31m\n"
    assert len(copied) == 2


def test_undo_takes_the_last_turn_from_the_screen(
    home: Home, server: FakeServer
) -> None:
    with stage(home, server) as on:
        talked(on, 2)
        play(
            ScreenFront,
            on,
            *("/undo" + ENTER, seen("no longer count")),
            lambda shown: "answer 1" not in shown and "answer 0" in shown,
        )


def test_edit_brings_the_question_back(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        talked(on, 2)
        play(
            ScreenFront,
            on,
            *("/edit" + ENTER, seen("> question 1"), " more" + ENTER),
            seen("TTFT"),
        )

    assert asked(server)[-1][-1] == ("user", "question 1 more")


def test_an_error_is_shown_and_the_chat_goes_on(home: Home, server: FakeServer) -> None:
    server.script("/api/chat", json_error(400, {"error": "nonsense"}))

    with stage(home, server) as on:
        play(ScreenFront, on, "a" + ENTER, seen("nonsense"), "b" + ENTER, seen("live"))


@pytest.mark.parametrize(
    "size", [(40, 10), (60, 14), (80, 24), (120, 40), (300, 100)], ids=str
)
def test_everything_has_its_place_at_any_size(
    home: Home, server: FakeServer, size: tuple[int, int]
) -> None:
    with stage(home, server, size=size) as on:
        talked(on, 100)
        play(ScreenFront, on, "typed", seen("> typed"), seen("answer 99"))


def test_a_resize_draws_all_anew(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        talked(on, 100)

        def shrink(shown: str) -> bool:
            on.screen.resize(50, 12)
            return True

        front_step = seen("answer 99")
        play(ScreenFront, on, front_step, shrink, "x", seen("> x"), front_step)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (20, 5)], ids=str)
def test_a_screen_that_is_far_too_small_breaks_nothing(
    home: Home, server: FakeServer, size: tuple[int, int]
) -> None:
    with stage(home, server, size=size) as on:
        talked(on, 10)

        def is_answered(shown: str) -> bool:
            return len(on.room.talk.answers) == 1

        play(ScreenFront, on, "a" + ENTER, is_answered)


def test_ctrl_c_leaves_what_was_to_be_edited(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        talked(on, 1)
        play(
            *(ScreenFront, on, "/edit" + ENTER, seen("> question 0\n"), " more"),
            *(seen("question 0 more"), CTRL_C),
            lambda shown: "question 0 more" not in shown and "answer 0" in shown,
        )

        assert len(on.room.talk.turns()) == 2


@pytest.mark.parametrize("front", [ScreenFront, ChatFront])
def test_ctrl_c_drops_a_draft_that_up_brings_back(
    home: Home, server: FakeServer, front: type[Front]
) -> None:
    with stage(home, server) as on:
        play(
            *(front, on, "a draft", seen("> a draft"), CTRL_C),
            *(lambda shown: "> a draft" not in shown, UP, seen("> a draft")),
            *(CTRL_C, lambda shown: "> a draft" not in shown, CTRL_C),
            leaves=False,
        )
