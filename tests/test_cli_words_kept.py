"""Options keep their word: values, contradictions, numbers, names of files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from llmwrap.cli.commands import load_command, parsers_of
from llmwrap.cli.words import BUILT

from .asking import address, ask, body, error
from .fakeserver import FakeServer
from .runner import Runner

EMPTY = ("-m", "-b", "--base-url", "-t", "-O", "-f", "-i", "--conversation", "--config")
ODD = os.fsdecode(b"caf\xe9.txt")
"""A name that is not UTF-8."""

needs_odd_names = pytest.mark.skipif(
    sys.platform == "darwin", reason="names are UTF-8 there"
)


def sent(cli: Runner, *argv: str) -> Any:
    result = cli.run("--dry-run", "-b", "ollama", "-m", "x", *argv, "Hi")
    assert result.status == 0, result.stderr
    return json.loads(result.stdout)["body"]


@pytest.mark.parametrize("argv", [["--stop=--"], ["--stop", "--"]])
def test_two_dashes_are_a_value_like_any_other(cli: Runner, argv: list[str]) -> None:
    assert sent(cli, *argv)["options"]["stop"] == ["--"]


@pytest.mark.parametrize("argv", [["-s", "--"], ["-s--"], ["--system=--"]])
def test_a_system_prompt_may_be_two_dashes(cli: Runner, argv: list[str]) -> None:
    assert sent(cli, *argv)["messages"][0]["content"] == "--"


@pytest.mark.parametrize("option", EMPTY)
def test_an_empty_name_is_no_name(cli: Runner, server: FakeServer, option: str) -> None:
    result = ask(cli, server, "Hi", option, "")

    assert (result.status, server.requests) == (2, [])
    assert "must not be empty" in error(result)


def test_no_command_takes_an_empty_name(cli: Runner) -> None:
    for name, verbs in BUILT.items():
        parsers = parsers_of(load_command(name))
        for parser, verb in zip(parsers, verbs or ("",), strict=True):
            for option in {*EMPTY, "--export"} & set(parser.actions):
                found = cli.run(name, *filter(None, [verb]), option, "")
                assert found.status == 2, (name, verb, option)


def test_an_empty_system_prompt_is_none(cli: Runner) -> None:
    assert [one["role"] for one in sent(cli, "-s", "")["messages"]] == ["user"]


@pytest.mark.parametrize(
    ("argv", "temperature"),
    [
        (["-o", "temperature=0", "--temperature", "1"], 1),
        (["--temperature", "1", "-o", "temperature=0"], 0),
        (["-o", "temperature=0", "-o", "temperature=2"], 2),
    ],
)
def test_the_last_of_two_that_say_the_same_wins(
    cli: Runner, argv: list[str], temperature: float
) -> None:
    assert sent(cli, *argv)["options"]["temperature"] == temperature


@pytest.mark.parametrize(
    ("argv", "limit"),
    [
        (["-o", "num_predict=5", "--max-tokens", "3"], 3),
        (["--max-tokens", "3", "-o", "max_tokens=5"], 5),
        (["-o", "max_tokens=5", "-o", "num_predict=4"], 4),
    ],
)
def test_names_of_one_setting_are_one_setting(
    cli: Runner, argv: list[str], limit: int
) -> None:
    assert sent(cli, *argv)["options"] == {"num_predict": limit}


@pytest.mark.parametrize(
    ("argv", "think"),
    [(["--think", "--no-think"], False), (["--no-think", "--think"], True)],
)
def test_the_last_of_opposites_wins(
    cli: Runner, argv: list[str], *, think: bool
) -> None:
    assert sent(cli, *argv)["think"] is think


@pytest.mark.parametrize("other", ["--cache", "--refresh"])
@pytest.mark.parametrize("is_first", [True, False])
def test_cache_only_asks_nobody_whatever_stands_beside_it(
    cli: Runner, server: FakeServer, other: str, *, is_first: bool
) -> None:
    argv = ["--cache-only", other] if is_first else [other, "--cache-only"]

    result = ask(cli, server, "Hi", *argv)

    assert (result.status, server.requests) == (11, [])


@pytest.mark.parametrize(
    "argv",
    [
        ["--cache-only", "--no-cache"],
        ["--no-cache", "--cache-only"],
        ["--stop", "a", "-o", "stop=b"],
        ["-o", "stop_sequences=b", "--stop", "a"],
        ["-c", "--conversation", "2026"],
        ["--max-tokens", "0"],
        ["-o", "n=2"],
    ],
)
@pytest.mark.parametrize("command", ["ask", "chat", "batch"])
def test_a_contradiction_is_told_and_nobody_asked(
    cli: Runner, server: FakeServer, command: str, argv: list[str]
) -> None:
    if command == "batch":
        if "-c" in argv:
            pytest.skip("a batch is no conversation")
        argv = [*argv, "-", "-O", "-"]

    result = cli.run(command, *address(server), *argv, stdin=b"Hi\n")

    assert (result.status, result.stdout, server.requests) == (2, b"", [])
    error(result)


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--seed", "1_000"], "is no whole number"),
        (["--max-tokens", "-1"], "'-1' is negative"),
        (["--retries", "-1"], "'-1' is negative"),
        (["--temperature", "Infinity"], "is no number"),
        (["--top-p", "1e999"], "is too large a number"),
        (["--timeout", "bogus"], "'bogus' is no duration such as 30, 250ms"),
    ],
)
def test_a_bad_number_is_told_plainly(
    cli: Runner, argv: list[str], problem: str
) -> None:
    result = cli.run("ask", "Hi", *argv)

    assert result.status == 2
    assert f"{argv[0]}: " in error(result)
    assert problem in error(result)


def test_every_number_is_read_by_the_parsers_of_this_program() -> None:
    """Python's own take 1_000 and Infinity."""
    for name in BUILT:
        for parser in parsers_of(load_command(name)):
            for action in parser.actions.values():
                assert action.type not in (int, float), action.option_strings
                assert action.metavar not in ("N", "S") or action.type is not None


