"""The log of `ask`: where it goes, what it holds, and what it never does."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

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
from .fakeserver import HOSTILE_NAMES, FakeServer, json_error
from .runner import Home, Result, Runner

ANSWER = "Hello from the fake server.\n"


def configure(home: Home, level: str, kind: str, output: str) -> None:
    values = {"level": level, "format": kind, "output": output}
    home.configure(
        "[logging]\n" + "".join(f'{k} = "{value}"\n' for k, value in values.items())
    )


def records(text: str) -> list[Any]:
    """Return the objects among the lines."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def said(result: Result) -> list[str]:
    """Return the levels of the lines for people on stderr."""
    return [line.split(": ")[1] for line in result.stderr.splitlines()]


# Where it goes


@pytest.mark.parametrize("output", ["stderr", "stdout"])
def test_in_text_the_log_on_stderr_is_the_lines_for_people(
    cli: Runner, server: FakeServer, home: Home, output: str
) -> None:
    configure(home, "info", "text", output)

    result = cli.run("--base-url", server.url, "Hello")

    assert result.text == ANSWER
    assert said(result) == ["note", "info"]


@pytest.mark.parametrize("output", ["stderr", "stdout"])
@pytest.mark.parametrize(
    ("argv", "level", "levels"),
    [
        ([], "warning", ["NOTE"]),
        ([], "info", ["NOTE", "INFO"]),
        (["-v"], "warning", ["NOTE", "INFO"]),
        (["-vv"], "warning", ["NOTE", "DEBUG", "INFO"]),
        (["-q"], "debug", []),
    ],
)
def test_in_json_the_log_on_stderr_is_objects_instead(
    cli: Runner,
    server: FakeServer,
    home: Home,
    output: str,
    argv: list[str],
    level: str,
    levels: list[str],
) -> None:
    configure(home, level, "json", output)

    result = cli.run("--base-url", server.url, *argv, "Hello")

    assert result.text == ANSWER
    found = records(result.stderr)
    assert len(found) == len(result.stderr.splitlines())
    assert [one["severity_text"] for one in found] == levels


