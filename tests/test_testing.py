"""The fake server for users' own tests: whoever asks it is answered as told."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmwrap import Config, LLMWrapper
from llmwrap.errors import BackendFailedError, LLMWrapError, RefusedError
from llmwrap.testing import FakeAnswer, FakeRequest, FakeServer

from .runner import Home, Runner

if TYPE_CHECKING:
    import ollama
    import openai

TEXT = "Hello there,\n\n  world. "
HELLO = [{"role": "user", "content": "Hello!"}]


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """Give a server that says TEXT."""
    with FakeServer(TEXT) as running:
        yield running


@pytest.fixture(params=["ollama", "openai"])
def kind(request: pytest.FixtureRequest) -> str:
    """Give each API."""
    return str(request.param)


def wrapped(fake: FakeServer, home: Home, kind: str = "ollama") -> LLMWrapper:
    environ = fake.environ(home.path)
    suffix = "/v1" if kind == "openai" else ""
    file = home.configure(
        f'[backends.{kind}]\nbase_url = "{fake.url}{suffix}"\nretry_attempts = 0\n'
    )
    return LLMWrapper(Config.load(file, environ), environ=environ)


def test_a_test_needs_two_lines(fake: FakeServer, tmp_path: Path) -> None:
    with LLMWrapper(environ=fake.environ(tmp_path)) as wrapper:
        answer = wrapper.chat("Hello!")

    assert (str(answer), answer.model) == (TEXT, "fake:latest")
    assert fake.requests[0].prompt == "Hello!"


def test_nothing_is_kept_outside_of_the_given_place(
    fake: FakeServer, tmp_path: Path
) -> None:
    environ = fake.environ(tmp_path)

    homes = {environ[name] for name in environ if name.endswith("HOME")}
    assert all(Path(home).is_relative_to(tmp_path) for home in homes)
    assert len(homes) == 5


def test_both_apis_are_spoken(fake: FakeServer, home: Home, kind: str) -> None:
    fake.answers = [FakeAnswer("two words", thinking="let me think")]

    with wrapped(fake, home, kind) as wrapper:
        answer = wrapper.chat("Hello!", system="Be brief.", think=True)

    completion = answer.completion
    assert (completion.text, completion.thinking) == ("two words", "let me think")
    assert (completion.backend, completion.finish_reason) == (kind, "stop")
    assert completion.usage == (3, 5)
    (asked,) = fake.requests
    assert asked.messages[0] == {"role": "system", "content": "Be brief."}
    assert (asked.model, asked.prompt) == ("fake:latest", "Hello!")


def test_a_program_is_answered_too(fake: FakeServer, cli: Runner, kind: str) -> None:
    url = fake.url + ("/v1" if kind == "openai" else "")

    whole = cli.run("--base-url", url, "--no-stream", "Hello!")
    listed = cli.run("models", "--base-url", url, "--json")

    assert whole.status == listed.status == 0
    assert whole.text == TEXT + "\n"
    assert "fake:latest" in listed.text


def test_answers_are_given_in_turn_and_the_last_one_again(
    fake: FakeServer, home: Home
) -> None:
    fake.answers = ["one", lambda asked: asked.prompt.upper(), "three"]

    with wrapped(fake, home) as wrapper:
        said = [str(wrapper.chat(prompt)) for prompt in ("a", "b", "c", "d")]

    assert said == ["one", "B", "three", "three"]


@pytest.mark.parametrize(
    ("status", "kind_of_error"), [(400, RefusedError), (500, BackendFailedError)]
)
def test_an_error_is_one(
    fake: FakeServer,
    home: Home,
    kind: str,
    status: int,
    kind_of_error: type[LLMWrapError],
) -> None:
    fake.answers = [FakeAnswer("no such luck", status=status)]

    with (
        wrapped(fake, home, kind) as wrapper,
        pytest.raises(kind_of_error, match="no such luck"),
    ):
        wrapper.chat("Hello!")


def test_an_answer_may_break_off(fake: FakeServer, home: Home, kind: str) -> None:
    fake.answers = [FakeAnswer("one two", finish_reason=None)]

    with wrapped(fake, home, kind) as wrapper, pytest.raises(LLMWrapError) as caught:
        wrapper.chat("Hello!")

    assert caught.value.partial
    assert caught.value.partial.text == "one two"


def test_a_model_that_is_not_there_is_refused(fake: FakeServer, home: Home) -> None:
    fake.models = ["fake:latest", "big:70b"]

    with wrapped(fake, home) as wrapper:
        wrapper.chat("Hello!", "big:70b")
        wrapper.chat("Hello!", "fake")
        with pytest.raises(RefusedError, match="'other'"):
            wrapper.chat("Hello!", "other")

    assert [asked.model for asked in fake.requests] == ["big:70b", "fake", "other"]


def test_what_a_function_of_the_test_raises_is_shown(
    fake: FakeServer, home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(asked: FakeRequest) -> str:
        raise AssertionError(asked.prompt)

    fake.answers = [fail]
    with wrapped(fake, home) as wrapper, pytest.raises(LLMWrapError):
        wrapper.chat("Hello!")

    assert "AssertionError: Hello!" in capfd.readouterr().err


def test_it_ends_with_its_block_whoever_is_connected(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with FakeServer() as fake:
        client = http.client.HTTPConnection(fake.url.removeprefix("http://"))
        client.request("GET", "/nowhere")
        with client.getresponse() as reply:
            assert (reply.status, b"/nowhere" in reply.read()) == (404, True)
    fake.close()

    assert client.sock.recv(1) == b""
    client.close()
    assert capfd.readouterr() == ("", "")


# The clients of others


@pytest.fixture
def ollama_client(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ollama.Client]:
    """Return Ollama's own client for the server."""
    module = pytest.importorskip("ollama", reason="ollama is not installed")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with module.Client(fake.url) as client:
        yield client


@pytest.fixture
def openai_client(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[openai.OpenAI]:
    """Return OpenAI's own client for the server."""
    module = pytest.importorskip("openai", reason="openai is not installed")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with module.OpenAI(
        base_url=fake.url + "/v1", api_key="none", max_retries=0
    ) as client:
        yield client


def test_the_client_of_ollama_takes_it_for_a_server(
    ollama_client: ollama.Client,
) -> None:
    whole = ollama_client.chat("fake", HELLO)
    pieces = [
        one.message.content or ""
        for one in ollama_client.chat("fake", HELLO, stream=True)
    ]

    assert whole.message.content == "".join(pieces) == TEXT
    assert len(pieces) > 2
    assert (whole.done_reason, whole.eval_count) == ("stop", 4)
    assert [one.model for one in ollama_client.list().models] == ["fake:latest"]


@pytest.mark.slow
def test_the_client_of_openai_takes_it_for_a_server(
    openai_client: openai.OpenAI,
) -> None:
    create = openai_client.chat.completions.create
    whole = create(model="fake", messages=[{"role": "user", "content": "Hello!"}])
    chunks = list(
        create(
            model="fake",
            messages=[{"role": "user", "content": "Hello!"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    pieces = [one.choices[0].delta.content or "" for one in chunks if one.choices]
    assert whole.choices[0].message.content == "".join(pieces) == TEXT
    assert whole.usage == chunks[-1].usage
    assert [one.id for one in openai_client.models.list()] == ["fake:latest"]
