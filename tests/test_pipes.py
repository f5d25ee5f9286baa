"""Pipes and descriptors of every kind, around the real program."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from llmwrap.cli.descriptor import Descriptor

from .asking import address, ask, error
from .fakeserver import (
    TERMINAL_SEQUENCES,
    Body,
    FakeServer,
    Repeat,
    Step,
    WaitFor,
    ollama_reply,
)
from .runner import Runner

_WAIT_S = 30.0
_DEADLINES_S = ("1.5", "6", "24")
"""On a busy machine the shortest may be over before anything is written."""
_PATH = "/api/chat"
_UNICODE = "Grüße, 世界 🌍"
_ANSWER = f"{_UNICODE}\n".encode()


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Give a list; what is still running in it ends with the test."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def _endless(server: FakeServer) -> None:
    speech = server.speech("ollama")
    flood: Step = Repeat((Body(speech.text("flood ") * 50),))
    server.script(_PATH, speech.head(), flood)


def _closed(*redirections: str) -> tuple[str, ...]:
    """Return what runs a command line with descriptors closed."""
    return ("/bin/sh", "-c", f'exec "$@" {" ".join(redirections)}', "sh")


@pytest.mark.parametrize("ignored", [False, True], ids=["", "SIGPIPE ignored"])
def test_a_reader_that_leaves_ends_it_silently(
    cli: Runner,
    server: FakeServer,
    processes: list[subprocess.Popen[bytes]],
    ignored: bool,
) -> None:
    """As `| head -c5` does; some parents, Python among them, ignore SIGPIPE."""
    _endless(server)
    through = ("/bin/sh", "-c", 'trap "" PIPE; exec "$@"', "sh") if ignored else ()
    process = cli.start(*address(server), "-n", "hi", through=through)
    processes.append(process)
    assert process.stdout
    assert process.stderr

    assert os.read(process.stdout.fileno(), 5) == b"flood"
    process.stdout.close()

    assert process.wait(_WAIT_S) == -signal.SIGPIPE
    assert process.stderr.read() == b""
    assert server.requests[0].disconnected.wait(_WAIT_S)


def test_the_shell_reports_141(cli: Runner, server: FakeServer) -> None:
    _endless(server)
    script = '("$@"; echo "status $?" >&2) | head -c5'

    process = cli.start(
        *address(server), "-n", "hi", through=("/bin/sh", "-c", script, "sh")
    )
    stdout, stderr = process.communicate(timeout=_WAIT_S)

    assert (stdout, stderr) == (b"flood", b"status 141\n")


def test_a_pipe_that_does_not_block_gets_everything(
    cli: Runner, server: FakeServer
) -> None:
    """The other end of the shell's pipe may belong to a program that set it so."""
    server.answer = ["x" * 1000] * 500
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = cli.start(*address(server), "-n", "hi", stdout=writer)
    os.close(writer)

    came = b""
    while part := os.read(reader, 1 << 16):
        came += part
    os.close(reader)
    process.communicate(timeout=_WAIT_S)

    assert (process.returncode, len(came)) == (0, 500_001)


@pytest.mark.parametrize("option", ["--version", "--help", "--json", "--raw"])
def test_a_full_disk_is_status_12(cli: Runner, server: FakeServer, option: str) -> None:
    with open("/dev/full", "wb") as full:
        process = cli.start(*address(server), option, "-n", "hi", stdout=full)
        _, stderr = process.communicate(timeout=_WAIT_S)

    assert process.returncode == 12
    assert stderr.startswith(b"llmwrap: error: cannot write the output: No space left")
    assert stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("closed", "status", "stdout", "stderr"),
    [
        (["<&-"], 0, _ANSWER, b""),
        ([">&-"], 12, b"", b"llmwrap: error: stdout is closed\n"),
        (["2>&-"], 0, _ANSWER, b""),
        (["<&-", ">&-"], 12, b"", b"llmwrap: error: stdout is closed\n"),
        (["<&-", "2>&-"], 0, _ANSWER, b""),
        ([">&-", "2>&-"], 12, b"", b""),
        (["<&-", ">&-", "2>&-"], 12, b"", b""),
    ],
)
def test_closed_descriptors(
    cli: Runner,
    server: FakeServer,
    closed: list[str],
    status: int,
    stdout: bytes,
    stderr: bytes,
) -> None:
    server.answer = [_UNICODE]

    process = cli.start(*address(server), "hi", through=_closed(*closed))
    output = process.communicate(b"", _WAIT_S)

    assert (process.returncode, output) == (status, (stdout, stderr))


def test_a_stderr_whose_reader_has_left_changes_nothing(
    cli: Runner, server: FakeServer
) -> None:
    server.answer = [_UNICODE]
    reader, writer = os.pipe()
    os.close(reader)

    process = cli.start(*address(server), "-n", "-vv", "hi", stderr=writer)
    os.close(writer)
    stdout, _ = process.communicate(timeout=_WAIT_S)

    assert (process.returncode, stdout) == (0, _ANSWER)


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_a_closed_stdout_is_status_12_for_words_of_our_own(
    cli: Runner, option: str
) -> None:
    process = cli.start(option, through=_closed(">&-"))
    _, stderr = process.communicate(b"", _WAIT_S)

    assert process.returncode == 12
    assert stderr == b"llmwrap: error: stdout is closed\n"


