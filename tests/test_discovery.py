"""Finding a server, and a model, when nothing is configured."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from llmwrap.backends.base import BackendSettings
from llmwrap.backends.lmstudio import LMStudioBackend
from llmwrap.config import Config, built_in_backend
from llmwrap.engine.choice import Choice
from llmwrap.engine.discovery import first_that_answers, is_loopback
from llmwrap.engine.engine import Engine
from llmwrap.engine.state import Discovered, keep_discovered, read_discovered
from llmwrap.errors import DeadlineError, UnreachableError
from llmwrap.log import LEVELS, Log, Sink
from llmwrap.models.installed import DEFAULT_MODEL
from llmwrap.threads import start_together

from .asking import OLLAMA, OPENAI, chats, error, lines
from .fakeserver import (
    FOREVER,
    Close,
    FakeServer,
    Head,
    Pause,
    Silence,
    Tell,
    WaitFor,
    json_error,
    json_reply,
)
from .runner import ROOT, SPAWN_S, Home, Result, Runner

LISTING = {"object": "list", "data": [{"id": "alpha"}]}

_LONG_S = 30.0


@pytest.fixture
def other() -> Iterator[FakeServer]:
    """Give a second server."""
    with FakeServer(models=["gamma:1b"]) as running:
        yield running


def elsewhere(server: FakeServer) -> str:
    return f"{server.url}/v1"


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

    assert first_that_answers(candidates, choosing_s=_LONG_S) is candidates[0]


def test_80_ms_choose_between_those_who_answer(
    server: FakeServer, other: FakeServer
) -> None:
    server.script("/v1/models", Silence())
    candidates = [candidate(f"{server.url}/v1"), candidate(elsewhere(other))]

    assert first_that_answers(candidates) is candidates[1]


def test_all_are_asked_at_once(server: FakeServer, other: FakeServer) -> None:
    both_asked = threading.Barrier(2)
    for one in (server, other):
        meet = _Meet(both_asked)
        one.script("/v1/models", meet, *json_reply(LISTING))
    candidates = [candidate(elsewhere(server)), candidate(elsewhere(other))]

    assert first_that_answers(candidates, choosing_s=_LONG_S) is candidates[0]


class _Meet:
    """Go on when the other server has come this far too."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self._barrier = barrier

    def run(self, link: object) -> None:
        """Wait for the other."""
        self._barrier.wait(60)


@pytest.mark.parametrize("kind", ["ollama", "lmstudio", "openai"])
def test_what_is_no_such_server_does_not_count(
    server: FakeServer, other: FakeServer, kind: str
) -> None:
    for path in ("/api/version", "/api/v0/models", "/v1/models"):
        server.script(path, Head(200, framing="length"), times=2)
    suffix = "" if kind == "ollama" else "/v1"
    candidates = [
        candidate(f"{server.url}{suffix}", kind),
        candidate(elsewhere(other)),
    ]

    assert first_that_answers(candidates) is candidates[1]


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_the_remembered_one_counts_whatever_it_answers(
    server: FakeServer, status: int
) -> None:
    refusal = json_error(status, {"error": "Invalid API Key"})
    server.script("/v1/models", refusal, times=2)
    candidates = [candidate(f"{server.url}/v1")]

    assert first_that_answers(candidates, candidates[0]) is candidates[0]
    assert first_that_answers(candidates) is None


def test_80_ms_never_decide_that_there_is_none(server: FakeServer) -> None:
    server.script("/v1/models", [Pause(0.2), *json_reply(LISTING)])
    candidates = [
        candidate(f"{server.refused_url()}/v1"),
        candidate(f"{server.url}/v1"),
    ]

    assert first_that_answers(candidates) is candidates[1]


def test_the_remembered_one_is_waited_for_though_another_answers(
    server: FakeServer, other: FakeServer
) -> None:
    server.script("/v1/models", [Pause(0.2), *json_reply(LISTING)])
    candidates = [candidate(f"{server.url}/v1"), candidate(f"{other.url}/v1")]

    assert first_that_answers(candidates, candidates[0]) is candidates[0]


def test_the_deadline_ends_the_looking(server: FakeServer) -> None:
    server.script("/v1/models", Silence())
    candidates = [candidate(f"{server.url}/v1")]

    assert first_that_answers(candidates, until=time.monotonic() + 0.1) is None


def test_twenty_at_once_find_the_server_twenty_times(server: FakeServer) -> None:
    everybody = threading.Barrier(20)
    server.script("/v1/models", _Meet(everybody), *json_reply(LISTING), times=20)
    candidates = [candidate(f"{server.url}/v1")]

    outcomes = start_together([lambda: first_that_answers(candidates)] * 20)

    assert [one.result(60.0) for one in outcomes] == candidates * 20


