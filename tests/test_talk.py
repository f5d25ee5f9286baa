"""One conversation under way, without any front."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prompt_toolkit.history import InMemoryHistory

from llmwrap import Config
from llmwrap.engine import Choice, Engine
from llmwrap.errors import CacheError, ExhaustedError
from llmwrap.history import Conversation, Turn
from llmwrap.messages import Message
from llmwrap.repl.asked import Settings, turn_of
from llmwrap.repl.chat_front import ChatFront
from llmwrap.repl.conversations import Unkept
from llmwrap.repl.mailbox import Event, Mailbox
from llmwrap.repl.offers import Offers
from llmwrap.repl.screen_front import ScreenFront
from llmwrap.repl.talk import Talk

from .asking import chats
from .drawing import stage
from .fakeserver import (
    FakeServer,
    OllamaSpeech,
    Tell,
    WaitFor,
    json_error,
    ollama_reply,
    spoken,
)
from .runner import Home

LONG_S = 20.0
HELLO = Message("user", "Hello")


@contextmanager
def talking(
    home: Home, server: FakeServer, conversation: Conversation | None = None
) -> Iterator[Talk]:
    config = Config.load(home.configure(""), home.environ)
    choice = Choice(base_url=server.url, model="alpha:latest")
    with Engine(config, environ=home.environ, choice=choice) as engine:
        new = conversation or Conversation()
        yield Talk(engine, Unkept(), new, Settings(), Mailbox())


@contextmanager
def without_threads() -> Iterator[None]:
    """Let the program start no thread meanwhile; the server goes on."""
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        if thread.name.startswith("llmwrap-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        yield


def until(talk: Talk, kind: str) -> list[Event]:
    """Return what happened up to an event of a kind."""
    events: list[Event] = []
    while not any(event.kind == kind for event in events):
        assert talk.mailbox.wait(LONG_S), f"no {kind} after {events}"
        events += talk.mailbox.take()
    return events


def test_an_answer_comes_as_events(home: Home, server: FakeServer) -> None:
    server.thinking, server.answer = ["Hm."], ["Yes", "."]

    with talking(home, server) as talk:
        talk.ask(HELLO)
        events = until(talk, "end")

    assert events[0].kind == "start"
    assert "".join(e.text for e in events if e.kind == "thinking") == "Hm."
    assert "".join(e.text for e in events if e.kind == "text") == "Yes."
    assert events[-1].facts.model == "alpha:latest"
    assert [turn.message.content for turn in talk.turns()] == ["Hello", "Yes."]


def test_what_is_stopped_says_nothing_more(home: Home, server: FakeServer) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    rest = list(spoken(speech, ["more"])[1:])
    server.script("/api/chat", spoken(speech, ["one"]), WaitFor(gate), rest)

    with talking(home, server) as talk:
        talk.ask(HELLO)
        until(talk, "text")
        assert talk.stop()
        assert not talk.stop()
        events = until(talk, "end")
        gate.set()

        assert not talk.is_busy
        assert [e.kind for e in events] == ["end"]
        assert [t.message.content for t in talk.turns()] == ["Hello", "one"]


def test_a_second_question_waits_for_nobody(home: Home, server: FakeServer) -> None:
    has_come, gate = threading.Event(), threading.Event()
    server.script("/api/chat", Tell(has_come), WaitFor(gate))

    with talking(home, server) as talk:
        talk.ask(HELLO)
        assert has_come.wait(LONG_S)
        talk.stop()
        talk.ask(Message("user", "Again"))
        events = until(talk, "text")
        gate.set()

    assert events[-1].text
    assert chats(server)[-1].json["messages"][-1]["content"] == "Again"


class Slow(Conversation):
    """A conversation on a slow disk."""

    def __init__(self) -> None:
        super().__init__()
        self.is_storing, self.gate = threading.Event(), threading.Event()

    def _store(self, entries: object) -> None:
        self.is_storing.set()
        self.gate.wait(LONG_S)
        super()._store(entries)  # type: ignore[arg-type]  # handed on as it is


def test_an_answer_stays_in_its_conversation_when_another_is_begun(
    home: Home, server: FakeServer
) -> None:
    slow = Slow()

    with talking(home, server, slow) as talk:
        talk.ask(HELLO)
        assert slow.is_storing.wait(LONG_S)
        talk.begin()
        slow.gate.set()
        until(talk, "end")

        assert talk.turns() == []
        assert len(slow.turns()) == 2


def test_a_question_while_one_is_under_way_is_not_asked(
    home: Home, server: FakeServer
) -> None:
    has_come, gate = threading.Event(), threading.Event()
    server.script("/api/chat", Tell(has_come), WaitFor(gate), ollama_reply(["Yes"]))

    with talking(home, server) as talk:
        talk.ask(HELLO)
        assert has_come.wait(LONG_S)
        talk.ask(Message("user", "Again"))
        gate.set()
        until(talk, "end")

        assert not talk.is_busy
        assert [turn.message.content for turn in talk.turns()] == ["Hello", "Yes"]
    assert len(chats(server)) == 1


def test_what_is_under_way_is_not_taken_back(home: Home, server: FakeServer) -> None:
    has_come, gate = threading.Event(), threading.Event()
    server.script("/api/chat", Tell(has_come), WaitFor(gate), ollama_reply(["Yes"]))

    with talking(home, server, long_one()) as talk:
        talk.ask(HELLO)
        assert has_come.wait(LONG_S)
        assert (talk.retry(), talk.undo(), talk.compact()) == (False, None, False)
        gate.set()
        until(talk, "end")

        assert len(talk.turns()) == 8
    assert len(chats(server)) == 1


def test_a_retry_shows_the_question_again_and_asks_it(
    home: Home, server: FakeServer
) -> None:
    with talking(home, server, long_one()) as talk:
        assert talk.retry()
        events = until(talk, "end")

    assert (events[0].kind, events[0].text) == ("question", "question 2")
    assert chats(server)[-1].json["messages"][-1]["content"] == "question 2"


def test_what_is_taken_back_is_returned(home: Home, server: FakeServer) -> None:
    with talking(home, server, long_one(count=1)) as talk:
        assert talk.undo() == Message("user", "question 0")
        assert talk.undo() is None
        assert talk.turns() == []


# Summaries


def long_one(kind: type[Conversation] = Conversation, count: int = 3) -> Conversation:
    """Return a conversation of so many questions and answers."""
    conversation = kind()
    for number in range(count):
        conversation.add(Message("user", f"question {number}"))
        conversation.add(Message("assistant", f"answer {number}"))
    return conversation


def contents(talk: Talk) -> list[str]:
    return [turn.message.content for turn in talk.turns()]


@pytest.mark.parametrize(("count", "is_any"), [(0, False), (2, False), (3, True)])
def test_two_exchanges_are_left_as_they_are(
    home: Home, server: FakeServer, count: int, *, is_any: bool
) -> None:
    with talking(home, server, long_one(count=count)) as talk:
        assert talk.compact() is is_any
        kinds = [event.kind for event in talk.mailbox.take()]

    assert ("question" in kinds) is is_any


def test_a_summary_that_fails_changes_nothing(home: Home, server: FakeServer) -> None:
    server.script("/api/chat", json_error(400, {"error": "no"}))

    with talking(home, server, long_one()) as talk:
        before = contents(talk)
        talk.compact()
        until(talk, "end")

        assert contents(talk) == before


def test_a_summary_that_is_stopped_changes_nothing(
    home: Home, server: FakeServer
) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    server.script("/api/chat", spoken(speech, ["one"]), WaitFor(gate))

    with talking(home, server, long_one()) as talk:
        before = contents(talk)
        talk.compact()
        until(talk, "text")
        talk.stop()
        gate.set()

        assert contents(talk) == before


class SlowToRead(Conversation):
    """A conversation whose disk is slow to read, from some moment on."""

    def __init__(self) -> None:
        super().__init__()
        self.is_slow = False
        self.is_reading, self.gate = threading.Event(), threading.Event()

    def turns(self) -> list[Turn]:
        if self.is_slow:
            self.is_reading.set()
            self.gate.wait(LONG_S)
        return super().turns()


def test_a_summary_takes_no_place_of_a_conversation_that_was_begun(
    home: Home, server: FakeServer
) -> None:
    gate, slow = threading.Event(), long_one(SlowToRead)
    assert isinstance(slow, SlowToRead)
    server.script("/api/chat", WaitFor(gate), ollama_reply(["Sum"]))

    with talking(home, server, slow) as talk:
        assert talk.compact()
        slow.is_slow = True
        gate.set()
        assert slow.is_reading.wait(LONG_S)
        talk.begin()
        slow.gate.set()
        until(talk, "end")

        assert talk.turns() == []
        assert len(slow.turns()) == 6


def test_what_was_found_is_asked_again_without_looking(
    home: Home, server: FakeServer
) -> None:
    environ = {**home.environ, "OLLAMA_HOST": server.url}
    config = Config.load(home.configure(""), environ)
    mailbox = Mailbox()
    with Engine(config, environ=environ) as engine:
        offers = Offers(engine, Choice(), mailbox)
        offers.look(None)
        while not offers.found.names:
            assert mailbox.wait(LONG_S)
            mailbox.take()

    assert offers.found.pinned == "ollama/alpha:latest"
    assert offers.found.names == ("alpha:latest", "beta:7b")


class Shared(Conversation):
    """A conversation that another process adds to."""

    def questions_of_others(self) -> list[Turn]:
        return [turn_of(Message("user", "what\nelse"))]


def test_it_says_once_what_another_process_asked(
    home: Home, server: FakeServer
) -> None:
    with talking(home, server, Shared()) as talk:
        talk.ask(HELLO)
        events = until(talk, "end")
        talk.ask(HELLO)
        events += until(talk, "end")

    notes = [event.text for event in events if event.kind == "note"]
    assert notes == ["another chat asked here: what else"]


class Broken(Conversation):
    """A conversation whose disk is full."""

    def _store(self, entries: object) -> None:
        raise CacheError("the disk is full")


def test_it_goes_on_in_memory_with_one_warning(home: Home, server: FakeServer) -> None:
    server.answer = ["Yes"]

    with talking(home, server, Broken("x")) as talk:
        talk.ask(HELLO)
        events = until(talk, "end")
        talk.ask(Message("user", "two"))
        events += until(talk, "end")
        said = [turn.message.content for turn in talk.turns()]

    notes = [event.text for event in events if event.kind == "note"]
    assert notes == ["the conversation is kept no more: the disk is full"]
    assert said == ["Hello", "Yes", "two", "Yes"]


def test_a_question_that_gets_no_thread_fails_and_the_next_is_asked(
    home: Home, server: FakeServer
) -> None:
    with talking(home, server) as talk:
        with without_threads():
            talk.ask(HELLO)
        failed = until(talk, "end")
        talk.ask(HELLO)
        answered = until(talk, "end")

    assert [event.level for event in failed] == ["error", ""]
    assert failed[0].text.startswith("cannot start a thread: ")
    assert talk.failures == 1
    assert "".join(e.text for e in answered if e.kind == "text")


def test_a_look_up_that_gets_no_thread_is_over_all_the_same(
    home: Home, server: FakeServer
) -> None:
    calls: list[str] = []
    with talking(home, server) as talk, without_threads():
        offers = Offers(talk.engine, Choice(base_url=server.url), talk.mailbox)
        looked = offers.look("alpha:latest", lambda: calls.append("then"))

    looked.result(0.0)
    assert calls == ["then"]
    assert offers.found.names == ("alpha:latest", "beta:7b")


@pytest.mark.parametrize("front", [ScreenFront, ChatFront])
def test_a_chat_that_gets_no_thread_to_draw_says_so(
    home: Home, server: FakeServer, front: type[ScreenFront | ChatFront]
) -> None:
    with stage(home, server) as on, without_threads():
        drawn = front(on.room, on.terminal, InMemoryHistory())
        with pytest.raises(ExhaustedError, match="cannot start a thread"):
            drawn.run("")