def test_the_next_file_does_not_become_stdout(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    cli.home.configure(f'[logging]\noutput = "{log}"\nlevel = "debug"\n')
    server.answer = [_UNICODE]
    output = tmp_path / "answer"

    process = cli.start(
        *address(server), "-n", "hi", "-O", str(output), through=_closed(">&-", "2>&-")
    )
    process.communicate(b"", _WAIT_S)

    assert process.returncode == 0
    assert output.read_bytes() == _ANSWER
    assert _UNICODE not in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("stderr", [subprocess.PIPE, subprocess.STDOUT])
@pytest.mark.parametrize("option", ["-q", "-vv"])
def test_a_reader_that_has_stopped_ends_with_the_deadline(
    cli: Runner,
    server: FakeServer,
    processes: list[subprocess.Popen[bytes]],
    stderr: int,
    option: str,
) -> None:
    """Where stderr is the same full pipe, the error line cannot be written either."""
    for timeout_s in _DEADLINES_S:
        _endless(server)
        process = cli.start(
            *address(server), "-n", "--timeout", timeout_s, option, "hi", stderr=stderr
        )
        processes.append(process)
        assert process.wait(_WAIT_S) == 124
        if _is_full(process):
            break

    assert _is_full(process)
    if process.stderr:
        (line,) = [x for x in process.stderr.read().splitlines() if b"error" in x]
        assert line.startswith(b"llmwrap: error: stdout took nothing before the dead")


def _is_full(process: subprocess.Popen[bytes]) -> bool:
    assert process.stdout
    path = f"/proc/self/fd/{process.stdout.fileno()}"
    same_pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        return not select.select([], [same_pipe], [], 0)[1]
    finally:
        os.close(same_pipe)


def test_a_stdin_that_never_ends_ends_with_the_deadline(
    cli: Runner, server: FakeServer, processes: list[subprocess.Popen[bytes]]
) -> None:
    process = cli.start(*address(server), "--timeout", "1", "hi")
    processes.append(process)
    assert process.stderr

    assert process.wait(_WAIT_S) == 124
    assert process.stderr.read().startswith(b"llmwrap: error: stdin did not end before")
    assert server.requests == []


@pytest.mark.parametrize("option", ["-f", "-i", "-s"])
def test_a_fifo_that_nobody_writes_ends_with_the_deadline(
    cli: Runner, server: FakeServer, tmp_path: Path, option: str
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    name = f"@{fifo}" if option == "-s" else str(fifo)

    result = ask(cli, server, "-n", "--timeout", "0.5", option, name, "hi")

    assert result.status == 124
    assert (
        error(result) == f"'{fifo}' did not end before the deadline; --timeout sets it"
    )
    os.close(os.open(fifo, os.O_RDWR | os.O_NONBLOCK))  # lets the reading thread go


def test_a_stdin_without_anything_to_read_is_none(
    cli: Runner, server: FakeServer
) -> None:
    process = cli.start(*address(server), "hi", stdin=subprocess.DEVNULL)
    _, stderr = process.communicate(timeout=_WAIT_S)

    assert (process.returncode, stderr) == (0, b"")
    assert server.requests[0].json["messages"][-1]["content"] == "hi"


def test_a_stdin_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """A directory: CPython itself refuses to start with one as its stdin."""
    number = os.open(tmp_path, os.O_RDONLY)

    assert Descriptor(number).read_all(100, "stdin") == b""
    os.close(number)


def test_a_pipe_gets_every_character_as_it_is(cli: Runner, server: FakeServer) -> None:
    odd = [*map(chr, range(1, 0x100)), "\u2028", "\ufeff", "\U0001f3f4", "\0", "\r\n"]
    server.answer = [*odd, *TERMINAL_SEQUENCES.values()]

    result = cli.spawn(*address(server), "hi")

    assert result.status == 0
    assert result.stdout == ("".join(server.answer) + "\n").encode()


def test_each_token_is_there_before_the_next(
    cli: Runner, server: FakeServer, processes: list[subprocess.Popen[bytes]]
) -> None:
    tokens = ["one", " two", " three"]
    gates = [threading.Event() for _ in tokens]
    first, *others = ollama_reply(tokens)
    waits = [WaitFor(gate, _WAIT_S) for gate in gates]
    server.script(_PATH, first, *chain(*zip(waits, others, strict=False)), others[3:])
    process = cli.start(*address(server), "-n", "hi")
    processes.append(process)
    assert process.stdout

    for token, gate in zip(tokens, gates, strict=True):
        assert os.read(process.stdout.fileno(), 100) == token.encode()
        gate.set()

    assert process.stdout.read() == b"\n"
    assert process.wait(_WAIT_S) == 0
