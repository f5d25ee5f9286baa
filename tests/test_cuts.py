"""A prompt that a server cut in silence is noticed, and a right answer is not."""

from __future__ import annotations

import json

import pytest

from llmwrap.engine.cuts import cut_error, suspicions
from llmwrap.messages import (
    Completion,
    Earlier,
    Image,
    Message,
    Request,
    Sampling,
    Timing,
    Usage,
)

from .asking import OPENAI, address, ask, chats, error, lines
from .fakeserver import FakeServer, Reply, json_reply, openai_reply
from .fakeserver import Usage as Counted
from .runner import Runner

TRUNCATED = {
    "id": "chatcmpl-143",
    "object": "chat.completion",
    "created": 1796003359,
    "model": "smollm2",
    "system_fingerprint": "fp_ollama",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": '"What is the secret'},
            "finish_reason": "length",
        }
    ],
    "usage": {"prompt_tokens": 2050, "completion_tokens": 5, "total_tokens": 2055},
}
"""What Ollama's /v1 really answered to a prompt of 5,025 tokens."""

WORDS = "the quick brown fox jumps over the lazy dog and then " * 360  # 3,960 words


def _request(text: str, **fields: object) -> Request:
    return Request("m", (Message("user", text),))._replace(**fields)  # type: ignore[arg-type]


def _completion(completion_tokens: int | None = 1) -> Completion:
    usage = Usage(1, completion_tokens)
    return Completion("x", "", "m", "openai", "stop", usage, Timing())


def _warned(request: Request, counted: int, context: int | None = None) -> list[str]:
    return list(suspicions(request, _completion(), counted, context))


@pytest.mark.parametrize("more", [(), ("--no-stream",)], ids=["stream", "whole"])
def test_a_real_cut_is_printed_and_no_whole_answer(
    cli: Runner, server: FakeServer, more: tuple[str, ...]
) -> None:
    server.script(OPENAI.path, json_reply(TRUNCATED), times=2)

    results = [ask(cli, server, *more, WORDS, dialect=OPENAI) for _ in range(2)]

    assert [result.status for result in results] == [8, 8]
    assert results[0].text == '"What is the secret\n'
    assert "it has 3960 words, and the server counted 2050 tokens" in error(results[0])
    assert len(chats(server)) == 2  # It is not kept.


def test_the_address_that_refuses_is_named_and_refuses(
    cli: Runner, server: FakeServer
) -> None:
    """Ollama is known by the fingerprint, and asked whether it is there."""
    server.script(OPENAI.path, json_reply(TRUNCATED))

    result = ask(cli, server, WORDS, dialect=OPENAI)

    assert f"; --base-url {server.url} refuses it instead" in error(result)


def test_without_ollama_behind_it_no_address_is_named(cli: Runner) -> None:
    with FakeServer(dialects=("openai",)) as server:
        server.script(OPENAI.path, json_reply(TRUNCATED))
        result = ask(cli, server, WORDS, dialect=OPENAI)

    assert error(result).endswith(
        "; shorten it, or start the server with a longer context"
    )


def _spoken(prompt_tokens: int, **more: object) -> Reply:
    body = json.loads(json.dumps(TRUNCATED))
    body["choices"][0]["finish_reason"] = "stop"
    body["usage"] = {"prompt_tokens": prompt_tokens, "completion_tokens": 5, **more}
    return json_reply(body)


def test_what_is_ollama_is_told_once(cli: Runner, server: FakeServer) -> None:
    server.script(OPENAI.path, _spoken(20), times=3)

    result = cli.run(
        "chat", *address(server, OPENAI), "--no-history", stdin=b"a\nb\nc\n"
    )

    assert result.status == 0
    (note,) = [one for one in lines(result, "note") if "Ollama's OpenAI" in one]
    assert note.endswith(f"; --base-url {server.url} refuses it instead")


