"""A shim does what the program does, as far as a shell can see."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import threading

import pytest

from .asking import OLLAMA, address, chats
from .fakeserver import FakeServer, Silence, Tell
from .runner import ROOT, SPAWN_S, Home
from .shims import Shims

_LINES = {
    "what comes and goes": "echo word | llmwrap --dry-run - | grep -c word",
    "a status": "llmwrap --nonsense; echo $?",
    "a mask": "umask 027; llmwrap -O new --dry-run x; stat -c %a new",
    "a reader that has gone": "exec 3> >(true); wait $!; llmwrap help ask >&3; echo $?",
    "a directory": "cd work; echo 'In a file.' > one; llmwrap --dry-run -f one",
    "a variable": "LLMWRAP_DEFAULTS_MODEL=other llmwrap --dry-run x | grep other",
    "one of Python's": "PYTHONUTF8=1 llmwrap --dry-run x | grep -c x",
    "no input": "llmwrap --dry-run x <&-",
}


@pytest.fixture
def environ(home: Home, programs: Shims) -> dict[str, str]:
    """Give an environment in which the shim is the program."""
    for name in ("shim", "started", "work"):
        (home.path / name).mkdir()
    programs.make(home.path / "shim" / "llmwrap")
    started = home.path / "started" / "llmwrap"
    started.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m llmwrap "$@"\n'
    )
    started.chmod(0o755)
    return {**home.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("line", _LINES.values(), ids=_LINES)
def test_it_does_what_a_started_program_does(
    home: Home, environ: dict[str, str], line: str
) -> None:
    ends = []
    for place in ("started", "shim"):
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=home.path,
            env=environ | {"PATH": f"{home.path / place}:{environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SPAWN_S,
            check=False,
        )
        ends.append((done.returncode, done.stdout, done.stderr))
        (home.path / "new").unlink(missing_ok=True)

    assert ends[0] == ends[1]


def test_only_what_must_be_started_is(
    home: Home, environ: dict[str, str], programs: Shims
) -> None:
    for over in ({}, {"PYTHONUTF8": "1"}):
        subprocess.run(
            [home.path / "shim" / "llmwrap", "--version"],
            env=environ | over,
            capture_output=True,
            timeout=SPAWN_S,
            check=True,
        )

    assert len(programs.forked) == 1


def test_a_shim_that_is_killed_takes_the_program_with_it(
    home: Home, environ: dict[str, str], server: FakeServer
) -> None:
    asked = threading.Event()
    server.script(OLLAMA.path, Tell(asked), Silence())
    argv = [str(home.path / "shim" / "llmwrap"), *address(server), "-n", "hi"]

    with subprocess.Popen(argv, env=environ, stdin=subprocess.DEVNULL) as one:
        assert asked.wait(SPAWN_S)
        one.terminate()

        assert one.wait(SPAWN_S) == -signal.SIGTERM
        assert chats(server)[-1].disconnected.wait(SPAWN_S)
