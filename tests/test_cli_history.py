"""`history`: what is kept, in tables, JSON and Markdown, and removing it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from llmwrap.history import Conversation, Conversations
from llmwrap.messages import Image, Message, Usage
from llmwrap.repl.input_history import InputHistory

from .asking import error, lines
from .fakeserver import TERMINAL_SEQUENCES
from .runner import Home, Runner


@pytest.fixture
def kept(home: Home) -> Conversations:
    return Conversations(home.environ)


def talk(
    kept: Conversations, question: str, answer: str = "yes", days_ago: float = 0
) -> Conversation:
    """Keep a conversation of one question that was used some days ago."""
    conversation = kept.new()
    conversation.add(Message("user", question))
    conversation.add(
        Message("assistant", answer),
        model="alpha:latest",
        backend="ollama",
        usage=Usage(3, 4),
    )
    moment = time.time() - days_ago * 86400
    os.utime(Path(kept.root, conversation.id), (moment, moment))
    return conversation


def rows(cli: Runner, *argv: str) -> Any:
    result = cli.run("history", *argv, "--json")
    assert result.status == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["version"] == 1
    return document["history"]


def ids(found: Any) -> list[str]:
    return [row["id"] for row in found]


# Looking


def test_nothing_kept_is_no_failure(cli: Runner) -> None:
    for argv in (["list"], ["search", "x"], ["export"], ["prune", "--keep", "1"]):
        assert rows(cli, *argv) == []
    assert cli.run("history").stdout == b""


def test_the_list_has_the_one_used_last_first(cli: Runner, kept: Conversations) -> None:
    older = talk(kept, "older", days_ago=2)
    newer = talk(kept, "newer")

    table = cli.run("history").text.splitlines()

    assert table[0].split() == ["ID", "TITLE", "TURNS", "MODEL", "AGE"]
    assert table[1].split()[:4] == [newer.id, "newer", "2", "alpha:latest"]
    assert ids(rows(cli, "list")) == [newer.id, older.id]


def test_a_row_says_what_a_conversation_is(cli: Runner, kept: Conversations) -> None:
    conversation = talk(kept, "why?\nsay")

    (row,) = rows(cli)

    assert row.pop("started_at") <= row.pop("last_at") <= time.time()
    assert row == {
        "id": conversation.id,
        "title": "why?",
        "turn_count": 2,
        "model": "alpha:latest",
        "backend": "ollama",
        "bytes": Path(kept.root, conversation.id).stat().st_size,
    }


def test_a_long_title_is_cut_in_the_table_only(
    cli: Runner, kept: Conversations
) -> None:
    title = "word " * 30 + "end"
    talk(kept, title)

    assert "…" in cli.run("history").text
    assert rows(cli)[0]["title"] == title


def test_a_conversation_is_shown_as_markdown(cli: Runner, kept: Conversations) -> None:
    conversation = talk(kept, "why?", "**so**")

    text = cli.run("history", "show", conversation.id[:19]).text

    headings = [line.partition(",")[0] for line in text.splitlines() if line[:1] == "#"]
    assert headings == ["# why?", "## You", "## Model"]
    assert "\n**so**\n" in text


def test_the_one_used_last_is_shown_if_none_is_named(
    cli: Runner, kept: Conversations
) -> None:
    talk(kept, "older", days_ago=1)
    talk(kept, "newer")

    assert cli.run("history", "show").text.startswith("# newer\n")


def test_a_terminal_gets_it_drawn(cli: Runner, kept: Conversations) -> None:
    talk(kept, "why?", "**so**")

    shown = cli.run("history", "show", tty=True).stdout

    assert b"so" in shown
    assert b"**" not in shown


@pytest.mark.parametrize("verb", ["list", "show", "export", "search e", "list --json"])
def test_no_answer_drives_the_terminal(
    cli: Runner, kept: Conversations, verb: str
) -> None:
    for sequence in TERMINAL_SEQUENCES:
        talk(kept, f"see {sequence}", f"see {sequence}")

    text = cli.run(
        "history", *verb.split(), tty=True, environ={"TERM": "dumb", "NO_COLOR": "1"}
    ).text

    assert "see" in text
    assert [char for char in text if not char.isprintable() and char != "\n"] == []


def test_show_as_json_has_every_turn(cli: Runner, kept: Conversations) -> None:
    conversation = kept.new()
    conversation.add(Message("user", "see", (Image(b"\x00\x01", "image/png"),)))
    conversation.add(Message("assistant", "half"), model="m", is_interrupted=True)

    (row,) = rows(cli, "show")

    asked, answered = row["turns"]
    assert asked["images"] == [{"media_type": "image/png", "data": "AAE="}]
    assert set(asked) == {"role", "text", "at", "images"}
    del answered["at"]
    assert answered == {
        "role": "assistant",
        "text": "half",
        "model": "m",
        "backend": None,
        "interrupted": True,
        "cached": False,
        "usage": {"prompt_tokens": None, "completion_tokens": None},
    }


def test_search_shows_where(cli: Runner, kept: Conversations) -> None:
    talk(kept, "nothing of it")
    conversation = talk(kept, "what is it", "x" * 90 + " A Haystack\nof " + "y" * 90)

    (row,) = rows(cli, "search", "a", "haystack")

    assert (row["id"], row["turn"], row["role"]) == (conversation.id, 2, "assistant")
    assert row["excerpt"].startswith("…xxx")
    assert "A Haystack of yyy" in row["excerpt"]


def test_who_finds_nothing_is_told(cli: Runner, kept: Conversations) -> None:
    talk(kept, "one")

    result = cli.run("history", "search", "two")

    assert (result.status, result.stdout) == (0, b"")
    assert lines(result, "note") == ["no conversation has 'two'"]


# Exporting


def test_export_has_all_of_them(cli: Runner, kept: Conversations) -> None:
    for question in ("one", "two"):
        talk(kept, question)

    document = json.loads(cli.run("history", "export").stdout)

    assert document["version"] == 1
    texts = [turn["text"] for row in document["history"] for turn in row["turns"]]
    assert sorted(texts) == ["one", "two", "yes", "yes"]


def test_export_to_a_file_says_nothing_on_stdout(
    cli: Runner, kept: Conversations, tmp_path: Path
) -> None:
    one, _ = talk(kept, "one"), talk(kept, "two")
    file = tmp_path / "talks.md"

    result = cli.run(
        "history", "export", one.id, "--format", "markdown", "-O", str(file)
    )

    assert (result.status, result.stdout) == (0, b"")
    assert file.read_text() == cli.run("history", "show", one.id).text


def test_an_export_that_fails_leaves_the_file_alone(
    cli: Runner, kept: Conversations, tmp_path: Path
) -> None:
    one = talk(kept, "one")
    file = tmp_path / "talks.json"
    file.write_text("before")

    result = cli.run("history", "export", one.id, "nope", "-O", str(file))

    assert result.status == 3
    assert file.read_text() == "before"


# Removing


def test_delete_removes_those_that_are_named(cli: Runner, kept: Conversations) -> None:
    made = [talk(kept, question) for question in ("one", "two", "three")]

    removed = rows(cli, "delete", made[0].id, made[2].id)

    assert ids(removed) == [made[0].id, made[2].id]
    assert kept.ids() == [made[1].id]


def test_delete_removes_nothing_if_one_is_unknown(
    cli: Runner, kept: Conversations
) -> None:
    conversation = talk(kept, "one")

    result = cli.run("history", "delete", conversation.id, "nope")

    assert result.status == 3
    assert kept.ids() == [conversation.id]


def test_one_that_is_named_twice_is_removed_once(
    cli: Runner, kept: Conversations
) -> None:
    conversation = talk(kept, "one")

    result = cli.run("history", "delete", conversation.id, conversation.id[:19])

    assert lines(result, "note") == ["removed 1 conversation"]


def test_prune_removes_what_is_old(cli: Runner, kept: Conversations) -> None:
    old, young = talk(kept, "old", days_ago=31), talk(kept, "young", days_ago=29)

    assert ids(rows(cli, "prune", "--older-than", "30d")) == [old.id]
    assert kept.ids() == [young.id]


def test_prune_removes_what_is_too_many(cli: Runner, kept: Conversations) -> None:
    made = [talk(kept, str(number), days_ago=number) for number in range(4)]

    cli.run("history", "prune", "--keep", "2")

    assert kept.ids() == [made[0].id, made[1].id]


@pytest.mark.parametrize(
    "argv",
    [
        ["prune"],
        ["prune", "x", "--keep", "1"],
        ["list", "x"],
        ["list", "--keep", "1"],
        ["delete"],
        ["delete", "--older-than", "1d"],
        ["search"],
        ["show", "a", "b"],
        ["show", "--format", "markdown"],
        ["list", "-O", "x"],
        ["lsit"],
    ],
    ids=" ".join,
)
def test_what_a_verb_does_not_take_is_a_usage_error(
    cli: Runner, kept: Conversations, argv: list[str]
) -> None:
    talk(kept, "one")

    assert cli.run("history", *argv).status == 2
    assert len(kept.ids()) == 1


# What goes wrong


def test_a_history_that_cannot_be_used_is_status_11(cli: Runner, home: Home) -> None:
    state = home.path / "state" / "llmwrap"
    state.mkdir(mode=0o700, parents=True)
    (state / "history").write_text("in the way")

    result = cli.run("history", "--json")

    assert result.status == 11
    assert json.loads(result.stdout)["error"]["kind"] == "cache"
    assert error(result).startswith("the history cannot be used")


def test_one_that_cannot_be_read_is_a_warning_in_a_list(
    cli: Runner, kept: Conversations
) -> None:
    bad, good = talk(kept, "bad"), talk(kept, "good")
    file = Path(kept.root, bad.id)
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")

    result = cli.run("history")

    assert result.status == 0
    assert good.id in result.text
    (warning,) = lines(result, "warning")
    assert bad.id in warning


def test_show_without_any_is_status_3(cli: Runner) -> None:
    assert cli.run("history", "show").status == 3


def test_names_are_for_completion(cli: Runner, kept: Conversations) -> None:
    made = [talk(kept, "one", days_ago=1), talk(kept, "two")]

    result = cli.run("__complete", "fish", "llmwrap", "--conversation", "")

    assert result.text.split() == [made[1].id, made[0].id]


# Names of conversations


def test_a_conversation_gets_a_title(cli: Runner, kept: Conversations) -> None:
    conversation = talk(kept, "why?")

    result = cli.run("history", "rename", conversation.id, "Winter", "plans")

    assert (result.status, result.stdout) == (0, b"")
    assert rows(cli)[0]["title"] == "Winter plans"
    assert cli.run("history", "show").text.startswith("# Winter plans\n")
    assert rows(cli)[0]["turn_count"] == 2


def test_a_conversation_is_named_by_beginning_end_or_title(
    cli: Runner, kept: Conversations
) -> None:
    talk(kept, "another", days_ago=1)
    one = talk(kept, "Why is it so?")

    for name in (one.id, one.id[-4:], one.id[-7:], "why is it so?"):
        assert ids(rows(cli, "show", name)) == [one.id]


def test_a_title_that_two_have_names_none(cli: Runner, kept: Conversations) -> None:
    for _ in range(2):
        talk(kept, "why?")

    result = cli.run("history", "show", "why?")

    assert result.status == 3
    assert "'why?' may mean 2 conversations" in error(result)


def test_a_title_wants_words(cli: Runner, kept: Conversations) -> None:
    conversation = talk(kept, "why?")

    assert cli.run("history", "rename", conversation.id).status == 2
    assert cli.run("history", "rename", conversation.id, " ").status == 2


def test_an_empty_list_says_so(cli: Runner) -> None:
    result = cli.run("history")

    assert (result.stdout, lines(result, "note")) == (b"", ["no conversation is kept"])


@pytest.mark.parametrize("verb", ["delete", "prune"])
def test_what_was_typed_goes_with_the_conversation(
    cli: Runner, home: Home, kept: Conversations, verb: str
) -> None:
    conversation = talk(kept, "my secret\n\nnotes.txt:\n```\nx\n```", days_ago=2)
    talk(kept, "something else")
    typed = InputHistory(home.environ)
    for line in ("my secret", "something else", "/help"):
        typed.store_string(line)

    argv = [conversation.id] if verb == "delete" else ["--older-than", "1d"]
    assert cli.run("history", verb, *argv).status == 0

    left = list(InputHistory(home.environ).load_history_strings())
    assert left == ["/help", "something else"]
