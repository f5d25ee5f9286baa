"""Odd things where the cache has its files, and places it may not use."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from .cacheworld import World, assert_right, content_below, remove
from .fakeserver import FakeServer
from .runner import Runner

_PRECIOUS = b"do not touch\n"
_MOST_BYTES = 1 << 30

Odd = Callable[[Path, Path], None]
"""Puts something at a path; the other path is that of a precious file."""


def _socket(path: Path, precious: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket may not be long
        listener.bind(path.name)
        os.chdir(here)


def _file(path: Path, precious: Path) -> None:
    path.write_bytes(_PRECIOUS)


def _full_directory(path: Path, precious: Path) -> None:
    path.mkdir()
    (path / "file").write_bytes(_PRECIOUS)


def _sparse(path: Path, precious: Path) -> None:
    path.touch()
    os.truncate(path, 8 << 30)


_ODD: Mapping[str, Odd] = {
    "fifo": lambda path, precious: os.mkfifo(path),
    "socket": _socket,
    "directory": _full_directory,
    "link to /dev/zero": lambda path, precious: path.symlink_to("/dev/zero"),
    "link to /dev/full": lambda path, precious: path.symlink_to("/dev/full"),
    "link to itself": lambda path, precious: path.symlink_to(path),
    "link to nothing": lambda path, precious: path.symlink_to(path.parent / "nothing"),
    "link to a precious file": lambda path, precious: path.symlink_to(precious),
    "link to a directory": lambda path, precious: path.symlink_to(precious.parent),
    "8 GiB, sparse": _sparse,
}
_PLACES: Mapping[str, Odd] = {**_ODD, "file": _file}


@pytest.fixture
def world(cli: Runner, server: FakeServer) -> World:
    """Give a cache with one answer."""
    world = World(cli, server)
    for _ in range(2):
        assert_right(world.ask(), warnings=0)
    return world


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "precious"
    path.parent.mkdir()
    path.write_bytes(_PRECIOUS)
    return path


@pytest.mark.parametrize("part", ["answers", "direct", "models", "used"])
def test_an_odd_thing_instead_of_a_file_costs_one_warning_at_most(
    world: World, precious: Path, part: str
) -> None:
    for name, odd in _ODD.items():
        with world.as_it_is():
            for file in world.files(part):
                file.unlink()
                odd(file, precious)

            assert_right(world.ask(memory_bytes=_MOST_BYTES))

            assert content_below(precious.parent) == {"precious": _PRECIOUS}, name


@pytest.mark.parametrize("part", ["answers", "direct", "models", "used", ""])
def test_an_odd_thing_instead_of_a_directory_costs_one_warning_at_most(
    world: World, precious: Path, part: str
) -> None:
    for name in ("file", "fifo", "link to itself", "link to nothing"):
        with world.as_it_is():
            directory = world.root / part
            shutil.rmtree(directory)
            _PLACES[name](directory, precious)

            is_a_help = part in ("direct", "used")  # no answer depends on them
            for question in ("hi", "another") if is_a_help else ("hi",):
                result = world.ask(question, memory_bytes=_MOST_BYTES)
                assert_right(result, warnings=0 if is_a_help else 1)


def test_an_odd_thing_instead_of_a_flight_costs_one_warning_and_is_a_hit_then(
    world: World, precious: Path
) -> None:
    question = "another"
    for name, odd in _ODD.items():
        with world.as_it_is():
            world.in_flight.unlink()
            odd(world.in_flight, precious)

            assert_right(world.ask(question, memory_bytes=_MOST_BYTES))
            asked = world.asked
            assert_right(world.ask(question), warnings=0)

            assert world.asked == asked, name
            assert content_below(precious.parent) == {"precious": _PRECIOUS}, name


def test_an_odd_thing_that_may_be_replaced_is_so(world: World, precious: Path) -> None:
    """What is too large to be read, and whatever is in the place of a digest."""
    for part, name in [
        ("answers", "8 GiB, sparse"),
        ("models", "8 GiB, sparse"),
        ("models", "link to a precious file"),
        ("models", "fifo"),
    ]:
        with world.as_it_is():
            [file] = world.files(part)
            file.unlink()
            _ODD[name](file, precious)

            assert_right(world.ask())

            assert stat.S_ISREG(file.lstat().st_mode), (part, name)
            asked = world.asked
            assert_right(world.ask(), warnings=0)
            assert world.asked == asked, (part, name)


def test_what_must_read_an_odd_cache_says_that_it_cannot(
    world: World, precious: Path
) -> None:
    [shard] = world.files("answers")
    kinds = [(shard, name) for name in _ODD]
    kinds += [(world.root, name) for name in ("file", "fifo", "link to itself")]
    for path, name in kinds:
        with world.as_it_is():
            remove(path)
            _PLACES[name](path, precious)

            only = world.ask("--cache-only", memory_bytes=_MOST_BYTES)
            stats = world.cli.run("cache", "stats")

            assert (only.status, only.stdout) == (11, b""), name
            assert (stats.status, stats.stdout) == (11, b""), name
            for result in (only, stats):
                assert "the cache cannot be used" in result.stderr, name
            assert str(path) in stats.stderr


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
def test_nobody_else_may_read_what_is_kept(
    cli: Runner, server: FakeServer, umask: int
) -> None:
    world = World(cli, server)

    with world.holder(umask=umask):
        modes = {path: path.stat().st_mode for path in world.root.rglob("*")}
    world.ask(umask=umask)
    modes |= {path: path.stat().st_mode for path in world.root.rglob("*")}

    assert {path.parent.name for path in modes} >= {
        *("answers", "direct", "models", "used", "llmwrap")
    }
    assert world.in_flight in modes
    for path, mode in modes.items():
        assert stat.S_IMODE(mode) == (0o700 if stat.S_ISDIR(mode) else 0o600), path
    assert stat.S_IMODE(world.root.stat().st_mode) == 0o700


def test_a_cache_directory_may_be_a_link(world: World) -> None:
    elsewhere = world.root.with_name("large-disk")
    world.root.rename(elsewhere)
    world.root.symlink_to(elsewhere)

    for _ in range(2):
        assert_right(world.ask("another"), warnings=0)

    assert world.asked == 2


def test_a_link_is_not_followed_wherever_it_leads(world: World, precious: Path) -> None:
    [shard] = world.files("answers")
    shard.rename(precious)
    shard.symlink_to(precious)
    before = precious.read_bytes()

    only = world.ask("--cache-only")
    result = world.ask("another", "--refresh")

    assert only.status == 11
    assert_right(result)
    assert precious.read_bytes() == before