def test_in_json_the_error_line_stays_text(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    configure(home, "debug", "json", "stderr")

    result = ask(cli, server, "-m", "nope", "Hello")

    assert result.status == 5
    assert "'nope'" in error(result)
    levels = [one["severity_text"] for one in records(result.stderr)]
    assert levels == ["DEBUG"]


@pytest.mark.parametrize("output", ["stderr", "stdout"])
def test_stdout_carries_the_log_of_a_command_without_data_only(
    cli: Runner, server: FakeServer, home: Home, output: str
) -> None:
    configure(home, "debug", "json", output)

    for argv in (["Hello"], ["--json", "Hello"], ["--dry-run", "Hello"]):
        result = ask(cli, server, *argv)
        assert "severity_text" not in result.text


@pytest.mark.parametrize("kind", ["text", "json"])
@pytest.mark.parametrize(
    "argv",
    [
        ["ask", "-O", "out", "--refresh", "Hello"],
        ["models", "pull", "alpha"],
        ["models", "warm", "alpha"],
        ["backends", "stop"],
        ["cache", "clear"],
        ["cache", "verify"],
        ["cache", "compact"],
        ["config", "validate"],
        ["history", "prune", "--keep", "9"],
        ["history", "export", "-O", "out"],
        ["template", "validate"],
        ["stats", "--export", "out.json"],
    ],
    ids=" ".join,
)
def test_stdout_gets_the_log_where_it_carries_no_data(
    cli: Runner, server: FakeServer, home: Home, argv: list[str], kind: str
) -> None:
    configure(home, "debug", kind, "stdout")
    environ = {"OLLAMA_HOST": server.url}
    expected = "severity_text" if kind == "json" else "Z "

    result = cli.run(*argv, environ=environ)
    data = cli.run(*argv, "--json", environ=environ)

    assert result.status == 0
    said = [line for line in result.text.splitlines() if expected in line]
    assert len(said) == len(result.text.splitlines())
    assert len(said) >= result.stderr.count("llmwrap: note: ")
    assert bool(said) == (argv[0] not in ("history", "stats") or "prune" in argv)
    assert (expected in data.text) == (bool(said) and "-O" in argv)


@pytest.mark.parametrize(
    ("level", "levels"),
    [
        ("debug", ["DEBUG", "INFO"]),
        ("info", ["INFO"]),
        ("warning", []),
        ("error", []),
    ],
)
def test_a_file_gets_the_configured_level_whatever_stderr_shows(
    cli: Runner, server: FakeServer, home: Home, level: str, levels: list[str]
) -> None:
    configure(home, level, "json", "run.log")
    file = home.config_file.parent / "run.log"  # relative to the configuration

    for option in ("-q", "-vv"):
        assert ask(cli, server, option, "--refresh", "Hello").text == ANSWER

    text = file.read_text() if file.exists() else ""
    assert [one["severity_text"] for one in records(text)] == levels * 2


def test_a_file_is_for_its_owner_and_is_added_to(
    cli: Runner, server: FakeServer, home: Home, tmp_path: Path
) -> None:
    file = tmp_path / "run.log"
    configure(home, "info", "text", str(file))

    ask(cli, server, "Hello")
    first = file.read_text()
    ask(cli, server, "Hello")

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith(first)
    assert [line.split(" ")[1] for line in file.read_text().splitlines()] == [
        "info"
    ] * 2


@pytest.mark.parametrize("kind", ["text", "json"])
def test_an_error_is_in_the_file_too(
    cli: Runner, server: FakeServer, home: Home, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "run.log"
    configure(home, "error", kind, str(file))

    result = ask(cli, server, "-m", "nope", "Hello")

    (line,) = file.read_text().splitlines()
    assert (result.status, "'nope'" in error(result)) == (5, True)
    if kind == "json":
        record = json.loads(line)
        assert (record["severity_text"], record["severity_number"]) == ("ERROR", 17)
        assert record["body"] == error(result)
        assert record["attributes"] == {"error.type": "refused", "exit_status": 5}
    else:
        assert f" error {error(result)} error.type=refused exit_status=5" in line


@pytest.mark.parametrize("output", ["gone/run.log", ".", "/dev/full"])
@pytest.mark.parametrize(("model", "status"), [("alpha", 0), ("nope", 5)])
def test_a_log_that_cannot_be_written_is_one_warning(
    cli: Runner, server: FakeServer, home: Home, output: str, model: str, status: int
) -> None:
    configure(home, "debug", "text", output)

    result = ask(cli, server, "-m", model, "Hello")

    (warning,) = lines(result, "warning")
    assert result.status == status
    assert "cannot write the log" in warning
    assert len(lines(result, "error")) == (status != 0)


def test_a_fifo_that_nobody_reads_holds_nothing_up(
    cli: Runner, server: FakeServer, home: Home, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    configure(home, "debug", "text", str(tmp_path / "fifo"))

    result = ask(cli, server, "Hello")

    assert (result.status, len(lines(result, "warning"))) == (0, 1)


# What it holds


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_an_answer_is_logged_under_the_names_of_opentelemetry(
    cli: Runner, server: FakeServer, home: Home, dialect: Dialect
) -> None:
    configure(home, "info", "json", "stderr")
    server.answer = ["Hi", " there"]

    result = ask(cli, server, "three little words", dialect=dialect)

    (record,) = records(result.stderr)
    attributes = record.pop("attributes")
    assert record.keys() == {"timestamp", "severity_text", "severity_number", "body"}
    assert (record["severity_text"], record["severity_number"]) == ("INFO", 9)
    assert 0 < attributes.pop("llmwrap.ttft_s") <= attributes.pop("llmwrap.e2e_s")
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": dialect.name,
        "gen_ai.request.model": "alpha:latest",
        "gen_ai.response.model": "alpha:latest",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "llmwrap.attempts": 1,
    }


def test_the_provider_is_the_kind_and_not_the_users_name(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    home.configure(
        '[logging]\nlevel = "info"\nformat = "json"\noutput = "stderr"\n'
        f'[backends.desk]\nbackend_type = "Ollama"\nbase_url = "{server.url}"\n'
    )

    result = cli.run("ask", "-b", "desk", "-m", "alpha", "Hello")

    (record,) = records(result.stderr)
    assert record["attributes"]["gen_ai.provider.name"] == "ollama"


@pytest.mark.parametrize("kind", ["text", "json"])
@pytest.mark.parametrize(("level", "is_there"), [("info", False), ("debug", True)])
def test_a_prompt_is_logged_at_debug_only(
    cli: Runner,
    server: FakeServer,
    home: Home,
    tmp_path: Path,
    kind: str,
    level: str,
    is_there: bool,
) -> None:
    file = tmp_path / "run.log"
    configure(home, level, kind, str(file))

    ask(cli, server, "-s", "be kind", "tell me\nmore")

    text = file.read_text()
    assert ("tell me" in text, "be kind" in text) == (is_there, is_there)
    if is_there and kind == "json":
        asked = records(text)[0]["attributes"]["gen_ai.input.messages"]
        assert json.loads(asked) == [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "tell me\nmore"},
        ]


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_a_key_is_never_logged(
    cli: Runner, server: FakeServer, home: Home, tmp_path: Path, dialect: Dialect
) -> None:
    file = tmp_path / "run.log"
    configure(home, "debug", "json", str(file))
    echo = json_error(400, {"error": "no such key: sk-secret"})
    server.script(OLLAMA.path, echo)
    server.script(OPENAI.path, echo)

    result = cli.run(
        *address(server, dialect),
        *("--debug", "Hello"),
        environ={"LLMWRAP_API_KEY": "sk-secret", "LLMWRAP_DEBUG": "1"},
    )

    assert result.status == 5
    assert "sk-secret" not in file.read_text() + result.stderr + result.text


@pytest.mark.parametrize(
    "name", [name for name in HOSTILE_NAMES if name], ids=lambda name: ascii(name)[:12]
)
@pytest.mark.parametrize("kind", ["text", "json"])
def test_no_name_of_a_server_forges_a_line(
    cli: Runner, home: Home, tmp_path: Path, name: str, kind: str
) -> None:
    file = tmp_path / "run.log"
    configure(home, "debug", kind, str(file))
    with FakeServer(models=[name]) as server:
        result = cli.run("--base-url", server.url, "-vv", "Hello")

    logged = file.read_text()
    assert all(line.startswith("llmwrap: ") for line in result.stderr.splitlines())
    assert said(result) == ["note", "debug", "info"]
    assert len(logged.splitlines()) == 3
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(logged + result.stderr)
