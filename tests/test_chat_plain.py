"""`chat --plain` on a terminal: words instead of drawing."""

from __future__ import annotations

import pytest

from .chatting import chat, is_harmless
from .fakeserver import HOSTILE_NAMES, TERMINAL_SEQUENCES, FakeServer, json_error
from .runner import Runner


def test_roles_are_announced_in_words(cli: Runner, server: FakeServer) -> None:
    server.answer = ["Yes"]

    result = chat(cli, server, "one", options=("--plain",), tty=True)

    assert result.status == 0
    assert "You: " in result.stderr
    assert "Assistant (alpha:latest, live):\n" in result.stderr
    assert result.text == "Yes\n"


def test_a_dumb_terminal_is_plain(cli: Runner, server: FakeServer) -> None:
    result = chat(cli, server, "one", tty=True, environ={"TERM": "dumb"})

    assert "You: " in result.stderr
    assert is_harmless(result.stderr + result.text)


def test_the_configuration_may_ask_for_it(cli: Runner, server: FakeServer) -> None:
    cli.home.configure("[ui]\nplain = true\n")

    result = chat(cli, server, "one", tty=True)

    assert "You: " in result.stderr


def test_a_failed_turn_is_no_status(cli: Runner, server: FakeServer) -> None:
    server.script("/api/chat", json_error(400, {"error": "no"}))

    result = chat(cli, server, "one", options=("--plain",), tty=True)

    assert result.status == 0


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "by character"])
@pytest.mark.parametrize("sequence", TERMINAL_SEQUENCES)
def test_no_answer_drives_the_terminal(
    cli: Runner, server: FakeServer, sequence: str, is_whole: bool
) -> None:
    text = TERMINAL_SEQUENCES[sequence]
    server.answer = [text] if is_whole else list(text)

    result = chat(cli, server, "hi", options=("--plain",), tty=["stdin", "stdout"])

    assert is_harmless(result.text + result.stderr)


@pytest.mark.parametrize("sequence", TERMINAL_SEQUENCES)
def test_no_error_drives_the_terminal(
    cli: Runner, server: FakeServer, sequence: str
) -> None:
    server.script("/api/chat", json_error(400, {"error": TERMINAL_SEQUENCES[sequence]}))

    result = chat(cli, server, "hi", options=("--plain",), tty=["stdin", "stdout"])

    assert is_harmless(result.text + result.stderr)


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: ascii(name)[:12])
def test_no_name_drives_the_terminal(cli: Runner, name: str) -> None:
    with FakeServer(models=[name]) as server:
        result = cli.run(
            *("chat", "--base-url", server.url, "--plain"),
            stdin=b"hi\n/model\n",
            tty=["stdin", "stdout"],
        )

    assert is_harmless(result.text + result.stderr)
