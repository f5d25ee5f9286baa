"""What `ask` shows on a terminal, and what can drive one nowhere."""

from __future__ import annotations

import json

import pyte
import pytest

from .asking import DIALECTS, OLLAMA, Dialect, ask, error
from .fakeserver import (
    TERMINAL_SEQUENCES,
    FakeServer,
    json_error,
    ollama_reply,
)
from .runner import Runner

HOSTILE = "a\x1b[2Jb\x9b2Jc\x07\r\x7f\u202ed\tend\n"
CLEANED = "a^[[2Jb<U+009B>2Jc^G^M^?<U+202E>d\tend\n"
ESCAPE = "\x1b["


def screen_of(text: str) -> list[str]:
    """Return the lines that a terminal of 80 columns shows."""
    screen = pyte.Screen(80, 24)
    # The terminal's driver makes a carriage return of each newline, too.
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return [line.rstrip() for line in screen.display if line.strip()]


def test_a_terminal_gets_markdown_drawn(cli: Runner, server: FakeServer) -> None:
    server.answer = ["# Ti", "tle\n\nSome **bo", "ld** text.\n\n- one\n", "- two\n"]

    result = ask(cli, server, "Hello", tty=True)

    shown = screen_of(result.text)
    assert result.status == 0
    assert "Some bold text." in shown
    assert not any("**" in line for line in shown)
    assert [line for line in shown if "one" in line or "two" in line]


@pytest.mark.parametrize(
    ("argv", "environ"),
    [
        (["--raw"], {}),
        (["--sanitize", "never"], {}),
        ([], {"TERM": "dumb"}),
        ([], {"TERM": None}),
    ],
    ids=["raw", "never", "dumb", "none"],
)
def test_a_terminal_gets_the_text_as_it_is_when_asked_or_dumb(
    cli: Runner, server: FakeServer, argv: list[str], environ: dict[str, str | None]
) -> None:
    server.answer = ["# Hi\n\n**you**"]

    result = ask(cli, server, *argv, "Hello", tty=True, environ=environ)

    assert result.text == "# Hi\n\n**you**\n"


@pytest.mark.parametrize(
    ("argv", "tty", "written"),
    [
        (["--raw"], True, CLEANED),
        (["--raw", "--sanitize", "auto"], True, CLEANED),
        (["--raw", "--sanitize", "never"], True, HOSTILE),
        (["--sanitize", "always"], False, CLEANED),
        (["--sanitize", "auto"], False, HOSTILE),
        (["--sanitize", "never"], False, HOSTILE),
    ],
)
@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "by character"])
def test_control_characters_are_made_visible_on_a_terminal_or_as_asked(
    cli: Runner,
    server: FakeServer,
    argv: list[str],
    tty: bool,
    written: str,
    is_bytewise: bool,
) -> None:
    server.answer = list(HOSTILE) if is_bytewise else [HOSTILE]

    assert ask(cli, server, *argv, "Hello", tty=tty).text == written


@pytest.mark.parametrize("kind", ["json", "events"])
@pytest.mark.parametrize(
    ("argv", "tty", "text"),
    [
        ([], True, CLEANED),
        (["--sanitize", "always"], False, CLEANED),
        (["--sanitize", "never"], True, HOSTILE),
        ([], False, HOSTILE),
    ],
)
def test_json_on_a_terminal_is_as_harmless(
    cli: Runner, server: FakeServer, kind: str, argv: list[str], tty: bool, text: str
) -> None:
    server.answer = [HOSTILE]

    result = ask(cli, server, "--format", kind, *argv, "Hello", tty=tty)

    documents = [json.loads(line) for line in result.text.splitlines()]
    assert [one["text"] for one in documents if "text" in one] == [text]
    if text == CLEANED:
        assert not {"\x9b", "\u202e", "\x7f"} & set(result.text)


@pytest.mark.parametrize("name", TERMINAL_SEQUENCES)
@pytest.mark.parametrize("argv", [[], ["--raw"], ["--json"]], ids=str)
def test_no_sequence_of_the_model_reaches_a_terminal(
    cli: Runner, server: FakeServer, name: str, argv: list[str]
) -> None:
    sequence = TERMINAL_SEQUENCES[name]
    server.thinking = [sequence]
    server.answer = [*"a ", *sequence, *" b"]

    result = ask(cli, server, *argv, "Hello", tty=True, environ={"NO_COLOR": "1"})

    both = result.text + result.stderr
    assert not {"\x07", "\x08", "\x90", "\x9b", "\x7f", "\0"} & set(both)
    if argv or sequence not in ("\x1b", "\r"):  # which the drawing itself needs
        assert sequence not in both


def test_nothing_of_an_error_reaches_a_terminal(
    cli: Runner, server: FakeServer
) -> None:
    server.script(OLLAMA.path, json_error(400, {"error": HOSTILE}))

    result = ask(cli, server, "Hello")

    assert "a^[[2Jb<U+009B>2Jc^G" in error(result)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "tty", "environ", "is_coloured"),
    [
        ([], True, {}, True),
        ([], True, {"NO_COLOR": "1"}, False),
        ([], True, {"NO_COLOR": ""}, True),
        (["--color", "never"], True, {}, False),
        (["--color", "always"], True, {"NO_COLOR": "1"}, True),
    ],
)
def test_colour_is_for_terminals_and_can_be_refused(
    cli: Runner,
    server: FakeServer,
    argv: list[str],
    tty: bool,
    environ: dict[str, str | None],
    is_coloured: bool,
) -> None:
    server.answer = ["Some **bold** text.\n"]

    result = ask(cli, server, *argv, "Hello", tty=tty, environ=environ)

    assert (f"{ESCAPE}1m" in result.text) == is_coloured


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_what_came_of_a_broken_answer_stays_on_the_screen(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    server.script(OLLAMA.path, ollama_reply(["one ", "**two**"], done_reason=None))
    server.script("/v1/chat/completions", json_error(500, {"error": "x"}), times=9)

    result = ask(cli, server, "--retries", "0", "Hello", tty=True, dialect=dialect)

    if dialect is OLLAMA:
        assert (result.status, screen_of(result.text)) == (8, ["one two"])
    else:
        assert (result.status, result.text) == (6, "")
