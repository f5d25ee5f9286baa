"""Limits: memory stays bounded whatever a server sends, and status 9 says which."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from .asking import DIALECTS, OLLAMA, Dialect, address, ask, error
from .fakeserver import (
    FAULTS,
    Body,
    FakeServer,
    Repeat,
    Silence,
    ollama_reply,
    openai_reply,
    whole_reply,
)
from .forked import Forked
from .pairs import STATUSES, asking
from .runner import Runner

_MIB = 1 << 20
_MOST_MIB = 400
_USUAL_MIB = 80
_PATIENCE = ("-n", "--timeout", "2", "--retries", "0")
_HEAVY = (
    "line_64_mib",
    "line_endless",
    "gzip_bomb",
    "gzip_double_bomb",
    "gzip_bomb_endless",
    "gzip_bomb_as_error",
    "status_500_huge",
    "tokens_endless",
    "keep_alives_endless",
    "json_too_deep",
)


class Measured(NamedTuple):
    """How a run ended, what it said, and how much memory it had at its peak."""

    status: int
    stdout: bytes
    stderr: str
    peak_mib: float


def _measured(cli: Runner, *argv: str, **options: Any) -> Measured:
    process = cli.start(*argv, **options)
    stdout, stderr = process.communicate()
    return Measured(process.returncode, stdout or b"", stderr.decode(), _peak(process))


def _peak(process: subprocess.Popen[bytes]) -> float:
    """Return the most memory a program had, with all that is imported beforehand."""
    assert isinstance(process, Forked)
    return process.peak_bytes / _MIB


@pytest.mark.parametrize("how", [(), ("--no-stream", "--json")], ids=["text", "whole"])
@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize("name", _HEAVY)
def test_memory_is_bounded(
    cli: Runner, server: FakeServer, name: str, dialect: Dialect, how: tuple[str, ...]
) -> None:
    fault = FAULTS[f"{dialect}-{name}"]
    status = STATUSES[fault.outcome]
    # Long enough to fill the memory, where nothing but a time-out ends it.
    waits = (
        ("--first-token-timeout", "1", "--idle-timeout", "1") if status == 124 else ()
    )

    run = _measured(cli, *asking(fault, server), "-n", *waits, *how, "hi")

    assert run.status == status, run.stderr
    assert run.peak_mib <= _MOST_MIB
    assert len(re.findall(r"(?m)^llmwrap: error: ", run.stderr)) == 1


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_an_ordinary_answer_takes_little(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    server.answer = ["word "] * 2000

    run = _measured(cli, *address(server, dialect), "-n", "hi")

    assert (run.status, len(run.stdout)) == (0, 10_001)
    assert run.peak_mib <= _USUAL_MIB


def test_a_reader_that_has_stopped_holds_the_stream_back(
    cli: Runner, server: FakeServer
) -> None:
    speech = server.speech("ollama")
    flood = Repeat((Body(speech.text("flood " * 100) * 50),))
    server.script(OLLAMA.path, speech.head(), flood)

    process = cli.start(*address(server), *_PATIENCE, "hi")
    assert process.stderr
    process.stderr.read()  # and not its stdout

    process.communicate()
    assert process.returncode == 124
    assert _peak(process) <= _USUAL_MIB


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_an_answer_over_its_limit(
    cli: Runner, server: FakeServer, dialect: Dialect, streamed: bool
) -> None:
    cli.home.configure('[limits]\nanswer = "10B"\n')
    server.answer = ["1234", "5678", "90ab", "cdef"]
    how = "--stream" if streamed else "--no-stream"

    result = ask(cli, server, how, "hi", dialect=dialect)

    assert result.status == 9
    assert error(result) == (
        f"{dialect} at {server.url}{dialect.suffix}: the answer is longer than 10 B;"
        " limits.answer sets the bound"
    )
    assert "1234567890ab".startswith(result.text.strip())
    assert streamed or not result.stdout


def test_reasoning_counts_as_answer(cli: Runner, server: FakeServer) -> None:
    cli.home.configure('[limits]\nanswer = "10B"\n')
    reply = ollama_reply(["text"], thinking=["thoughts"] * 3)
    server.script(OLLAMA.path, reply)

    result = ask(cli, server, "hi")

    assert (result.status, result.stdout) == (9, b"")


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_a_line_over_its_limit(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    cli.home.configure('[limits]\nline = "2KiB"\n')
    reply = ollama_reply if dialect is OLLAMA else openai_reply
    server.script(dialect.path, reply(["short", "long" * 1000]))

    result = ask(cli, server, "hi", dialect=dialect)

    assert result.status == 9
    assert result.text == "short\n"
    assert error(result).endswith("is longer than 2.0 KiB; limits.line sets the bound")


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_a_line_that_never_ends_is_over_its_limit_too(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    cli.home.configure('[limits]\nline = "2KiB"\n')
    head = server.speech("ollama" if dialect is OLLAMA else "openai").head()
    server.script(dialect.path, head, Body(b"data: {" + b"x" * 4000), Silence())

    result = ask(cli, server, "hi", dialect=dialect)

    assert result.status == 9


def test_a_whole_reply_over_its_limit(cli: Runner, server: FakeServer) -> None:
    cli.home.configure('[limits]\nbody = "1KiB"\n')
    server.answer = ["long " * 1000]

    result = ask(cli, server, "--no-stream", "hi", dialect=DIALECTS[1])

    assert (result.status, result.stdout) == (9, b"")
    assert error(result).endswith("is longer than 1.0 KiB; limits.body sets the bound")


def test_a_list_of_models_over_the_limit(cli: Runner, server: FakeServer) -> None:
    cli.home.configure('[limits]\nbody = "1KiB"\n')
    server.script("/api/ps", whole_reply(b'{"models":[]}' + b" " * 4000))

    result = cli.run("--base-url", server.url, "-n", "hi")

    assert result.status == 9


@pytest.mark.parametrize(
    ("option", "value"),
    [("-f", "/dev/zero"), ("-i", "/dev/zero"), ("-s", "@/dev/zero")],
)
def test_a_file_without_end_is_over_the_limit(
    cli: Runner, server: FakeServer, option: str, value: str
) -> None:
    cli.home.configure('[limits]\nprompt = "1KiB"\nbody = "1KiB"\n')

    result = ask(cli, server, "-n", option, value, "hi")

    assert (result.status, server.requests) == (9, [])
    assert error(result).startswith("'/dev/zero' is longer than 1.0 KiB")


def test_a_stdin_without_end_is_over_the_limit(cli: Runner, server: FakeServer) -> None:
    with open("/dev/zero", "rb") as endless:
        run = _measured(cli, *address(server), "hi", stdin=endless)

    assert (run.status, run.stdout, server.requests) == (9, b"", [])
    assert "stdin is longer than 8.0 MiB; limits.prompt sets" in run.stderr
    assert run.peak_mib <= _USUAL_MIB


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_an_error_text_is_cut(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    speech = server.speech("ollama" if dialect is OLLAMA else "openai")
    server.script(dialect.path, speech.refusal("x" * 5000, 400))

    result = ask(cli, server, "hi", dialect=dialect)

    assert result.status == 5
    assert error(result).count("x") in range(295, 310)


def test_a_prompt_joined_of_parts_is_measured_as_a_whole(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    cli.home.configure('[limits]\nprompt = "100B"\n')
    part = tmp_path / "part"
    part.write_text("x" * 60)

    result = ask(cli, server, "-f", str(part), "hi", stdin=b"y" * 60)

    assert (result.status, server.requests) == (9, [])
    assert error(result).startswith("the prompt is longer than 100 B")
