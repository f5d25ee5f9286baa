"""What `ask` says on stderr: reasoning, notes, warnings, exactly one error line."""

from __future__ import annotations

import json
from collections.abc import Collection

import pytest

from llmwrap.errors import OutputError

from .asking import (
    DIALECTS,
    OLLAMA,
    OPENAI,
    Dialect,
    address,
    ask,
    error,
    lines,
)
from .fakeserver import (
    Answer,
    FakeServer,
    Usage,
    json_error,
    ollama_reply,
    openai_reply,
    whole_ollama_reply,
    whole_openai_reply,
)
from .runner import Home, Runner

# Reasoning


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize(
    ("argv", "tty", "is_shown"),
    [
        ([], (), False),
        (["--think"], (), True),
        (["--no-think"], ("stderr",), True),
        ([], ("stderr",), True),
        ([], ("stdout",), False),
        (["--hide-thinking"], ("stderr",), False),
        (["--think", "--hide-thinking"], (), False),
        (["--think", "-q"], ("stderr",), False),
        (["-v"], (), False),
    ],
)
def test_reasoning_shows_on_a_terminal_or_when_asked_for(
    cli: Runner,
    server: FakeServer,
    dialect: Dialect,
    argv: list[str],
    tty: Collection[str],
    is_shown: bool,
) -> None:
    # The fake obeys --no-think, unlike some models, so the reply is scripted.
    server.script(OLLAMA.path, ollama_reply(["Hi"], thinking=["hm", "m\n", "so"]))
    server.script(OPENAI.path, openai_reply(["Hi"], thinking=["hm", "m\n", "so"]))

    argv = [*argv, "--raw", "--color", "never"]
    result = ask(cli, server, *argv, "Hello", dialect=dialect, tty=tty)

    assert (result.status, result.text) == (0, "Hi\n")
    assert ("hmm\nso\n" in result.stderr) == is_shown


