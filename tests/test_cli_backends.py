"""`backends` tells who answers and ends the embedded servers; listing never fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .embedded_world import FAKE_LLAMA, is_running
from .fakeserver import FakeServer
from .fakeserver.steps import Silence
from .runner import Result, Runner


def rows(result: Result) -> dict[str, dict[str, Any]]:
    """Return the rows by their names."""
    document = json.loads(result.stdout)
    assert document["version"] == 1
    return {row["name"]: row for row in document["backends"]}


def test_every_backend_has_a_line(cli: Runner, server: FakeServer) -> None:
    cli.home.configure(
        f'[backends.box]\nbackend_type = "Ollama"\nbase_url = "{server.url}"\n'
        f'[backends.far]\nbackend_type = "OpenAI"\nbase_url = "{server.refused_url()}"'
    )

    result = cli.run("backends")

    assert (result.status, result.stderr) == (0, "")
    titles, box, far, *others = [line.split() for line in result.text.splitlines()]
    assert titles == [
        "NAME",
        "KIND",
        "ADDRESS",
        "VERSION",
        "MODELS",
        "LATENCY",
        "STATE",
    ]
    assert box[:5] == ["box", "ollama", server.url, "0.33.0", "2"]
    assert box[6:] == ["reachable"]
    assert far[:2] == ["far", "openai"]
    assert far[3:] == ["-", "-", "-", "connection", "refused"]
    assert [line[0] for line in others] == ["ollama", "embedded"]


def test_they_are_told_as_json(cli: Runner, server: FakeServer) -> None:
    server.shelf.load("beta:7b")

    result = cli.run("backends", "list", "--json", environ={"OLLAMA_HOST": server.url})

    found = rows(result)
    ollama = found["ollama"]
    assert ollama.pop("latency_s") > 0
    assert ollama == {
        "name": "ollama",
        "kind": "ollama",
        "address": server.url,
        "configured": True,
        "reachable": True,
        "error": None,
        "version": "0.33.0",
        "models": ["alpha:latest", "beta:7b"],
        "embedding": [],
        "remote": [],
    }
    assert found["embedded"]["servers"] == []
    assert found["embedded"]["installed"] in (True, False)


def test_why_one_is_not_reachable_is_told_as_json(cli: Runner) -> None:
    ollama = rows(cli.run("backends", "--json"))["ollama"]

    assert not ollama["reachable"]
    assert ollama["error"]["exit_status"] == 4
    assert "connection refused" in ollama["error"]["message"]
    assert (ollama["version"], ollama["models"], ollama["latency_s"]) == (
        None,
        [],
        None,
    )


def test_only_the_named_one_is_listed(cli: Runner, server: FakeServer) -> None:
    result = cli.run("backends", "--base-url", f"{server.url}/v1", "--json")

    assert list(rows(result)) == ["openai"]


def test_one_that_keeps_silent_does_not_hold_up_the_list(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/version", Silence())

    result = cli.run(
        "backends", "--json", "--timeout", "300ms", environ={"OLLAMA_HOST": server.url}
    )

    assert result.status == 0
    assert rows(result)["ollama"]["error"]["kind"] == "timeout"
    assert rows(result)["embedded"]["reachable"]


def test_a_key_that_cannot_be_read_fails_its_own_backend(
    cli: Runner, server: FakeServer
) -> None:
    cli.home.configure(
        f'[backends.box]\nbackend_type = "Ollama"\nbase_url = "{server.url}"\n'
        'api_key_file = "gone"'
    )

    result = cli.run("backends", "--json")

    assert result.status == 0
    assert rows(result)["box"]["error"]["kind"] == "config"


def test_a_state_directory_that_cannot_be_used_fails_the_embedded_one(
    cli: Runner,
) -> None:
    (cli.home.path / "state").touch()

    result = cli.run("backends", "--json")

    assert result.status == 0
    embedded = rows(result)["embedded"]
    assert (embedded["error"]["kind"], embedded["servers"]) == ("config", [])


def test_an_unusable_configuration_is_status_3(cli: Runner) -> None:
    cli.home.configure("nonsense")

    result = cli.run("backends", "--json")

    assert result.status == 3
    assert json.loads(result.stdout)["error"]["kind"] == "config"


@pytest.mark.parametrize("argv", [["list", "x"], ["stop", "x"], ["bogus"]])
def test_what_makes_no_sense_is_status_2(argv: list[str], cli: Runner) -> None:
    assert cli.run("backends", *argv).status == 2


def test_names_alone_are_for_completion_and_ask_nobody(
    cli: Runner, server: FakeServer
) -> None:
    cli.home.configure('[backends.box]\nbackend_type = "Ollama"')

    words = ("__complete", "fish", "llmwrap", "-b", "")
    result = cli.run(*words, environ={"OLLAMA_HOST": server.url})

    assert result == Result(0, b"box\nollama\nlmstudio\nopenai\nembedded\n", "")
    assert server.requests == []


def test_nothing_runs_and_nothing_is_stopped(cli: Runner) -> None:
    result = cli.run("backends", "stop")

    note = "llmwrap: note: no embedded server was running\n"
    assert result == Result(0, b"", note)


@pytest.fixture
def embedded(cli: Runner, tmp_path: Path) -> Iterator[Runner]:
    """Give a command line beside which an embedded server runs."""
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF{}")
    cli.home.environ["PYTHONPATH"] = str(FAKE_LLAMA)
    assert cli.run("models", "warm", str(file)).status == 0
    yield cli
    cli.run("backends", "stop")


def test_running_embedded_servers_are_listed(embedded: Runner) -> None:
    text = embedded.run("backends").text
    (server,) = rows(embedded.run("backends", "--json"))["embedded"]["servers"]

    table, servers = text.split("\n\n")
    assert "1 running" in table.splitlines()[-1]
    titles, line = [line.split() for line in servers.splitlines()]
    assert titles == ["PID", "MODEL", "ADDRESS", "IDLE"]
    assert line[:3] == [str(server["pid"]), "tiny", server["address"]]
    assert (server["model"], server["ready"]) == ("tiny", True)
    assert server["idle_s"] >= 0
    assert is_running(server["pid"])


def test_embedded_servers_are_stopped(embedded: Runner) -> None:
    (server,) = rows(embedded.run("backends", "--json"))["embedded"]["servers"]

    result = embedded.run("backends", "stop", "--json")

    assert result.stderr == "llmwrap: note: stopped 1 embedded server: 'tiny'\n"
    assert rows(result)["embedded"]["pid"] == server["pid"]
    assert not is_running(server["pid"])
