"""The library's answers: ended from any thread, many at once."""

from __future__ import annotations

import gc
import threading

import pytest

from llmwrap import LLMWrapError
from llmwrap.errors import CancelledError, IncompleteError

from .asking import OLLAMA, chats, wrapped
from .fakeserver import FakeServer, Silence, WaitFor, ollama_reply
from .runner import Home

# Cancelling


@pytest.mark.parametrize("pieces", [0, 1], ids=["before the first byte", "mid answer"])
def test_any_thread_can_end_an_answer_on_the_wire(
    home: Home, server: FakeServer, pieces: int
) -> None:
    server.script(OLLAMA.path, ollama_reply(["one", " two"])[:pieces], Silence())

    with wrapped(home, server) as wrapper, wrapper.chat_stream("Hello!") as answer:
        for _ in range(pieces):
            next(answer)
        server.wait_for_silence()
        threading.Thread(target=answer.cancel).start()
        with pytest.raises(CancelledError):
            list(answer)

        assert chats(server)[0].disconnected.wait(10)


@pytest.mark.parametrize("pieces", [0, 1])
def test_leaving_the_block_early_ends_the_request(
    home: Home, server: FakeServer, pieces: int
) -> None:
    server.script(OLLAMA.path, ollama_reply(["one", " two"])[:pieces], Silence())

    with wrapped(home, server) as wrapper:
        with wrapper.chat_stream("Hello!") as answer:
            for _ in range(pieces):
                next(answer)
            server.wait_for_silence()

        assert chats(server)[0].disconnected.wait(10)
        with pytest.raises(IncompleteError, match="left before its end"):
            _ = answer.completion


def test_an_answer_nobody_keeps_ends_its_request(
    home: Home, server: FakeServer
) -> None:
    server.script(OLLAMA.path, Silence())

    with wrapped(home, server) as wrapper:
        answer = wrapper.chat_stream("Hello!")
        (request,) = server.wait_for_requests(1)
        del answer
        gc.collect()  # it is held by its own generator

        assert request.disconnected.wait(10)


def test_closing_the_wrapper_ends_what_is_under_way(
    home: Home, server: FakeServer
) -> None:
    server.script(OLLAMA.path, Silence(), times=2)

    with wrapped(home, server) as wrapper:
        answers = [wrapper.chat_stream("Hello!") for _ in range(2)]
        server.wait_for_silence(2)

    for answer in answers:
        with pytest.raises(LLMWrapError):
            list(answer)
    assert all(chat.disconnected.wait(10) for chat in chats(server))


# Threads


def test_many_threads_ask_at_once(home: Home, server: FakeServer) -> None:
    count = 16
    more = f"[streaming]\nmax_concurrent_streams = {count}\n"
    meeting = threading.Event()
    for _ in range(count):
        server.script(OLLAMA.path, WaitFor(meeting), ollama_reply(["Hi"]))
    texts: list[str] = []

    with wrapped(home, server, more=more) as wrapper:
        threads = [
            threading.Thread(
                target=lambda question=question: texts.append(
                    str(wrapper.chat(question))
                )
            )
            for question in (f"{n}?" for n in range(count))
        ]
        for thread in threads:
            thread.start()
        server.wait_for_requests(count)
        meeting.set()
        for thread in threads:
            thread.join(30)

    assert texts == ["Hi"] * count
    assert server.max_in_flight == count


def test_one_thread_can_have_many_answers_under_way(
    home: Home, server: FakeServer
) -> None:
    with wrapped(home, server) as wrapper:
        answers = [wrapper.chat_stream("Hello!") for _ in range(5)]

        assert {str(one) for one in reversed(answers)} == {
            "Hello from the fake server."
        }
