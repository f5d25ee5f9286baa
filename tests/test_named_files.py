"""Files that the user names may be pipes: read to their end, but not for ever."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmwrap.errors import DeadlineError
from llmwrap.named_files import is_read_once, read_named

from .asking import address, ask, body, error
from .fakeserver import FakeServer
from .runner import Home, Runner

_NEVER_S = 0.05
"""How long a test waits for what never comes."""


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path, 0o600)
    return path


@contextmanager
def written(fifo: Path, content: str) -> Iterator[None]:
    """Have somebody write into a pipe, in two pieces, once it is opened."""

    def write() -> None:
        with fifo.open("w") as file:
            file.write(content[:3])
            file.flush()
            file.write(content[3:])

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    yield
    writer.join(10)
    assert not writer.is_alive()


def test_a_pipe_is_read_to_its_end(fifo: Path) -> None:
    with written(fifo, "whole text"):
        content = read_named(str(fifo), 100, None)

    assert content.data == b"whole text"
    assert stat.S_ISFIFO(content.mode)


def test_a_file_is_read_up_to_one_byte_above_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 20)

    assert read_named(str(path), 9, None).data == b"x" * 10


def test_a_pipe_that_nobody_writes_ends_with_the_deadline(fifo: Path) -> None:
    with pytest.raises(DeadlineError, match="fifo"):
        read_named(str(fifo), 100, 0.0)


def test_a_pipe_whose_writer_falls_silent_ends_with_the_deadline(fifo: Path) -> None:
    writer = os.open(fifo, os.O_RDWR)
    os.write(writer, b"begun")

    with pytest.raises(DeadlineError, match="fifo"):
        read_named(str(fifo), 100, 0.0)
    os.close(writer)


def test_only_a_pipe_is_read_once(fifo: Path, tmp_path: Path) -> None:
    assert is_read_once(str(fifo))
    assert not is_read_once(str(tmp_path))
    assert not is_read_once(str(tmp_path / "gone"))


# The options


def test_a_configuration_may_come_through_a_pipe(
    cli: Runner, server: FakeServer, fifo: Path
) -> None:
    with written(fifo, '[defaults]\nsystem = "Be brief."\n'):
        ask(cli, server, "--config", str(fifo), "Hello")

    assert body(server)["messages"][0]["content"] == "Be brief."


@pytest.fixture
def key_pipe(home: Home, server: FakeServer, fifo: Path) -> Path:
    """Give the pipe that the backend `mine` gets its key from."""
    home.configure(
        f'[backends.mine]\nbackend_type = "OpenAI"\nbase_url = "{server.url}/v1"\n'
        f'api_key_file = "{fifo}"\n'
    )
    return fifo


def test_a_key_may_come_through_a_pipe(
    cli: Runner, server: FakeServer, key_pipe: Path
) -> None:
    with written(key_pipe, "sk-secret\n"):
        result = cli.run("-b", "mine", "-m", "alpha", "Hello")

    assert result.status == 0
    assert server.requests[-1].headers["authorization"] == "Bearer sk-secret"


def test_a_doctor_leaves_a_key_that_can_be_read_once_to_who_asks(
    cli: Runner, key_pipe: Path
) -> None:
    with written(key_pipe, "sk-secret\n"):
        result = cli.run("doctor", "-b", "mine", "-m", "alpha")

    assert result.status == 0, result.stderr


def test_a_prompt_its_variables_and_the_system_may_come_through_pipes(
    cli: Runner, server: FakeServer, fifo: Path
) -> None:
    with written(fifo, "some text"):
        ask(cli, server, "-f", str(fifo), "Look")

    assert "some text" in body(server)["messages"][-1]["content"]


def test_a_template_may_come_through_a_pipe(cli: Runner, fifo: Path) -> None:
    with written(fifo, "Say {{input}}.\n"):
        created = cli.run("template", "create", "mine", str(fifo))

    assert created.status == 0, created.stderr
    assert cli.run("template", "render", "mine", "--var", "input=a").text == "Say a.\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["ask", "--config", "FIFO", "Hello"],
        ["ask", "-f", "FIFO", "Hello"],
        ["ask", "-s", "@FIFO", "Hello"],
        ["ask", "-i", "FIFO", "Hello"],
        ["ask", "-t", "greeting", "--vars", "@FIFO"],
        ["ask", "-b", "keyed", "-m", "m", "Hello"],
        ["backends", "--config", "FIFO"],
        ["doctor", "--config", "FIFO"],
        ["loadtest", "--requests", "1", "--baseline", "FIFO"],
        ["loadtest", "--requests", "1", "--prompts", "FIFO"],
    ],
    ids=" ".join,
)
def test_a_pipe_that_nobody_writes_is_waited_for_until_the_deadline(
    cli: Runner, home: Home, server: FakeServer, fifo: Path, argv: list[str]
) -> None:
    home.configure(
        f'[backends.keyed]\nbackend_type = "OpenAI"\nbase_url = "{server.url}/v1"\n'
        f'api_key_file = "{fifo}"\n'
    )
    words = [word.replace("FIFO", str(fifo)) for word in argv]
    if not {"keyed", "backends"} & {*words}:
        words += [*address(server)]

    result = cli.run(*words, "--timeout", f"{_NEVER_S}s")

    assert result.status == 124
    assert "fifo" in error(result)


def test_a_template_is_waited_for_as_long_as_an_answer_may_take(
    cli: Runner, fifo: Path
) -> None:
    result = cli.run(
        "template",
        "create",
        "mine",
        str(fifo),
        environ={"LLMWRAP_STREAMING_TOTAL_TIMEOUT": f"{_NEVER_S}s"},
    )

    assert result.status == 124
    assert "fifo" in error(result)


def test_the_error_of_a_deadline_is_one_object_too(
    cli: Runner, server: FakeServer, fifo: Path
) -> None:
    result = ask(
        cli, server, "--json", "-f", str(fifo), "Hello", "--timeout", f"{_NEVER_S}s"
    )

    assert json.loads(result.stdout)["error"]["kind"] == "timeout"
