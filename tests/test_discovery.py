"""Finding a server, and a model, when nothing is configured."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest

from llmwrap.backends.base import BackendSettings
from llmwrap.backends.lmstudio import LMStudioBackend
from llmwrap.engine.discovery import first_that_answers, is_loopback
from llmwrap.engine.state import read_discovered
from llmwrap.errors import DeadlineError
from llmwrap.models.installed import DEFAULT_MODEL

from .asking import OPENAI, chats, error, lines
from .fakeserver import (
    FakeServer,
    Head,
    Pause,
    Silence,
    Tell,
    WaitFor,
    json_error,
    json_reply,
)
from .runner import Home, Result, Runner

LISTING = {"object": "list", "data": [{"id": "alpha"}]}


@pytest.fixture
def other() -> Iterator[FakeServer]:
    """Give a second server."""
    with FakeServer(models=["gamma:1b"]) as running:
        yield running


def elsewhere(server: FakeServer) -> str:
    """Return an address of a server here that does not look like one.

    So it has the connect time-out to answer and not 80 ms, which a busy machine that
    runs tests may well exceed.
    """
    return f"http://0.0.0.0:{server.port}/v1"


def candidate(base_url: str, kind: str = "openai") -> BackendSettings:
    return BackendSettings(kind, kind, base_url, {}, connect_timeout_s=10.0)


# Who is taken


def test_the_first_in_the_order_is_taken_though_another_was_faster(
    server: FakeServer, other: FakeServer
) -> None:
    has_answered = threading.Event()
    slow = [WaitFor(has_answered), *json_reply(LISTING)]
    server.script("/v1/models", slow)
    other.script("/v1/models", json_reply(LISTING), Tell(has_answered))
    candidates = [candidate(elsewhere(server)), candidate(elsewhere(other))]

    assert first_that_answers(candidates) is candidates[0]


def test_one_on_this_machine_has_80_ms(server: FakeServer, other: FakeServer) -> None:
    server.script("/v1/models", Silence())
    candidates = [candidate(f"{server.url}/v1"), candidate(elsewhere(other))]
    started = time.monotonic()

    found = first_that_answers(candidates)

    assert found is candidates[1]
    assert time.monotonic() - started >= 0.08


def test_all_are_asked_at_once(server: FakeServer, other: FakeServer) -> None:
    both_asked = threading.Barrier(2)
    for one in (server, other):
        meet = _Meet(both_asked)
        one.script("/v1/models", meet, *json_reply(LISTING))
    candidates = [candidate(elsewhere(server)), candidate(elsewhere(other))]

    assert first_that_answers(candidates) is candidates[0]


class _Meet:
    """Go on when the other server has come this far too."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self._barrier = barrier

    def run(self, link: object) -> None:
        """Wait for the other."""
        self._barrier.wait(10)


@pytest.mark.parametrize("kind", ["ollama", "lmstudio", "openai"])
def test_what_is_no_such_server_does_not_count(
    server: FakeServer, other: FakeServer, kind: str
) -> None:
    for path in ("/api/version", "/api/v0/models", "/v1/models"):
        server.script(path, Head(200, framing="length"), times=2)
    suffix = "" if kind == "ollama" else "/v1"
    candidates = [
        candidate(f"http://0.0.0.0:{server.port}{suffix}", kind),
        candidate(elsewhere(other)),
    ]

    assert first_that_answers(candidates) is candidates[1]


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_a_server_whose_address_was_given_counts_whatever_it_answers(
    server: FakeServer, status: int
) -> None:
    server.script("/v1/models", json_error(status, {"error": "Invalid API Key"}))
    candidates = [candidate(f"{server.url}/v1")]

    assert first_that_answers(candidates, is_given=True) is candidates[0]
    server.script("/v1/models", json_error(status, {"error": "Invalid API Key"}))
    assert first_that_answers(candidates) is None


def test_one_whose_address_was_given_is_waited_for(server: FakeServer) -> None:
    """Longer than the 80 ms that are for those who may or may not be there."""
    server.script("/v1/models", [Pause(0.2), *json_reply(LISTING)])
    candidates = [candidate(f"{server.url}/v1")]

    assert first_that_answers(candidates, is_given=True) is candidates[0]


def test_nobody_is_taken_where_nobody_answers(server: FakeServer) -> None:
    candidates = [candidate(f"{server.refused_url()}/v1")]

    assert first_that_answers(candidates) is None
    assert first_that_answers([]) is None


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("http://127.0.0.1:11434", True),
        ("http://127.8.8.8/x", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://10.0.0.1:1", False),
        ("https://example.com", False),
    ],
)
def test_loopback_is_this_machine(address: str, is_here: bool) -> None:
    assert is_loopback(address) == is_here


