"""What is remembered of the servers and models that were found."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from llmwrap.engine.state import Discovered, keep_discovered, read_discovered

from .asking import lines
from .fakeserver import FakeServer
from .runner import Home, Result, Runner


def ask(cli: Runner, server: FakeServer) -> Result:
    """Ask whoever is found, which is the server."""
    return cli.run("Hello", environ={"OLLAMA_HOST": server.url})


def state_file(home: Home) -> Path:
    return home.path / "state" / "llmwrap" / "discovered.json"


def test_what_was_found_is_remembered_in_a_private_file(
    cli: Runner, home: Home, server: FakeServer
) -> None:
    ask(cli, server)

    file = state_file(home)
    assert json.loads(file.read_text()) == {
        "version": 1,
        "kind": "ollama",
        "address": server.url,
        "models": {server.url: "alpha:latest"},
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name, "runs"]


def test_a_server_that_was_named_is_not_a_discovery(
    cli: Runner, home: Home, server: FakeServer
) -> None:
    cli.run("--base-url", server.url, "-m", "alpha", "Hello")
    assert not state_file(home).exists()

    cli.run("--base-url", server.url, "Hello")
    assert read_discovered(home.environ) == Discovered(
        models={server.url: "alpha:latest"}
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 2, "kind": "ollama", "address": "http://h"}',
        '{"kind": "ollama", "address": "http://h"}',
        '{"version": 1, "kind": 5, "address": [], "models": 7}',
        '{"version": 1, "kind": "", "models": {"http://h": 5}}',
        "[" * 60_000,
        "\ud800",
    ],
    ids=range(10),
)
def test_a_memory_that_cannot_be_read_is_as_if_there_were_none(
    cli: Runner, home: Home, server: FakeServer, text: str
) -> None:
    file = state_file(home)
    file.parent.mkdir(parents=True)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert read_discovered(home.environ) == Discovered()

    result = ask(cli, server)

    assert (result.status, lines(result, "warning")) == (0, [])
    assert read_discovered(home.environ).kind == "ollama"


@pytest.mark.parametrize("kind", ["directory", "link", "fifo"])
def test_odd_things_in_its_place_stop_nothing_and_leave_nothing(
    cli: Runner, home: Home, server: FakeServer, tmp_path: Path, kind: str
) -> None:
    file = state_file(home)
    file.parent.mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.write_text('{"version": 1, "kind": "x", "address": "y"}')
    match kind:
        case "directory":
            (file / "full").mkdir(parents=True)
        case "link":
            file.symlink_to(precious)
        case "fifo":
            os.mkfifo(file)
    assert read_discovered(home.environ) == Discovered()

    result = ask(cli, server)

    assert result.status == 0
    assert '"x"' in precious.read_text()
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name, "runs"]


def test_a_place_that_cannot_be_written_is_no_failure(
    home: Home, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    environ = {**home.environ, "XDG_STATE_HOME": str(tmp_path / "file")}

    keep_discovered(Discovered("ollama", "http://h"), environ)

    assert read_discovered(environ) == Discovered()