def test_reasoning_is_ended_before_an_error_line(
    cli: Runner, server: FakeServer
) -> None:
    reply = ollama_reply([], thinking=["hm"], done_reason=None)
    server.script(OLLAMA.path, reply)

    result = ask(cli, server, "Hello", tty=["stderr"], environ={"NO_COLOR": "1"})

    first, second = result.stderr.splitlines()
    assert first == "hm"
    assert second.startswith("llmwrap: error: ")


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_reasoning_of_an_answer_that_is_not_streamed_is_shown_too(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    answer = Answer(["Hi"], thinking=["hm"])
    server.script(OLLAMA.path, whole_ollama_reply(answer))
    server.script(OPENAI.path, whole_openai_reply(answer))

    argv = ["--no-stream", "--color", "never"]
    result = ask(cli, server, *argv, "Hello", dialect=dialect, tty=["stderr"])

    assert (result.text, "hm\n" in result.stderr) == ("Hi\n", True)


# Levels


@pytest.mark.parametrize(
    ("argv", "levels"),
    [
        (["-q"], set()),
        (["-q", "-v"], set()),
        ([], {"note", "warning"}),
        (["-v"], {"note", "warning", "info"}),
        (["-vv"], {"note", "warning", "info", "debug"}),
        (["-v", "-v"], {"note", "warning", "info", "debug"}),
        (["--debug"], {"note", "warning", "info", "debug"}),
    ],
)
def test_options_choose_how_much_is_said(
    cli: Runner, server: FakeServer, argv: list[str], levels: set[str]
) -> None:
    environ = {"LLMWRAP_CACHE_TTLL": "1h"}  # an unknown one is a warning

    result = cli.run(*argv, "--base-url", server.url, "Hello", environ=environ)

    said = [line.split(": ")[1] for line in result.stderr.splitlines()]
    assert result.status == 0
    assert set(said) == levels
    assert all(line.startswith("llmwrap: ") for line in result.stderr.splitlines())


@pytest.mark.parametrize(
    ("level", "argv", "levels"),
    [
        ("error", [], {"note"}),
        ("info", [], {"note", "info"}),
        ("debug", [], {"note", "info", "debug"}),
        ("debug", ["-q"], set()),
    ],
)
def test_the_configured_level_may_show_more_but_never_less(
    cli: Runner,
    server: FakeServer,
    home: Home,
    level: str,
    argv: list[str],
    levels: set[str],
) -> None:
    home.configure(f'[logging]\nlevel = "{level}"\n')

    result = cli.run(*argv, "--base-url", server.url, "Hello")

    assert {line.split(": ")[1] for line in result.stderr.splitlines()} == levels


@pytest.mark.parametrize(
    "argv", [[], ["-q"], ["-v"], ["-vv"], ["--json"], ["-q", "-v"]]
)
@pytest.mark.parametrize("tty", [False, True])
def test_a_failure_is_exactly_one_error_line(
    cli: Runner, server: FakeServer, argv: list[str], tty: bool
) -> None:
    server.script(OLLAMA.path, json_error(400, {"error": "bad\nnews"}))

    result = ask(cli, server, *argv, "Hello", tty=tty, environ={"NO_COLOR": "1"})

    assert result.status == 5
    assert "bad news" in error(result)
    assert "Traceback" not in result.stderr


def test_an_error_names_backend_address_and_cause(
    cli: Runner, server: FakeServer
) -> None:
    result = ask(cli, server, "-m", "nope", "Hello")

    said = error(result)
    assert (result.status, "'nope'" in said, server.url in said) == (5, True, True)
    assert "llmwrap models" in said


def test_a_closed_stderr_changes_nothing(cli: Runner, server: FakeServer) -> None:
    context = cli.context()
    context.stderr.error = OutputError("closed")

    result = cli.run_in(context, "--base-url", server.url, "-v", "Hello")

    assert (result.status, result.text) == (0, "Hello from the fake server.\n")


# What an answer is warned of


LENGTHS = pytest.mark.parametrize(
    ("argv", "config", "status"),
    [
        ([], "", 8),
        (["-o", "num_predict=-1"], "", 8),
        (["-o", "top_k=4"], "", 8),
        (["--max-tokens", "2"], "", 0),
        (["-o", "num_predict=2"], "", 0),
        ([], "[defaults.options]\nnum_predict = 2\n", 0),
        ([], "[defaults.options]\nmax_tokens = 2\n", 0),
    ],
)


@LENGTHS
@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize("more", [[], ["--no-stream"]], ids=["stream", "whole"])
def test_an_answer_that_ends_at_a_limit_is_cut_unless_it_is_the_users_own(
    cli: Runner,
    server: FakeServer,
    home: Home,
    dialect: Dialect,
    argv: list[str],
    config: str,
    status: int,
    more: list[str],
) -> None:
    home.configure(config)
    answer = Answer(["one", " two"], finish_reason="length")
    if more:
        server.script(OLLAMA.path, whole_ollama_reply(answer))
        server.script(OPENAI.path, whole_openai_reply(answer))
    else:
        reason = "length"
        server.script(OLLAMA.path, ollama_reply(answer.tokens, done_reason=reason))
        server.script(OPENAI.path, openai_reply(answer.tokens, finish_reason=reason))

    result = ask(cli, server, *argv, *more, "Hello", dialect=dialect)

    assert result.status == status
    assert result.text == "one two\n"
    levels = [line.split(": ")[1] for line in result.stderr.splitlines()]
    assert levels == (["error"] if status else ["note"])


@pytest.mark.parametrize(
    ("counted", "is_warned"), [(1000, False), (1001, False), (999, True), (1, True)]
)
def test_a_prompt_that_the_server_may_have_cut_is_warned_of(
    cli: Runner, server: FakeServer, counted: int, is_warned: bool
) -> None:
    usage = Usage(prompt_tokens=counted)
    server.script(OPENAI.path, openai_reply(["Hi"], usage=usage))

    result = ask(cli, server, "x" * 16_000, dialect=OPENAI)

    assert result.status == 0
    warned = ["it may have cut the prompt" in one for one in lines(result, "warning")]
    assert warned == [True] * is_warned


def test_ollama_refuses_instead_so_nothing_is_suspected(
    cli: Runner, server: FakeServer
) -> None:
    server.script(OLLAMA.path, ollama_reply(["Hi"], usage=Usage(prompt_tokens=1)))

    result = ask(cli, server, "x" * 16_000)

    assert (result.status, result.stderr) == (0, "")


def test_a_refused_prompt_comes_with_a_context_that_fits(
    cli: Runner, server: FakeServer
) -> None:
    nested = {
        "code": 400,
        "message": "request (5000 tokens) exceeds the available context size (4096)",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 5000,
        "n_ctx": 4096,
    }
    text = json.dumps({"error": nested})  # which Ollama takes for a text
    server.script(OLLAMA.path, json_error(400, {"error": text}))
    server.script(OPENAI.path, json_error(400, {"error": nested}))

    native = ask(cli, server, "Hello")
    other = cli.run(*address(server, OPENAI), "Hello")

    assert (native.status, other.status) == (5, 5)
    assert "5000 tokens" in error(native)
    assert "ask with -o num_ctx=6144" in error(native)
    assert "num_ctx" not in error(other)
