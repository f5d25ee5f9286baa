"""Small Python programs that use the library, run as somebody else's process."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

from .fakeserver import FakeServer
from .runner import ROOT, SPAWN_S, Home

_BEGINNING = """
import gc, os, sys, threading, time
from llmwrap import Config, LLMWrapper
from llmwrap.errors import ClosedError, LLMWrapError

def made():
    return LLMWrapper(Config.load({config!r}, os.environ))

def wait_until(is_true):
    until = time.monotonic() + {longest_s}
    while not is_true():
        if time.monotonic() > until:
            raise SystemExit("it never came")
        time.sleep(0.005)

def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

"""
_TABLE = """
[defaults]
model = "alpha:latest"
[backends.ollama]
base_url = "{url}"
"""


class Ended(NamedTuple):
    """How a program ended and what it wrote."""

    status: int
    stdout: str
    stderr: str


def run_program(home: Home, server: FakeServer, body: str, more: str = "") -> Ended:
    """Run a program that asks the server's model alpha.

    It has `made()`, which makes a wrapper, `wait_until` and `ended`, which waits for
    a child. `more` is added to its configuration.
    """
    config = home.configure(_TABLE.format(url=server.url) + more)
    beginning = _BEGINNING.format(config=str(config), longest_s=SPAWN_S / 2)
    file = home.path / "program.py"
    file.write_text(beginning + body)
    done = subprocess.run(
        [sys.executable, "-u", "-X", "faulthandler", str(file)],
        env={**home.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SPAWN_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
