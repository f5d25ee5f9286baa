"""Signals that came ignored, came early, or turned into something else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from .fakeserver import FakeServer, Tell, WaitFor, ollama_reply
from .runner import ROOT, Runner

_WAIT_S = 20.0
_PATH = "/api/chat"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _read(process: subprocess.Popen[bytes], text: bytes) -> bytes:
    """Return what the program has written, once it ends with `text`."""
    assert process.stdout
    came = b""
    while not came.endswith(text):
        part = os.read(process.stdout.fileno(), 65536)
        assert part, f"the answer ended with {came!r}"
        came += part
    return came


@pytest.mark.parametrize("signum", _SIGNALS, ids=lambda signum: signum.name)
def test_a_signal_that_came_ignored_stays_so(
    cli: Runner, server: FakeServer, signum: signal.Signals
) -> None:
    """nohup ignores SIGHUP, a shell without job control SIGINT for what runs in &."""
    first, gate = threading.Event(), threading.Event()
    reply = ollama_reply(["one", " two"])
    server.script(_PATH, reply[0], Tell(first), WaitFor(gate, _WAIT_S), reply[1:])
    script = f"trap '' {signum.name[3:]}; exec \"$@\""
    program = [sys.executable, "-m", "llmwrap", "--base-url", server.url, "-m", "alpha"]
    process = subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", *program, "-n", "hi"],
        env=cli.environ({"PYTHONPATH": str(ROOT)}),
        cwd=cli.home.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert first.wait(_WAIT_S)
    _read(process, b"one")

    process.send_signal(signum)
    gate.set()
    stdout, stderr = process.communicate(timeout=_WAIT_S)

    assert (process.returncode, stdout, stderr) == (0, b" two\n", b"")


@pytest.mark.parametrize("signum", _SIGNALS, ids=lambda signum: signum.name)
def test_it_dies_while_stdin_comes(
    cli: Runner, server: FakeServer, signum: signal.Signals
) -> None:
    process = cli.start("--base-url", server.url, "-m", "alpha", "-")
    assert process.stdin
    process.stdin.write(b"x" * 200_000)  # more than a pipe holds: it is being read

    process.send_signal(signum)
    stdout, stderr = process.communicate(timeout=_WAIT_S)

    assert (process.returncode, stdout, stderr) == (-signum, b"", b"")
    assert server.requests == []


def test_ctrl_c_during_the_imports_is_no_traceback(cli: Runner, tmp_path: Path) -> None:
    """A module that the program imports early is replaced by one that never ends."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "argparse.py").write_text(
        "import os, time\nos.write(1, b'importing')\ntime.sleep(600)\n"
    )
    path = os.pathsep.join([str(modules), str(ROOT)])
    process = cli.start("hi", environ={"PYTHONPATH": path})
    _read(process, b"importing")

    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=_WAIT_S)

    assert (process.returncode, stderr) == (-signal.SIGINT, b"")


def test_what_a_signal_turned_into_is_still_the_signal(cli: Runner) -> None:
    """CPython makes a TypeError of an exception that strikes in `from x import y`."""
    context = cli.context()
    context.signum = signal.SIGINT

    result = cli.run_in(context, "--no-such-option")

    assert (result.status, result.stderr) == (130, "")


@pytest.fixture(scope="module")
def strace() -> str:
    """Give the program that injects signals at system calls, where it may run."""
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run([path, "-qq", "true"], check=False, capture_output=True)
    if tried.returncode:
        pytest.skip("strace may not trace here")
    return path


@pytest.mark.parametrize(
    ("call", "status", "content"),
    [("fsync", -signal.SIGTERM, "old"), ("rename", 0, "one two\n")],
)
def test_a_signal_at_the_last_moment_leaves_the_file_or_is_too_late(
    cli: Runner,
    server: FakeServer,
    tmp_path: Path,
    strace: str,
    call: str,
    status: int,
    content: str,
) -> None:
    """FILE is untouched on any status but 0, death by a signal among them."""
    file = tmp_path / "answer"
    file.write_text("old")
    server.answer = ["one", " two"]
    inject = f"--inject={call}:signal=SIGTERM:when=1"

    process = cli.start(
        *("--base-url", server.url, "-m", "alpha", "-n", "-O", str(file), "hi"),
        through=(strace, "-qq", "-o", "/dev/null", inject),
        environ={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    output = process.communicate(timeout=_WAIT_S)

    assert (process.returncode, output) == (status, (b"", b""))
    assert file.read_text() == content
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["answer"]
