"""Signals: the program dies of them at once, at any moment, and leaves nothing behind.

Each test runs the real program; what it waits for are events of the server and of the
program's own pipes.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .asking import chats
from .fakeserver import (
    Body,
    FakeServer,
    Repeat,
    Silence,
    json_error,
    ollama_reply,
)
from .runner import Runner

Process = subprocess.Popen[bytes]

_WAIT_S = 20.0
_CLOSE_S = 10.0
_PATH = "/api/chat"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _wait_until(is_true: Callable[[], bool], what: str) -> None:
    """Poll what has no event: the state of another process."""
    until = time.monotonic() + _WAIT_S
    while not is_true():
        assert time.monotonic() < until, what
        threading.Event().wait(0.005)


def _has_socket(process: Process) -> bool:
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            if os.readlink(link).startswith("socket:"):
                return True
        except FileNotFoundError:
            continue
    return False


class Moment:
    """One moment of a request: how to come there, and what has come by then."""

    text = b""
    has_request = True
    options: tuple[str, ...] = ()

    def arm(self, server: FakeServer) -> str:
        """Prepare the server; return its address."""
        raise NotImplementedError

    def wait(self, server: FakeServer, process: Process) -> None:
        """Return when the program is there."""
        server.wait_for_silence(timeout_s=_WAIT_S)


class _Connecting(Moment):
    has_request = False

    def arm(self, server: FakeServer) -> str:
        return server.black_hole_url()

    def wait(self, server: FakeServer, process: Process) -> None:
        _wait_until(lambda: _has_socket(process), "the program does not connect")


class _BeforeHeaders(Moment):
    def arm(self, server: FakeServer) -> str:
        server.script(_PATH, Silence())
        return server.url


class _BeforeToken(Moment):
    def arm(self, server: FakeServer) -> str:
        server.script(_PATH, server.speech("ollama").head(), Silence())
        return server.url


class _MidAnswer(Moment):
    text = b"one two"

    def arm(self, server: FakeServer) -> str:
        server.script(_PATH, ollama_reply(["one", " two"])[:2], Silence())
        return server.url


class _Flood(Moment):
    text = b"flood"

    def arm(self, server: FakeServer) -> str:
        speech = server.speech("ollama")
        frames = speech.text("flood") * 100
        server.script(_PATH, speech.head(), Repeat((Body(frames),)))
        return server.url

    def wait(self, server: FakeServer, process: Process) -> None:
        server.wait_for_requests(1, _WAIT_S)


class _RetryWait(Moment):
    has_request = False
    options = ("-v", "--retry-delay", "60")

    def arm(self, server: FakeServer) -> str:
        server.script(_PATH, json_error(503, {"error": "busy"}), times=None)
        return server.url

    def wait(self, server: FakeServer, process: Process) -> None:
        assert process.stderr
        assert b"info: retrying in" in process.stderr.readline()


_MOMENTS: dict[str, Moment] = {
    "connecting": _Connecting(),
    "before the headers": _BeforeHeaders(),
    "before the first token": _BeforeToken(),
    "in mid answer": _MidAnswer(),
    "in a flood": _Flood(),
    "in a retry wait": _RetryWait(),
}


@pytest.fixture
def start(cli: Runner) -> Iterator[Callable[..., Process]]:
    """Give what starts the program, and end what a failed test leaves running."""
    started: list[Process] = []

    def begin(url: str, *options: str) -> Process:
        argv = ("--base-url", url, "-m", "alpha", "-n", "--raw", *options, "hi")
        started.append(cli.start(*argv, stdin=subprocess.DEVNULL))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _read(process: Process, text: bytes) -> bytes:
    """Return what the program has written, once it ends with `text`."""
    assert process.stdout
    came = b""
    while not came.endswith(text):
        part = os.read(process.stdout.fileno(), 65536)
        assert part, f"the answer ended with {came!r}"
        came += part
    return came


@pytest.mark.parametrize("signum", _SIGNALS, ids=lambda signum: signum.name)
@pytest.mark.parametrize("name", _MOMENTS)
def test_it_dies_of_the_signal_and_keeps_what_came(
    start: Callable[..., Process],
    server: FakeServer,
    name: str,
    signum: signal.Signals,
) -> None:
    moment = _MOMENTS[name]
    process = start(moment.arm(server), *moment.options)
    moment.wait(server, process)
    came = _read(process, moment.text) if moment.text else b""

    process.send_signal(signum)
    rest, stderr = process.communicate(timeout=_WAIT_S)

    assert process.returncode == -signum
    assert stderr == b""
    kept = (came + rest).removesuffix(b"\n")
    assert kept == moment.text or (moment.text * len(kept)).startswith(kept)
    if moment.has_request:
        assert chats(server)[0].disconnected.wait(_CLOSE_S)
    assert len(chats(server)) == (name != "connecting")


@pytest.mark.parametrize("kind", ["json", "events"])
def test_an_object_says_that_it_was_interrupted(
    start: Callable[..., Process], server: FakeServer, kind: str
) -> None:
    moment = _MOMENTS["in mid answer"]
    process = start(moment.arm(server), "--format", kind)
    moment.wait(server, process)

    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=_WAIT_S)

    last = json.loads(stdout.splitlines()[-1])
    said = last if kind == "events" else last["error"]
    assert (process.returncode, stderr) == (-signal.SIGTERM, b"")
    assert (said["kind"], said["exit_status"]) == ("interrupted", 143)


@pytest.mark.parametrize("name", _MOMENTS)
def test_a_file_stays_as_it_was(
    start: Callable[..., Process], server: FakeServer, tmp_path: Path, name: str
) -> None:
    moment = _MOMENTS[name]
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "answer").write_text("old")
    process = start(moment.arm(server), *moment.options, "-O", str(folder / "answer"))
    moment.wait(server, process)

    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=_WAIT_S)

    assert (process.returncode, stdout, stderr) == (-signal.SIGTERM, b"", b"")
    assert [path.name for path in folder.iterdir()] == ["answer"]
    assert (folder / "answer").read_text() == "old"


def test_a_reader_that_has_stopped_delays_no_death(
    start: Callable[..., Process], server: FakeServer
) -> None:
    """The pipe is full, so the last newline cannot be written either."""
    moment = _MOMENTS["in a flood"]
    process = start(moment.arm(server))
    same_pipe = os.open(f"/proc/{process.pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
    _wait_until(lambda: not select.select([], [same_pipe], [], 0)[1], "it never fills")
    os.close(same_pipe)

    process.send_signal(signal.SIGTERM)

    assert process.wait(_WAIT_S) == -signal.SIGTERM
    assert chats(server)[0].disconnected.wait(_CLOSE_S)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "while it ends"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGINT, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGINT),
        (signal.SIGHUP, signal.SIGHUP),
    ],
)
def test_a_second_signal_is_no_traceback(
    start: Callable[..., Process],
    server: FakeServer,
    first: signal.Signals,
    second: signal.Signals,
    late: bool,
) -> None:
    moment = _MOMENTS["in mid answer"]
    process = start(moment.arm(server))
    moment.wait(server, process)
    _read(process, moment.text)

    process.send_signal(first)
    if late:
        server.requests[0].disconnected.wait(_CLOSE_S)
    process.send_signal(second)
    _, stderr = process.communicate(timeout=_WAIT_S)

    assert process.returncode in (-first, -second)
    assert stderr == b""
