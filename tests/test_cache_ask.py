"""Asking what was asked before: when the cache answers, and what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .asking import DIALECTS, Dialect, address, ask, chats, error, lines
from .fakeserver import (
    FakeServer,
)
from .runner import Home, Runner

ANSWER = "Hello from the fake server.\n"


def document(cli: Runner, server: FakeServer, *argv: str, **options: Any) -> Any:
    """Return the JSON object of an answer."""
    return json.loads(ask(cli, server, "--json", *argv, **options).stdout)


# Hits


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_what_was_asked_before_is_asked_no_more(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    first = ask(cli, server, "Hello", dialect=dialect)
    second = ask(cli, server, "Hello", dialect=dialect)

    assert (first.status, first.text) == (0, ANSWER)
    assert second == first
    assert len(chats(server)) == 1


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_a_hit_gives_all_of_it_again(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    server.thinking = ["Let me", " think."]

    first = document(cli, server, "Hello", dialect=dialect)
    second = document(cli, server, "Hello", dialect=dialect)

    assert (first["cached"], second["cached"]) == (False, True)
    assert (first["attempts"], second["attempts"]) == (1, 0)
    same = ("text", "thinking", "model", "backend", "finish_reason", "usage")
    assert {name: second[name] for name in same} == {name: first[name] for name in same}
    assert second["thinking"] == "Let me think."
    assert second["usage"]["completion_tokens"]
    timings = second["timings"]
    assert 0 < timings["ttft_s"] <= timings["e2e_s"] < first["timings"]["e2e_s"] + 1
    assert timings["tpot_s"] is None


def test_a_hit_looks_the_same_in_every_format(cli: Runner, server: FakeServer) -> None:
    server.thinking = ["Hm."]
    ask(cli, server, "Hello")

    events = [
        json.loads(line)
        for line in ask(cli, server, "--format", "events", "Hello").text.splitlines()
    ]
    whole = ask(cli, server, "--no-stream", "--think", "Hello")

    assert [event["type"] for event in events] == ["start", "thinking", "text", "done"]
    assert (events[0]["cached"], events[-1]["cached"]) == (True, True)
    assert whole.text == ANSWER
    assert len(chats(server)) == 2  # --think is another question


def test_a_hit_is_a_note_for_who_wants_to_know(cli: Runner, server: FakeServer) -> None:
    ask(cli, server, "Hello")

    told = ask(cli, server, "-v", "Hello")

    assert lines(told, "info")[0].startswith("'alpha:latest' on ollama answered this")
    assert "from the cache" in told.stderr


def test_a_hit_needs_no_server(cli: Runner, home: Home) -> None:
    with FakeServer() as server:
        argv = address(server)
        cli.run(*argv, "Hello")

    result = cli.run(*argv, "Hello")

    assert (result.status, result.text, result.stderr) == (0, ANSWER, "")
    assert cli.run(*argv, "Hello?").status == 4


def test_a_hit_needs_no_server_that_was_discovered_either(
    cli: Runner, home: Home
) -> None:
    with FakeServer() as server:
        environ = {"OLLAMA_HOST": server.url}
        first = cli.run("Hello", environ=environ)
        assert lines(first, "note")

    result = cli.run("Hello", environ=environ)
    elsewhere = cli.run("Hello")

    assert (result.status, result.text, result.stderr) == (0, ANSWER, "")
    assert elsewhere.status == 4  # OLLAMA_HOST says that another one is meant


def test_a_hit_needs_no_key(cli: Runner, server: FakeServer, home: Home) -> None:
    home.configure(
        f'[backends.lab]\nbackend_type = "OpenAI"\nbase_url = "{server.url}/v1"\n'
        'api_key_env = "LAB_KEY"\n'
    )
    argv = ("-b", "lab", "-m", "alpha", "Hello")
    cli.run(*argv, environ={"LAB_KEY": "k"})

    assert cli.run(*argv).text == ANSWER


def test_terminals_get_hits_as_markdown_too(cli: Runner, server: FakeServer) -> None:
    server.answer = ["**bold**"]
    ask(cli, server, "Hello")

    shown = ask(cli, server, "Hello", tty=True)

    assert b"bold" in shown.stdout
    assert b"**" not in shown.stdout
    assert len(chats(server)) == 1


@pytest.mark.parametrize(
    "other",
    [
        ["-s", "Be brief.", "Hello"],
        ["--temperature", "0", "Hello"],
        ["-o", "num_ctx=4096", "Hello"],
        ["--seed", "1", "Hello"],
        ["--stop", "x", "Hello"],
        ["--no-think", "Hello"],
        ["-m", "beta:7b", "Hello"],
        ["Hello", "you"],
    ],
    ids=" ".join,
)
def test_what_is_asked_otherwise_is_asked(
    cli: Runner, server: FakeServer, other: list[str]
) -> None:
    ask(cli, server, "Hello")

    assert document(cli, server, *other)["cached"] is False
    assert document(cli, server, *other)["cached"] is True


# Modes


def test_refresh_asks_anew_and_stores(cli: Runner, server: FakeServer) -> None:
    ask(cli, server, "Hello")
    server.answer = ["Newer"]

    assert ask(cli, server, "--refresh", "Hello").text == "Newer\n"
    assert ask(cli, server, "Hello").text == "Newer\n"


def test_no_cache_neither_looks_nor_stores(cli: Runner, server: FakeServer) -> None:
    for question in ("Hello", "Hello", "Hello"):
        ask(cli, server, "--no-cache", question)

    assert len(chats(server)) == 3
    assert ask(cli, server, "--cache-only", "Hello").status == 11


def test_the_configuration_can_switch_it_off_and_an_option_on(
    cli: Runner, server: FakeServer
) -> None:
    off = {"LLMWRAP_CACHE_ENABLED": "false"}

    ask(cli, server, "Hello", environ=off)
    ask(cli, server, "--cache", "Hello", environ=off)
    ask(cli, server, "--cache", "Hello", environ=off)
    ask(cli, server, "Hello", environ=off)

    assert len(chats(server)) == 3


@pytest.mark.parametrize("option", ["--cache-only", "--refresh", "--no-cache"])
def test_the_last_mode_given_counts(
    cli: Runner, server: FakeServer, option: str
) -> None:
    ask(cli, server, "Hello")

    assert ask(cli, server, option, "--cache", "Hello").status == 0
    assert len(chats(server)) == 1


def test_cache_only_never_asks(cli: Runner, server: FakeServer) -> None:
    result = ask(cli, server, "--cache-only", "--json", "Hello")

    assert result.status == 11
    assert json.loads(result.stdout)["error"]["kind"] == "cache"
    assert error(result).startswith("the cache has no answer of 'alpha:latest'")
    assert server.requests == []


def test_cache_only_takes_what_has_expired(cli: Runner, server: FakeServer) -> None:
    ask(cli, server, "Hello")
    expired = {"LLMWRAP_CACHE_TTL": "0.000001"}

    assert document(cli, server, "--cache-only", "Hello", environ=expired)["cached"]
    assert not document(cli, server, "Hello", environ=expired)["cached"]


def test_cache_only_says_what_it_would_have_to_know(cli: Runner) -> None:
    result = cli.run("--cache-only", "Hello")

    assert result.status == 11
    assert "name backend and model" in error(result)
