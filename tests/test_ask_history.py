"""`ask` in conversations: what is sent of earlier turns, what is kept, and when."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llmwrap.errors import Interrupted, OutputError
from llmwrap.history import Conversations, Turn

from .asking import address, ask, chats, error, lines
from .fakeserver import FakeServer, Reset, json_error, ollama_reply
from .runner import Home, Runner

ANSWER = "Hello from the fake server."
_PATH = "/api/chat"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
BEFORE_IT_CAME = json_error(400, {"error": "no"})


def kept(home: Home) -> list[list[Turn]]:
    """Return the turns of each conversation, the one used last first."""
    conversations = Conversations(home.environ)
    return [conversations.open(one).turns() for one in conversations.ids()]


def said(home: Home) -> list[list[str]]:
    return [[turn.message.content for turn in turns] for turns in kept(home)]


def sent(server: FakeServer, number: int = -1) -> Any:
    """Return the messages of a chat as role and text."""
    messages = chats(server)[number].json["messages"]
    return [(message["role"], message["content"]) for message in messages]


def break_off(server: FakeServer, tokens: Sequence[str]) -> None:
    server.script(_PATH, ollama_reply(tokens, done_reason=None)[:-1], Reset())


# What is sent


def test_a_conversation_goes_on(cli: Runner, server: FakeServer) -> None:
    ask(cli, server, "-c", "one")

    ask(cli, server, "-c", "two")

    assert sent(server) == [("user", "one"), ("assistant", ANSWER), ("user", "two")]


def test_an_answer_without_text_is_never_sent_again(
    cli: Runner, server: FakeServer
) -> None:
    """Some servers refuse such a turn, and would refuse the conversation for ever."""
    ask(cli, server, "-c", "one")
    server.script(_PATH, ollama_reply([]))
    assert ask(cli, server, "-c", "two").status == 0

    ask(cli, server, "-c", "three")

    assert sent(server) == [("user", "one"), ("assistant", ANSWER), ("user", "three")]


def test_the_system_prompt_is_that_of_the_conversation(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    home.configure('[defaults]\nsystem = "default"\n')
    ask(cli, server, "-c", "-s", "mine", "one")

    ask(cli, server, "-c", "two")
    ask(cli, server, "-c", "-s", "newest", "three")
    ask(cli, server, "-c", "four")

    assert [sent(server, n)[0] for n in range(1, 4)] == [
        ("system", "mine"),
        ("system", "newest"),
        ("system", "newest"),
    ]
    assert [role for role, _ in sent(server)].count("system") == 1


def test_the_default_system_prompt_stays_with_its_conversation(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    home.configure('[defaults]\nsystem = "then"\n')
    ask(cli, server, "-c", "one")
    home.configure('[defaults]\nsystem = "now"\n')

    ask(cli, server, "-c", "two")

    assert sent(server)[0] == ("system", "then")


def test_an_empty_system_prompt_takes_it_away(cli: Runner, server: FakeServer) -> None:
    ask(cli, server, "-c", "-s", "mine", "one")

    ask(cli, server, "-c", "-s", "", "two")
    ask(cli, server, "-c", "three")

    assert [sent(server, n)[0] for n in (1, 2)] == [("user", "one")] * 2


def test_images_are_sent_again(cli: Runner, server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    ask(cli, server, "-c", "-i", str(tmp_path / "a.png"), "see")

    ask(cli, server, "-c", "and")

    first, second = (chat.json["messages"][0] for chat in chats(server))
    assert second["images"] == first["images"]


def test_an_interrupted_answer_is_sent_as_far_as_it_came(
    cli: Runner, server: FakeServer
) -> None:
    break_off(server, ["half", " an"])
    assert ask(cli, server, "-c", "one").status == 8

    ask(cli, server, "-c", "go on")

    assert sent(server)[1] == ("assistant", "half an")


def test_a_named_conversation_goes_on(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    ask(cli, server, "-c", "one")
    name = Conversations(home.environ).ids()[0]
    ask(cli, server, "--no-history", "other")

    result = ask(cli, server, "--conversation", name[:-1], "--json", "two")

    assert json.loads(result.stdout)["conversation"] == name
    assert len(sent(server)) == 3


def test_a_dry_run_shows_the_turns_and_keeps_nothing(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    ask(cli, server, "-c", "one")

    result = ask(cli, server, "-c", "--dry-run", "two", tty=True)

    body = json.loads(result.stdout)["body"]
    assert len(body["messages"]) == 3
    assert said(home) == [["one", ANSWER]]


# What is kept


@pytest.mark.parametrize(
    ("argv", "terminals", "is_kept"),
    [
        ([], [], False),
        ([], ["stdin", "stderr"], False),
        ([], ["stdout"], True),
        (["-O", "x"], ["stdout"], False),
        (["--no-history"], ["stdout"], False),
        (["-c"], [], True),
        (["-c", "--no-history"], [], False),
    ],
)
def test_who_asks_on_a_terminal_or_for_it_has_it_kept(
    cli: Runner,
    server: FakeServer,
    home: Home,
    argv: list[str],
    terminals: list[str],
    is_kept: bool,
) -> None:
    ask(cli, server, *argv, "one", tty=terminals)

    assert said(home) == ([["one", ANSWER]] if is_kept else [])


@pytest.mark.parametrize(
    ("settings", "argv", "is_kept"),
    [
        ("ask = true", [], True),
        ("ask = true", ["--no-history"], False),
        ("ask = true\nenabled = false", [], False),
        ("enabled = false", ["-c"], False),
    ],
)
def test_the_configuration_decides_for_all_others(
    cli: Runner,
    server: FakeServer,
    home: Home,
    settings: str,
    argv: list[str],
    is_kept: bool,
) -> None:
    home.configure(f"[history]\n{settings}\n")

    result = ask(cli, server, *argv, "one")

    assert result.status == 0
    assert bool(kept(home)) is is_kept


def test_who_asks_for_a_conversation_where_none_is_kept_is_told(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    ask(cli, server, "-c", "one")
    home.configure("[history]\nenabled = false\n")

    result = ask(cli, server, "-c", "two")

    assert any("nothing of this is kept" in line for line in lines(result, "note"))
    assert len(sent(server)) == 3
    assert said(home) == [["one", ANSWER]]


def test_every_question_of_its_own_is_a_conversation(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    for question in ("one", "two"):
        ask(cli, server, question, tty=True)

    assert sorted(said(home)) == [["one", ANSWER], ["two", ANSWER]]


def test_an_answer_is_kept_with_where_it_came_from(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    for _ in range(2):
        ask(cli, server, "one", tty=True)

    found = [turns[1] for turns in kept(home)]
    assert {(turn.model, turn.backend) for turn in found} == {
        ("alpha:latest", "ollama")
    }
    assert {turn.is_cached for turn in found} == {False, True}
    assert not any(turn.is_interrupted for turn in found)
    assert all(turn.usage.completion_tokens for turn in found)


def test_an_answer_that_broke_off_is_marked(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    break_off(server, ["half"])

    assert ask(cli, server, "-c", "one").status == 8

    ((_, answer),) = kept(home)
    assert (answer.message.content, answer.is_interrupted) == ("half", True)


def test_a_cut_answer_is_marked(cli: Runner, server: FakeServer, home: Home) -> None:
    server.script(_PATH, ollama_reply(["cut"], done_reason="length"))

    assert ask(cli, server, "-c", "one").status == 8

    ((_, answer),) = kept(home)
    assert answer.is_interrupted


def test_a_cut_that_the_user_wanted_is_a_whole_answer(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    server.script(_PATH, ollama_reply(["cut"], done_reason="length"))

    assert ask(cli, server, "-c", "--max-tokens", "1", "one").status == 0

    ((_, answer),) = kept(home)
    assert not answer.is_interrupted


@pytest.mark.parametrize(
    "failure", [OutputError("no space"), Interrupted(2), Interrupted(13)]
)
def test_an_answer_that_could_not_be_written_is_marked(
    cli: Runner, server: FakeServer, home: Home, failure: OutputError | Interrupted
) -> None:
    context = cli.context()
    context.stdout.error = failure

    result = cli.run_in(context, *address(server), "-c", "one")

    assert result.status == failure.exit_status
    ((_, answer),) = kept(home)
    assert answer.is_interrupted


@pytest.mark.parametrize("options", [["-c"], ["--format", "json", "-c"]])
def test_a_question_that_got_no_text_is_not_kept(
    cli: Runner, server: FakeServer, home: Home, options: list[str]
) -> None:
    server.script(_PATH, BEFORE_IT_CAME)

    assert ask(cli, server, *options, "one").status == 5

    assert kept(home) == []


def test_json_and_the_last_event_name_the_conversation(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    whole = json.loads(ask(cli, server, "-c", "--json", "one").stdout)
    events = ask(cli, server, "-c", "--format", "events", "two").stdout.splitlines()
    alone = json.loads(ask(cli, server, "--json", "three").stdout)

    (name,) = Conversations(home.environ).ids()
    assert whole["conversation"] == name
    assert json.loads(events[-1])["conversation"] == name
    assert not any("conversation" in json.loads(line) for line in events[:-1])
    assert "conversation" not in alone


def test_the_cache_knows_a_conversation_by_what_was_said(
    cli: Runner, server: FakeServer
) -> None:
    ask(cli, server, "-c", "one")
    ask(cli, server, "-c", "more")
    ask(cli, server, "more")
    ask(cli, server, "-c", "--refresh", "--no-history", "else")

    again = ask(cli, server, "-c", "--no-history", "--json", "else")

    assert json.loads(again.stdout)["cached"]
    assert [len(sent(server, n)) for n in range(4)] == [1, 3, 1, 5]


# What goes wrong


def test_an_unknown_conversation_is_a_configuration_error(
    cli: Runner, server: FakeServer
) -> None:
    ask(cli, server, "-c", "one")

    result = ask(cli, server, "--conversation", "nope", "--json", "two")

    assert result.status == 3
    assert error(result).startswith("there is no conversation 'nope'")
    assert json.loads(result.stdout)["error"]["kind"] == "config"
    assert len(chats(server)) == 1


def block(home: Home) -> None:
    """Put a file where the directory of conversations would be."""
    state = home.path / "state" / "llmwrap"
    state.mkdir(mode=0o700, parents=True)
    (state / "history").write_text("in the way")


@pytest.mark.parametrize("option", ["-c", "--conversation=2026"])
def test_who_asks_for_a_conversation_that_cannot_be_had_is_not_answered(
    cli: Runner, server: FakeServer, home: Home, option: str
) -> None:
    block(home)

    result = ask(cli, server, option, "one")

    assert result.status == 11
    assert error(result).startswith("the history cannot be used")
    assert chats(server) == []


def test_one_that_is_only_kept_by_itself_is_a_warning(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    block(home)

    result = ask(cli, server, "--raw", "one", tty=["stdout"])

    assert (result.status, result.text) == (0, ANSWER + "\n")
    (warning,) = lines(result, "warning")
    assert warning.startswith("the history cannot be used")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_takes_nothing_is_noticed_before_anybody_is_asked(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    (home.path / "state" / "llmwrap" / "history").mkdir(mode=0o500, parents=True)

    result = ask(cli, server, "-c", "one")

    assert result.status == 11
    assert chats(server) == []


def test_an_answer_that_cannot_be_kept_is_told_once_it_is_out(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    """Its file becomes something else while the answer is under way."""
    ask(cli, server, "-c", "one")
    (file,) = (home.path / "state" / "llmwrap" / "history").iterdir()
    context = cli.context()
    write = context.stdout.write

    def write_and_block(data: bytes) -> None:
        write(data)
        if not file.is_dir():
            file.unlink()
            file.mkdir()

    context.stdout.write = write_and_block  # type: ignore[method-assign]

    result = cli.run_in(context, *address(server), "-c", "two")

    assert (result.status, result.text) == (11, ANSWER + "\n")


def test_what_a_newer_llmwrap_wrote_is_neither_continued_nor_changed(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    ask(cli, server, "-c", "one")
    (file,) = (home.path / "state" / "llmwrap" / "history").iterdir()
    newer = b"lwjrnl" + bytes((9, 246)) + bytes(64)
    file.write_bytes(newer)

    named = ask(cli, server, "--conversation", file.name, "two")
    last = ask(cli, server, "-c", "three")

    assert (named.status, last.status) == (11, 11)
    assert error(named) == error(last)
    assert "a newer llmwrap wrote it" in error(named)
    assert len(chats(server)) == 1
    assert file.read_bytes() == newer


# Direct mode


def records(home: Home) -> int:
    """Return how many invocations direct mode has a record of."""
    directory = home.path / "cache" / "llmwrap" / "direct"
    return len(list(directory.iterdir())) if directory.exists() else 0


def test_direct_mode_answers_no_conversation(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    ask_again = ["-c", "more"]
    for _ in range(3):
        assert cli.spawn(*address(server), *ask_again).status == 0

    assert records(home) == 0
    assert [len(sent(server, n)) for n in range(3)] == [1, 3, 5]


@pytest.mark.parametrize("option", ["-c", "--conversation"])
def test_direct_mode_answers_none_that_is_only_continued_either(
    cli: Runner, server: FakeServer, home: Home, option: str
) -> None:
    cli.spawn(*address(server), "-c", "one")
    name = Conversations(home.environ).ids()
    argv = [option, *(name if option == "--conversation" else []), "--no-history"]
    cli.spawn(*address(server), *argv, "more")
    cli.spawn(*address(server), "-c", "two")

    cli.spawn(*address(server), *argv, "more")

    assert records(home) == 0
    assert [len(sent(server, n)) for n in range(4)] == [1, 3, 3, 5]


def test_direct_mode_answers_none_that_is_kept_by_the_configuration(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    for _ in range(2):
        cli.spawn(*address(server), "one", environ={"LLMWRAP_HISTORY_ASK": "true"})

    assert records(home) == 0
    assert said(home) == [["one", ANSWER]] * 2
    assert len(chats(server)) == 1


# Not in a file: direct mode waits two seconds until it trusts a new one.
@pytest.mark.parametrize(
    ("settings", "argv"),
    [
        ({}, []),
        ({}, ["--no-history"]),
        ({"LLMWRAP_HISTORY_ASK": "true"}, ["--no-history"]),
        ({"LLMWRAP_HISTORY_ASK": "true", "LLMWRAP_HISTORY_ENABLED": "false"}, []),
    ],
)
def test_direct_mode_and_the_ordinary_way_are_the_same_where_nothing_is_kept(
    cli: Runner,
    server: FakeServer,
    home: Home,
    settings: dict[str, str],
    argv: list[str],
) -> None:
    line = (*address(server), *argv, "one")

    first = cli.spawn(*line, environ=settings)
    assert records(home)
    direct = cli.spawn(*line, environ=settings)
    ordinary = cli.spawn(*line, environ={**settings, "LLMWRAP_DIRECT": "0"})

    assert first == direct == ordinary
    assert len(chats(server)) == 1
    assert kept(home) == []
