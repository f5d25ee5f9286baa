"""What `ask` asks: operands, stdin and the system prompt, and how much of it."""

from __future__ import annotations

import os
from collections.abc import Collection

import pytest

from llmwrap.cli.descriptor import Descriptor

from .asking import DIALECTS, Dialect, address, ask, body, chats, error, lines, prompt
from .fakeserver import FakeServer
from .runner import Home, MemoryContext, MemoryDescriptor, Runner

PNG = b"\x89PNG\r\n\x1a\n\x00\xfb\xff image"


@pytest.mark.parametrize(
    ("argv", "stdin", "asked"),
    [
        (["Hello"], b"", "Hello"),
        (["Why", "is", "the sky", "blue?"], b"", "Why is the sky blue?"),
        (["ask", "chat"], b"", "chat"),
        (["--", "-q", "chat"], b"", "-q chat"),
        (["é\u2028x"], b"", "é\u2028x"),
        ([], b"piped", "piped"),
        ([], b"piped\n", "piped"),
        ([], b"piped\n\n", "piped\n"),
        (["-"], b"piped\r\n", "piped"),
        (["sum up"], b"one\ntwo\n", "sum up\n\none\ntwo"),
        (["sum up"], b"", "sum up"),
        (["sum up"], b"\n", "sum up"),
        (["-n", "sum up"], b"eaten", "sum up"),
        (["sum up", "--no-stdin"], b"eaten", "sum up"),
        ([""], b"piped", "piped"),
    ],
)
def test_operands_come_before_stdin(
    cli: Runner, server: FakeServer, argv: list[str], stdin: bytes, asked: str
) -> None:
    result = ask(cli, server, *argv, stdin=stdin)

    assert result.status == 0
    assert prompt(server) == asked


@pytest.mark.parametrize("program", [[], ["enhanced"], ["ask"], ["enhanced", "ask"]])
def test_the_spellings_of_the_specification_ask_too(
    cli: Runner, server: FakeServer, program: list[str]
) -> None:
    result = ask(cli, server, *program, "Hello")

    assert (result.status, prompt(server)) == (0, "Hello")


def test_no_stdin_leaves_the_list_of_a_loop_alone(
    cli: Runner, server: FakeServer
) -> None:
    context = cli.context(stdin=b"second\nthird\n")

    cli.run_in(context, "--base-url", server.url, "-m", "alpha", "-n", "first")

    assert context.stdin.read_all(100, "stdin") == b"second\nthird\n"


@pytest.mark.parametrize("stdin", [b"a\xffb", b"a\xff\n"])
def test_bytes_that_are_not_utf8_are_replaced_with_a_note(
    cli: Runner, server: FakeServer, stdin: bytes
) -> None:
    result = ask(cli, server, "-", stdin=stdin)

    assert prompt(server) == stdin.decode("utf-8", "replace").rstrip("\n")
    assert lines(result, "note") == [
        "'stdin' is not all UTF-8: bad bytes became U+FFFD"
    ]


