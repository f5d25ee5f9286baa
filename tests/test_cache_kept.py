"""What the cache keeps of what was asked: complete answers of the weights at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from llmwrap.errors import Interrupted, OutputError

from .asking import DIALECTS, OLLAMA, OPENAI, Dialect, address, ask, chats, lines
from .fakeserver import (
    FakeServer,
    Reset,
    json_error,
    json_reply,
    ollama_reply,
    openai_reply,
)
from .runner import Home, Runner

ANSWER = "Hello from the fake server.\n"


def document(cli: Runner, server: FakeServer, *argv: str, **options: Any) -> Any:
    """Return the JSON object of an answer."""
    return json.loads(ask(cli, server, "--json", *argv, **options).stdout)


def name_digest(server: FakeServer, digest: str) -> None:
    """Let the server say the next time which weights its models have."""
    models = [{"name": name, "digest": digest} for name in server.shelf.names]
    server.script("/api/ps", json_reply({"models": models}))


# What is kept


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize(
    ("reason", "argv", "is_kept"),
    [
        ("length", [], False),
        ("length", ["--max-tokens", "1"], True),
        ("length", ["--max-tokens", "9"], False),
        ("stop", [], True),
    ],
)
def test_a_cut_answer_is_kept_when_the_user_set_the_limit(
    cli: Runner,
    server: FakeServer,
    dialect: Dialect,
    reason: str,
    argv: list[str],
    is_kept: bool,
) -> None:
    cut = (
        ollama_reply(["Hello"], done_reason=reason)
        if dialect is OLLAMA
        else openai_reply(["Hello"], finish_reason=reason)
    )
    server.script(dialect.path, *cut, times=None)

    first = ask(cli, server, *argv, "Hello", dialect=dialect)
    second = ask(cli, server, *argv, "Hello", dialect=dialect)

    assert (first.status == 0) is is_kept
    assert (len(chats(server)) == 1) is is_kept
    assert lines(second, "note") == lines(first, "note")


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_an_answer_that_broke_off_is_not_kept(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    begun = (ollama_reply if dialect is OLLAMA else openai_reply)(["Hel", "lo"])[:2]
    server.script(dialect.path, *begun, Reset())

    assert ask(cli, server, "Hello", dialect=dialect).status == 8
    assert ask(cli, server, "Hello", dialect=dialect).text == ANSWER
    assert len(chats(server)) == 2


def test_an_error_is_not_kept(cli: Runner, server: FakeServer) -> None:
    server.script(OLLAMA.path, json_error(500, {"error": "x"}), times=1)

    assert ask(cli, server, "--retries", "0", "Hello").status == 6
    assert ask(cli, server, "Hello").status == 0


@pytest.mark.parametrize("broken", [OutputError("cannot write"), Interrupted(13)])
@pytest.mark.parametrize("form", ["text", "json", "events"])
def test_an_answer_that_could_not_be_written_is_not_kept(
    cli: Runner, server: FakeServer, broken: OutputError | Interrupted, form: str
) -> None:
    """Only what ends with status 0 is."""
    context = cli.context()
    context.stdout.error = broken

    result = cli.run_in(context, *address(server), "--format", form, "Hello")

    assert result.status in (12, 141)
    assert ask(cli, server, "--cache-only", "Hello").status == 11


def test_an_answer_whose_file_could_not_be_written_is_not_kept(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    missing = str(tmp_path / "missing" / "file")

    assert ask(cli, server, "-O", missing, "Hello").status == 12
    assert ask(cli, server, "--cache-only", "Hello").status == 11


def test_an_answer_that_went_to_a_file_is_kept(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        assert ask(cli, server, "-O", str(tmp_path / name), "Hello").status == 0

    assert (tmp_path / "two").read_text() == ANSWER
    assert len(chats(server)) == 1


def test_the_prompt_is_never_stored(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    ask(cli, server, "-s", "a-secret-system", "a-secret-question")

    kept = [path for path in home.path.rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        assert b"a-secret" not in path.read_bytes(), path


# Weights


def test_a_model_that_was_pulled_anew_answers_anew(
    cli: Runner, server: FakeServer
) -> None:
    for question in ("one", "two"):
        name_digest(server, "sha256:old")
        ask(cli, server, question)
    for _ in range(3):
        name_digest(server, "sha256:new")

    questions = ("one", "three", "one", "two", "three")
    cached = [document(cli, server, question)["cached"] for question in questions]

    # Nothing says so before something has to be asked.
    assert cached == [True, False, False, False, True]


def test_a_model_that_is_pulled_by_us_answers_anew_at_once(
    cli: Runner, server: FakeServer
) -> None:
    name_digest(server, "sha256:old")
    ask(cli, server, "Hello")

    pulled = cli.run("models", "pull", "alpha", "--base-url", server.url)

    assert pulled.status == 0
    assert document(cli, server, "Hello")["cached"] is False


def test_a_server_that_names_no_digest_is_no_failure(
    cli: Runner, server: FakeServer
) -> None:
    for path in ("/api/ps", "/api/tags"):
        server.script(path, json_error(500, {"error": "x"}), times=None)

    assert ask(cli, server, "Hello").stderr == ""
    assert document(cli, server, "Hello")["cached"] is True


def test_the_digest_of_another_model_means_nothing(
    cli: Runner, server: FakeServer
) -> None:
    ask(cli, server, "Hello")
    ask(cli, server, "-m", "beta:7b", "Hello")

    assert document(cli, server, "Hello")["cached"] is True


def test_no_digest_is_asked_of_others_than_ollama(
    cli: Runner, server: FakeServer
) -> None:
    ask(cli, server, "Hello", dialect=OPENAI)

    assert len(server.requests) == 1


# Records


def test_runs_are_counted_as_hits_and_misses(cli: Runner, server: FakeServer) -> None:
    server.script(OLLAMA.path, json_error(404, {"error": "no such model"}), times=1)
    for argv in (["1"], ["1"], ["1"], ["--refresh", "1"], ["--no-cache", "1"], ["2"]):
        ask(cli, server, *argv)

    stats = json.loads(cli.run("cache", "stats", "--json").stdout)

    # The first run failed, and is a miss as well.
    assert (stats["hits"], stats["misses"]) == (1, 3)
    assert stats["entries"] == 2


def test_a_place_where_nothing_can_be_recorded_costs_no_answer(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    os.makedirs(home.path / "state" / "llmwrap" / "runs")

    result = ask(cli, server, "Hello")

    assert (result.status, result.text, result.stderr) == (0, ANSWER, "")


def test_an_empty_answer_is_asked_for_again(cli: Runner, server: FakeServer) -> None:
    server.script(OLLAMA.path, *ollama_reply([]), times=None)

    texts = [ask(cli, server, "Hello").text for _ in range(2)]

    assert texts == ["", ""]
    assert len(chats(server)) == 2
