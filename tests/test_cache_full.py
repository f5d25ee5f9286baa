"""A disk that is full: the answer comes, old ones stay, and it works again later."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cachemade import Warnings as Heard
from .cachemade import cache_at, entry_of, key_of, text_of
from .cacheworld import World, assert_right
from .fakeserver import FakeServer
from .runner import Runner

_DISK_BYTES = 768 << 10
_QUESTIONS = 18


@pytest.fixture
def world(cli: Runner, server: FakeServer) -> World:
    return World(cli, server)


def _temporary(world: World) -> list[Path]:
    return [path for path in world.root.rglob(".*") if path.is_file()]


@pytest.mark.parametrize("limit_bytes", [0, 16, 64, 100, 200])
def test_a_limit_on_files_is_a_warning(world: World, limit_bytes: int) -> None:
    """EFBIG comes after a part of the bytes was written, as ENOSPC does."""
    through = ("prlimit", f"--fsize={limit_bytes}")

    limited = world.ask(through=through)
    asked = world.asked

    assert_right(limited)
    if limit_bytes < 200:
        assert "the cache cannot be used: file too large" in limited.stderr
    assert _temporary(world) == []
    assert_right(world.ask(), warnings=0)
    assert_right(world.ask(), warnings=0)
    assert world.asked <= asked + 1


@pytest.mark.parametrize("is_headed", [True, False], ids=["appended", "rewritten"])
def test_a_limit_keeps_what_is_there(world: World, is_headed: bool) -> None:
    assert_right(world.ask(), warnings=0)
    [shard] = world.files("answers")
    neighbour = bytes.fromhex(shard.name) + b"k" * 31
    cache = cache_at(world.root, Heard())
    cache.put(neighbour, entry_of("kept", time.time_ns()))
    whole = shard.read_bytes()
    if not is_headed:
        whole = b"?" + whole[1:]
        shard.write_bytes(whole)
    limit_bytes = len(whole) + (9 if is_headed else -9)

    limited = world.ask("--refresh", through=("prlimit", f"--fsize={limit_bytes}"))

    assert_right(limited)
    assert "the cache cannot be used: file too large" in limited.stderr
    assert shard.read_bytes() == whole
    assert _temporary(world) == []
    assert text_of(cache, neighbour) == "kept"


@pytest.fixture
def full_disk(world: World, tmp_path: Path) -> Iterator[Path]:
    """Give the cache a small disk of its own, and a file that fills it."""
    disk = world.root.parent
    disk.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES},mode=700"]
    tried = subprocess.run(
        [*mount, "tmpfs", str(disk)], check=False, capture_output=True
    )
    if tried.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield disk / "filler"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def _fill(filler: Path) -> None:
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 16, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                pass


@pytest.mark.root
def test_a_full_disk_is_a_warning_a_run_and_keeps_the_old(
    world: World, full_disk: Path
) -> None:
    assert_right(world.ask(), warnings=0)
    _fill(full_disk)
    asked = world.asked

    results = [world.ask(str(number)) for number in range(_QUESTIONS)]
    old = world.ask()

    for result in results:
        assert_right(result)
    first = next(one for one in results if one.stderr)
    assert "the cache cannot be used: no space left on device" in first.stderr
    assert_right(old, warnings=0)
    assert world.asked == asked + _QUESTIONS
    assert _temporary(world) == []

    full_disk.unlink()
    for _ in range(2):
        for number in range(_QUESTIONS):
            assert_right(world.ask(str(number)), warnings=0)
    assert world.asked <= asked + 2 * _QUESTIONS


@pytest.mark.root
def test_a_disk_that_fills_up_while_many_are_stored_loses_none(
    world: World, full_disk: Path
) -> None:
    """Rewritten and appended files meet the end of the disk at every place."""
    world.root.mkdir(mode=0o700)
    log = Heard()
    stored: dict[bytes, str] = {}

    for number in range(300):
        key, text = key_of(number % 60, shard=number % 3), f"{number} " * (number * 20)
        cache = cache_at(world.root, log)
        cache.put(key, entry_of(text))
        if not cache.problem:
            stored[key] = text

    assert log.records
    cache = cache_at(world.root, Heard())
    assert {key: text_of(cache, key) for key in stored} == stored
    assert _temporary(world) == []
    assert cache.damage() == []
    shutil.rmtree(world.root)