def test_every_duration_is_read_alike(cli: Runner) -> None:
    ways = [
        ("ask", "--timeout"),
        ("stats", "--since"),
        ("history", "prune", "--older-than"),
        ("cache", "list", "--older-than"),
        ("loadtest", "--duration"),
    ]

    said = {error(cli.run(*way, "bogus")).split(": ")[-1].split(";")[0] for way in ways}

    assert said == {"'bogus' is no duration such as 30, 250ms, 1.5s, 2m, 1h30m, 7d"}
    assert cli.run("stats", "--since", "1h30m").status == 0


@needs_odd_names
def test_a_file_is_read_whatever_its_name(cli: Runner, server: FakeServer) -> None:
    Path(cli.home.path, ODD).write_text("its text")

    result = ask(cli, server, "read", "-f", ODD)

    assert result.status == 0
    assert body(server)["messages"][0]["content"] == (
        "read\n\ncaf\N{REPLACEMENT CHARACTER}.txt:\n```\nits text\n```"
    )


@needs_odd_names
def test_the_file_that_is_named_is_written_and_no_other(
    cli: Runner, server: FakeServer
) -> None:
    result = ask(cli, server, "Hi", "-O", ODD)

    assert result.status == 0
    assert os.listdir(os.fsencode(cli.home.path)).count(os.fsencode(ODD)) == 1
    assert [name for name in os.listdir(cli.home.path) if "caf" in name] == [ODD]


@needs_odd_names
@pytest.mark.parametrize(
    "argv",
    [
        ["-s", f"@{ODD}", "--dry-run", "-b", "ollama", "-m", "x", "Hi"],
        ["--config", ODD, "config", "path"],
        ["-t", "greeting", "--vars", f"@{ODD}", "--lax", "--dry-run", "-b", "ollama"],
        ["template", "create", "mine", ODD],
        ["template", "import", ODD],
    ],
)
def test_whatever_reads_a_file_takes_any_name(cli: Runner, argv: list[str]) -> None:
    Path(cli.home.path, ODD).write_text("{}" if "--vars" in argv else "")

    result = cli.run(*argv, *(["-m", "x"] if "--vars" in argv else []))

    assert "no such file" not in result.stderr.lower()
    assert result.status == 0 or "caf" in error(result)


@needs_odd_names
def test_the_real_program_reads_it_too_and_a_prompt_gets_a_mark(
    cli: Runner, server: FakeServer
) -> None:
    Path(cli.home.path, ODD).write_text("its text")

    result = cli.spawn(*address(server), "-f", ODD, os.fsdecode(b"caf\xe9"))

    assert (result.status, result.stderr) == (0, "")
    sent_text = body(server)["messages"][0]["content"]
    assert sent_text.startswith("caf\N{REPLACEMENT CHARACTER}\n\ncaf")
