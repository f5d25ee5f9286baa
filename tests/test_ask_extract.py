"""`-x`: the code of an answer goes to stdout, and the whole answer is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .asking import OLLAMA, ask, chats, error, lines
from .direct import answered
from .fakeserver import FakeServer, ollama_reply
from .runner import Runner

ONE = "Here:\n```py\nprint(1)\n```\nThat is it."
THREE = "```py\nprint(1)\n```\n1. or\n\n   ~~~sh -e\n   echo 2\n   ~~~\n```py\nprint(3)"
NONE = "There is no code,\n`not this` either."


def said(server: FakeServer, text: str) -> None:
    server.answer = [text[n : n + 3] for n in range(0, len(text), 3)]


def test_only_the_code_goes_to_stdout(cli: Runner, server: FakeServer) -> None:
    said(server, ONE)

    result = ask(cli, server, "-x", "A script")

    assert (result.status, result.text, result.stderr) == (0, "print(1)\n", "")


@pytest.mark.parametrize(
    ("wanted", "code", "note"),
    [
        (["-x"], "print(1)\n", "3 blocks of code, and this is the first one"),
        (["--extract", "last"], "print(3)\n", "3 blocks of code, and this is the last"),
        (["--extract", "all"], "print(1)\necho 2\nprint(3)\n", ""),
        (["--extract", "2"], "echo 2\n", ""),
        (["--extract", "sh"], "echo 2\n", ""),
        (["--extract", "PY"], "print(1)\n", "2 blocks of PY, and this is the first"),
        (["-x", "--extract", "3"], "print(3)\n", ""),
        (["--extract", "3", "-x"], "print(1)\n", "3 blocks of code"),
    ],
)
def test_which_block_may_be_said(
    cli: Runner, server: FakeServer, wanted: list[str], code: str, note: str
) -> None:
    said(server, THREE)

    result = ask(cli, server, *wanted, "A script")

    assert (result.status, result.text) == (0, code)
    assert note in " ".join(lines(result, "note"))
    assert bool(lines(result, "note")) == bool(note)


@pytest.mark.parametrize(
    "language",
    ["python:main.py", "python,ignore", "{.python}", "python{x=1}", "Python"],
)
def test_a_language_is_found_under_what_stands_around_it(
    cli: Runner, server: FakeServer, language: str
) -> None:
    said(server, f"```{language}\nx\n```")

    assert ask(cli, server, "--extract", "python", "A script").text == "x\n"


@pytest.mark.parametrize(
    ("answer", "wanted", "why"),
    [
        (NONE, "first", "has no block of code; without -x all of it is printed"),
        (NONE, "all", "has no block of code;"),
        ("```py\n```", "first", "has no block of code;"),
        (THREE, "4", "has no block of code number 4; 3 are there"),
        (ONE, "2", "number 2; one is there"),
        (THREE, "rust", "has no block of code in 'rust'; there is 'py', 'sh'"),
        ("```\nx\n```", "sh", "in 'sh'; none names its language"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--raw"], ["--no-stream"]])
def test_no_such_block_is_a_status_and_nothing_on_stdout(
    cli: Runner,
    server: FakeServer,
    answer: str,
    wanted: str,
    why: str,
    more: list[str],
) -> None:
    said(server, answer)

    result = ask(cli, server, "--extract", wanted, *more, "A script")

    assert (result.status, result.stdout) == (7, b"")
    assert why in error(result)
    assert "'alpha:latest' on ollama" in error(result)


def test_an_answer_that_breaks_off_has_no_code_yet(
    cli: Runner, server: FakeServer
) -> None:
    server.script(OLLAMA.path, ollama_reply(["```py\n", "x = "], done_reason="length"))

    result = ask(cli, server, "-x", "A script")

    assert (result.status, result.stdout) == (8, b"")


@pytest.mark.parametrize("wanted", ["0", "-1", "", "two words", "007"])
def test_what_is_no_block_is_a_usage_error(
    cli: Runner, server: FakeServer, wanted: str
) -> None:
    assert ask(cli, server, f"--extract={wanted}", "A script").status == 2


def test_code_and_a_schema_exclude_each_other(cli: Runner, server: FakeServer) -> None:
    assert ask(cli, server, "-x", "--schema", "name", "A script").status == 2


def test_indented_code_counts_where_there_is_no_fence(
    cli: Runner, server: FakeServer
) -> None:
    said(server, "Look:\n\n    aside\n\nand\n\n```\nx\n```")
    fenced = ask(cli, server, "-x", "One")
    said(server, "Look:\n\n    make\n\nThat is it.")
    indented = ask(cli, server, "-x", "Two")

    assert (fenced.text, fenced.stderr) == ("x\n", "")
    assert indented.text == "make\n"


def test_json_has_the_whole_answer_and_its_blocks(
    cli: Runner, server: FakeServer
) -> None:
    said(server, THREE)

    document = json.loads(ask(cli, server, "-x", "--json", "A script").stdout)
    *_, done = ask(cli, server, "-x", "--format", "events", "x").text.splitlines()
    plain = json.loads(ask(cli, server, "--json", "A script").stdout)

    assert document["text"] == THREE
    assert document["blocks"] == [
        {"lang": "py", "text": "print(1)\n"},
        {"lang": "sh", "text": "echo 2\n"},
        {"lang": "py", "text": "print(3)\n"},
    ]
    assert json.loads(done)["blocks"] == document["blocks"]
    assert "blocks" not in plain


def test_json_says_that_there_is_none(cli: Runner, server: FakeServer) -> None:
    said(server, NONE)

    result = ask(cli, server, "-x", "--json", "A script")

    document = json.loads(result.stdout)
    assert (result.status, document["error"]["kind"]) == (7, "protocol")
    assert document["text"] == NONE


def test_the_cache_keeps_the_whole_answer(cli: Runner, server: FakeServer) -> None:
    said(server, ONE)

    code = ask(cli, server, "-x", "A script")
    whole = ask(cli, server, "--cache-only", "A script")
    again = ask(cli, server, "--cache-only", "-x", "A script")

    assert whole.text == f"{ONE}\n"
    assert code.text == again.text == "print(1)\n"
    assert len(chats(server)) == 1


def test_direct_mode_never_takes_the_whole_for_the_code(
    cli: Runner, server: FakeServer
) -> None:
    said(server, ONE)
    argv = ("--base-url", server.url, "-m", "alpha:latest", "-n", "A script")

    whole = [answered(cli, *argv).stdout for _ in range(2)]
    code = [answered(cli, *argv, "-x").stdout for _ in range(2)]

    assert whole == [f"{ONE}\n".encode()] * 2
    assert code == [b"print(1)\n"] * 2


def test_a_conversation_keeps_the_whole_answer(cli: Runner, server: FakeServer) -> None:
    said(server, ONE)

    ask(cli, server, "-x", "-c", "A script")

    assert "That is it." in cli.run("history", "show").text


def test_the_file_gets_the_code_or_stays(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    out = tmp_path / "a.py"
    said(server, ONE)
    ask(cli, server, "-x", "-O", str(out), "A script")
    said(server, NONE)

    result = ask(cli, server, "-x", "-O", str(out), "Another")

    assert (result.status, out.read_text()) == (7, "print(1)\n")


def test_on_a_terminal_it_is_clean_and_not_drawn(
    cli: Runner, server: FakeServer
) -> None:
    said(server, "```\n**x** \x1b[2J\n```")

    result = ask(cli, server, "-x", "A script", tty=True)

    assert result.text == "**x** ^[[2J\n"
