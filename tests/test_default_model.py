"""Which model is asked when none is named."""

from __future__ import annotations

from typing import Any

import pytest

from .asking import chats, error, lines
from .fakeserver import FakeServer, json_reply
from .runner import Runner


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


@pytest.mark.parametrize("suffix", ["", "/v1"])
def test_no_model_at_all_is_status_5_with_what_to_do(cli: Runner, suffix: str) -> None:
    with FakeServer(models=[]) as server:
        result = cli.run("--base-url", server.url + suffix, "Hello")

    assert result.status == 5
    assert f"at {server.url}{suffix} has no model; " in error(result)
    assert "llmwrap models pull" in error(result)
