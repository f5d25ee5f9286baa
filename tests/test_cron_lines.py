"""What the README and the manual put into a crontab or a systemd unit works.

Each line runs in a shell, as cron and systemd run it, with a journal that is empty,
and with one that is not.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from man.pages import page

from .asking import chats
from .fakeserver import FakeServer
from .readme import blocks
from .runner import ROOT, SPAWN_S, Home
from .shims import Shims
from .test_man import CRON_FIELDS, PAGES, examples

TABLES = [
    *(line for block in blocks("crontab") for line in block.text.splitlines()),
    *(line for name in PAGES for line in examples(name) if CRON_FIELDS.match(line)),
]
JOURNALS = [line for line in TABLES if "journalctl" in line]
JOURNALCTL = """#!/bin/sh
if [ ! -s "$HOME/journal" ]; then
    case " $* " in *" -q "*) ;; *) echo "-- No entries --" ;; esac
fi
cat "$HOME/journal"
"""


def units(ending: str) -> str:
    """Return the systemd unit of the manual whose kind has that section."""
    text = page("llmwrap-ask.1")
    found = [block for block in text.split("\n.EX\n")[1:] if f"[{ending}]" in block]
    (block,) = (block.partition("\n.EE")[0] for block in found)
    return block.replace("\\-", "-").replace("\\(aq", "'").replace("\\(ti", "~")


SERVICE, TIMER = units("Service"), units("Timer")


def exec_line() -> str:
    """Return the command line that the service runs, taken apart as systemd does."""
    (line,) = (line for line in SERVICE.splitlines() if line.startswith("ExecStart="))
    shell, option, script = shlex.split(line.removeprefix("ExecStart="))
    assert (shell, option) == ("/bin/sh", "-c")
    return script


@pytest.fixture
def world(home: Home, server: FakeServer, programs: Shims) -> Home:
    """Give a home with the programs that the lines call."""
    directory = home.path / "bin"
    directory.mkdir()
    (directory / "journalctl").write_text(JOURNALCTL)
    (directory / "journalctl").chmod(0o755)
    programs.make(directory / "llmwrap")
    (home.path / "journal").write_text("")
    home.environ["PATH"] = f"{directory}:{home.environ['PATH']}"
    home.environ["PYTHONPATH"] = str(ROOT)
    home.environ["OLLAMA_HOST"] = server.url
    return home


def run(world: Home, script: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=world.path,
        env=world.environ,
        timeout=SPAWN_S,
        check=False,
    )


def test_each_line_that_reads_the_journal_is_about_a_quiet_one_too() -> None:
    assert len(JOURNALS) >= 4
    for line in [*JOURNALS, exec_line()]:
        assert "journalctl -q " in line
        assert "--skip-empty" in line


@pytest.mark.parametrize(
    "script", [*(CRON_FIELDS.sub("", line) for line in JOURNALS), exec_line()]
)
def test_a_quiet_journal_costs_nothing_and_sends_no_mail(
    world: Home, server: FakeServer, script: str
) -> None:
    quiet = run(world, script)
    asked = server.requests
    (world.path / "journal").write_text("kernel: oops\n")
    loud = run(world, script)

    assert (quiet.returncode, quiet.stdout, quiet.stderr, asked) == (0, b"", b"", [])
    assert (loud.returncode, loud.stderr) == (0, b"")
    assert "kernel: oops" in chats(server)[0].json["messages"][-1]["content"]
    is_mailed = " -O " not in script
    assert (loud.stdout != b"") == is_mailed
    assert (world.path / "errors.md").exists() == (not is_mailed)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd")
def test_the_units_of_the_manual_are_units(tmp_path: Path) -> None:
    (tmp_path / "errors.service").write_text(SERVICE)
    (tmp_path / "errors.timer").write_text(TIMER)

    done = subprocess.run(
        ["systemd-analyze", "verify", "./errors.service", "./errors.timer"],
        cwd=tmp_path,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "LC_ALL": "C"},
        capture_output=True,
        timeout=SPAWN_S,
        check=False,
    )

    said = done.stderr.decode()
    assert "errors." not in said
    assert done.returncode == 0 or "Failed to" in said
