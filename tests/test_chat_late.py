"""A server that comes late, or goes and comes back: the chat goes on."""

from __future__ import annotations

import threading

import pytest

from llmwrap.engine import Choice
from llmwrap.repl.chat_front import ChatFront
from llmwrap.repl.front import Front
from llmwrap.repl.screen_front import ScreenFront

from .asking import chats as questions
from .chatting import asked, chat
from .drawing import Step, play, seen, stage
from .fakeserver import FakeServer, OllamaSpeech, Reset, WaitFor, json_error, spoken
from .runner import Home, Runner

ENTER, F2 = "\r", "\x1bOQ"
FRONTS = pytest.mark.parametrize("front", [ScreenFront, ChatFront])
UNCACHED = "[cache]\nenabled = false\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def chosen(server: FakeServer, model: str | None = "alpha:latest") -> Choice:
    return Choice(base_url=server.url, model=model, retries=0)


def starts(server: FakeServer) -> Step:
    return lambda shown: bool(server.start())


def ends(server: FakeServer) -> Step:
    def end(shown: str) -> bool:
        server.close()
        return True

    return end


@FRONTS
@pytest.mark.parametrize("model", ["alpha:latest", None])
def test_a_question_comes_back_until_its_server_is_there(
    home: Home, front: type[Front], model: str | None
) -> None:
    late = FakeServer()
    with stage(home, late, size=(100, 30), choice=chosen(late, model)) as on:
        on.room.attach_image_data("a.png", PNG)
        play(
            *(front, on, seen("warning: cannot reach"), "Hello" + ENTER),
            *(seen("error: cannot reach"), seen("> Hello\n"), seen("with image 1")),
            *(starts(late), "!" + ENTER, seen("TTFT")),
        )
        shown = on.screen.text()
    late.close()

    assert shown.count("error: ") == 1
    assert asked(late) == [[("user", "Hello!")]]
    assert questions(late)[0].json["messages"][0]["images"]


@FRONTS
def test_one_that_is_found_may_come_late(home: Home, front: type[Front]) -> None:
    late = FakeServer()
    home.environ["OLLAMA_HOST"] = late.url
    with stage(home, late, size=(100, 30), choice=Choice(retries=0)) as on:
        play(
            *(front, on, seen("warning: cannot reach"), "Hello" + ENTER),
            *(seen("error: cannot reach"), seen("> Hello\n")),
            *(starts(late), "!" + ENTER, seen("TTFT")),
        )
    late.close()

    assert asked(late) == [[("user", "Hello!")]]


@FRONTS
@pytest.mark.parametrize("model", ["alpha:latest", None])
def test_a_server_that_comes_back_is_asked_again(
    home: Home, front: type[Front], model: str | None
) -> None:
    first = FakeServer().start()
    second = []

    def comes_back(shown: str) -> bool:
        second.append(FakeServer(port=first.port).start())
        return True

    choice = chosen(first, model)
    with stage(home, first, size=(100, 30), toml=UNCACHED, choice=choice) as on:
        play(
            *(front, on, "one" + ENTER, seen("TTFT"), ends(first), "two" + ENTER),
            *(seen("error: "), seen("> two\n"), comes_back, "!" + ENTER),
            lambda shown: shown.count("fake server.") == 2,
        )
    second[0].close()

    assert [content for _, content in asked(second[0])[-1]][::2] == ["one", "two!"]


@FRONTS
def test_of_an_answer_that_broke_off_is_kept_what_came(
    home: Home, server: FakeServer, front: type[Front]
) -> None:
    server.script("/api/chat", spoken(OllamaSpeech(), ["half "])[:2], Reset())

    with stage(home, server, size=(100, 30), choice=chosen(server)) as on:
        play(
            *(front, on, "one" + ENTER, seen("half"), seen("error: ")),
            *("two" + ENTER, seen("fake server.")),
        )

    assert [content for _, content in asked(server)[-1]] == ["one", "half ", "two"]


def test_what_somebody_types_meanwhile_stays(home: Home, server: FakeServer) -> None:
    gate = threading.Event()
    server.script("/api/chat", WaitFor(gate), json_error(500, {"error": "broken"}))

    def fails(shown: str) -> bool:
        gate.set()
        return True

    with stage(home, server, size=(100, 30), choice=chosen(server)) as on:
        on.room.attach_image_data("a.png", PNG)
        play(
            *(ChatFront, on, "one" + ENTER, lambda _: len(asked(server)) == 1, "two"),
            *(seen("> two"), fails, seen("broken"), ENTER, seen("TTFT")),
        )

    assert asked(server)[-1] == [("user", "two")]
    assert "images" not in questions(server)[-1].json["messages"][0]


@FRONTS
def test_models_are_found_once_their_server_is_there(
    home: Home, front: type[Front]
) -> None:
    late = FakeServer()
    with stage(home, late, size=(100, 30), choice=chosen(late)) as on:
        play(
            *(front, on, seen("warning: cannot reach"), "/model" + ENTER),
            *(lambda shown: shown.count("warning: cannot reach") == 2, starts(late)),
            *("/model" + ENTER, seen("  beta:7b")),
        )
    late.close()


@FRONTS
def test_a_key_chooses_a_model_of_a_server_that_came_late(
    home: Home, front: type[Front]
) -> None:
    late = FakeServer()
    with stage(home, late, size=(100, 30), choice=chosen(late)) as on:
        play(
            *(front, on, seen("warning: cannot reach"), F2, seen("no model 2")),
            *(starts(late), F2, seen("model beta:7b"), "Hi" + ENTER, seen("TTFT")),
        )
    late.close()

    assert questions(late)[-1].json["model"] == "beta:7b"


@FRONTS
def test_a_list_that_fails_ends_nothing(
    home: Home, server: FakeServer, front: type[Front]
) -> None:
    server.script("/api/tags", json_error(500, {"error": "no list"}), times=2)

    with stage(home, server, size=(100, 30), choice=chosen(server)) as on:
        play(
            *(front, on, seen("no list"), "/model" + ENTER),
            *(lambda shown: shown.count("no list") == 2, seen("model alpha:latest\n")),
            *("Hi" + ENTER, seen("TTFT"), "/model" + ENTER, seen("  beta:7b")),
        )


def test_a_plain_chat_lists_models(cli: Runner, server: FakeServer) -> None:
    result = chat(cli, server, "/model")

    assert "model alpha:latest\n  alpha:latest\n  beta:7b\n" in result.stderr
    assert result.status == 0