@pytest.mark.slow
def test_twenty_programs_at_once_find_a_given_server_twenty_times(
    cli: Runner, server: FakeServer
) -> None:
    """On a machine that they keep busy, as cron does at the full hour."""
    models = json_reply({"models": [{"name": "beta:7b"}]})
    everybody = _Meet(threading.Barrier(20))
    server.script("/api/tags", everybody, Pause(0.2), *models, times=20)
    environ = {"OLLAMA_HOST": server.url}
    argv = ("--no-stdin", "--no-cache", "--connect-timeout", "60s", "Hello")

    programs = [cli.start(*argv, environ=environ) for _ in range(20)]
    said = [program.communicate(b"", SPAWN_S) for program in programs]

    assert [program.returncode for program in programs] == [0] * 20, said
    assert {text for text, _ in said} == {b"Hello from the fake server.\n"}


GUESSING = """
import os, sys, types
import llmwrap.backends.lmstudio, llmwrap.backends.ollama  # once for all twenty
import llmwrap.transport.client
from tests.test_discovery import discovering

home = types.SimpleNamespace(environ={"HOME": sys.argv[1]})
children = []
while len(children) < 20:
    child = os.fork()
    if not child:
        engine, _ = discovering(home, sys.argv[2], connect_timeout_s=60.0)
        os._exit(0 if engine.target().config.kind == "ollama" else 1)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""


@pytest.mark.slow
def test_twenty_processes_at_once_guess_right_twenty_times(
    home: Home, server: FakeServer
) -> None:
    """Nobody can be asked at the usual ports in a test, so the guesses are moved."""
    everybody = _Meet(threading.Barrier(20))
    version = json_reply({"version": "0.9.9"})
    server.script("/api/version", everybody, Pause(0.2), *version, times=20)
    server.script("/api/v0/models", json_error(404, {}), times=None)
    server.script("/v1/models", json_error(404, {}), times=None)
    command = [sys.executable, "-c", GUESSING, str(home.path), server.url]

    done = subprocess.run(
        command, check=False, cwd=ROOT, env=home.environ, capture_output=True
    )

    assert done.stdout.decode().strip() == str([0] * 20), done.stderr


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
        backend.models(timeout_s=0.5)

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


def test_ollama_goes_before_openai_and_that_is_said_once(
    cli: Runner, server: FakeServer, other: FakeServer
) -> None:
    result = ask(cli, OLLAMA_HOST=server.url, OPENAI_BASE_URL=elsewhere(other))

    assert (len(chats(server)), len(other.requests)) == (1, 0)
    told = [line for line in lines(result, "note") if "OPENAI_BASE_URL" in line]
    assert told == [
        "OPENAI_BASE_URL is set too, and is not asked: OLLAMA_HOST goes first"
    ]


GIVEN = {
    "refused": ([], 4),
    "401": (json_error(401, {"error": "unauthorized"}), 5),
    "403": (json_error(403, {"error": "forbidden"}), 5),
    "502": (json_error(502, {"error": "bad gateway"}), 6),
}


@pytest.mark.parametrize("variable", ["OLLAMA_HOST", "OPENAI_BASE_URL"])
@pytest.mark.parametrize("model", [(), ("-m", "alpha")], ids=["found", "named"])
@pytest.mark.parametrize(("reply", "status"), GIVEN.values(), ids=GIVEN)
def test_what_a_given_server_does_is_the_runs_result(
    cli: Runner,
    home: Home,
    server: FakeServer,
    reply: list[Any],
    status: int,
    model: tuple[str, ...],
    variable: str,
) -> None:
    """Never a stand-in, and the prompt goes nowhere else."""
    install_model(home)
    for path in (OLLAMA.path, OPENAI.path, "/api/tags", "/v1/models"):
        server.script(path, reply or [Close()], times=None)
    url = server.url if reply else server.refused_url()
    environ = {"OLLAMA_HOST": None, "OPENAI_BASE_URL": None, "LLMWRAP_API_KEY": "k"}
    environ[variable] = url if variable == "OLLAMA_HOST" else f"{url}/v1"

    result = ask(cli, *model, "--retries", "0", **environ)

    assert (result.status, result.stdout) == (status, b"")
    assert f"at {environ[variable]}" in error(result)
    assert "embedded" not in result.stderr
    # The key of first choice goes with whatever is asked.
    assert {one.headers.get("authorization") for one in server.requests} <= {"Bearer k"}


def test_a_given_server_that_is_slow_is_waited_for(
    cli: Runner, server: FakeServer
) -> None:
    path = "/api/tags"
    server.script(path, [Pause(0.2), *json_reply({"models": [{"name": "beta:7b"}]})])

    result = ask(cli, OLLAMA_HOST=server.url)

    assert (result.status, chats(server)[0].json["model"]) == (0, "beta:7b")


def test_a_given_server_that_starts_in_between_is_found(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/tags", Close())

    result = ask(cli, "--retry-delay", "1ms", OLLAMA_HOST=server.url)

    assert result.status == 0


def test_openai_is_found_by_its_variable_and_gets_its_key(
    cli: Runner, server: FakeServer
) -> None:
    environ = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "sk-o"}
    result = ask(cli, OLLAMA_HOST=None, **environ)

    (chat,) = chats(server)
    assert (result.status, chat.path) == (0, OPENAI.path)
    keys = {one.headers.get("authorization") for one in server.requests}
    assert keys == {"Bearer sk-o"}


def test_our_own_key_goes_to_who_is_given_with_whatever_is_asked(
    cli: Runner, server: FakeServer
) -> None:
    ask(cli, LLMWRAP_API_KEY="sk-l", OLLAMA_HOST=server.url)

    assert len(server.requests) > 1
    keys = {one.headers.get("authorization") for one in server.requests}
    assert keys == {"Bearer sk-l"}


def test_nobody_is_asked_but_who_is_named(cli: Runner, other: FakeServer) -> None:
    """What listens at LM Studio's port on this machine does not matter either."""
    result = ask(cli, "--retries", "0", OPENAI_BASE_URL=f"{other.url}/v1")

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


