"""Conversations that several processes add to, and processes that die of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from llmwrap.history import Conversation, Conversations
from llmwrap.messages import Message

from .asking import address, chats
from .fakeserver import FakeServer, Silence, ollama_reply
from .runner import ROOT, SPAWN_S, Home, Runner

ANSWER = "Hello from the fake server."
MANY = 20
_PATH = "/api/chat"

# Adds exchanges until it is killed, and says so after each.
TALKER = """
import sys
from llmwrap.history import Conversations
from llmwrap.messages import Message
state, name, who, most = sys.argv[1:]
conversation = Conversations({"XDG_STATE_HOME": state}).open(name)
for number in range(int(most)):
    conversation.add(Message("user", f"{who} {number}"))
    conversation.add(Message("assistant", f"{who} {number}" + "." * 5000))
    print(number, flush=True)
"""


@pytest.fixture
def talk(home: Home) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Give what starts a process that talks in a conversation."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, who: str, most: int) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", TALKER, state(home), name, who, str(most)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        started.append(subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def state(home: Home) -> str:
    return home.environ["XDG_STATE_HOME"]


def begun(home: Home) -> Conversation:
    conversation = Conversations(home.environ).new()
    conversation.add(Message("user", "begin"))
    conversation.add(Message("assistant", "begin"))
    return conversation


def pairs(conversation: Conversation) -> list[tuple[str, str]]:
    """Return questions and answers; each must stand behind its own."""
    turns = conversation.turns()
    texts = [turn.message.content.rstrip(".") for turn in turns]
    return list(zip(texts[::2], texts[1::2], strict=True))


def test_two_processes_at_once_lose_nothing(
    home: Home, talk: Callable[..., subprocess.Popen[bytes]]
) -> None:
    conversation = begun(home)

    talkers = [talk(conversation.id, who, 50) for who in ("a", "b")]
    assert [talker.wait(SPAWN_S) for talker in talkers] == [0, 0]

    found = pairs(conversation)
    assert all(question == answer for question, answer in found)
    for who in ("a", "b"):
        mine = [q for q, _ in found if q.startswith(f"{who} ")]
        assert mine == [f"{who} {number}" for number in range(50)]


@pytest.mark.parametrize("heard", [1, 2, 7])
def test_a_process_that_is_killed_loses_the_turn_in_flight_at_most(
    home: Home, talk: Callable[..., subprocess.Popen[bytes]], heard: int
) -> None:
    conversation = begun(home)
    talker = talk(conversation.id, "a", 10**6)
    assert talker.stdout
    for _ in range(heard):
        said = int(talker.stdout.readline())

    talker.kill()
    talker.wait(SPAWN_S)
    said = max([said, *map(int, talker.stdout.read().split())])

    turns = [turn.message.content for turn in conversation.turns()][2:]
    whole = [
        text for n in range(said + 1) for text in (f"a {n}", f"a {n}" + "." * 5000)
    ]
    assert turns[: len(whole)] == whole
    assert len(turns) - len(whole) <= 2


def test_many_at_once_carry_on_one_conversation(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    conversation = begun(home)
    words = [f"word{number}" for number in range(MANY)]

    running = [cli.start(*address(server), "-n", "-c", word) for word in words]
    ended = [process.communicate(timeout=SPAWN_S) for process in running]

    assert [process.returncode for process in running] == [0] * MANY
    assert ended == [(f"{ANSWER}\n".encode(), b"")] * MANY
    assert Conversations(home.environ).ids() == [conversation.id]
    asked = dict(pairs(conversation)[1:])
    assert asked == dict.fromkeys(words, ANSWER.rstrip("."))
    # Whatever was said before, it was whole: a question, an answer, and so on.
    for chat in chats(server):
        roles = [message["role"] for message in chat.json["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


def test_many_at_once_that_find_none_begin_one_each_at_most(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    words = [f"word{number}" for number in range(MANY)]

    running = [cli.start(*address(server), "-n", "-c", word) for word in words]
    for process in running:
        process.communicate(timeout=SPAWN_S)

    assert [process.returncode for process in running] == [0] * MANY
    kept = Conversations(home.environ)
    asked = [q for name in kept.ids() for q, _ in pairs(kept.open(name))]
    assert sorted(asked) == sorted(words)


def test_a_run_that_is_killed_in_mid_answer_leaves_the_turns_before_it(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    conversation = begun(home)
    server.script(_PATH, ollama_reply(["one", " two"])[:2], Silence())
    process = cli.start(*address(server), "-n", "-c", "lost")
    server.wait_for_silence(timeout_s=SPAWN_S)

    process.kill()
    process.communicate()
    after = cli.spawn(*address(server), "-n", "-c", "--json", "more")

    assert json.loads(after.stdout)["conversation"] == conversation.id
    assert [question for question, _ in pairs(conversation)] == ["begin", "more"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_keeps_what_came(
    cli: Runner, server: FakeServer, home: Home, signum: signal.Signals
) -> None:
    server.script(_PATH, ollama_reply(["one", " two"])[:2], Silence())
    process = cli.start(*address(server), "-n", "-c", "why")
    server.wait_for_silence(timeout_s=SPAWN_S)
    assert process.stdout
    assert os.read(process.stdout.fileno(), 3) == b"one"

    process.send_signal(signum)
    process.communicate(timeout=SPAWN_S)

    assert process.returncode == -signum
    last = Conversations(home.environ).last()
    assert last
    question, answer = last.turns()
    assert question.message.content == "why"
    assert answer.message.content.startswith("one")
    assert answer.is_interrupted
