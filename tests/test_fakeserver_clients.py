"""Test that the official client of Ollama takes the fake for the real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.fakeserver import (
    DEFAULT_ANSWER,
    FAULTS,
    TOKENS,
    FakeServer,
    ollama_reply,
    pull_reply,
)

if TYPE_CHECKING:
    import ollama

TEXT = "".join(DEFAULT_ANSWER)
MESSAGES = [{"role": "user", "content": "three words here"}]


def made(url: str) -> ollama.Client:
    """Return a client; imported late, as it takes half a second."""
    from ollama import Client

    return Client(url)


def kind() -> type[ollama.ResponseError]:
    """Return the class of the client's errors."""
    from ollama import ResponseError

    return ResponseError


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """Run a server for one test; no proxy may stand between it and a client."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeServer() as one:
        yield one


@pytest.fixture
def ollama_client(server: FakeServer) -> Iterator[ollama.Client]:
    """Return Ollama's own client for the server."""
    with made(server.url) as client:
        yield client


def test_list_names_the_models(ollama_client: ollama.Client) -> None:
    models = ollama_client.list().models

    assert [one.model for one in models] == ["alpha:latest", "beta:7b"]
    assert models[0].modified_at is not None
    assert models[1].modified_at is not None
    assert models[0].modified_at > models[1].modified_at
    assert models[0].details is not None
    assert models[0].details.family == "llama"


def test_show_tells_the_context_length(ollama_client: ollama.Client) -> None:
    shown = ollama_client.show("alpha")

    assert shown.capabilities == ["completion"]
    assert shown.modelinfo is not None
    assert shown.modelinfo["llama.context_length"] == 8192


def test_ps_lists_what_is_loaded(
    server: FakeServer, ollama_client: ollama.Client
) -> None:
    before = ollama_client.ps().models
    server.shelf.load("beta:7b")
    after = ollama_client.ps().models

    assert list(before) == []
    assert [one.model for one in after] == ["beta:7b"]
    assert after[0].context_length == 4096


def test_a_chat_comes_whole(ollama_client: ollama.Client) -> None:
    answer = ollama_client.chat("alpha", MESSAGES)

    assert answer.message.content == TEXT
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert (answer.prompt_eval_count, answer.eval_count) == (3, 6)


def test_a_chat_comes_in_pieces(ollama_client: ollama.Client) -> None:
    *pieces, last = ollama_client.chat("alpha", MESSAGES, stream=True)

    assert [one.message.content for one in pieces] == list(DEFAULT_ANSWER)
    assert [one.done for one in pieces] == [False] * len(pieces)
    assert (last.done, last.eval_count) == (True, 6)


def test_thinking_comes_before_the_text(
    server: FakeServer, ollama_client: ollama.Client
) -> None:
    server.thinking = ["hm", "m"]

    pieces = list(ollama_client.chat("alpha", MESSAGES, stream=True, think=True))
    whole = ollama_client.chat("alpha", MESSAGES, think=True)

    assert [one.message.thinking for one in pieces[:3]] == ["hm", "m", None]
    assert (whole.message.thinking, whole.message.content) == ("hmm", TEXT)


def test_a_pull_shows_its_progress(ollama_client: ollama.Client) -> None:
    steps = list(ollama_client.pull("gamma", stream=True))

    assert steps[0].status == "pulling manifest"
    assert [one.completed for one in steps if one.total] == [
        None,
        12_459_008,
        55_057_408,
        83_886_080,
    ]
    assert steps[-1].status == "success"
    assert ollama_client.list().models[0].model == "gamma:latest"


def test_a_pull_that_is_not_streamed_succeeds(ollama_client: ollama.Client) -> None:
    assert ollama_client.pull("gamma").status == "success"


def test_an_error_in_a_pull_is_raised(
    server: FakeServer, ollama_client: ollama.Client
) -> None:
    error = "pull model manifest: file does not exist"
    server.script("/api/pull", pull_reply(error=error))

    with pytest.raises(kind(), match=error):
        list(ollama_client.pull("nosuch", stream=True))


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_a_response_error(
    ollama_client: ollama.Client, stream: bool
) -> None:
    with pytest.raises(kind()) as caught:
        list(ollama_client.chat("nosuch", MESSAGES, stream=stream))  # type: ignore[call-overload]  # overloads want a literal

    assert caught.value.status_code == 404
    assert caught.value.error == "model 'nosuch' not found"


def test_an_error_in_a_stream_is_raised_after_the_text(
    server: FakeServer, ollama_client: ollama.Client
) -> None:
    FAULTS["ollama-error_text"].arm(server)
    pieces: list[str | None] = []

    with pytest.raises(kind(), match="unexpectedly stopped"):
        pieces.extend(
            one.message.content
            for one in ollama_client.chat("alpha", MESSAGES, stream=True)
        )

    assert pieces == list(TOKENS)


def test_scripted_tokens_arrive_as_they_are(
    server: FakeServer, ollama_client: ollama.Client
) -> None:
    tokens = ["<a>", "&", "\u2028", "é😀", '"\\', "\n", "\x00"]
    server.script("/api/chat", ollama_reply(tokens, done_reason="length"))

    *pieces, last = ollama_client.chat("alpha", MESSAGES, stream=True)

    assert [one.message.content for one in pieces] == tokens
    assert last.done_reason == "length"


def test_a_port_nobody_listens_on_is_a_connection_error(server: FakeServer) -> None:
    with (
        made(server.refused_url()) as client,
        pytest.raises(ConnectionError),
    ):
        client.list()
