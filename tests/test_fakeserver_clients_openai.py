"""Test that the official client of OpenAI takes the fake for the real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakeserver import (
    DEFAULT_ANSWER,
    FAULTS,
    FakeServer,
    json_error,
    json_reply,
    openai_reply,
)
from tests.fakeserver.openai_api import Flavour

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletionUserMessageParam

TEXT = "".join(DEFAULT_ANSWER)
PROMPT: list[ChatCompletionUserMessageParam] = [
    {"role": "user", "content": "three words here"}
]


def made(server: FakeServer, **more: Any) -> openai.OpenAI:
    """Return a client; imported late, as it takes a second."""
    from openai import OpenAI

    return OpenAI(base_url=f"{server.url}/v1", **{"api_key": "x", **more})


def kind_of(name: str) -> Any:
    """Return a class of errors of the client."""
    import openai

    return getattr(openai, name)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """Run a server for one test; no proxy may stand between it and a client."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeServer() as one:
        yield one


@pytest.fixture
def openai_client(server: FakeServer) -> Iterator[openai.OpenAI]:
    """Return OpenAI's own client for the server; it does not retry."""
    with made(server, api_key="sk-test", max_retries=0) as client:
        yield client


def test_list_names_the_models(openai_client: openai.OpenAI) -> None:
    names = [one.id for one in openai_client.models.list()]

    assert names == ["alpha:latest", "beta:7b"]


def test_a_model_can_be_retrieved_from_ollama() -> None:
    with (
        FakeServer(flavour="ollama") as server,
        made(server) as client,
    ):
        assert client.models.retrieve("alpha").owned_by == "library"


def test_a_chat_comes_whole(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(model="alpha", messages=PROMPT)

    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 6)


@pytest.mark.parametrize("flavour", ["llamacpp", "ollama"])
def test_a_chat_comes_in_pieces(flavour: Flavour) -> None:
    with (
        FakeServer(flavour=flavour) as server,
        made(server) as client,
    ):
        *chunks, finish, usage = client.chat.completions.create(
            model="alpha",
            messages=PROMPT,
            stream=True,
            stream_options={"include_usage": True},
        )

    pieces = [one.choices[0].delta.content for one in chunks]
    assert [one for one in pieces if one is not None] == list(DEFAULT_ANSWER)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert finish.choices[0].finish_reason == "stop"
    assert usage.choices == []
    assert usage.usage is not None
    assert usage.usage.total_tokens == 9


def test_usage_does_not_come_unasked(openai_client: openai.OpenAI) -> None:
    chunks = openai_client.chat.completions.create(
        model="alpha", messages=PROMPT, stream=True
    )

    assert [one.usage for one in chunks if one.usage] == []


@pytest.mark.parametrize(
    ("flavour", "field"),
    [("llamacpp", "reasoning_content"), ("ollama", "reasoning")],
)
def test_reasoning_comes_in_a_field_of_its_own(flavour: Flavour, field: str) -> None:
    with (
        FakeServer(flavour=flavour) as server,
        made(server) as client,
    ):
        server.thinking = ["hm", "m"]
        chunks = list(
            client.chat.completions.create(model="alpha", messages=PROMPT, stream=True)
        )

    deltas = [one.choices[0].delta.model_extra or {} for one in chunks]
    assert [one[field] for one in deltas if one.get(field)] == ["hm", "m"]


def test_the_key_is_seen(server: FakeServer, openai_client: openai.OpenAI) -> None:
    list(openai_client.models.list())

    assert server.requests[0].headers["authorization"] == "Bearer sk-test"


@pytest.mark.parametrize(
    ("flavour", "kind"),
    [("llamacpp", "BadRequestError"), ("ollama", "NotFoundError")],
)
def test_an_unknown_model_is_the_error_of_its_status(
    flavour: Flavour, kind: str
) -> None:
    with (
        FakeServer(flavour=flavour) as server,
        made(server) as client,
        pytest.raises(kind_of(kind), match="model 'nosuch' not found"),
    ):
        client.chat.completions.create(model="nosuch", messages=PROMPT)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (503, "InternalServerError"),
    ],
)
def test_a_status_is_the_error_of_its_kind(
    server: FakeServer,
    openai_client: openai.OpenAI,
    status: int,
    kind: str,
) -> None:
    error = {"message": "scripted", "type": "t", "param": None, "code": "c"}
    server.script(None, json_error(status, {"error": error}))

    with pytest.raises(kind_of(kind)) as caught:
        openai_client.chat.completions.create(model="alpha", messages=PROMPT)

    assert caught.value.status_code == status
    assert caught.value.body == error


def test_an_error_in_a_stream_is_raised(
    server: FakeServer, openai_client: openai.OpenAI
) -> None:
    FAULTS["openai-error_object"].arm(server)

    with pytest.raises(kind_of("APIError"), match="unexpectedly stopped"):
        list(
            openai_client.chat.completions.create(
                model="alpha", messages=PROMPT, stream=True
            )
        )


def test_a_retry_is_a_second_request(server: FakeServer) -> None:
    server.script(None, json_error(503, {}, ("Retry-After", "0.001")), times=2)
    with made(server, max_retries=2) as client:
        answer = client.chat.completions.create(model="alpha", messages=PROMPT)

    assert answer.choices[0].message.content == TEXT
    assert len(server.requests) == 3


def test_scripted_tokens_arrive_as_they_are(
    server: FakeServer, openai_client: openai.OpenAI
) -> None:
    tokens = ["<a>", "\u2028", "\x85", "é😀", '"\\', "\n"]
    server.script(None, openai_reply(tokens, finish_reason="length", usage=None))

    *chunks, last = openai_client.chat.completions.create(
        model="alpha", messages=PROMPT, stream=True
    )

    assert [one.choices[0].delta.content for one in chunks[1:]] == tokens
    assert last.choices[0].finish_reason == "length"


def test_a_list_may_be_scripted(
    server: FakeServer, openai_client: openai.OpenAI
) -> None:
    server.script("/v1/models", json_reply({"object": "list", "data": []}))

    assert list(openai_client.models.list()) == []
