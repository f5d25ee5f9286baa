"""Memory pressure: what is read, what is too much, and processes under a limit."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from llmwrap.cache.memory import LOOK_EVERY_BYTES
from llmwrap.cache.pressure import (
    Reading,
    address_space_reading,
    excess_bytes,
    machine_reading,
    read_text,
    readings,
    watch,
)

from .runner import ROOT, SPAWN_S

_MIB = 1 << 20
_LIMIT_BYTES = 128 * _MIB
_THRESHOLD_RATIO = 0.5
_ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"'

_FILL = """
import json, sys
from llmwrap.cache.memory import MemoryCache
from llmwrap.cache.pressure import give_back, readings, watch

def fill(value_bytes, threshold_ratio, total_bytes):
    seconds = [0.0]
    cache = MemoryCache(
        1 << 40,
        1 << 40,
        pressure=watch(threshold_ratio),
        give_back=give_back,
        clock=lambda: seconds[0],
    )
    for number in range(total_bytes // value_bytes):
        cache.put(number.to_bytes(32), bytes([number % 256]) * value_bytes)
    # What is free by now must not be seen as used, or all would go in time.
    for _ in range(100):
        seconds[0] += 1.0
        newest = cache.get(number.to_bytes(32))
    assert newest == bytes([number % 256]) * value_bytes
    found = {"size_bytes": cache.size_bytes, "evictions": cache.evictions}
    sys.stdout.write(json.dumps(found))
"""
_IN_A_CGROUP = f"""{_FILL}
fill(int(sys.argv[1]), {_THRESHOLD_RATIO}, {4 * _LIMIT_BYTES})
"""
_IN_AN_ADDRESS_SPACE = f"""{_FILL}
import resource

readings()
give_back()  # All is imported now.
with open("/proc/self/statm") as file:
    used_bytes = int(file.read().split()[0]) * resource.getpagesize()
limit_bytes = used_bytes + {96 * _MIB}
resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
fill(int(sys.argv[1]), (used_bytes + {64 * _MIB}) / limit_bytes, {256 * _MIB})
"""


def test_the_address_space_counts_without_what_is_used_again() -> None:
    read = {"/proc/self/statm": "1000 500 100 1 0 400 0\n"}.get
    used_bytes = 1000 * resource.getpagesize()

    found = address_space_reading(read, 1 << 30, reusable_bytes=5000)

    assert found == Reading(used_bytes - 5000, 1 << 30, "the address space")


@pytest.mark.parametrize("text", [None, "", "many pages\n"])
def test_an_unknown_address_space_is_no_limit(text: str | None) -> None:
    assert address_space_reading(lambda path: text, 1 << 30, 0) is None


def test_the_machine_is_always_among_what_is_read() -> None:
    machine = readings()[0]

    assert machine.what == "the machine"
    assert machine.limit_bytes == psutil.virtual_memory().total
    assert 0 < machine.used_bytes < machine.limit_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.parametrize("text", [None, "", "MemTotal: many kB\n"])
def test_an_unknown_machine_is_no_limit(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "meminfo").write_text(text)
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))

    assert machine_reading() is None


def test_the_largest_excess_counts() -> None:
    found = [
        Reading(900, 1000, "the machine"),
        Reading(500, 400, "one cgroup"),
        Reading(100, 100, "another"),
    ]

    assert excess_bytes(found, 0.8) == 500 - 320


def test_nothing_in_excess_is_zero() -> None:
    assert excess_bytes([Reading(100, 1000, "the machine")], 0.8) == 0
    assert excess_bytes([], 0.8) == 0


def test_the_threshold_itself_is_no_excess() -> None:
    assert excess_bytes([Reading(500, 1000, "the machine")], 0.5) == 0


def test_a_watch_tells_how_far_the_threshold_is_passed() -> None:
    assert watch(0.0)() > 0
    assert watch(1000.0)() == 0


def test_a_file_that_cannot_be_read_has_no_text(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"/\xff\n")

    assert read_text(str(tmp_path / "missing")) is None
    assert read_text(str(tmp_path)) is None
    assert read_text("nul\0") is None
    assert os.fsencode(read_text(str(tmp_path / "odd")) or "") == b"/\xff\n"


def _cgroup_directories() -> Iterator[Path]:
    """Yield where a cgroup of memory may be made, the topmost first.

    The topmost is root's; below it, a directory that the user was given, if any.
    """
    mounts = Path("/proc/self/mountinfo").read_text("utf-8")
    paths = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    for line in mounts.splitlines():
        place, _, system = line.partition(" - ")
        is_v1 = system.startswith("cgroup ") and system.endswith("memory")
        if not (is_v1 or system.startswith("cgroup2 ")):
            continue
        directory = Path(place.split(" ")[4])
        yield directory
        mark = ":memory:/" if is_v1 else "0::/"
        for path in paths:
            if mark in path:
                for part in path.partition(mark)[2].split("/"):
                    directory /= part
                    yield directory


def _limit(directory: Path) -> bool:
    """Set the limit, and tell whether a process of ours may be put below it."""
    for name in ("memory.limit_in_bytes", "memory.max"):
        if (directory / name).exists():
            try:
                (directory / name).write_text(str(_LIMIT_BYTES))
            except OSError:
                return False
            enter = ["sh", "-c", _ENTER, str(directory), "true"]
            return (
                subprocess.run(enter, check=False, stderr=subprocess.DEVNULL).returncode
                == 0
            )
    return False


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """Give the directory of a new cgroup with a limit on memory."""
    if sys.platform != "linux":
        pytest.skip("there are no cgroups")
    for parent in _cgroup_directories():
        directory = parent / f"llmwrap-test-{uuid.uuid4().hex}"
        try:
            directory.mkdir()
        except OSError:
            continue
        try:
            if _limit(directory):
                yield directory
                return
        finally:
            directory.rmdir()
    pytest.skip("no cgroup of memory can be made here")


def _run(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, check=False, timeout=SPAWN_S
    )
    assert (done.returncode, done.stderr) == (0, b"")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _statistic(directory: Path, file: str, name: str) -> int:
    words = (directory / file).read_text("utf-8").split()
    return int(words[words.index(name) + 1]) if name in words else 0


def _times_full(directory: Path) -> int:
    """Return how often the limit was reached, and something was taken back."""
    v1 = directory / "memory.failcnt"
    if v1.exists():
        return int(v1.read_text("utf-8"))
    return _statistic(directory, "memory.events", "max")


@pytest.mark.root
@pytest.mark.parametrize("value_bytes", [1000, 65536, _MIB])
def test_a_cache_stays_below_the_threshold_of_its_cgroup(
    value_bytes: int, cgroup: Path
) -> None:
    """The kernel kills what needs more; half of the limit is the threshold."""
    python = [sys.executable, "-c", _IN_A_CGROUP, str(value_bytes)]

    found = _run("sh", "-c", _ENTER, str(cgroup), *python)

    assert found["evictions"] > 0
    assert found["size_bytes"] > _LIMIT_BYTES * _THRESHOLD_RATIO / 4
    assert (
        found["size_bytes"] < _LIMIT_BYTES * _THRESHOLD_RATIO + LOOK_EVERY_BYTES + _MIB
    )
    assert _times_full(cgroup) == 0
    assert _statistic(cgroup, "memory.stat", "pswpout") == 0


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="this C library does not tell what of its heap is free",
)
@pytest.mark.parametrize("value_bytes", [1000, 65536, _MIB])
def test_a_cache_stays_below_the_threshold_of_its_address_space(
    value_bytes: int,
) -> None:
    found = _run(sys.executable, "-c", _IN_AN_ADDRESS_SPACE, str(value_bytes))

    assert found["evictions"] > 0
    assert 32 * _MIB < found["size_bytes"] < 72 * _MIB