@pytest.mark.parametrize("argv", [("-",), ("Hello",), ("-f", "-"), ("-s", "@-", "x")])
def test_what_is_no_text_is_status_3_and_is_not_sent(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    (cli.home.path / "-").write_bytes(b"%PDF-1.7")

    result = ask(cli, server, *argv, stdin=b"%PDF-1.7")

    assert (result.status, server.requests) == (3, [])
    assert "is a PDF and no text" in error(result)


def piped(
    cli: Runner, stdin: bytes, *, is_piped: bool = True, tty: Collection[str] = ()
) -> MemoryContext:
    class Piped(MemoryDescriptor):
        pass

    context = cli.context(tty=tty)
    Piped.is_piped = is_piped  # type: ignore[assignment,method-assign]
    context.stdin = Piped(stdin)
    return context


@pytest.mark.parametrize(
    ("stdin", "is_piped", "tty", "more", "is_told"),
    [
        (b"", True, ["stderr"], (), True),
        (b"", True, [], (), False),  # nothing new in a cron mail
        (b"", True, [], ("-v",), True),
        (b"", False, ["stderr"], ("-v",), False),  # /dev/null
        (b"x", True, ["stderr"], (), False),
        (b"", True, ["stderr"], ("-n",), False),
    ],
)
def test_an_empty_stdin_is_noted_where_a_person_looks(
    cli: Runner,
    server: FakeServer,
    stdin: bytes,
    is_piped: bool,
    tty: list[str],
    more: tuple[str, ...],
    is_told: bool,
) -> None:
    context = piped(cli, stdin, is_piped=is_piped, tty=tty)

    result = cli.run_in(context, *address(server), "Hello", *more)

    assert ("stdin is empty" in result.stderr) is is_told


def test_waiting_for_the_first_byte_is_told_once() -> None:
    reader, writer = os.pipe()
    descriptor = Descriptor(reader)
    descriptor.silence_s = 0.0
    told: list[str] = []

    def silent() -> None:
        told.append("waiting")
        os.write(writer, b"a")
        os.close(writer)

    try:
        assert descriptor.read_all(100, "stdin", silent) == b"a"
    finally:
        os.close(reader)
    assert told == ["waiting"]


def test_a_null_device_is_no_pipe() -> None:
    reader, writer = os.pipe()
    with open(os.devnull, "rb") as null:
        assert not Descriptor(null.fileno()).is_piped
    assert Descriptor(reader).is_piped
    assert not Descriptor(reader, is_open=False).is_piped
    os.close(reader)
    os.close(writer)


def test_a_closed_stdin_is_none(cli: Runner, server: FakeServer) -> None:
    context = cli.context()
    context.stdin.is_open = False

    status = cli.run_in(
        context, "--base-url", server.url, "-m", "alpha", "Hello"
    ).status

    assert (status, prompt(server)) == (0, "Hello")


def test_a_terminal_is_not_read_unless_asked(cli: Runner, server: FakeServer) -> None:
    ask(cli, server, "Hello", stdin=b"typed\n", tty=["stdin"])
    ask(cli, server, "-", stdin=b"typed\n", tty=["stdin"])

    prompts = [one.json["messages"][-1]["content"] for one in chats(server)]
    assert prompts == ["Hello", "typed"]


@pytest.mark.parametrize("argv", [[], ["-n"], ["-"], [""], ["ask"], ["-q", "--json"]])
@pytest.mark.parametrize("stdin", [b"", b"\n"])
def test_nothing_to_ask_is_a_usage_error(
    cli: Runner, server: FakeServer, argv: list[str], stdin: bytes
) -> None:
    result = ask(cli, server, *argv, stdin=stdin)

    assert (result.status, result.stdout) == (2, b"")
    assert "nothing to ask" in error(result)
    assert server.requests == []


def test_bare_llmwrap_on_a_terminal_prints_its_usage(cli: Runner) -> None:
    result = cli.run(tty=True, environ={"NO_COLOR": "1"})

    assert (result.status, result.stdout) == (2, b"")
    assert result.stderr.startswith("usage: llmwrap [ask] [OPTION...] [PROMPT...]\n")
    assert "nothing to ask" in error(result)


@pytest.mark.parametrize(
    "argv",
    [
        ["-", "-f", "-"],
        ["-f", "-", "-f", "-"],
        ["-i", "-", "-i", "-"],
        ["-i", "-", "-"],
        ["-s", "@-", "-"],
        ["-s", "@-", "-f", "/dev/stdin", "Hello"],
    ],
)
def test_two_that_want_stdin_are_a_usage_error(
    cli: Runner, server: FakeServer, argv: list[str]
) -> None:
    result = ask(cli, server, *argv, stdin=PNG)

    assert (result.status, server.requests) == (2, [])
    assert "stdin is wanted twice" in error(result)


@pytest.mark.parametrize("argv", [["-"], ["-f", "-"], ["-i", "-"], ["-s", "@-", "hi"]])
def test_stdin_cannot_be_wanted_and_forbidden(
    cli: Runner, server: FakeServer, argv: list[str]
) -> None:
    result = ask(cli, server, "-n", *argv, stdin=PNG)

    assert (result.status, server.requests) == (2, [])
    assert "--no-stdin" in error(result)


# The system prompt


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize(
    ("argv", "stdin", "system"),
    [
        (["-s", "Be brief."], b"", "Be brief."),
        (["--system=Be brief."], b"", "Be brief."),
        (["-s", "-be brief-"], b"", "-be brief-"),
        (["-s", "-brief"], b"", "-brief"),
        (["-s", "@system.txt"], b"", "From a\nfile."),
        (["-s", "@-"], b"From stdin.\n", "From stdin."),
    ],
)
def test_the_system_prompt_goes_first(
    cli: Runner,
    server: FakeServer,
    home: Home,
    dialect: Dialect,
    argv: list[str],
    stdin: bytes,
    system: str,
) -> None:
    (home.path / "system.txt").write_text("From a\nfile.\n")

    ask(cli, server, *argv, "Hello", stdin=stdin, dialect=dialect)

    assert body(server)["messages"] == [
        {"role": "system", "content": system},
        {"role": "user", "content": "Hello"},
    ]


@pytest.mark.parametrize(
    ("argv", "systems"),
    [([], ["Configured."]), (["-s", "Mine."], ["Mine."]), (["-s", ""], [])],
)
def test_the_system_prompt_of_the_file_stands_unless_another_is_given(
    cli: Runner, server: FakeServer, home: Home, argv: list[str], systems: list[str]
) -> None:
    home.configure('[defaults]\nsystem = "Configured."\n')

    ask(cli, server, *argv, "Hello")

    messages = body(server)["messages"]
    assert [m["content"] for m in messages if m["role"] == "system"] == systems


# How much


@pytest.mark.parametrize(
    ("argv", "stdin"),
    [
        (["x" * 101], b""),
        (["x" * 51, "y" * 51], b""),
        ([], b"x" * 101),
        (["x" * 60], b"x" * 60),
        (["-f", "long"], b""),
        (["-s", "x" * 60, "y" * 60], b""),
        (["é" * 51], b""),
    ],
    ids=["word", "words", "stdin", "both", "file", "system", "bytes"],
)
def test_a_prompt_over_the_limit_is_status_9(
    cli: Runner,
    server: FakeServer,
    home: Home,
    argv: list[str],
    stdin: bytes,
) -> None:
    home.configure('[limits]\nprompt = "100B"\n')
    (home.path / "long").write_text("x" * 101)

    result = ask(cli, server, *argv, stdin=stdin)

    assert (result.status, result.stdout, server.requests) == (9, b"", [])
    assert "longer than 100" in error(result)


def test_a_prompt_at_the_limit_is_asked(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    home.configure('[limits]\nprompt = "100B"\n')

    assert ask(cli, server, "é" * 50).status == 0
