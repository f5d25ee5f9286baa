"""A full context ends no chat: it is seen coming, and there are ways out."""

from __future__ import annotations

import pytest

from llmwrap.history import Conversation
from llmwrap.messages import Message
from llmwrap.repl.asked import older_of
from llmwrap.repl.chat_front import ChatFront
from llmwrap.repl.front import Front
from llmwrap.repl.screen_front import ScreenFront

from .chatting import asked
from .drawing import play, seen, stage
from .fakeserver import FakeServer, json_error
from .fakeserver.steps import Reply
from .runner import Home

ENTER = "\r"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def too_long() -> Reply:
    error = {
        "code": 400,
        "message": "the request exceeds the available context size",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 5000,
        "n_ctx": 2048,
    }
    return json_error(400, {"error": error})


def long_talk(conversation: Conversation, count: int) -> None:
    for number in range(count):
        conversation.add(Message("user", f"question {number} " + "word " * 400))
        conversation.add(Message("assistant", f"answer {number}"), model="alpha")


@pytest.mark.parametrize("front", [ScreenFront, ChatFront])
def test_a_question_that_is_too_long_comes_back_with_ways_out(
    home: Home, server: FakeServer, front: type[Front]
) -> None:
    server.script("/api/chat", too_long())

    with stage(home, server, size=(120, 30)) as on:
        long_talk(on.room.talk.conversation, 2)
        on.room.attach_image_data("a.png", PNG)
        play(
            *(front, on, "wall" + ENTER, seen("/compact summarises")),
            *(seen("/option num_ctx=N"), seen("> wall\n"), seen("with image 1")),
            *("s" + ENTER, seen("TTFT")),
        )

        assert "-o num_ctx" not in on.screen.text()
    assert asked(server)[-1][-1] == ("user", "walls")


def test_older_turns_are_summarised_by_themselves_where_that_is_wanted(
    home: Home, server: FakeServer
) -> None:
    server.script("/api/chat", too_long())

    with stage(home, server, toml='[ui]\ncompact = "auto"\n') as on:
        long_talk(on.room.talk.conversation, 2)
        play(ChatFront, on, "next" + ENTER, lambda _: len(asked(server)) == 3)

    refused, summary, last = asked(server)
    assert len(refused) == 5
    assert summary[-1][1].startswith("Summarise")
    assert [content for _, content in last][-1] == "next"
    assert "question 0" not in str(last)


def test_a_summary_that_is_too_long_itself_is_made_of_less(
    home: Home, server: FakeServer
) -> None:
    server.script("/api/chat", too_long())

    with stage(home, server, size=(120, 30)) as on:
        long_talk(on.room.talk.conversation, 6)
        play(ChatFront, on, "/compact" + ENTER, lambda _: len(asked(server)) == 2)

    whole, part = asked(server)
    assert len(part) < len(whole)
    assert part[-1] == whole[-1]


@pytest.mark.parametrize(("count", "older"), [(0, 0), (1, 2), (2, 4), (6, 8)])
def test_few_long_turns_are_summarised_too(count: int, older: int) -> None:
    conversation = Conversation()
    long_talk(conversation, count)

    assert len(older_of(conversation.turns())) == older


def test_how_full_the_context_is_is_known_once_a_model_is_loaded(
    home: Home, server: FakeServer
) -> None:
    for name in list(server.shelf.loaded):
        server.shelf.unload(name)

    with stage(home, server, size=(120, 24)) as on:
        play(ChatFront, on, "a" + ENTER, seen("/4096"))


def test_a_question_that_fails_leaves_the_context_as_full_as_it_was(
    home: Home, server: FakeServer
) -> None:
    def breaks(shown: str) -> bool:
        server.script("/api/chat", json_error(400, {"error": "broken"}))
        return True

    with stage(home, server, size=(120, 24)) as on:
        play(
            *(ChatFront, on, "a" + ENTER, seen("context 7/4096")),
            *(breaks, "b" + ENTER, seen("error: "), seen("> b\n")),
            lambda shown: "context 7/4096" in shown.partition("error: ")[2],
        )


@pytest.mark.parametrize(("length", "words"), [(8, "context is"), (1_000_000, "TTFT")])
def test_a_context_that_is_nearly_full_is_told(
    home: Home, server: FakeServer, length: int, words: str
) -> None:
    with stage(home, server, size=(120, 24)) as on:
        set_to = f"/option num_ctx={length}"
        play(ChatFront, on, set_to + ENTER, "Hello" + ENTER, seen(words))

        assert ("context is" in on.screen.text()) is (words == "context is")
