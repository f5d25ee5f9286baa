"""With three backends every error says whose it is, once, whoever raised it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from .asking import error, lines
from .fakeserver import FakeServer, Reply, json_error, whole_reply
from .runner import Home, Result, Runner

_PATHS = ("/api/tags", "/api/ps", "/api/version", "/api/show")

BROKEN: dict[str, Reply] = {
    "broken JSON": whole_reply(b'{"models": [', "application/json", 200, ()),
    "no object": whole_reply(b"[1]", "application/json", 200, ()),
    "no JSON": whole_reply(b"<html>Hi</html>", "text/html", 200, ()),
    "failed": json_error(500, {"error": "kaputt"}),
    "refused": json_error(401, {"error": "no key"}),
}


class Three(NamedTuple):
    """Three servers, the second of which is at fault."""

    good: FakeServer
    bad: FakeServer
    other: FakeServer


@pytest.fixture(params=BROKEN)
def three(request: pytest.FixtureRequest, home: Home) -> Iterator[Three]:
    with FakeServer() as good, FakeServer() as bad, FakeServer() as other:
        for path in _PATHS:
            bad.script(path, *BROKEN[request.param], times=99)
        servers = Three(good, bad, other)
        home.configure(
            "".join(
                f'[backends.{name}]\nbackend_type = "Ollama"\nbase_url = "{one.url}"\n'
                for name, one in zip(Three._fields, servers, strict=True)
            )
        )
        yield servers


def said_of(result: Result, server: FakeServer, level: str) -> str:
    """Return the one line at a level that is about a server."""
    (line,) = [one for one in lines(result, level) if server.url in one]
    return line


def is_named_once(text: str, server: FakeServer) -> bool:
    """Tell whether a text says who `bad` is, and says it once."""
    return text.count(f"bad at {server.url}") == text.count(server.url) == 1


def test_a_warning_says_whose_it_is(cli: Runner, three: Three) -> None:
    result = cli.run("models")

    assert result.status == 0
    (warning,) = lines(result, "warning")
    assert is_named_once(warning, three.bad)


@pytest.mark.parametrize("argv", [["models"], ["models", "--json"]], ids=str)
def test_the_only_one_that_was_asked_is_named_too(
    cli: Runner, three: Three, argv: list[str]
) -> None:
    result = cli.run(*argv, "-b", "bad")

    assert result.status > 3
    assert is_named_once(error(result), three.bad)
    if "--json" in argv:
        told = json.loads(result.stdout)["error"]["message"]
        assert told == error(result)


def test_a_row_of_backends_has_name_and_address_in_their_columns(
    cli: Runner, three: Three
) -> None:
    result = cli.run("backends")

    (row,) = [line for line in result.text.splitlines() if line.startswith("bad ")]
    assert row.count("bad ") == row.count(three.bad.url) == 1
    assert row.rstrip()[-1] != "-"


def test_a_backend_with_a_second_address_is_named_once(
    cli: Runner, server: FakeServer
) -> None:
    gone = server.refused_url()
    cli.home.configure(
        f'[backends.studio]\nbackend_type = "LMStudio"\nbase_url = "{gone}/v1"\n'
    )

    result = cli.run("models")

    assert result.status == 4
    assert error(result).count("studio at") == 1
    assert "connection refused" in cli.run("backends").text
    assert "cannot reach" not in cli.run("backends", "-b", "studio").text


def test_backends_as_json_name_it_in_the_error(cli: Runner, three: Three) -> None:
    rows = json.loads(cli.run("backends", "--json").stdout)["backends"]

    (row,) = [row for row in rows if row["name"] == "bad"]
    assert is_named_once(row["error"]["message"], three.bad)


def test_doctor_says_whose_fault_it_is(cli: Runner, three: Three) -> None:
    result = cli.run("doctor")

    (line,) = [one for one in result.text.splitlines() if three.bad.url in one]
    assert line.startswith("warning")
    assert is_named_once(line, three.bad)


@pytest.mark.parametrize("three", ["no object", "failed", "refused"], indirect=True)
def test_doctor_ends_with_an_error_that_names_it(cli: Runner, three: Three) -> None:
    result = cli.run("doctor", "-b", "bad")

    assert is_named_once(error(result), three.bad)
