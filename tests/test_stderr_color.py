"""Colour of what people read on stderr."""

from __future__ import annotations

import pytest

from .asking import ask
from .fakeserver import FakeServer, ollama_reply
from .runner import Runner

_RED = "\x1b[1m\x1b[31mllmwrap: error: \x1b[0m"


@pytest.mark.parametrize(
    ("argv", "tty", "environ", "is_colored"),
    [
        ([], True, {}, True),
        ([], False, {}, False),
        ([], True, {"NO_COLOR": "1"}, False),
        ([], True, {"TERM": "dumb"}, False),
        (["--color", "never"], True, {}, False),
        (["--color", "always"], False, {}, True),
        (["--color", "always"], True, {"NO_COLOR": "1"}, True),
    ],
)
def test_the_label_of_an_error_is_coloured_where_colour_is_wanted(
    cli: Runner, argv: list[str], tty: bool, environ: dict[str, str], is_colored: bool
) -> None:
    result = cli.run("-b", "olama", *argv, "Hello", tty=tty, environ=environ)

    assert result.status == 3
    label = _RED if is_colored else "llmwrap: error: "
    assert result.stderr.startswith(f"{label}unknown backend 'olama'")


def test_reasoning_is_dim(cli: Runner, server: FakeServer) -> None:
    server.script("/api/chat", ollama_reply(["Hi"], thinking=["hm"]))

    result = ask(cli, server, "Hello", tty=["stderr"])

    assert "\x1b[2mhm\x1b[0m\n" in result.stderr


def test_a_servers_words_bring_no_colour_of_their_own(
    cli: Runner, server: FakeServer
) -> None:
    reply = ollama_reply(["Hi"], thinking=["\x1b[31mred"])
    server.script("/api/chat", reply)

    result = ask(cli, server, "Hello", tty=["stderr"])

    assert "\x1b[31m" not in result.stderr
    assert "^[[31mred" in result.stderr
