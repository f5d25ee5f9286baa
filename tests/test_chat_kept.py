"""Chats are conversations: kept as they happen, carried on, or not."""

from __future__ import annotations

import pytest

from llmwrap.engine.conversing import Keeper
from llmwrap.errors import CacheError
from llmwrap.history import Conversation, Conversations, Turn, spoken
from llmwrap.messages import Message
from llmwrap.repl.asked import turn_of

from .chatting import asked, chat
from .fakeserver import FakeServer, json_error
from .runner import Runner

CHAT = "/api/chat"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def kept(cli: Runner) -> list[list[str]]:
    """Return what is kept: the messages of each conversation."""
    conversations = Conversations(cli.home.environ)
    found = [conversations.open(one.id) for one in conversations.list()]
    return [[turn.message.content for turn in one.turns()] for one in found]


def test_a_chat_is_kept(cli: Runner, server: FakeServer) -> None:
    server.answer = ["Yes"]

    chat(cli, server, "one", "two")

    assert kept(cli) == [["one", "Yes", "two", "Yes"]]


def test_a_chat_in_which_nothing_was_asked_is_not_kept(
    cli: Runner, server: FakeServer
) -> None:
    chat(cli, server, "/help", options=("-s", "Be brief"))

    assert kept(cli) == []


def test_c_carries_on_the_last_one(cli: Runner, server: FakeServer) -> None:
    server.answer = ["Yes"]
    chat(cli, server, "one", options=("-s", "Be brief"))

    chat(cli, server, "two", options=("-c",))

    assert asked(server)[-1] == [
        ("system", "Be brief"),
        ("user", "one"),
        ("assistant", "Yes"),
        ("user", "two"),
    ]
    assert len(kept(cli)) == 1


def test_an_id_carries_on_that_one(cli: Runner, server: FakeServer) -> None:
    chat(cli, server, "one")
    (first,) = Conversations(cli.home.environ).ids()
    chat(cli, server, "two")

    chat(cli, server, "three", options=("--conversation", first))

    assert asked(server)[-1][0] == ("user", "one")


def test_an_unknown_id_is_3(cli: Runner, server: FakeServer) -> None:
    result = chat(cli, server, "one", options=("--conversation", "nonsense"))

    assert result.status == 3
    assert asked(server) == []


@pytest.mark.parametrize("toml", ["", "[history]\nenabled = false\n"])
def test_nothing_is_kept_when_that_is_wanted(
    cli: Runner, server: FakeServer, toml: str
) -> None:
    cli.home.configure(toml)

    chat(cli, server, "one", "two", options=() if toml else ("--no-history",))

    assert len(asked(server)[-1]) == 3
    assert kept(cli) == []


def test_no_history_leaves_the_conversation_it_carries_on_alone(
    cli: Runner, server: FakeServer
) -> None:
    chat(cli, server, "one")
    before = kept(cli)

    chat(cli, server, "two", options=("-c", "--no-history"))

    assert len(asked(server)[-1]) == 3
    assert kept(cli) == before


def test_a_question_without_an_answer_is_not_kept(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/chat", json_error(400, {"error": "no"}))

    chat(cli, server, "one")

    assert kept(cli) == []


def test_history_lists_and_goes_on(cli: Runner, server: FakeServer) -> None:
    chat(cli, server, "first question")
    (name,) = Conversations(cli.home.environ).ids()

    result = chat(cli, server, "/history", f"/history {name[:-2]}", "more")

    assert f"{name}  " in result.stderr
    assert f"going on with {name}" in result.stderr
    assert asked(server)[-1][0] == ("user", "first question")


def test_a_search_finds_what_was_said_in_other_chats(
    cli: Runner, server: FakeServer
) -> None:
    chat(cli, server, "where is the key?")

    result = chat(cli, server, "/search KEY")

    assert "1: where is the key?" in result.stderr


def test_a_template_asks(cli: Runner, server: FakeServer) -> None:
    templates = cli.home.path / "config" / "llmwrap" / "templates"
    templates.mkdir(parents=True)
    (templates / "greet.mustache").write_text("Greet {{who}}: {{input}}")

    result = chat(
        cli, server, "/template greet who=Ada good morning", "/template", "/template x"
    )

    assert asked(server) == [[("user", "Greet Ada: good morning")]]
    assert "greet\n" in result.stderr
    assert result.status == 10


class Broken(Conversation):
    """A conversation whose disk is full."""

    is_broken = False

    def _store(self, entries: object) -> None:
        if self.is_broken:
            raise CacheError("the disk is full")
        super()._store(entries)  # type: ignore[arg-type]


def test_a_chat_goes_on_in_memory_when_its_disk_is_full() -> None:
    told: list[CacheError] = []
    conversation = Broken("x")
    keeper = Keeper(conversation, told.append)
    question, other = (turn_of(Message("user", text)) for text in ("one", "two"))
    keeper.keep_exchange("", question, turn_of(Message("assistant", "Yes")))
    conversation.is_broken = True

    keeper.keep_exchange("", other, turn_of(Message("assistant", "No")))

    assert [t.message.content for t in keeper.turns()] == ["one", "Yes", "two", "No"]
    assert [str(error) for error in told] == ["the disk is full"]


def test_a_question_without_an_answer_is_not_sent() -> None:
    said = [("user", "a"), ("user", "b"), ("assistant", "c"), ("user", "d")]
    turns = [Turn(Message(role, text), "", "", 0.0) for role, text in said]  # type: ignore[arg-type]

    assert [message.content for message in spoken(turns)] == ["b", "c"]


def test_a_conversation_is_asked_as_it_was(cli: Runner, server: FakeServer) -> None:
    """With its own system prompt, model and options, not with those of another."""
    chat(cli, server, "/system Be a bard", "/model beta:7b", "/option top_k=7", "one")
    (bard,) = Conversations(cli.home.environ).ids()

    chat(
        *(cli, server, "/system Be terse", "/option top_k=1", "two"),
        *(f"/history {bard}", "three", "/clear", "four"),
    )

    *_, before, inside, after = (r.json for r in server.requests if r.path == CHAT)
    assert [m["content"] for m in inside["messages"]][::3] == ["Be a bard", "three"]
    assert (inside["model"], inside["options"]["top_k"]) == ("beta:7b", 7)
    for body in (before, after):
        assert body["messages"][0]["content"] == "Be terse"
        assert (body["model"], body["options"]["top_k"]) == ("alpha:latest", 1)


def test_what_was_attached_stays_behind(cli: Runner, server: FakeServer) -> None:
    (cli.home.path / "notes").write_text("remember")

    chat(cli, server, "/file notes", "/clear", "one")

    assert asked(server) == [[("user", "one")]]


def test_images_stay_with_their_question(cli: Runner, server: FakeServer) -> None:
    (cli.home.path / "a.png").write_bytes(PNG)

    chat(cli, server, "/image a.png", "one", "/save kept.json", "/edit", "two")
    chat(cli, server, "/load kept.json", "three")

    sent = [r.json["messages"] for r in server.requests if r.path == CHAT]
    assert [[bool(m.get("images")) for m in one] for one in sent] == [
        [True],
        [True],
        [True, False, False],
    ]
    assert [m["content"] for m in sent[1]] == ["two"]
