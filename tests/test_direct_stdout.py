"""Direct mode and stdout: what it cannot write at once, the ordinary way writes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from .asking import address
from .direct import answered, in_a_shell, left_records
from .fakeserver import FakeServer
from .runner import Runner

_ORDINARY: dict[str, str | None] = {"LLMWRAP_DIRECT": "0"}
_WAIT_S = 30.0
_MANY = "many words of one long answer\n" * 10_000


@pytest.fixture
def argv(cli: Runner, server: FakeServer) -> tuple[str, ...]:
    """Give an invocation that direct mode has a long answer to, stdin unread."""
    server.answer = [_MANY]
    found = (*address(server), "-n", "Why?")
    answered(cli, *found)
    assert left_records(cli.home)
    return found


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Give both ends of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass  # The test closed it.


def test_a_reader_that_is_slow_gets_it_all(cli: Runner, argv: tuple[str, ...]) -> None:
    slow = in_a_shell(cli, '"$@" | (sleep 0.3; cat)', *argv)

    assert slow.stdout.decode() == _MANY
    assert slow.status == 0


def test_a_regular_file_takes_it_all_at_once(
    cli: Runner, argv: tuple[str, ...]
) -> None:
    again = in_a_shell(cli, '"$@" > out', *argv)

    assert again.is_direct
    assert (cli.home.path / "out").read_text() == _MANY


def test_a_pipe_that_does_not_block_takes_it_all(
    cli: Runner, argv: tuple[str, ...], pipe: tuple[int, int]
) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    process = cli.start(*argv, stdout=writer)
    os.close(writer)

    with open(reader, closefd=False) as file:
        assert file.read() == _MANY
    assert process.communicate(timeout=_WAIT_S)[1] == b""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("redirection", "status"), [(">/dev/full", 12), (">&-", 12), ("2>&-", 0)]
)
def test_an_output_that_takes_nothing_ends_it_as_ever(
    cli: Runner, argv: tuple[str, ...], redirection: str, status: int
) -> None:
    script = f'"$@" {redirection}'

    again = [
        cli.start(*argv, through=("/bin/sh", "-c", script, "sh"), environ=environ)
        for environ in ({}, {}, _ORDINARY)
    ]

    outputs = [process.communicate(timeout=_WAIT_S) for process in again]
    assert outputs[0] == outputs[1] == outputs[2]
    assert [process.returncode for process in again] == [status] * 3


def test_a_reader_that_leaves_ends_it_silently(
    cli: Runner, argv: tuple[str, ...]
) -> None:
    script = '("$@"; echo $? > status) | head -c5'

    again = in_a_shell(cli, script, *argv)

    assert (again.stdout, again.stderr) == (b"many ", "")
    assert (cli.home.path / "status").read_text() == "141\n"


def test_a_reader_that_never_was_ends_it_silently(
    cli: Runner, argv: tuple[str, ...], pipe: tuple[int, int]
) -> None:
    reader, writer = pipe
    os.close(reader)

    again = answered(cli, *argv, stdout=writer)

    assert (again.status, again.stderr) == (-signal.SIGPIPE, "")


def test_a_reader_that_takes_nothing_ends_it_at_the_deadline(
    cli: Runner, server: FakeServer, pipe: tuple[int, int]
) -> None:
    """The deadline is part of the command line; a busy machine needs a longer one."""
    server.answer = [_MANY]
    for timeout_s in ("1.5", "6", "24"):
        argv = (*address(server), "-n", "Why?", "--timeout", timeout_s)
        if answered(cli, *argv).status == 0:
            break

    again = answered(cli, *argv, stdout=pipe[1])

    assert again.status == 124
    assert "stdout took nothing before the deadline" in again.stderr


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_while_nobody_reads(
    cli: Runner, argv: tuple[str, ...], signum: signal.Signals
) -> None:
    process = cli.start(*argv)
    assert process.stdout
    assert os.read(process.stdout.fileno(), 1) == b"m"

    process.send_signal(signum)

    assert process.wait(_WAIT_S) == -signum
    assert process.communicate()[1] == b""
