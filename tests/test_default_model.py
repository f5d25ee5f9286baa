"""Which model is asked when none is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .asking import chats, error, lines
from .fakeserver import FakeServer, Silence, json_reply
from .runner import Home, Runner


def model_asked(cli: Runner, server: FakeServer, suffix: str = "") -> Any:
    result = cli.run("--base-url", server.url + suffix, "Hello")
    (chat,) = chats(server)
    assert lines(result, "note") == [f"using model '{chat.json['model']}'"]
    return chat.json["model"]


def test_the_model_that_is_loaded_is_taken(cli: Runner, server: FakeServer) -> None:
    server.shelf.load("beta:7b")

    assert model_asked(cli, server) == "beta:7b"


@pytest.mark.parametrize(
    "times",
    [
        ("2026-11-22T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00.100000001Z"),
        ("0001-01-01T00:00:00Z", "2026-11-23T10:00:00Z"),
        ("2026-11-23T10:00:00.5+02:00", "2026-11-23T09:00:00.319173205Z"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T02:10:00+01:00"),
        ("", "2026-11-23T10:00:00Z"),
        ("yesterday", "2026-11-23T10:00:00Z"),
    ],
)
def test_else_the_newest_is(
    cli: Runner, server: FakeServer, times: tuple[str, str]
) -> None:
    older, newer = times
    models = [
        {"name": "alpha:latest", "modified_at": older},
        {"name": "beta:7b", "modified_at": newer},
        {"name": "embed", "modified_at": "2027", "capabilities": ["embedding"]},
    ]
    server.script("/api/tags", json_reply({"models": models}))

    assert model_asked(cli, server) == "beta:7b"


def test_else_the_first_of_the_list_is(cli: Runner, server: FakeServer) -> None:
    assert model_asked(cli, server, "/v1") == "alpha:latest"


def test_lm_studio_says_itself_what_is_loaded(cli: Runner, server: FakeServer) -> None:
    server.shelf.load("beta:7b")

    cli.run("-b", "lmstudio", "--base-url", f"{server.url}/v1", "Hello")

    assert chats(server)[0].json["model"] == "beta:7b"


@pytest.mark.parametrize(
    ("suffix", "hint"), [("", "llmwrap models pull"), ("/v1", "name one with -m")]
)
def test_no_model_at_all_is_status_5_with_what_to_do(
    cli: Runner, suffix: str, hint: str
) -> None:
    with FakeServer(models=[]) as server:
        result = cli.run("--base-url", server.url + suffix, "Hello")

    assert result.status == 5
    assert f"at {server.url}{suffix} has no model; " in error(result)
    assert hint in error(result)


# The configured one


@pytest.mark.parametrize(
    ("model", "url", "asked"),
    [
        ("lmstudio/m", "http://127.0.0.1:1234/v1/chat/completions", "m"),
        ("embedded/m", None, None),
        ("there/is/none.gguf", None, None),
    ],
)
def test_the_model_of_the_file_may_name_its_backend_where_the_file_names_none(
    cli: Runner, home: Home, model: str, url: str | None, asked: str | None
) -> None:
    home.configure(f'[defaults]\nmodel = "{model}"\n')

    result = cli.run("--dry-run", "Hello")

    if url is None:  # The embedded backend has none of them.
        assert result.status == 5
        assert "not installed" in error(result) or "not found" in error(result)
    else:
        request = json.loads(result.stdout)
        assert (request["url"], request["body"]["model"]) == (url, asked)


def test_the_model_of_the_file_is_a_name_to_the_backend_of_the_file(
    cli: Runner, home: Home, server: FakeServer
) -> None:
    # As LiteLLM names its models.
    table = f'[backends.proxy]\nbackend_type = "OpenAI"\nbase_url = "{server.url}/v1"\n'
    home.configure(f'[defaults]\nmodel = "ollama/llama3"\n{table}')

    result = cli.run("--dry-run", "Hello")

    assert json.loads(result.stdout)["body"]["model"] == "ollama/llama3"


def test_a_list_that_does_not_come_is_not_needed_for_what_is_remembered(
    cli: Runner, server: FakeServer
) -> None:
    """As long as it takes to connect is waited for it, and no bound of its own."""
    cli.run("--base-url", server.url, "Hello")
    server.script("/api/ps", Silence())
    argv = ("--base-url", server.url, "--no-cache", "--connect-timeout", "300ms")

    result = cli.run(*argv, "Hello")

    assert result.status == 0
    assert "using 'alpha:latest', the one of last time" in lines(result, "warning")[0]


def test_a_list_is_waited_for_as_long_as_the_time_outs_say(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/ps", Silence())

    result = cli.run("--base-url", server.url, "--first-token-timeout", "200ms", "hi")

    assert result.status == 124
    assert "did not name its models within 200ms" in error(result)
