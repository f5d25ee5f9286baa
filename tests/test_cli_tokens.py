"""`tokens` counts by the server's own tokenizer, or says that it estimates."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .asking import OPENAI, address, chats, error, lines
from .fakeserver import FakeServer, json_reply
from .fakeserver.scripts import FOREVER
from .runner import Runner

TOKENIZE = "/tokenize"


@pytest.mark.parametrize(
    "reply",
    [
        {"tokens": [1, 2, 3]},
        {"count": 3, "max_model_len": 4096, "tokens": [1, 2, 3]},
        {"tokens": [{"id": 1, "piece": "a"}] * 3},
    ],
)
def test_the_servers_own_count_is_taken(
    cli: Runner, server: FakeServer, reply: dict[str, object]
) -> None:
    server.script(TOKENIZE, json_reply(reply))

    result = cli.run("tokens", *address(server, OPENAI), "-n", "Three small words")

    (asked,) = [one for one in server.requests if one.path == TOKENIZE]
    assert asked.json["content"] == asked.json["prompt"] == "Three small words"
    assert (result.status, result.stderr) == (0, "")
    assert result.text.split()[:4] == ["TOKENS", "OF", "3", "prompt"]
    assert chats(server) == []


def test_each_part_has_a_line_and_there_is_a_sum(
    cli: Runner, server: FakeServer
) -> None:
    (cli.home.path / "a.c").write_text("int a;")
    server.script(TOKENIZE, json_reply({"tokens": [1, 2]}), times=FOREVER)
    argv = ("-f", "a.c", "--json", "Find the bug")

    result = cli.run("tokens", *address(server, OPENAI), *argv, stdin=b"piped")

    document = json.loads(result.stdout)
    assert [one["name"] for one in document["tokens"]] == ["prompt", "a.c", "stdin"]
    assert (document["version"], document["total"]) == (1, 6)
    assert (document["estimated"], document["backend"]) == (False, "openai")


@pytest.mark.parametrize("suffix", ["", "/v1"])
def test_where_nobody_counts_it_is_an_estimate(
    cli: Runner, server: FakeServer, suffix: str
) -> None:
    argv = ("--base-url", server.url + suffix, "-m", "alpha:latest", "-n")

    result = cli.run("tokens", *argv, "--json", "x" * 401)

    document = json.loads(result.stdout)
    assert (document["total"], document["estimated"]) == (101, True)
    assert "an estimate, 4 bytes a token" in lines(result, "note")[0]


def test_the_context_stands_beside_it(cli: Runner, server: FakeServer) -> None:
    cli.home.configure("[defaults]\noptions = {num_ctx = 4096}\n")

    result = cli.run("tokens", *address(server), "-n", "Hello")

    assert "2  in all, the context holds 4096" in result.text


def test_a_context_that_is_loaded_is_told(cli: Runner, server: FakeServer) -> None:
    server.shelf.load("alpha:latest")

    result = cli.run("tokens", *address(server), "-n", "--json", "Hello")

    assert json.loads(result.stdout)["context_tokens"] > 0


def test_nothing_to_count_is_a_usage_error(cli: Runner, server: FakeServer) -> None:
    result = cli.run("tokens", *address(server))

    assert (result.status, server.requests) == (2, [])


def test_a_file_that_is_not_there_is_named(cli: Runner, server: FakeServer) -> None:
    result = cli.run("tokens", *address(server), "-f", "none.txt")

    assert result.status == 3
    assert "none.txt" in error(result)


def test_a_server_that_is_away_is_a_status(cli: Runner, server: FakeServer) -> None:
    url = server.refused_url()

    result = cli.run("tokens", "--base-url", f"{url}/v1", "-m", "x", "-n", "Hello")

    assert result.status == 4


@pytest.mark.skipif(
    "LLMWRAP_TEST_MODEL" not in os.environ, reason="LLMWRAP_TEST_MODEL is not set"
)
def test_the_embedded_backend_counts(cli: Runner) -> None:
    pytest.importorskip("xllamacpp")
    model = Path(os.environ["LLMWRAP_TEST_MODEL"])

    result = cli.run("tokens", "-m", str(model), "-n", "--json", "Hello world")
    cli.run("backends", "stop")

    document = json.loads(result.stdout)
    assert (document["total"], document["estimated"]) == (2, False)