def discovering(home: Home, url: str, **choice: Any) -> tuple[Engine, list[str]]:
    """Return an engine for which both guesses are at an address, and its notes."""
    told: list[str] = []
    environ = {**home.environ, "OLLAMA_HOST": "", "LLMWRAP_API_KEY": "sk-l"}
    config = Config.load(os.devnull, environ)
    tables = {
        kind: built_in_backend(kind)._replace(base_url=url + suffix)
        for kind, suffix in (("ollama", ""), ("lmstudio", "/v1"))
    }
    origins = dict.fromkeys((f"backends.{kind}" for kind in tables), "LLMWRAP_X")
    config = config._replace(backends=tables, origins={**config.origins, **origins})
    log = Log(Sink(LEVELS["note"], lambda record: told.append(record.message)))
    chosen = Choice(retries=1, retry_delay_s=0.001, **choice)
    return Engine(config, environ=environ, choice=chosen, log=log), told


def test_nobody_is_status_4_with_what_was_asked_and_what_to_do(
    home: Home, server: FakeServer
) -> None:
    url = server.refused_url()
    engine, _ = discovering(home, url)

    with engine, pytest.raises(UnreachableError) as caught:
        engine.target()

    assert f"(ollama at {url}, lmstudio at {url}/v1)" in caught.value.message
    assert "llmwrap models install" in caught.value.hint
    assert "-b embedded" in caught.value.hint


def test_no_key_goes_to_a_guessed_address_before_it_is_found(
    home: Home, server: FakeServer
) -> None:
    engine, told = discovering(home, server.url)
    # Both may be found; on a busy machine the other one is it.
    server.script("/api/v0/models", json_error(404, {"error": "x"}), times=FOREVER)

    with engine:
        target = engine.target()

    assert (target.config.kind, told[0]) == ("ollama", f"using ollama at {server.url}")
    probes = [
        r for r in server.requests if r.path in ("/api/version", "/api/v0/models")
    ]
    assert probes
    assert all("authorization" not in one.headers for one in probes)


def test_the_embedded_model_stands_in_where_no_server_was_ever_found(
    home: Home, server: FakeServer
) -> None:
    install_model(home)
    engine, told = discovering(home, server.refused_url())

    with engine:
        target = engine.target()

    assert (target.config.kind, target.model) == ("embedded", DEFAULT_MODEL.name)
    assert told[0] == "no model server answers: using the embedded model"
    # It is no server that was found.
    assert read_discovered(home.environ).kind is None


def test_a_job_whose_server_is_down_gets_no_weaker_model_unasked(
    home: Home, server: FakeServer
) -> None:
    install_model(home)
    engine, _ = discovering(home, server.url)
    with engine:
        engine.target()
    for path in ("/api/version", "/api/v0/models", "/v1/models"):
        server.script(path, [Close()], times=None)
    tried = len(server.requests)

    engine, _ = discovering(home, server.url)
    with engine, pytest.raises(UnreachableError) as caught:
        engine.target()

    assert f"start ollama at {server.url} again" in caught.value.hint
    assert "-b embedded" in caught.value.hint
    # It may be about to start again: it is tried as often as a question would be.
    again = server.requests[tried:]
    assert len([one for one in again if one.path == "/api/version"]) == 2


def test_one_that_is_remembered_and_starts_in_between_is_found(
    home: Home, server: FakeServer
) -> None:
    keep_discovered(Discovered("ollama", server.url), home.environ)
    for path in ("/api/version", "/api/v0/models", "/v1/models"):
        server.script(path, [Close()])
    engine, _ = discovering(home, server.url)

    with engine:
        assert engine.target().config.kind == "ollama"
