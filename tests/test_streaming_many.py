"""Streams: many at once, and those that wait for their turn."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from llmwrap.errors import CancelledError

from .asking import DIALECTS, OLLAMA, Dialect, wrapped
from .fakeserver import (
    Answer,
    FakeServer,
    ReceivedRequest,
    Reply,
    Respond,
    Silence,
    Step,
    Tell,
    WaitFor,
)
from .runner import Home

_WAIT_S = 10.0


def _echo(server: FakeServer, dialect: Dialect) -> Step:
    """Return the reply that says what was asked, a word a token."""
    speech = server.speech("ollama" if dialect is OLLAMA else "openai")

    def reply(request: ReceivedRequest) -> Reply:
        words = [f"{w} " for w in request.json["messages"][-1]["content"].split()]
        return speech.stream(Answer(words))

    return Respond(reply)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize("at_once", [64, 5])
def test_sixty_four_streams_are_all_right(
    home: Home, server: FakeServer, dialect: Dialect, at_once: int
) -> None:
    """As many at once as configured; the others wait for their turn."""
    more = f"[streaming]\nmax_concurrent_streams = {at_once}\n"
    # Asking for the digest of the model, for the cache, would be one more at once.
    more += "[cache]\nenabled = false\n"
    asked = [f"question {n} " + "word " * n for n in range(64)]
    meeting = threading.Event()
    for _ in range(at_once):
        server.script(dialect.path, WaitFor(meeting, _WAIT_S), _echo(server, dialect))
    server.script(dialect.path, Tell(meeting), _echo(server, dialect), times=None)

    with wrapped(home, server, dialect, more) as wrapper:
        answers = [wrapper.chat_stream(question) for question in asked]
        server.wait_for_requests(at_once)
        meeting.set()
        texts = [str(answer) for answer in answers]

    assert [text.split() for text in texts] == [question.split() for question in asked]
    assert server.max_in_flight == at_once


def test_an_answer_that_waits_for_its_turn_can_be_cancelled(
    home: Home, server: FakeServer
) -> None:
    server.script(OLLAMA.path, Silence())
    raised: list[Exception] = []

    def read(answer: Iterable[object]) -> None:
        try:
            list(answer)
        except CancelledError as error:
            raised.append(error)

    more = "[streaming]\nmax_concurrent_streams = 1\n"
    with wrapped(home, server, more=more) as one, one.chat_stream("first"):
        server.wait_for_silence()
        waiting = one.chat_stream("second")
        reader = threading.Thread(target=read, args=(waiting,))
        reader.start()
        waiting.cancel()
        reader.join(_WAIT_S)

    assert (len(raised), len(server.requests)) == (1, 1)
