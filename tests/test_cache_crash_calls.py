"""Death and errors at each system call that touches the cache, one after the other.

SQLite's way: fail the n-th operation for every n. The program is the real one; strace
does to it what a dying machine or a full disk would. It is forked, and traced from its
first line on: what Python does before, and imports, could be struck by mistake.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from .cachemade import Warnings, cache_at, entry_of, text_of
from .cacheworld import ANSWER, ASK_S, World, assert_right, remove
from .fakeserver import FakeServer
from .runner import Result, Runner

_CALLS = (
    *("openat", "newfstatat", "lseek", "read", "pread64", "write", "pwrite64"),
    *("ftruncate", "flock", "fcntl", "fsync", "rename", "unlink", "mkdir"),
    *("utimensat", "close"),
)
_CHANGES = re.compile(
    r"write|pwrite64|ftruncate|fsync|rename|unlink|mkdir|utimensat|openat.*O_CREAT"
)
_TRIES = 3
"""How often a call is struck at: its number changes with the pieces of an answer."""
_SHARES = 3
"""Tests that take turns at the calls."""
_EVERY = int(os.environ.get("LLMWRAP_TEST_ROUNDS", "0")) >= 500
"""Whether errors strike at calls that were had in the same way before, too."""


class _Call(NamedTuple):
    """The `number`-th call of its name; `arguments` as written."""

    name: str
    number: int
    arguments: str

    @property
    def text(self) -> str:
        """Return the call as strace wrote it."""
        return f"{self.name}({self.arguments}"

    @property
    def kind(self) -> str:
        """Return what other calls are the same as this one."""
        parts = re.findall(r"llmwrap/?(\.?[a-z]*)", self.arguments)
        if not _CHANGES.match(self.text):
            return f"{self.name} {parts} {re.findall('O_[A-Z]+', self.arguments)}"
        return re.sub(r"[0-9a-f]{2,}\b|\{.*?\}|\d+<|= .*", "", self.text)


@pytest.fixture(scope="module")
def strace() -> str:
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed")
    tried = [path, "-qq", "-f", "-o", "/dev/null", "--inject=fsync:error=EIO", "true"]
    if subprocess.run(tried, check=False, capture_output=True).returncode:
        pytest.skip("strace may not trace here")
    return path


class _Traced:
    """The program under strace, and an answer in the same shard that must stay."""

    def __init__(self, world: World, strace: str) -> None:
        world.server.answer = [ANSWER]
        self.world = world
        self._strace = strace
        self._log = world.cli.home.path / "strace.log"
        self._primed = world.root.with_name("primed")
        self._neighbour = b""
        self._argv: tuple[str, ...] = ()

    def prime(self, *argv: str, has_header: bool = True) -> None:
        """Begin each run with the answer stored, and another one beside it.

        `has_header` False damages the shard, so that it is written anew.
        """
        assert_right(self.world.ask(), warnings=0)
        [shard] = self.world.files("answers")
        self._neighbour = bytes.fromhex(shard.name) + b"k" * 31
        cache_at(self.world.root, Warnings()).put(
            self._neighbour, entry_of("kept", time.time_ns())
        )
        if not has_header:
            shard.write_bytes(b"?" + shard.read_bytes()[1:])
        self.world.root.rename(self._primed)
        self._argv = argv

    def run(self, inject: str = "", *more: str) -> Result:
        """Ask, the cache being as it was primed."""
        remove(self.world.root)
        if self._primed.exists():
            shutil.copytree(self._primed, self.world.root)
        tracing = ["-f", "-y", "-s", "16", "-o", str(self._log)]
        calls = [inject.partition(":")[0]] if inject else _CALLS
        tracing += ["--trace=" + ",".join(calls)]
        tracing += [f"--inject={inject}"] if inject else []
        with self.world.start(*self._argv, *more, is_held=True) as process:
            tracer = subprocess.Popen(
                [self._strace, *tracing, "-p", str(process.pid)], stderr=subprocess.PIPE
            )
            with tracer:
                try:
                    assert tracer.stderr
                    assert b"attached" in tracer.stderr.readline()
                    process.send_signal(signal.SIGUSR1)
                    stdout, stderr = process.communicate(b"", ASK_S)
                    tracer.communicate(timeout=ASK_S)
                finally:
                    process.kill()
        return Result(process.returncode, stdout, stderr.decode())

    def strike(self, call: _Call, inject: str) -> Result:
        """Ask, and strike at a call; its number may have changed in the meantime."""
        for _ in range(_TRIES):
            result = self.run(f"{call.name}:{inject}:when={call.number}")
            if self._has_struck(was_killed=result.status < 0):
                return result
            self.run()
            call = {one.kind: one for one in self.calls()}.get(call.kind, call)
        raise AssertionError(f"{call} was not struck")

    def calls(self) -> list[_Call]:
        """Return the calls of the last run that touch the cache.

        Without repetitions: changes that differ in temporary names and descriptors
        only, and other calls on the same part of the cache.
        """
        numbers: Counter[tuple[str, str]] = Counter()
        calls: dict[str, _Call] = {}
        for line in self._log.read_text(errors="replace").splitlines():
            pid, name, arguments = _parts(line)
            numbers[pid, name] += 1
            if self._counts(arguments):
                call = _Call(name, numbers[pid, name], arguments)
                calls.setdefault(str(call) if _EVERY else call.kind, call)
        return list(calls.values())

    def _counts(self, arguments: str) -> bool:
        """Tell whether a call is to be struck: for the first answer all, then few."""
        has_all = _EVERY or not self._neighbour
        return str(self.world.root / ("" if has_all else "answers")) in arguments

    def _has_struck(self, *, was_killed: bool) -> bool:
        """Tell whether the last run was struck where it touches the cache."""
        struck = ("= ?", "<unfinished ...>") if was_killed else "(INJECTED)"
        return any(
            line.endswith(struck) and str(self.world.root) in line
            for line in self._log.read_text(errors="replace").splitlines()
        )

    def assert_nothing_lost(self, call: _Call) -> None:
        """Assert that what was there is there, and that the next runs are whole."""
        cache = cache_at(self.world.root, Warnings())
        if self._neighbour:
            assert text_of(cache, self._neighbour) == "kept", call
            asked = self.world.asked
            assert_right(self.world.ask(), warnings=0)
            assert self.world.asked == asked, call
        assert_right(self.world.ask(), warnings=0)
        asked = self.world.asked
        assert_right(self.world.ask(), warnings=0)
        assert self.world.asked == asked, call

    @property
    def temporary(self) -> list[Path]:
        """Return temporary files of the cache."""
        return [path for path in self.world.root.rglob(".*") if path.is_file()]


def _parts(line: str) -> tuple[str, str, str]:
    """Return process, call and its arguments of a line of the log."""
    match = re.match(r"(\d+) +(\w+)\((.*)", line)
    return match.groups() if match else ("", "", "")  # type: ignore[return-value]


@pytest.fixture(
    params=[
        pytest.param(None, id="first answer"),
        pytest.param({"has_header": True}, id="stored again"),
        pytest.param({"has_header": False}, id="written anew"),
    ]
)
def traced(
    request: pytest.FixtureRequest, cli: Runner, server: FakeServer, strace: str
) -> _Traced:
    """Give the program in front of an empty cache, a whole or a damaged one."""
    traced = _Traced(World(cli, server), strace)
    if request.param:
        traced.prime("--refresh", **request.param)
    else:
        traced.world.ask()  # What it has outside the cache is there from now on.
    return traced


@pytest.mark.slow
def test_death_at_any_call_that_changes_the_cache_loses_nothing(
    traced: _Traced,
) -> None:
    assert_right(traced.run())
    calls = [call for call in traced.calls() if _CHANGES.match(call.text)]
    assert len(calls) >= 4

    for call in calls:
        result = traced.strike(call, "signal=KILL")

        assert result.status == -signal.SIGKILL, call
        traced.assert_nothing_lost(call)


@pytest.mark.slow
@pytest.mark.parametrize("share", range(_SHARES))
def test_an_error_of_any_call_on_the_cache_costs_one_warning(
    traced: _Traced, share: int
) -> None:
    assert_right(traced.run())
    calls = traced.calls()
    assert len(calls) >= 8

    for call in calls[share::_SHARES]:
        error = "ENOSPC" if _CHANGES.match(call.text) else "EIO"
        result = traced.strike(call, f"error={error}")

        assert_right(result)
        assert call.name == "unlink" or traced.temporary == [], call
        traced.assert_nothing_lost(call)


def test_a_rewritten_file_is_safe_before_it_has_its_name(
    cli: Runner, server: FakeServer, strace: str
) -> None:
    traced = _Traced(World(cli, server), strace)
    traced.prime("--refresh", has_header=False)

    assert_right(traced.run())

    order = [
        (call.name, re.sub(r"\.[0-9a-f]{8}", ".new", path[0]))
        for call in traced.calls()
        if call.name in ("write", "fsync", "rename")
        and (path := re.findall(r"answers[^>\"]*", call.text))
    ]
    [shard] = traced.world.files("answers")
    new = f"answers/.{shard.name}.new"
    assert order == [
        *[("write", new), ("fsync", new), ("rename", new), ("fsync", "answers")]
    ]


@pytest.mark.parametrize("is_synced", [True, False])
def test_fsync_is_a_choice(
    cli: Runner, server: FakeServer, strace: str, is_synced: bool
) -> None:
    traced = _Traced(World(cli, server), strace)
    if not is_synced:
        cli.home.configure("[cache]\nsync = false\n")

    assert_right(traced.run())

    synced = [call for call in traced.calls() if call.name == "fsync"]
    assert bool(synced) == is_synced
