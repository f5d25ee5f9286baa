"""What `ask` shows on a terminal, and what can drive one nowhere."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pyte
import pytest

from .asking import DIALECTS, OLLAMA, Dialect, address, ask, error
from .fakeserver import (
    TERMINAL_SEQUENCES,
    FakeServer,
    Reply,
    json_error,
    ollama_reply,
    whole_reply,
)
from .runner import SPAWN_S, Home, Runner, one_place

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


# Reasoning and notes around the answer


def mixed(*pieces: tuple[str, str]) -> Reply:
    """Return a reply whose pieces are text or reasoning, in any order."""
    documents: list[dict[str, object]] = [
        {"message": {"role": "assistant", "content": "", kind: text}}
        for kind, text in pieces
    ]
    documents += [{"message": {"role": "assistant", "content": ""}, "done": True}]
    documents[-1]["done_reason"] = "stop"
    lines = [json.dumps({"model": "alpha", **one}).encode() for one in documents]
    return whole_reply(b"\n".join(lines) + b"\n", "application/x-ndjson")


MIXED = mixed(
    ("thinking", "first "),
    ("thinking", "thought"),
    ("content", "One **bo"),
    ("content", "ld"),
    ("thinking", "second\nthought"),
    ("content", "** line\n\nand "),
    ("thinking", "third thought"),
    ("content", "another"),
)


def test_on_a_terminal_nothing_tears_an_answer_and_no_row_is_there_twice(
    cli: Runner, server: FakeServer
) -> None:
    server.script(OLLAMA.path, MIXED)
    context = one_place(cli.context(tty=True, environ={"NO_COLOR": "1"}))

    result = cli.run_in(context, *address(server), "-v", "--no-history", "Hello")

    shown = screen_of(result.text)
    assert shown[:6] == [
        "first thought",
        *("second", "thought"),
        "One bold line",
        "third thought",
        "and another",
    ]
    assert shown[6].startswith("llmwrap: info: ")
    assert len(shown) == 8  # as the line is longer than a row


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_in_one_file_nothing_tears_an_answer(
    cli: Runner, server: FakeServer, tmp_path: Path, kind: str
) -> None:
    """As `2>&1` in a pipeline, and cron's `>> file 2>&1`."""
    server.script(OLLAMA.path, MIXED)
    argv = (*address(server), "--think", "-v", "-n", "Hello")

    if kind == "pipe":
        process = cli.start(*argv, stderr=subprocess.STDOUT)
        written = process.communicate(timeout=SPAWN_S)[0].decode()
    else:
        with (tmp_path / "log").open("ab") as file:
            process = cli.start(
                *argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
            process.wait(SPAWN_S)
        written = (tmp_path / "log").read_text()

    *shown, last = written.splitlines()
    assert shown == [
        "first thought",
        "One **bold** line",
        *("second", "thought"),
        *("", "and another"),
        "third thought",
    ]
    assert last.startswith("llmwrap: info: ")


# How it looks

CODE = "Some **bold** text.\n\n```python\nx = 1  # one\n```\n"


def looks(cli: Runner, server: FakeServer, *argv: str) -> str:
    """Return what a coloured terminal gets of an answer with code."""
    server.answer = [CODE]
    return ask(cli, server, "--color", "always", *argv, "Hello", tty=True).text


@pytest.mark.parametrize(
    ("setting", "sign"),
    [
        ('theme = "light"', "48;5;231m"),
        ('theme = "dark"', "48;5;16m"),
        ("high_contrast = true", "38;5;231;48;5;16m"),
    ],
)
def test_the_theme_holds_for_an_answer(
    cli: Runner, server: FakeServer, home: Home, setting: str, sign: str
) -> None:
    before = looks(cli, server)
    home.configure(f"[ui]\n{setting}\n")

    assert sign not in before
    assert sign in looks(cli, server)


def test_the_theme_holds_for_what_is_said_too(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    home.configure('[ui]\ntheme = "light"\n')
    server.thinking = ["hm"]

    result = ask(cli, server, "Hello", tty=True)

    assert "48;5;231mhm" in result.stderr


def test_highlighting_of_code_can_be_refused(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    before = looks(cli, server)
    home.configure("[ui]\nsyntax_highlighting = false\n")

    after = looks(cli, server)

    assert "x = 1  # one" not in before
    assert "x = 1  # one" in after
    assert f"{ESCAPE}1m" in after


@pytest.mark.parametrize("is_configured", [False, True], ids=["option", "setting"])
def test_for_a_screen_reader_nothing_is_drawn_or_coloured(
    cli: Runner, server: FakeServer, home: Home, is_configured: bool
) -> None:
    server.thinking = ["hm"]
    server.answer = ["Some **bo", "ld** text.\x1b[1m\n"]
    if is_configured:
        home.configure('[ui]\nplain = true\ntheme = "dark"\n')
    argv = [] if is_configured else ["--plain"]
    context = one_place(cli.context(tty=True))

    result = cli.run_in(
        context, *address(server), "--color", "always", *argv, "-v", "Hello"
    )

    assert "\x1b" not in result.text
    assert result.text.startswith("hm\nSome **bold** text.^[[1m\nllmwrap: info: ")


def test_an_unknown_theme_is_told_as_one_by_every_command(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    home.configure('[ui]\ntheme = "drak"\n')

    for argv in (["Hello"], ["models"], ["config", "validate"], ["doctor"]):
        result = cli.run(*argv, environ={"OLLAMA_HOST": server.url})
        assert (result.status, "did you mean 'dark'" in error(result)) == (3, True)
