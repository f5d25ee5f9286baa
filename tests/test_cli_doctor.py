"""`doctor` prints what it found and ends as a question would."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .fakeserver import FakeServer
from .runner import Result, Runner


def doctor(cli: Runner, *argv: str, **environ: str) -> Result:
    return cli.run("doctor", *argv, environ=environ)


def document(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["version"] == 1
    return found


def test_each_finding_is_a_line_on_stdout(cli: Runner, server: FakeServer) -> None:
    result = doctor(cli, "-m", "alpha", OLLAMA_HOST=server.url)

    assert (result.status, result.stderr) == (0, "")
    lines = [line.split(maxsplit=2) for line in result.text.splitlines()]
    assert {line[0] for line in lines} == {"ok", "note", "warning"}
    assert [line[1] for line in lines[:2]] == ["configuration", "directory"]
    assert "llmwrap models warm" in result.text


def test_findings_are_told_as_json(cli: Runner, server: FakeServer) -> None:
    result = doctor(cli, "--json", OLLAMA_HOST=server.url)

    found = document(result)
    assert found["error"] is None
    assert set(found["doctor"][0]) == {"severity", "subject", "message", "hint"}


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["-m", "gamma"], 5),
        (["-b", "openai", "--base-url", "REFUSED/v1", "-m", "x"], 4),
        (["-b", "nix"], 3),
        (["-m", "alpha"], 0),
    ],
)
def test_it_ends_as_a_question_would(
    argv: list[str], status: int, cli: Runner, server: FakeServer
) -> None:
    argv = [word.replace("REFUSED", server.refused_url()) for word in argv]
    environ = {"OLLAMA_HOST": server.url}

    result = cli.run("doctor", *argv, environ=environ)
    asked = cli.run("ask", "--retries", "0", *argv, "Hello", environ=environ)

    assert (result.status, asked.status) == (status, status)
    errors = [line for line in result.stderr.splitlines() if "error:" in line]
    assert errors == [line for line in asked.stderr.splitlines() if "error:" in line]
    assert len(errors) == (1 if status else 0)


def test_the_error_is_in_the_json_as_well(cli: Runner, server: FakeServer) -> None:
    result = doctor(cli, "-m", "gamma", "--json", OLLAMA_HOST=server.url)

    found = document(result)
    assert found["error"]["exit_status"] == result.status == 5
    assert [f["subject"] for f in found["doctor"] if f["severity"] == "error"] == [
        "model"
    ]


def test_an_unusable_configuration_is_status_3_and_not_the_end(cli: Runner) -> None:
    cli.home.configure("[cahce]")
    (cli.home.path / "enhanced-config.toml").touch()

    result = doctor(cli)

    assert result.status == 3
    lines = [line.split(maxsplit=2)[:2] for line in result.text.splitlines()]
    assert lines == [
        ["error", "configuration"],
        ["warning", "configuration"],
        ["ok", "directory"],
    ]
    assert "unknown key 'cahce'" in result.stderr


def test_quiet_leaves_the_error_line(cli: Runner) -> None:
    result = doctor(cli, "-q")

    assert result.status == 4
    assert len(result.stderr.splitlines()) == 1


def test_warnings_are_findings_and_not_said_twice(
    cli: Runner, server: FakeServer
) -> None:
    result = doctor(cli, "-m", "alpha", OLLAMA_HOST=server.url, LLMWRAP_CASHE_TTL="1h")

    assert "LLMWRAP_CASHE_TTL" in result.text
    assert result.stderr == ""


def test_findings_cannot_drive_the_terminal(cli: Runner, server: FakeServer) -> None:
    result = doctor(cli, "-m", "a\x1b[2J", OLLAMA_HOST=server.url)

    assert "\x1b" not in result.text + result.stderr


def test_the_working_directory_may_be_gone(cli: Runner, server: FakeServer) -> None:
    directory = cli.home.path / "gone"
    directory.mkdir()
    script = 'rmdir "$PWD"; exec "$@"'

    with cli.start(
        "doctor",
        "-m",
        "alpha",
        environ={"OLLAMA_HOST": server.url},
        cwd=directory,
        through=["sh", "-c", script, "sh"],
    ) as process:
        stdout, stderr = process.communicate(timeout=30)

    assert (process.returncode, stderr) == (0, b"")
    assert b"ok" in stdout


def test_it_takes_no_operand(cli: Runner) -> None:
    assert doctor(cli, "x").status == 2
