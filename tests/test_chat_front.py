"""The line front: keys through a pipe, the screen emulated."""

from __future__ import annotations

import threading

import pytest

from llmwrap.repl.chat_front import ChatFront

from .chatting import asked
from .drawing import play, seen, stage
from .fakeserver import (
    FakeServer,
    OllamaSpeech,
    WaitFor,
    json_error,
    spoken,
)
from .runner import Home

ENTER = "\r"
CTRL_C = "\x03"


def test_an_answer_streams_above_the_input(home: Home, server: FakeServer) -> None:
    server.answer = ["# Title\n\n", "Some ", "**bold** text"]

    with stage(home, server) as on:
        play(ChatFront, on, "Hello" + ENTER, seen("TTFT"))

        assert (
            "> Hello\nalpha:latest · live\nTitle\n\nSome bold text\n"
            in on.screen.text()
        )


def test_the_prompt_is_asked_at_once(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        play(ChatFront, on, seen("TTFT"), first="Hello")

    assert asked(server) == [[("user", "Hello")]]


def test_keys_are_answered_to_while_an_answer_streams(
    home: Home, server: FakeServer
) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    server.script("/api/chat", spoken(speech, ["one ", "two"]), WaitFor(gate))

    with stage(home, server) as on:
        play(
            ChatFront,
            on,
            *("Hello" + ENTER, seen("one two"), "typed meanwhile"),
            lambda shown: "> typed meanwhile" in shown and "one two" in shown,
        )
        gate.set()


def test_ctrl_c_stops_the_answer_and_keeps_it(home: Home, server: FakeServer) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    server.script("/api/chat", spoken(speech, ["one ", "two"]), WaitFor(gate))

    with stage(home, server) as on:
        play(
            ChatFront, on, "Hi" + ENTER, seen("one two"), CTRL_C, seen("(interrupted)")
        )
        gate.set()
        turns = on.room.talk.turns()

    assert [(t.message.content, t.is_interrupted) for t in turns] == [
        ("Hi", False),
        ("one two", True),
    ]


def test_a_stop_before_the_first_token_takes_the_question_back(
    home: Home, server: FakeServer
) -> None:
    gate = threading.Event()
    server.script("/api/chat", WaitFor(gate))

    with stage(home, server) as on:
        play(ChatFront, on, "Hi" + ENTER, seen("0s"), CTRL_C, seen("(interrupted)"))
        gate.set()

        assert on.room.talk.turns() == []


def test_ctrl_c_at_the_prompt_clears_the_line(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        play(
            ChatFront,
            on,
            *("typed", seen("> typed"), CTRL_C),
            lambda shown: "> typed" not in shown,
        )


def test_alt_enter_begins_another_line(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        play(ChatFront, on, "one\x1b\rtwo" + ENTER, seen("TTFT"))

    assert asked(server) == [[("user", "one\ntwo")]]


def test_what_is_pasted_is_one_question(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        play(ChatFront, on, "\x1b[200~one\ntwo\x1b[201~", ENTER, seen("TTFT"))

    assert asked(server) == [[("user", "one\ntwo")]]


def test_an_error_is_one_line_and_the_chat_goes_on(
    home: Home, server: FakeServer
) -> None:
    server.script("/api/chat", json_error(400, {"error": "nonsense"}))

    with stage(home, server) as on:
        play(ChatFront, on, "a" + ENTER, seen("nonsense"), "b" + ENTER, seen("TTFT"))

    assert len(asked(server)) == 2


def test_cached_answers_are_marked(home: Home, server: FakeServer) -> None:
    for mark in ("live", "cached"):
        with stage(home, server) as on:
            play(ChatFront, on, "Hello" + ENTER, seen(f"alpha:latest · {mark}"))


def test_the_bar_tells_how_much_of_the_context_is_used(
    home: Home, server: FakeServer
) -> None:
    with stage(home, server, size=(120, 24)) as on:
        play(
            ChatFront,
            on,
            *("/option num_ctx=2048" + ENTER, seen("num_ctx=2048")),
            *("Hello" + ENTER, seen("/2048")),
        )


def test_commands_are_completed(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        play(ChatFront, on, "/und", seen("forget"), "\t", seen("> /undo"))


def test_models_are_completed_once_they_are_known(
    home: Home, server: FakeServer
) -> None:
    with stage(home, server) as on:

        def is_known(shown: str) -> bool:
            return bool(on.room.offers.found.names)

        play(
            ChatFront,
            on,
            *(is_known, "/model be", seen("beta:7b"), "\t", seen("> /model beta:7b")),
        )


def test_the_function_keys_choose_models(home: Home, server: FakeServer) -> None:
    with stage(home, server, toml='[ui]\nmodels = ["x", "beta:7b"]\n') as on:
        play(ChatFront, on, "\x1bOQ", seen("model beta:7b"), "a" + ENTER, seen("TTFT"))

    (request,) = (r for r in server.requests if r.path == "/api/chat")
    assert request.json["model"] == "beta:7b"


def test_a_long_answer_is_whole_in_the_scrollback(
    home: Home, server: FakeServer
) -> None:
    words = [f"w{number:03} " for number in range(700)]
    server.answer = words

    with stage(home, server) as on:
        play(ChatFront, on, "Hello" + ENTER, seen("TTFT"))

        shown = on.screen.text()
    assert [word.strip() for word in words] == [
        word for word in shown.split() if word[0] == "w" and word[1:].isdigit()
    ]


def test_what_was_entered_is_found_again(home: Home, server: FakeServer) -> None:
    with stage(home, server) as on:
        play(
            ChatFront,
            on,
            *("first one" + ENTER, seen("TTFT"), "\x12", seen("I-search"), "irst"),
            lambda shown: shown.count("first one") == 2,
        )


@pytest.mark.parametrize("size", [(2, 2), (5, 3), (20, 5)], ids=str)
def test_a_screen_that_is_far_too_small_breaks_nothing(
    home: Home, server: FakeServer, size: tuple[int, int]
) -> None:
    with stage(home, server, size=size) as on:

        def is_answered(shown: str) -> bool:
            return len(on.room.talk.answers) == 1

        play(ChatFront, on, "a" + ENTER, is_answered)


def test_ctrl_c_ends_a_search_in_what_was_entered(
    home: Home, server: FakeServer
) -> None:
    with stage(home, server) as on:
        play(
            ChatFront,
            on,
            *("\x12", seen("I-search"), CTRL_C),
            lambda shown: "I-search" not in shown,
            *("typed", seen("> typed")),
        )
