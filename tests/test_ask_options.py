"""What the options of `ask` become in the request of each API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmwrap.cli.words import PLANNED

from .asking import DIALECTS, OLLAMA, OPENAI, Dialect, address, ask, body, error, lines
from .fakeserver import FakeServer
from .runner import Home, Runner

Body = dict[str, Any]


def settings(server: FakeServer, dialect: Dialect) -> Body:
    """Return what was asked for beside model, messages and how to answer."""
    asked: Body = body(server)
    if dialect is OLLAMA:
        return dict(asked.get("options", {}))
    usual = ("model", "messages", "stream", "stream_options")
    return {name: value for name, value in asked.items() if name not in usual}


@pytest.mark.parametrize(
    ("argv", "ollama", "openai"),
    [
        ([], {}, {}),
        (["--temperature", "0.5"], {"temperature": 0.5}, {"temperature": 0.5}),
        (["--temperature", "0"], {"temperature": 0}, {"temperature": 0}),
        (["--top-p=0.9"], {"top_p": 0.9}, {"top_p": 0.9}),
        (["--seed", "42"], {"seed": 42}, {"seed": 42}),
        (["--seed", "-1"], {"seed": -1}, {"seed": -1}),
        (["--max-tokens", "7"], {"num_predict": 7}, {"max_tokens": 7}),
        (["--stop", "END"], {"stop": ["END"]}, {"stop": ["END"]}),
        (["--stop", "---"], {"stop": ["---"]}, {"stop": ["---"]}),
        (["--stop", "a", "--stop", "b"], {"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
    ],
)
def test_named_settings_go_under_the_names_of_each_api(
    cli: Runner, server: FakeServer, argv: list[str], ollama: Body, openai: Body
) -> None:
    ask(cli, server, "Hello", *argv)
    assert settings(server, OLLAMA) == ollama

    with FakeServer() as other:
        ask(cli, other, *argv, "Hello", dialect=OPENAI)
        assert settings(other, OPENAI) == openai


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        ("num_ctx=8192", "num_ctx", 8192),
        ("mirostat_tau=0.5", "mirostat_tau", 0.5),
        ("x=text", "x", "text"),
        ("x=NaN", "x", "NaN"),
        ("x=[-Infinity]", "x", "[-Infinity]"),
        ("x=1e400", "x", "1e400"),
        ("x=", "x", ""),
        ("x=a=b", "x", "a=b"),
        ("x=true", "x", True),
        ("x=-1", "x", -1),
        ('x="1"', "x", "1"),
        ('x={"a": [1]}', "x", {"a": [1]}),
        ("x=[1", "x", "[1"),
        ("stop=END", "stop", ["END"]),
        ("stop=5", "stop", ["5"]),
        ("stop=true", "stop", ["true"]),
        ('stop=["a", "b"]', "stop", ["a", "b"]),
        ('stop="\\n\\n"', "stop", ["\n\n"]),
    ],
)
def test_an_option_is_json_if_it_parses_and_stop_a_list(
    cli: Runner,
    server: FakeServer,
    dialect: Dialect,
    option: str,
    name: str,
    value: object,
) -> None:
    ask(cli, server, "-o", option, "Hello", dialect=dialect)

    assert settings(server, dialect) == {name: value}


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        ("keep_alive=10m", "keep_alive", "10m"),
        ("keep_alive=300", "keep_alive", 300),
        ('keep_alive="300"', "keep_alive", 300),
        ("keep_alive=-1", "keep_alive", -1),
        ("format=json", "format", "json"),
        ("think=high", "think", "high"),
    ],
)
def test_settings_of_ollamas_request_stand_beside_its_options(
    cli: Runner, server: FakeServer, option: str, name: str, value: object
) -> None:
    server.thinking = ["hm"]

    ask(cli, server, "-o", option, "Hello")

    assert body(server)[name] == value
    assert "options" not in body(server)


@pytest.mark.parametrize(
    ("argv", "ollama", "openai"),
    [
        (["--think"], {"think": True}, {"enable_thinking": True}),
        (["--think=low"], {"think": "low"}, None),
        (["--no-think", "--think=high"], {"think": "high"}, None),
        (["--no-think"], {"think": False}, {"enable_thinking": False}),
        (["--hide-thinking"], {}, None),
        ([], {}, None),
    ],
)
def test_reasoning_is_asked_for_or_forbidden(
    cli: Runner, server: FakeServer, argv: list[str], ollama: Body, openai: Body | None
) -> None:
    server.thinking = ["hm"]
    ask(cli, server, *argv, "Hello")
    asked = body(server)
    assert {k: v for k, v in asked.items() if k == "think"} == ollama

    with FakeServer() as other:
        ask(cli, other, *argv, "Hello", dialect=OPENAI)
        assert body(other).get("chat_template_kwargs") == openai


def test_a_level_of_reasoning_is_sent_as_openai_calls_it(
    cli: Runner, server: FakeServer
) -> None:
    server.thinking = ["hm"]

    result = ask(cli, server, "--think=low", "Hello", dialect=OPENAI)

    assert body(server)["reasoning_effort"] == "low"
    assert "hm" in result.stderr


def test_a_word_behind_think_is_the_question(cli: Runner, server: FakeServer) -> None:
    server.thinking = ["hm"]

    ask(cli, server, "--think", "low")

    assert body(server)["think"] is True
    assert body(server)["messages"][-1]["content"] == "low"


@pytest.mark.parametrize("option", ["--think=", "--think=very", "--raw=x"])
def test_a_value_that_an_option_does_not_take_is_status_2(
    cli: Runner, server: FakeServer, option: str
) -> None:
    result = ask(cli, server, option, "Hello")

    assert (result.status, result.stdout) == (2, b"")
    assert "explicit argument" not in result.stderr


@pytest.mark.parametrize("argv", [[], ["--stream"], ["--no-stream"]])
def test_nothing_is_ever_cut_in_silence(
    cli: Runner, server: FakeServer, argv: list[str]
) -> None:
    more = ["-o", "truncate=true", "-o", "shift=true"]

    result = ask(cli, server, *argv, *more, "Hello")

    asked = body(server)
    assert (asked["truncate"], asked["shift"]) == (False, False)
    assert asked["stream"] is ("--no-stream" not in argv)
    assert result.text == "Hello from the fake server.\n"


def test_usage_is_asked_for_where_it_has_to_be(cli: Runner, server: FakeServer) -> None:
    ask(cli, server, "Hello", dialect=OPENAI)
    assert body(server)["stream_options"] == {"include_usage": True}

    with FakeServer() as other:
        ask(cli, other, "--no-stream", "Hello", dialect=OPENAI)
        assert "stream_options" not in body(other)
        assert body(other)["stream"] is False


# Options of the configuration


@pytest.mark.parametrize(
    ("options", "argv", "asked"),
    [
        ("num_ctx = 8192", [], {"num_ctx": 8192}),
        ("num_ctx = 8192", ["-o", "num_ctx=4096"], {"num_ctx": 4096}),
        ("temperature = 1.0", ["--temperature", "0"], {"temperature": 0}),
        ("num_predict = 100", ["--max-tokens", "5"], {"num_predict": 5}),
        ("max_tokens = 100", ["--max-tokens", "5"], {"num_predict": 5}),
        ("max_tokens = 100", ["-o", "num_predict=5"], {"num_predict": 5}),
        ('stop = "END"', [], {"stop": ["END"]}),
        ('stop = "END"', ["--stop", "x"], {"stop": ["x"]}),
        ("seed = 1", ["--seed", "2", "-o", "seed=3"], {"seed": 3}),
        ("seed = 1", [], {"seed": 1}),
    ],
)
def test_options_of_the_file_hold_unless_others_are_given(
    cli: Runner,
    server: FakeServer,
    home: Home,
    options: str,
    argv: list[str],
    asked: Body,
) -> None:
    home.configure(f"[defaults.options]\n{options}\n")

    ask(cli, server, *argv, "Hello")

    assert settings(server, OLLAMA) == asked


def test_the_model_of_the_file_is_for_the_backend_of_the_file(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    table = f'[backends.mine]\nbackend_type = "Ollama"\nbase_url = "{server.url}"\n'
    home.configure(f'[defaults]\nmodel = "beta:7b"\n{table}')

    cli.run("--refresh", "Hello")
    cli.run("--refresh", "--base-url", server.url, "Hello")
    cli.run("--refresh", "-m", "mine/alpha", "Hello")

    models = [one.json["model"] for one in server.requests if one.path == OLLAMA.path]
    # The second has none named: the one that is loaded by then.
    assert models == ["beta:7b", "beta:7b", "alpha"]


# Bad options


@pytest.mark.parametrize(
    "argv",
    [
        ["--temperature", "warm"],
        ["--temperature", "nan"],
        ["--temperature"],
        ["--top-p", "inf"],
        ["--max-tokens", "-1"],
        ["--max-tokens", "1.5"],
        ["--seed", "x"],
        ["-o", "num_ctx"],
        ["-o", "=1"],
        ["--timeout", "0"],
        ["--timeout", "soon"],
        ["--retries", "-1"],
        ["--retry-delay", "x"],
        ["--format", "xml"],
        ["--color", "blue"],
        ["--sanitize", "maybe"],
        ["-m"],
        ["--frobnicate"],
        ["--frobnicate=1"],
        ["-Z"],
        ["--temp", "1"],  # never abbreviated
        ["--max-token", "1"],
        ["--no-str"],
        ["--cache-only=yes"],
    ],
)
def test_a_bad_option_is_status_2_with_one_line_that_leads_on(
    cli: Runner, server: FakeServer, argv: list[str]
) -> None:
    result = ask(cli, server, "Hello", *argv)

    assert (result.status, result.stdout, server.requests) == (2, b"", [])
    assert "llmwrap ask --help" in error(result)
    others = [line for line in result.stderr.splitlines() if "error: " not in line]
    assert all(line.startswith("usage: ") for line in others)


@pytest.mark.parametrize("word", sorted(PLANNED))
def test_a_command_that_is_not_built_yet_is_status_2_and_no_prompt(
    cli: Runner, word: str
) -> None:
    result = cli.run(word)

    assert result.status == 2
    assert f"'{word}' is not built yet" in error(result)


def test_a_word_near_a_command_is_asked_with_a_note(
    cli: Runner, server: FakeServer
) -> None:
    result = ask(cli, server, "modles")

    assert result.status == 0
    assert "the command is 'models'" in lines(result, "note")[0]


@pytest.mark.parametrize("option", ["--cache", "--no-cache", "--refresh", "--raw"])
def test_options_without_effect_on_a_pipe_are_accepted(
    cli: Runner, server: FakeServer, option: str
) -> None:
    result = ask(cli, server, "Hello", option)

    assert (result.status, result.stderr) == (0, "")
    assert result.text == "Hello from the fake server.\n"


def test_options_may_stand_anywhere(cli: Runner, server: FakeServer) -> None:
    url, model = address(server)[:2], address(server)[2:]

    result = cli.run("one", *url, "two", "-o", "seed=1", "three", *model, "--json")

    assert json.loads(result.stdout)["text"] == "Hello from the fake server."
    assert body(server)["messages"][0]["content"] == "one two three"
