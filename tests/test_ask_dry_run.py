"""`ask --dry-run`: the request that would be sent, secrets masked, nothing asked."""

from __future__ import annotations

import json

import pytest

from .asking import DIALECTS, Dialect, ask, chats
from .fakeserver import FakeServer
from .runner import Runner


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_a_dry_run_prints_the_request_and_asks_nothing(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    environ = {"LLMWRAP_API_KEY": "sk-secret"}
    argv = ["-s", "Brief.", "--max-tokens", "5", "Hel\u2028lo"]

    dry = ask(cli, server, "--dry-run", *argv, dialect=dialect, environ=environ)
    assert server.requests == []
    ask(cli, server, *argv, dialect=dialect, environ=environ)

    (request,) = chats(server)
    printed = json.loads(dry.stdout)
    assert list(printed) == ["version", "method", "url", "headers", "body"]
    assert printed["version"] == 1
    assert (printed["method"], printed["url"]) == ("POST", server.url + dialect.path)
    assert printed["body"] == request.json
    sent = request.headers
    masked = {name.lower(): value for name, value in printed["headers"].items()}
    assert masked.pop("authorization") == "Bearer ***"
    assert sent["authorization"] == "Bearer sk-secret"
    assert masked.items() <= sent.items()
    assert b"sk-secret" not in dry.stdout
    assert dry.stderr == ""


def test_a_dry_run_may_look_up_the_model(cli: Runner, server: FakeServer) -> None:
    result = cli.run("--base-url", server.url, "--dry-run", "Hello")

    assert json.loads(result.stdout)["body"]["model"] == "alpha:latest"
    assert {one.method for one in server.requests} == {"GET"}


def test_a_dry_run_masks_what_an_address_holds(cli: Runner) -> None:
    url = "http://user:sk-secret@127.0.0.1:9/v1"

    result = cli.run("--base-url", url, "-m", "x", "--dry-run", "Hello")

    assert "sk-secret" not in result.text + result.stderr


def test_no_name_of_a_server_drives_the_terminal(cli: Runner) -> None:
    with FakeServer(models=["a\x9b2J\x7f"]) as server:
        result = cli.run("--base-url", server.url, "--dry-run", "Hello", tty=True)

    assert json.loads(result.stdout)["body"]["model"] == "a<U+009B>2J^?"
