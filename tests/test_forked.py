"""A program that was forked is one that was started, as far as tests can see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .asking import address
from .fakeserver import FakeServer
from .forked import Forked, is_possible
from .runner import ROOT, SPAWN_S, Runner


def test_forked_and_started_programs_do_the_same(
    cli: Runner, server: FakeServer
) -> None:
    lines = (["--version"], ["--nonsense"], [*address(server), "-n", "hi"], ["chat"])
    for argv in lines:
        ends = []
        for fresh in (False, True):
            process = cli.start(*argv, fresh=fresh)
            assert isinstance(process, Forked) != fresh
            stdout, stderr = process.communicate(b"", SPAWN_S)
            ends.append((process.returncode, stdout, stderr))
        assert ends[0] == ends[1]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_death_by_a_signal_is_told(cli: Runner, signum: int) -> None:
    process = cli.start("-")

    assert process.poll() is None
    process.send_signal(signum)

    with process:
        assert process.wait(SPAWN_S) == -signum
        assert process.poll() == -signum


def test_a_forked_program_is_its_own(cli: Runner, tmp_path: Path) -> None:
    """Its directory, session, umask, descriptors and variables are as if started."""
    for fresh in (False, True):
        with cli.start(
            "-",
            cwd=tmp_path,
            fresh=fresh,
            stderr=subprocess.STDOUT,
            umask=0o027,
            start_new_session=True,
        ) as one:
            place = Path(f"/proc/{one.pid}")
            assert (place / "cwd").resolve() == tmp_path
            assert os.getsid(one.pid) == one.pid
            assert "Umask:\t0027\n" in (place / "status").read_text()
            descriptors = {path.name for path in (place / "fd").iterdir()}
            assert descriptors >= {"0", "1", "2"}
            assert len(descriptors) < 8
            ends = [os.readlink(place / "fd" / number) for number in "12"]
            assert ends[0] == ends[1]
            one.kill()


def test_each_of_many_has_its_own_descriptors(cli: Runner, server: FakeServer) -> None:
    argv = (*address(server), "--dry-run", "-")
    processes = [cli.start(*argv) for _ in range(5)]

    for number, process in reversed(list(enumerate(processes))):
        stdout, _ = process.communicate(b"number %d" % number, SPAWN_S)
        assert process.returncode == 0
        assert b"number %d" % number in stdout


def test_what_python_reads_at_its_start_asks_for_a_new_one(cli: Runner) -> None:
    usual = cli.environ({"PYTHONPATH": str(ROOT)})

    assert is_possible(usual, {"stdin": subprocess.DEVNULL})
    for over in ({"LANG": "C"}, {"PYTHONPATH": "/"}, {"PYTHONUTF8": "1"}):
        assert not is_possible({**usual, **over}, {})
    assert not is_possible(usual, {"preexec_fn": print})


def test_the_server_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """As its stdout is a pipe, whoever reads it would wait for it otherwise."""
    script = f"""
import os, subprocess, sys
from tests.forked import Forked
environ = {{"HOME": {str(tmp_path)!r}, "LANG": "C.UTF-8"}}
one = Forked(["-"], cwd="/", env=environ, stdin=subprocess.PIPE)
os._exit(one.poll() is not None)
"""
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        timeout=SPAWN_S,
        check=True,
    )
