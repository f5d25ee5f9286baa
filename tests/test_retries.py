"""Retries, counted at the server: which errors, and how often."""

from __future__ import annotations

import json

import pytest

from .asking import DIALECTS, Dialect, chats, error, lines
from .failing import asked, busy, failing
from .fakeserver import (
    Body,
    Close,
    EndBody,
    FakeServer,
    Head,
    Reply,
    Reset,
    Silence,
    Step,
    json_reply,
    ollama_reply,
    openai_reply,
    redirect,
    whole_reply,
)
from .runner import Runner

_RETRYABLE = (408, 429, 502, 503, 504, 529)
_NOT_RETRYABLE = (400, 401, 402, 403, 404, 405, 409, 413, 422, 501, 505, 522, 524)

both = pytest.mark.parametrize("dialect", DIALECTS, ids=str)


def _begun(dialect: Dialect, *, thinking: bool = False) -> Reply:
    """Return the head and the first piece of a stream."""
    reply = ollama_reply if dialect.name == "ollama" else openai_reply
    if thinking:
        return reply([], thinking=["hm", "so"])[: 1 if dialect.name == "ollama" else 3]
    return reply(["one", " two"])[: 1 if dialect.name == "ollama" else 3]


@both
@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("status", _RETRYABLE)
def test_n_retries_are_n_and_one_requests(
    cli: Runner, server: FakeServer, dialect: Dialect, status: int, retries: int
) -> None:
    failing(server, dialect, *busy(status=status))

    result = asked(cli, server, dialect, "--retries", str(retries))

    assert result.status == 6
    assert f"answered {status}: busy" in error(result)
    assert len(server.requests) == retries + 1


@both
@pytest.mark.parametrize("status", _NOT_RETRYABLE)
def test_other_statuses_are_final(
    cli: Runner, server: FakeServer, dialect: Dialect, status: int
) -> None:
    failing(server, dialect, *busy(status=status))

    result = asked(cli, server, dialect, "--retries", "3")

    assert result.status == (5 if status < 500 else 6)
    assert len(server.requests) == 1


@both
@pytest.mark.parametrize(("retries", "requests"), [(0, 1), (1, 2), (5, 2)])
def test_a_500_is_asked_again_once_at_most(
    cli: Runner, server: FakeServer, dialect: Dialect, retries: int, requests: int
) -> None:
    failing(server, dialect, *busy(status=500))

    result = asked(cli, server, dialect, "--retries", str(retries))

    assert (result.status, len(server.requests)) == (6, requests)


@both
@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closed", "reset"])
def test_a_connection_lost_before_the_headers_is_asked_again(
    cli: Runner, server: FakeServer, dialect: Dialect, end: Step, retries: int
) -> None:
    failing(server, dialect, end)

    result = asked(cli, server, dialect, "--retries", str(retries))

    assert result.status == 4
    assert (server.connections, len(server.requests)) == (retries + 1, retries + 1)


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closed", "reset"])
def test_a_connection_lost_before_the_request_is_asked_again(
    cli: Runner, server: FakeServer, end: Step
) -> None:
    server.script_connection(end, times=None)

    result = asked(cli, server, DIALECTS[0], "--retries", "2")

    assert (result.status, server.connections) == (4, 3)


def test_a_refused_connection_is_asked_again(cli: Runner, server: FakeServer) -> None:
    argv = ("--base-url", server.refused_url(), "-m", "alpha", "--retry-delay", "0")

    result = cli.run(*argv, "--retries", "3", "-v", "hi")

    tries = [line for line in lines(result, "info") if line.startswith("retrying in")]
    assert (result.status, len(tries)) == (4, 3)


@both
@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ((Head(), Close()), 8),
        ((Head(), Reset()), 8),
        ((Head(), Body(b"data: {broken\n\n"), EndBody()), 7),
        (whole_reply(b"<html>", "text/html"), 7),
        (json_reply({"error": "out of memory"}), 6),
        (redirect(307, "http://127.0.0.1:1/"), 5),
        ((Silence(),), 124),
        ((Head(), Silence()), 124),
    ],
    ids=["closed", "reset", "no JSON", "page", "error", "redirect", "silent", "head"],
)
def test_nothing_else_is_asked_again(
    cli: Runner, server: FakeServer, dialect: Dialect, steps: Reply, status: int
) -> None:
    failing(server, dialect, *steps)

    result = asked(
        cli, server, dialect, "--retries", "3", "--first-token-timeout", "0.3"
    )

    assert (result.status, len(chats(server))) == (status, 1)


@both
def test_a_connect_timeout_is_final(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    argv = ("--base-url", server.black_hole_url() + dialect.suffix, "-m", "alpha")

    result = cli.run(*argv, "--connect-timeout", "0.2", "--retries", "3", "-v", "hi")

    assert result.status == 124
    assert "retrying" not in result.stderr


@both
@pytest.mark.parametrize("how", ["text", "json", "events", "whole"])
@pytest.mark.parametrize("thinking", [False, True], ids=["text", "reasoning"])
def test_nothing_is_asked_again_once_a_piece_came(
    cli: Runner, server: FakeServer, dialect: Dialect, thinking: bool, how: str
) -> None:
    failing(server, dialect, *_begun(dialect, thinking=thinking), Reset())
    options = ("--no-stream",) if how == "whole" else ("--format", how)

    result = asked(cli, server, dialect, "--retries", "3", *options)

    assert (result.status, len(chats(server))) == (8, 1)


@both
@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_a_server_that_recovers_is_enough(
    cli: Runner, server: FakeServer, dialect: Dialect, how: str
) -> None:
    for steps in ((Close(),), busy(), busy(status=429)):
        failing(server, dialect, *steps, times=1)

    result = asked(cli, server, dialect, "--retries", "3", "--json", how)

    document = json.loads(result.stdout)
    assert (result.status, result.stderr) == (0, "")
    assert document["text"] == "".join(server.answer)
    assert (document["attempts"], len(chats(server))) == (4, 4)


@pytest.mark.parametrize(
    ("configured", "options", "requests"),
    [(None, (), 3), (0, (), 1), (1, (), 2), (1, ("--retries", "4"), 5)],
)
def test_the_number_is_configured_or_an_option(
    cli: Runner,
    server: FakeServer,
    configured: int | None,
    options: tuple[str, ...],
    requests: int,
) -> None:
    number = "" if configured is None else f"retry_attempts = {configured}\n"
    cli.home.configure(f'[backends.ollama]\nbase_url = "{server.url}"\n{number}')
    failing(server, DIALECTS[0], *busy())

    result = cli.run("-m", "alpha", "--retry-delay", "0", *options, "hi")

    assert (result.status, len(server.requests)) == (6, requests)
