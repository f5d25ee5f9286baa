"""Conversations on disk: kept as they happen, whatever becomes of the process."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from llmwrap.errors import CacheError, ConfigError
from llmwrap.files import LockedFile
from llmwrap.history import (
    Conversation,
    Conversations,
    Turn,
    last_system,
    spoken,
)
from llmwrap.journal.records import HEADER_BYTES
from llmwrap.log import Log, people_sink
from llmwrap.messages import Image, Json, Message, Usage

NEWER = b"lwjrnl" + bytes((9, 246)) + bytes(64)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path)}


@pytest.fixture
def kept(environ: dict[str, str]) -> Conversations:
    return Conversations(environ)


def talk(conversation: Conversation, *pairs: tuple[str, str]) -> Conversation:
    for asked, answered in pairs:
        conversation.add(Message("user", asked))
        conversation.add(Message("assistant", answered), model="alpha")
    return conversation


def said(conversation: Conversation) -> list[str]:
    return [turn.message.content for turn in conversation.turns()]


def file_of(kept: Conversations, conversation: Conversation) -> Path:
    return Path(kept.root, conversation.id)


def used(kept: Conversations, conversation: Conversation, days_ago: float) -> None:
    moment = time.time() - days_ago * 86400
    os.utime(file_of(kept, conversation), (moment, moment))


# Keeping


def test_what_was_added_is_there_for_another_process(kept: Conversations) -> None:
    written = talk(kept.new(), ("q1", "a1"), ("q2", "a2"))

    assert said(kept.open(written.id)) == ["q1", "a1", "q2", "a2"]


def test_all_of_a_turn_comes_back(kept: Conversations) -> None:
    conversation = kept.new()
    image = Image(b"\xff\xfeLW\x00", "image/png")
    conversation.add(Message("user", "see", (image,)))

    conversation.add(
        Message("assistant", "half an"),
        model="alpha:latest",
        backend="ollama",
        is_interrupted=True,
        is_cached=True,
        usage=Usage(7, None),
    )

    asked, answered = kept.open(conversation.id).turns()
    assert asked.message.images == (image,)
    assert answered[1:3] == ("alpha:latest", "ollama")
    assert answered[4:7] == (True, True, Usage(7, None))
    assert time.time() - answered.at < 60


def test_a_conversation_without_turns_leaves_nothing_on_disk(
    kept: Conversations,
) -> None:
    conversation = kept.new()

    assert conversation.turns() == []
    assert kept.last() is None
    assert not os.path.exists(kept.root)


def test_files_are_the_users_own(kept: Conversations) -> None:
    file = file_of(kept, talk(kept.new(), ("q", "a")))

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_one_kept_nowhere_holds_its_turns_and_has_no_id() -> None:
    conversation = talk(Conversation(), ("q1", "a1"), ("q2", "a2"))

    conversation.undo()

    assert said(conversation) == ["q1", "a1"]
    assert (conversation.id, conversation.is_kept) == ("", False)


def test_lone_surrogates_do_no_harm(kept: Conversations) -> None:
    conversation = talk(kept.new(), ("\ud800?", "yes"))

    assert said(kept.open(conversation.id)) == ["??", "yes"]


# Turns


def test_an_answer_stands_behind_its_question_whatever_came_between(
    kept: Conversations,
) -> None:
    one = kept.new()
    one.add(Message("user", "q1"))
    other = kept.open(one.id)
    other.add(Message("user", "q2"))
    one.add(Message("assistant", "a1"))

    other.add(Message("assistant", "a2"))

    assert said(one) == ["q1", "a1", "q2", "a2"]


def test_an_answer_of_a_new_process_belongs_to_the_last_question(
    kept: Conversations,
) -> None:
    before = talk(kept.new(), ("q1", "a1"))
    before.add(Message("user", "q2"))

    after = kept.open(before.id)
    after.add(Message("assistant", "a2"))

    assert [m.content for m in spoken(after.turns())] == ["q1", "a1", "q2", "a2"]


def test_the_newest_system_prompt_goes_first(kept: Conversations) -> None:
    conversation = kept.new()
    conversation.add(Message("system", "old"))
    talk(conversation, ("q", "a"))

    conversation.add(Message("system", "new"))

    turns = conversation.turns()
    assert last_system(turns) == "new"
    assert [m.content for m in spoken(turns)] == ["q", "a"]


def test_a_question_without_an_answer_is_not_sent_again(kept: Conversations) -> None:
    conversation = kept.new()
    conversation.add(Message("user", "lost"))

    talk(conversation, ("q", "a"))

    assert [m.content for m in spoken(conversation.turns())] == ["q", "a"]
    assert said(conversation) == ["lost", "q", "a"]


def test_undo_takes_back_the_last_question_and_its_answer(kept: Conversations) -> None:
    conversation = talk(kept.new(), ("q1", "a1"), ("q2", "a2"))

    undone = conversation.undo()

    assert undone
    assert undone.message.content == "q2"
    assert said(kept.open(conversation.id)) == ["q1", "a1"]


def test_undo_goes_on_to_the_first_question_and_leaves_the_system_prompt(
    kept: Conversations,
) -> None:
    conversation = kept.new()
    conversation.add(Message("system", "brief"))
    talk(conversation, ("q1", "a1"), ("q2", "a2"))

    undone = [conversation.undo() for _ in range(3)]

    assert undone[2] is None
    assert said(conversation) == ["brief"]


def test_an_answer_that_comes_after_undo_stays_away(kept: Conversations) -> None:
    conversation = kept.new()
    conversation.add(Message("user", "q"))
    kept.open(conversation.id).undo()

    conversation.add(Message("assistant", "late"))

    assert said(conversation) == []


def test_what_another_process_adds_is_seen(kept: Conversations) -> None:
    mine = talk(kept.new(), ("q1", "a1"))
    assert len(mine.turns()) == 2

    talk(kept.open(mine.id), ("q2", "a2"))

    assert said(mine) == ["q1", "a1", "q2", "a2"]


@pytest.mark.parametrize("later", [1, 5])
def test_a_file_that_became_another_one_is_read_anew(
    kept: Conversations, later: int
) -> None:
    mine = talk(kept.new(), ("q1", "a1"), ("q2", "a2"))
    assert len(mine.turns()) == 4
    other = talk(kept.new(), *[(f"q{n}", f"a{n}") for n in range(later)])

    file_of(kept, mine).write_bytes(file_of(kept, other).read_bytes())

    assert said(mine) == said(other)


def test_a_turn_that_is_torn_at_first_is_seen_once_it_is_whole(
    kept: Conversations,
) -> None:
    mine = talk(kept.new(), ("q1", "a1"))
    file = file_of(kept, mine)
    size = len(file.read_bytes())
    talk(kept.open(mine.id), ("q2", "a2"))
    whole = file.read_bytes()
    file.write_bytes(whole[: size + 30])
    assert said(mine) == ["q1", "a1"]

    file.write_bytes(whole)

    assert said(mine) == ["q1", "a1", "q2", "a2"]


# Finding


def test_ids_sort_by_the_moment_they_began(kept: Conversations) -> None:
    moment = time.strftime("%Y%m%d-%H%M", time.gmtime())

    ids = {kept.new().id for _ in range(20)}

    assert len(ids) == 20
    assert all(abs(int(one[:8]) - int(moment[:8])) <= 1 for one in ids)


@pytest.mark.parametrize("cut", [19, 20])
def test_the_beginning_of_an_id_is_enough(kept: Conversations, cut: int) -> None:
    conversation = talk(kept.new(), ("q", "a"))

    assert kept.open(conversation.id[:cut].upper()).id == conversation.id


@pytest.mark.parametrize("name", ["", "nothing", "../runs", "\0", "2026"])
def test_an_id_that_is_none_is_a_configuration_error(
    kept: Conversations, name: str
) -> None:
    talk(kept.new(), ("q", "a"))
    talk(kept.new(), ("q", "a"))

    with pytest.raises(ConfigError):
        kept.open(name)


def test_the_error_of_an_unknown_id_names_the_nearest(kept: Conversations) -> None:
    conversation = talk(kept.new(), ("q", "a"))

    with pytest.raises(ConfigError, match=f"did you mean '{conversation.id}'"):
        kept.open("x" + conversation.id)


def test_the_error_of_an_ambiguous_id_names_them(kept: Conversations) -> None:
    ids = [talk(kept.new(), ("q", "a")).id for _ in range(2)]

    with pytest.raises(ConfigError) as caught:
        kept.open(ids[0][:4])

    assert all(one in str(caught.value) for one in ids)


def test_the_last_is_the_one_that_was_used_last(kept: Conversations) -> None:
    older, newer = (talk(kept.new(), (name, "a")) for name in ("old", "new"))
    used(kept, older, 1)
    used(kept, newer, 2)

    last = kept.last()

    assert last
    assert last.id == older.id
    assert [one.id for one in kept.list()] == [older.id, newer.id]


def test_a_list_says_what_each_is_about(kept: Conversations) -> None:
    conversation = kept.new()
    conversation.add(Message("system", "brief"))
    conversation.add(Message("user", "\n  why?\nthe rest"))
    conversation.add(Message("assistant", "so"), model="beta:7b", backend="local")

    (summary,) = kept.list()

    assert summary.title == "why?"
    assert summary[2:5] == (3, "beta:7b", "local")
    assert summary.started_at <= summary.last_at
    assert summary.size_bytes == file_of(kept, conversation).stat().st_size


def test_search_finds_turns_whatever_their_case(kept: Conversations) -> None:
    talk(kept.new(), ("where is ÄRGER", "here"), ("and", "gone"))
    talk(kept.new(), ("else", "nothing"))

    (found,) = kept.search("ärger")

    assert found.number == 1
    assert found.turn.message.content == "where is ÄRGER"


# Removing


def test_a_deleted_one_is_gone(kept: Conversations) -> None:
    conversation = talk(kept.new(), ("q", "a"))

    assert kept.delete(conversation.id[:19]) == conversation.id
    assert kept.ids() == []


def test_one_that_is_deleted_while_it_goes_on_begins_anew(kept: Conversations) -> None:
    conversation = talk(kept.new(), ("q1", "a1"))
    kept.delete(conversation.id)

    talk(conversation, ("q2", "a2"))

    assert said(conversation) == ["q2", "a2"]


def test_pruning_by_age_goes_by_the_last_use(kept: Conversations) -> None:
    old, young = (talk(kept.new(), ("q", "a")) for _ in range(2))
    used(kept, old, 31)
    used(kept, young, 29)

    assert kept.prune(older_than_s=30 * 86400) == [old.id]
    assert kept.ids() == [young.id]


def test_pruning_by_number_keeps_those_used_last(kept: Conversations) -> None:
    made = [talk(kept.new(), ("q", "a")) for _ in range(3)]
    for days_ago, conversation in enumerate(made):
        used(kept, conversation, days_ago)

    kept.prune(keep=1)

    assert kept.ids() == [made[0].id]


def test_what_is_used_while_it_is_to_be_pruned_stays(kept: Conversations) -> None:
    conversation = talk(kept.new(), ("q", "a"))
    used(kept, conversation, 31)
    file = file_of(kept, conversation)
    pruned: list[str] = []

    with LockedFile(str(file), is_synced=False) as locked:
        pruning = threading.Thread(
            target=lambda: pruned.extend(kept.prune(older_than_s=30 * 86400))
        )
        pruning.start()
        wait_until_it_is_open_twice(file)
        locked.append(b"more")
    pruning.join()

    assert pruned == []
    assert said(conversation) == ["q", "a"]


def wait_until_it_is_open_twice(file: Path) -> None:
    until = time.monotonic() + 20
    while list(open_files()).count(str(file)) < 2:
        assert time.monotonic() < until, "nobody opens it"
        threading.Event().wait(0.001)


def open_files() -> Iterator[str]:
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            yield os.readlink(f"/proc/self/fd/{number}")


# Damage


def test_a_damaged_record_costs_itself_alone(kept: Conversations) -> None:
    conversation = talk(kept.new(), ("q1", "a1"), ("q2", "a2"))
    file = file_of(kept, conversation)
    data = bytearray(file.read_bytes())
    data[data.index(b"a1")] ^= 1
    file.write_bytes(data)

    assert said(kept.open(conversation.id)) == ["q1", "q2", "a2"]


def test_a_file_cut_anywhere_loses_no_more_than_is_cut(kept: Conversations) -> None:
    conversation = talk(kept.new(), ("q1", "a1"), ("q2", "a2"))
    file = file_of(kept, conversation)
    whole = file.read_bytes()
    everything = said(conversation)

    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        talk(cut := kept.open(conversation.id), ("more", "yes"))

        found = said(cut)
        before = found[:-2]
        assert found[-2:] == ["more", "yes"]
        assert before == everything[: len(before)]
        assert size < len(whole) - 60 or len(before) == 3


def test_what_a_newer_llmwrap_wrote_is_left_alone(environ: dict[str, str]) -> None:
    said: list[str] = []
    log = Log(people_sink(lambda level, line: said.append(line), 0))
    kept = Conversations(environ, log)
    conversation = talk(kept.new(), ("q", "a"))
    file_of(kept, conversation).write_bytes(NEWER)

    assert kept.list() == []
    assert kept.prune(keep=0) == []
    with pytest.raises(CacheError, match="newer llmwrap"):
        conversation.add(Message("user", "more"))
    with pytest.raises(CacheError, match="newer llmwrap"):
        kept.open(conversation.id).turns()
    with pytest.raises(CacheError, match="newer llmwrap"):
        kept.last()
    assert file_of(kept, conversation).read_bytes() == NEWER
    assert conversation.id in said[0]


@pytest.mark.parametrize(
    "junk", [b"", b"\0" * 500, b"no journal", Random(1).randbytes(999)]
)
def test_a_file_of_something_else_is_an_empty_conversation(
    kept: Conversations, junk: bytes
) -> None:
    conversation = talk(kept.new(), ("q", "a"))
    file_of(kept, conversation).write_bytes(junk)

    assert [one.turn_count for one in kept.list()] == [0]
    assert kept.last() is None


def test_a_symbolic_link_is_followed_neither_to_read_nor_to_write(
    kept: Conversations, tmp_path: Path
) -> None:
    conversation = talk(kept.new(), ("q", "a"))
    file = file_of(kept, conversation)
    elsewhere = file.rename(tmp_path / "elsewhere")
    file.symlink_to(elsewhere)
    before = elsewhere.read_bytes()

    with pytest.raises(CacheError, match="symbolic link"):
        conversation.turns()
    with pytest.raises(CacheError, match="symbolic link"):
        conversation.add(Message("user", "more"))
    assert elsewhere.read_bytes() == before
    assert kept.list() == []


def test_other_files_in_the_directory_are_none_of_ours(kept: Conversations) -> None:
    conversation = talk(kept.new(), ("q", "a"))
    notes = file_of(kept, conversation).with_name("notes.txt")
    notes.write_text("mine")

    kept.prune(keep=0)

    assert os.listdir(kept.root) == ["notes.txt"]


def test_a_directory_that_cannot_be_made_is_an_error_of_the_state(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "llmwrap").write_text("in the way")
    kept = Conversations(environ)

    with pytest.raises(CacheError, match="history cannot be used"):
        kept.new().add(Message("user", "q"))
    with pytest.raises(CacheError, match="history cannot be used"):
        kept.list()


def test_a_file_that_lacks_its_header_is_read_all_the_same(kept: Conversations) -> None:
    conversation = talk(kept.new(), ("q", "a"))
    file = file_of(kept, conversation)
    file.write_bytes(file.read_bytes()[HEADER_BYTES:])

    assert said(conversation) == ["q", "a"]


def test_the_options_of_an_answer_come_back(kept: Conversations) -> None:
    conversation = talk(kept.new(), ("q1", "a1"))
    options: dict[str, Json] = {"num_ctx": 8192, "stop": ["x"]}
    answer = Turn(Message("assistant", "a2"), "m", "b", 0.0, options=options)

    conversation.extend([Turn(Message("user", "q2"), "", "", 0.0), answer])

    turns = kept.open(conversation.id).turns()
    assert [turn.options for turn in turns] == [None, None, None, options]


def test_undo_takes_back_only_what_was_asked_here(kept: Conversations) -> None:
    """What was there when a conversation was opened is nobody else's."""
    mine = talk(kept.new(), ("q1", "a1"))
    mine.turns()
    theirs = kept.open(mine.id)
    theirs.turns()
    talk(mine, ("q2", "a2"))
    talk(theirs, ("q3", "a3"))

    undone = [mine.undo(), mine.undo(), mine.undo()]

    assert [turn and turn.message.content for turn in undone] == ["q2", "q1", None]
    assert said(theirs) == ["q3", "a3"]
    (other,) = mine.questions_of_others()
    assert other.message.content == "q3"
