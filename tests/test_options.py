"""Options by their common names, at each kind of server."""

from __future__ import annotations

import json

import pytest

from .asking import DIALECTS, OLLAMA, OPENAI, Dialect, ask, body, chats, error, lines
from .fakeserver import FakeServer
from .runner import Runner

_SCHEMA = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ("max_tokens=5", "num_predict", 5),
        ("max_completion_tokens=5", "num_predict", 5),
        ("n_predict=5", "num_predict", 5),
        ("max_new_tokens=5", "num_predict", 5),
        ("n_ctx=8192", "num_ctx", 8192),
        ("repetition_penalty=1.1", "repeat_penalty", 1.1),
        ("stop_sequences=a", "stop", ["a"]),
        ("top_k=3", "top_k", 3),
        ("num_ctx=8192", "num_ctx", 8192),
    ],
)
def test_common_names_are_told_to_ollama_in_its_words(
    cli: Runner, server: FakeServer, given: str, name: str, value: object
) -> None:
    result = ask(cli, server, "-n", "-o", given, "hi", dialect=OLLAMA)

    assert (result.status, lines(result, "warning")) == (0, [])
    assert body(server)["options"] == {name: value}


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ("num_predict=5", "max_tokens", 5),
        ("max_completion_tokens=5", "max_completion_tokens", 5),
        ("repeat_penalty=1.1", "repeat_penalty", 1.1),
        ("think=high", "reasoning_effort", "high"),
        ("format=json", "response_format", {"type": "json_object"}),
    ],
)
def test_common_names_are_told_to_others_in_theirs(
    cli: Runner, server: FakeServer, given: str, name: str, value: object
) -> None:
    result = ask(cli, server, "-n", "-o", given, "hi", dialect=OPENAI)

    assert (result.status, lines(result, "warning")) == (0, [])
    assert body(server)[name] == value
    assert given.partition("=")[0] in (name, *_gone(body(server)))


def _gone(sent: dict[str, object]) -> set[str]:
    return {"num_predict", "think", "format"} - sent.keys()


def test_a_schema_is_understood_by_both(cli: Runner, server: FakeServer) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": _SCHEMA}}

    ask(cli, server, "-n", "-o", f"response_format={json.dumps(wanted)}", "hi")
    ask(cli, server, "-n", "-o", f"format={json.dumps(_SCHEMA)}", "hi", dialect=OPENAI)

    ollama, openai = [request.json for request in chats(server)]
    assert ollama["format"] == _SCHEMA
    assert openai["response_format"]["json_schema"]["schema"] == _SCHEMA


def test_the_last_of_two_names_of_one_setting_wins(
    cli: Runner, server: FakeServer
) -> None:
    ask(cli, server, "-n", "-o", "num_predict=5", "-o", "max_tokens=9", "hi")
    ask(cli, server, "-n", "-o", "max_tokens=9", "-o", "num_predict=5", "hi")

    sent = [request.json["options"] for request in chats(server)]
    assert sent == [{"num_predict": 9}, {"num_predict": 5}]


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_defaults_of_the_configuration_are_translated_too(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    cli.home.configure("[defaults.options]\nmax_new_tokens = 5\n")

    result = ask(cli, server, "-n", "hi", dialect=dialect)

    assert (result.status, lines(result, "warning")) == (0, [])
    sent = body(server)
    assert {**sent, **sent.get("options", {})}[
        "num_predict" if dialect == OLLAMA else "max_tokens"
    ] == 5


@pytest.mark.parametrize(
    ("dialect", "option"),
    [(OLLAMA, "num_ctxx=5"), (OPENAI, "num_ctx=8192"), (OPENAI, "zzz=1")],
    ids=str,
)
def test_an_option_that_nobody_knows_is_sent_with_a_warning(
    cli: Runner, server: FakeServer, dialect: Dialect, option: str
) -> None:
    name = option.partition("=")[0]

    result = ask(cli, server, "-n", "-o", option, "hi", dialect=dialect)
    again = ask(cli, server, "-n", "-o", option, "--cache-only", "hi", dialect=dialect)

    assert result.status == 0
    (warning,) = lines(result, "warning")
    assert f"'{name}' is no option that {dialect} is known to have" in warning
    sent = body(server)
    assert name in {**sent, **sent.get("options", {})}
    assert again.status == 0  # it says nothing against the answer


@pytest.mark.parametrize(
    "given",
    [
        ("--max-tokens", "0"),
        ("-o", "max_tokens=0"),
        ("-o", "num_predict=0"),
        ("-o", "n=2"),
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_what_no_answer_can_be_drawn_with_is_refused(
    cli: Runner, server: FakeServer, dialect: Dialect, given: tuple[str, str]
) -> None:
    result = ask(cli, server, "-n", *given, "hi", dialect=dialect)

    assert result.status == 2
    assert error(result)
    assert chats(server) == []


def test_one_answer_may_be_asked_for(cli: Runner, server: FakeServer) -> None:
    assert ask(cli, server, "-n", "-o", "n=1", "hi", dialect=OPENAI).status == 0