def test_lm_studios_silence_is_waited_for_once(server: FakeServer) -> None:
    for path in ("/api/v0/models", "/v1/models"):
        server.script(path, Silence())
    backend = LMStudioBackend(candidate(f"{server.url}/v1", "lmstudio"))

    with pytest.raises(DeadlineError):
        backend.models(timeout_s=0.05)

    assert len(server.requests) == 1


# Through the program


def ask(cli: Runner, *argv: str, **environ: str | None) -> Result:
    return cli.run(*argv, "Hello", environ=environ)


def test_a_note_says_who_was_found_and_which_model(
    cli: Runner, server: FakeServer
) -> None:
    result = ask(cli, OLLAMA_HOST=server.url)

    assert result.text == "Hello from the fake server.\n"
    assert lines(result, "note") == [
        f"using ollama at {server.url}",
        "using model 'alpha:latest'",
    ]


def test_ollama_goes_before_openai(
    cli: Runner, server: FakeServer, other: FakeServer
) -> None:
    ask(cli, OLLAMA_HOST=server.url, OPENAI_BASE_URL=elsewhere(other))

    assert (len(chats(server)), len(chats(other))) == (1, 0)


def test_openai_is_found_by_its_variable_and_gets_its_key(
    cli: Runner, server: FakeServer
) -> None:
    environ = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "sk-o"}
    result = ask(cli, OLLAMA_HOST=None, **environ)

    (chat,) = chats(server)
    assert (result.status, chat.path) == (0, OPENAI.path)
    keys = {one.headers.get("authorization") for one in server.requests}
    assert keys == {"Bearer sk-o"}


def test_our_own_key_goes_to_who_was_found_and_not_with_the_probe(
    cli: Runner, server: FakeServer
) -> None:
    ask(cli, "-m", "alpha", LLMWRAP_API_KEY="sk-l", OLLAMA_HOST=server.url)

    (chat,) = chats(server)
    probes = server.requests[: server.requests.index(chat)]
    assert chat.headers["authorization"] == "Bearer sk-l"
    assert probes
    assert all("authorization" not in one.headers for one in probes)


def test_nobody_is_asked_but_who_is_named(cli: Runner, other: FakeServer) -> None:
    """What listens at LM Studio's port on this machine does not matter either."""
    result = ask(cli, OPENAI_BASE_URL=f"{other.url}/v1")

    assert result.status == 4
    assert other.requests == []
    assert "lmstudio" not in error(result)


def test_a_wrong_key_is_not_mistaken_for_a_missing_server(
    cli: Runner, server: FakeServer
) -> None:
    refusal = json_error(401, {"error": {"message": "Invalid API Key"}})
    server.script("/v1/models", refusal, times=None)

    result = ask(cli, OLLAMA_HOST=None, OPENAI_BASE_URL=f"{server.url}/v1")

    assert result.status == 5
    assert "401: Invalid API Key" in error(result)


# Nobody answers


def install_model(home: Home) -> None:
    directory = home.path / "data" / "llmwrap" / "models"
    directory.mkdir(parents=True)
    (directory / DEFAULT_MODEL.file_name).write_bytes(b"GGUF")


def test_nobody_is_status_4_with_what_was_asked_and_what_to_do(
    cli: Runner, home: Home
) -> None:
    result = ask(cli)

    said = error(result)
    assert result.status == 4
    assert f"(ollama at {home.environ['OLLAMA_HOST']})" in said
    assert "llmwrap models install" in said
    assert "-b embedded" in said


def test_the_embedded_model_stands_in_where_no_server_was_ever_found(
    cli: Runner, home: Home
) -> None:
    install_model(home)

    result = ask(cli, "--dry-run")

    asked = json.loads(result.stdout)
    assert (result.status, asked["body"]["model"]) == (0, DEFAULT_MODEL.name)
    assert "no model server answers: using the embedded model" in result.stderr
    # It is no server that was found.
    assert read_discovered(home.environ).kind is None


def test_a_job_whose_server_is_down_gets_no_weaker_model_unasked(
    cli: Runner, home: Home, server: FakeServer
) -> None:
    install_model(home)
    ask(cli, OLLAMA_HOST=server.url)

    result = ask(cli, "--dry-run")

    assert (result.status, result.stdout) == (4, b"")
    assert f"start ollama at {server.url} again" in error(result)
    assert "-b embedded" in error(result)
