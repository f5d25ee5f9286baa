"""What `ask` writes to stdout: text, JSON, events; whole or broken off."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmwrap.errors import Interrupted, OutputError

from .asking import DIALECTS, OLLAMA, OPENAI, Dialect, address, ask, error, lines
from .fakeserver import FakeServer, json_error, ollama_reply, openai_reply
from .runner import Result, Runner

HOSTILE = "a\x1b[2Jb\x9b2Jc\x07\r\x7f\u202ed\tend\n"


def document(result: Result) -> Any:
    """Return the one JSON object on stdout, which is one line."""
    assert result.text.count("\n") == 1
    assert result.text.endswith("\n")
    return json.loads(result.stdout)


def events(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.text.splitlines()]


# Text


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize(
    ("tokens", "written"),
    [
        (["Hi", " there"], "Hi there\n"),
        (["Hi\n"], "Hi\n"),
        (["Hi", "\n", "\n"], "Hi\n\n"),
        (["# Hi\n\n**you** "], "# Hi\n\n**you** \n"),
        (["é\u2028\U0001f44b\x85"], "é\u2028\U0001f44b\x85\n"),
        ([HOSTILE], HOSTILE),
        ([], ""),
        ([" "], " \n"),
    ],
)
@pytest.mark.parametrize("argv", [[], ["--no-stream"], ["--raw", "--color=always"]])
def test_a_pipe_gets_the_models_text_with_a_newline_at_its_end(
    cli: Runner,
    server: FakeServer,
    dialect: Dialect,
    tokens: list[str],
    written: str,
    argv: list[str],
) -> None:
    server.answer = tokens

    result = ask(cli, server, *argv, "Hello", dialect=dialect)

    assert (result.status, result.stdout) == (0, written.encode())
    assert ("is empty" in result.stderr) == (not written)


def test_a_lone_surrogate_becomes_a_replacement(
    cli: Runner, server: FakeServer
) -> None:
    server.answer = ["a\ud800b"]

    assert ask(cli, server, "Hello").text == "a\ufffdb\n"


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize(
    ("argv", "written"), [([], "one two\n"), (["--no-stream"], "")]
)
def test_what_came_of_a_broken_answer_stays_unless_it_was_not_streamed(
    cli: Runner, server: FakeServer, dialect: Dialect, argv: list[str], written: str
) -> None:
    tokens = ["one", " two"]
    server.script(OLLAMA.path, ollama_reply(tokens, done_reason=None))
    server.script(OPENAI.path, openai_reply(tokens, finish_reason=None))

    result = ask(cli, server, *argv, "Hello", dialect=dialect)

    assert (result.status, result.text) == (8, written)
    assert server.url in error(result)


@pytest.mark.parametrize("kind", ["text", "json", "events"])
@pytest.mark.parametrize(
    ("trouble", "status"),
    [(OutputError("no space"), 12), (Interrupted(13), 141)],
    ids=["full disk", "reader gone"],
)
def test_a_stdout_that_takes_nothing_ends_the_run(
    cli: Runner,
    server: FakeServer,
    kind: str,
    trouble: OutputError | Interrupted,
    status: int,
) -> None:
    context = cli.context()
    context.stdout.error = trouble

    result = cli.run_in(context, *address(server), "--format", kind, "Hello")

    assert (result.status, result.stdout) == (status, b"")
    assert len(lines(result, "error")) == (status == 12)


# --format json


@pytest.mark.parametrize("option", [["--json"], ["--format", "json"]])
@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_json_is_one_object_of_the_fields_of_the_contract(
    cli: Runner, server: FakeServer, dialect: Dialect, option: list[str]
) -> None:
    server.answer = ["Hi", " there"]

    result = ask(cli, server, *option, "three little words", dialect=dialect)

    answer = document(result)
    timings = answer.pop("timings")
    assert answer == {
        "version": 1,
        "text": "Hi there",
        "model": "alpha:latest",
        "backend": dialect.name,
        "cached": False,
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        "attempts": 1,
    }
    assert list(timings)[:4] == ["ttft_s", "e2e_s", "tpot_s", "queued_s"]
    assert 0 < timings["ttft_s"] <= timings["e2e_s"]
    assert timings["tpot_s"] == pytest.approx(timings["e2e_s"] - timings["ttft_s"])
    assert timings["queued_s"] >= 0
    assert all(name.startswith("server_") for name in list(timings)[4:])
    assert result.stderr == ""


def test_json_has_the_durations_of_ollamas_own_clock_in_seconds(
    cli: Runner, server: FakeServer
) -> None:
    timings = document(ask(cli, server, "--json", "Hello"))["timings"]

    assert timings["server_load_s"] == pytest.approx(0.001385295)
    assert timings["server_generation_s"] == pytest.approx(6 * 0.025)
    assert {"server_prompt_s", "server_total_s"} <= timings.keys()


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_json_has_null_for_what_is_not_known(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    server.script(OLLAMA.path, ollama_reply(["one"], usage=None))
    server.script(OPENAI.path, openai_reply(["one"], usage=None))

    answer = document(ask(cli, server, "--json", "Hello", dialect=dialect))

    assert answer["usage"] == {"prompt_tokens": None, "completion_tokens": None}
    assert answer["timings"]["tpot_s"] is None


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_json_holds_the_reasoning_whether_shown_or_not(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    server.thinking = ["hm", "m"]

    result = ask(cli, server, "--json", "--hide-thinking", "Hello", dialect=dialect)

    answer = document(result)
    assert answer["thinking"] == "hmm"
    assert answer["text"] == "Hello from the fake server."


def test_json_names_the_model_as_the_reply_does_and_counts_attempts(
    cli: Runner, server: FakeServer
) -> None:
    server.script(OLLAMA.path, json_error(503, {"error": "busy"}), times=2)
    server.script(OLLAMA.path, ollama_reply(["one"], model="other:1b"))

    answer = document(ask(cli, server, "--json", "--retry-delay", "0", "Hello"))

    assert (answer["model"], answer["attempts"]) == ("other:1b", 3)


@pytest.mark.parametrize(
    ("argv", "kind", "status", "text"),
    [
        (["-m", "nope", "Hello"], "refused", 5, ""),
        (["-f", "gone"], "config", 3, ""),
        (["--config", "gone", "Hello"], "config", 3, ""),
        (["-b", "nope", "Hello"], "config", 3, ""),
        (["broken"], "incomplete", 8, "one"),
    ],
)
def test_json_of_an_error_has_what_failed_and_what_came(
    cli: Runner,
    server: FakeServer,
    argv: list[str],
    kind: str,
    status: int,
    text: str,
) -> None:
    if "broken" in argv:
        server.script(OLLAMA.path, ollama_reply(["one"], done_reason=None))

    result = ask(cli, server, "--json", *argv)

    said = error(result)
    assert result.status == status
    assert document(result) == {
        "version": 1,
        "error": {"kind": kind, "message": said, "exit_status": status},
        "text": text,
    }


@pytest.mark.parametrize("option", ["--json", "--format=events"])
@pytest.mark.parametrize("argv", [[], ["--temperature", "x", "hi"], ["-f", "-", "-"]])
def test_a_usage_error_leaves_stdout_empty(
    cli: Runner, server: FakeServer, option: str, argv: list[str]
) -> None:
    result = ask(cli, server, option, *argv)

    assert (result.status, result.stdout) == (2, b"")


# --format events


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_events_tell_the_answer_as_it_happens(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    server.thinking = ["hm"]
    server.answer = ["Hi", " there"]

    result = ask(cli, server, "--format", "events", "Hello", dialect=dialect)

    start, *pieces, done = events(result)
    assert start == {
        "type": "start",
        "version": 1,
        "model": "alpha:latest",
        "backend": dialect.name,
        "cached": False,
    }
    assert [one for one in pieces if one["type"] == "thinking"] == pieces[:1]
    assert {tuple(one) for one in pieces} == {("type", "text")}
    assert "".join(one["text"] for one in pieces) == "hmHi there"
    assert done.pop("timings")["e2e_s"] > 0
    assert done == {
        "type": "done",
        "version": 1,
        "model": "alpha:latest",
        "backend": dialect.name,
        "cached": False,
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 1, "completion_tokens": 3},
        "attempts": 1,
        "thinking": "hm",
    }


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_the_first_event_names_the_model_as_the_reply_does(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    server.script(OLLAMA.path, ollama_reply(["one"], model="other:1b"))
    server.script(OPENAI.path, openai_reply(["one"], model="other:1b"))

    result = ask(cli, server, "--format", "events", "Hello", dialect=dialect)

    assert events(result)[0]["model"] == "other:1b"


def test_events_end_with_the_error(cli: Runner, server: FakeServer) -> None:
    server.script(OLLAMA.path, ollama_reply(["one"], done_reason=None))

    result = ask(cli, server, "--format", "events", "Hello")

    start, text, failed = events(result)
    assert (start["type"], text) == ("start", {"type": "text", "text": "one"})
    assert failed == {
        "type": "error",
        "kind": "incomplete",
        "message": error(result),
        "exit_status": 8,
    }


def test_an_error_before_the_first_piece_is_the_only_event(
    cli: Runner, server: FakeServer
) -> None:
    result = ask(cli, server, "--format", "events", "-m", "nope", "Hello")

    assert [one["type"] for one in events(result)] == ["error"]
