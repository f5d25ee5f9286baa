"""The line front: keys through a pipe, the screen emulated."""

from __future__ import annotations

import base64
import threading

import pytest
from prompt_toolkit.history import InMemoryHistory

from llmwrap.messages import Message
from llmwrap.repl.chat_front import ChatFront
from llmwrap.repl.slash import enter

from .chatting import asked
from .drawing import play, seen, stage
from .fakeserver import (
    FakeServer,
    OllamaSpeech,
    WaitFor,
    json_error,
    ollama_reply,
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


def test_what_is_no_command_stays_in_the_line(home: Home, server: FakeServer) -> None:
    home_key = "\x1b[H"
    with stage(home, server) as on:
        play(
            ChatFront,
            on,
            *("/etc/fstab is what?" + ENTER, seen("a blank before it")),
            *(seen("> /etc/fstab is what?"), home_key + " " + ENTER, seen("TTFT")),
        )

    assert asked(server) == [[("user", " /etc/fstab is what?")]]


def test_several_lines_are_never_a_command(home: Home, server: FakeServer) -> None:
    pasted = "/quit\n\tof a program\n"
    with stage(home, server) as on:
        play(ChatFront, on, f"\x1b[200~{pasted}\x1b[201~" + ENTER, seen("TTFT"))

    assert asked(server) == [[("user", pasted)]]


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


def test_a_question_under_way_keeps_the_next_one_in_the_line(
    home: Home, server: FakeServer
) -> None:
    gate, reply = threading.Event(), ollama_reply(["one", " two"])
    server.script("/api/chat", *reply[:2], WaitFor(gate), reply[2:])

    def opened(shown: str) -> bool:
        gate.set()
        return True

    with stage(home, server) as on:
        play(
            ChatFront,
            on,
            *("first" + ENTER, seen("one"), "second" + ENTER, seen("under way")),
            *(opened, seen("TTFT"), ENTER),
            lambda shown: len(on.room.talk.answers) == 2,
        )

    assert [messages[-1][1] for messages in asked(server)] == ["first", "second"]


def test_a_command_is_done_while_an_answer_is_under_way(
    home: Home, server: FakeServer
) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    server.script("/api/chat", spoken(speech, ["one"]), WaitFor(gate))

    with stage(home, server) as on:
        play(
            ChatFront,
            on,
            *("first" + ENTER, seen("one"), "/model beta:7b" + ENTER),
            seen("model beta:7b"),
        )
        gate.set()

        assert on.room.talk.settings.model == "beta:7b"


# The clipboard


def test_nothing_that_is_copied_drives_a_terminal(
    home: Home, server: FakeServer
) -> None:
    with stage(home, server) as on:
        on.room.talk.conversation.add(Message("user", "hi"))
        hostile = "a\x1b]52;c;eA==\x07\r\x9b2J\u202eb\ud800\tc\n"
        on.room.talk.conversation.add(Message("assistant", hostile))
        copies = enter(on.room, "/copy").copies

    assert copies == "a^[]52;c;eA==^G^M<U+009B>2J<U+202E>b\ufffd\tc\n"


@pytest.mark.parametrize(("length", "is_long"), [(56_244, False), (56_247, True)])
def test_what_was_handed_to_a_terminal_may_not_be_copied(
    home: Home, server: FakeServer, length: int, *, is_long: bool
) -> None:
    text = "x" * length
    with stage(home, server) as on:
        front = ChatFront(on.room, on.terminal, InMemoryHistory())
        on.room.talk.mailbox.take()

        front.hand_over(text)

        (note,) = [event.text for event in on.room.talk.mailbox.take()]
        copied = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07"
        assert on.screen.raw.endswith(copied)
    assert "does not say" in note
    assert ("it is long" in note) is is_long


@pytest.mark.parametrize(
    ("argument", "copies"),
    [("1", "one\n"), ("2", "two\n"), ("0", None), ("3", None), ("x", None)],
)
def test_a_block_of_code_is_copied_by_its_number(
    home: Home, server: FakeServer, argument: str, copies: str | None
) -> None:
    with stage(home, server) as on:
        answer = "Say\n```sh\none\n```\nor\n~~~~\ntwo\n~~~~\n"
        on.room.talk.conversation.add(Message("user", "hi"))
        on.room.talk.conversation.add(Message("assistant", answer))

        effect = enter(on.room, f"/copy {argument}")

    assert effect.copies == copies
    assert bool(effect.error) is (copies is None)


def test_a_frame_before_the_signal_of_a_resize_doubles_no_row(
    home: Home, server: FakeServer
) -> None:
    """As where a key or a piece of an answer comes just then; here no signal does."""
    typed = "x" * 60

    with stage(home, server) as on:

        def narrow(shown: str) -> bool:
            on.screen.narrow(40)
            return True

        def is_there_once(shown: str) -> bool:
            return "xy" in shown and shown.count("> x") == 1

        play(ChatFront, on, typed, seen(typed), narrow, "y", is_there_once)