def test_counts_beyond_the_context_are_a_warning(
    cli: Runner, server: FakeServer
) -> None:
    """The fake Ollama has 4,096 tokens in force; the window was shifted."""
    server.shelf.load("alpha:latest")
    body = json.loads(json.dumps(TRUNCATED))
    body["model"] = "alpha"
    body["choices"][0]["finish_reason"] = "stop"
    body["usage"] = {"prompt_tokens": 2000, "completion_tokens": 9000}
    server.script(OPENAI.path, json_reply(body))

    result = ask(cli, server, "hi", dialect=OPENAI)

    assert result.status == 0
    assert "have 11000 tokens, and the context has 4096" in lines(result, "warning")[0]


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens_details": {"cached_tokens": 4000}},
        {"cached_tokens": 4000},
        {"prompt_cache_hit_tokens": 4000},
    ],
)
def test_cached_tokens_count(
    cli: Runner, server: FakeServer, usage: dict[str, object]
) -> None:
    server.script(OPENAI.path, _spoken(30, **usage))

    result = ask(cli, server, WORDS, dialect=OPENAI)

    assert (result.status, lines(result, "warning")) == (0, [])


@pytest.mark.parametrize("counted", [0, None])
def test_a_count_of_nothing_says_nothing(
    cli: Runner, server: FakeServer, counted: int
) -> None:
    server.script(OPENAI.path, _spoken(counted))

    result = ask(cli, server, WORDS, dialect=OPENAI)

    assert (result.status, lines(result, "warning")) == (0, [])


@pytest.mark.parametrize(
    ("words", "counted", "is_cut"),
    [(100, 99, True), (100, 100, False), (99, 1, False), (3960, 3960, False)],
)
def test_fewer_tokens_than_words_are_a_cut(
    words: int, counted: int, is_cut: bool
) -> None:
    assert (cut_error(_request("a " * words), counted) is not None) is is_cut


def test_images_make_the_comparison_meaningless() -> None:
    message = Message("user", "x " * 10_000, (Image(b"", "image/png"),))
    request = Request("m", (message,))

    assert cut_error(request, 10) is None
    assert _warned(request, 10) == []


@pytest.mark.parametrize(("counted", "is_warned"), [(624, True), (625, False)])
def test_over_sixteen_bytes_a_token_are_a_warning(
    counted: int, is_warned: bool
) -> None:
    assert bool(_warned(_request("x" * 10_000), counted)) is is_warned


def _going_on(**changed: object) -> Request:
    first = Message("user", "a question")
    earlier = Earlier((first,), "m", "openai", {}, 50)
    messages = (first, Message("assistant", "yes"), Message("user", "and?"))
    request = Request("m", messages, earlier=earlier)
    return request._replace(**changed)  # type: ignore[arg-type]


def test_a_longer_prompt_with_fewer_tokens_is_a_warning() -> None:
    assert len(_warned(_going_on(), 49)) == 1
    assert _warned(_going_on(), 50) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"messages": (Message("user", "another"), Message("user", "and?"))},
        {"sampling": Sampling(options={"num_ctx": 8192})},
        {"earlier": Earlier((Message("user", "a question"),), "n", "openai", {}, 50)},
        {"earlier": Earlier((Message("user", "a question"),), "m", "other", {}, 50)},
    ],
    ids=["undone", "options", "model", "backend"],
)
def test_another_prompt_model_or_backend_is_not_compared(
    changed: dict[str, object],
) -> None:
    assert _warned(_going_on(**changed), 10) == []


def _answers(server: FakeServer, *counted: int) -> None:
    for count in counted:
        usage = Counted(prompt_tokens=count)
        server.script(OPENAI.path, openai_reply(["Hi"], usage=usage))


def test_a_conversation_that_shrinks_on_the_server_is_warned_of(
    cli: Runner, server: FakeServer
) -> None:
    _answers(server, 90, 40)

    first = ask(cli, server, "-c", "one", dialect=OPENAI)
    second = ask(cli, server, "-c", "two", dialect=OPENAI)

    assert lines(first, "warning") == []
    assert "40 tokens in a prompt whose beginning had 90" in lines(second, "warning")[0]


def test_a_chat_that_shrinks_on_the_server_is_warned_of(
    cli: Runner, server: FakeServer
) -> None:
    _answers(server, 90, 40)

    result = cli.run("chat", *address(server, OPENAI), stdin=b"one\ntwo\n")

    assert len(lines(result, "warning")) == 1


def test_a_question_taken_back_makes_the_prompt_shorter_for_good(
    cli: Runner, server: FakeServer
) -> None:
    _answers(server, 90, 40)
    script = b"one\n/undo\ntwo\n"

    result = cli.run("chat", "--commands", *address(server, OPENAI), stdin=script)

    assert len(chats(server)) == 2
    assert lines(result, "warning") == []
