"""A cache that may not be used, or is kept locked: the answer comes all the same."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from .cacheworld import ASK_S, World, assert_right, content_below
from .fakeserver import FakeServer
from .runner import Runner

_NOBODY = 65534


@pytest.fixture
def world(cli: Runner, server: FakeServer) -> World:
    """Give a cache with one answer."""
    world = World(cli, server)
    assert_right(world.ask(), warnings=0)
    return world


@pytest.fixture(scope="module")
def unprivileged() -> Sequence[str]:
    """Give what runs a program as one whom permissions bind, root too."""
    if os.geteuid() != 0:
        return ()
    dropped = ("dac_override", "dac_read_search", "fowner")
    through = ("setpriv", "--bounding-set=" + ",".join(f"-{one}" for one in dropped))
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    if subprocess.run([*through, "true"], check=False).returncode:
        pytest.skip("setpriv may not take capabilities away here")
    return through


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")


@contextmanager
def _mode(path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


@pytest.mark.parametrize("part", ["", "answers", "answers/*", "models/*"])
def test_what_may_not_be_read_is_a_warning(
    world: World, unprivileged: Sequence[str], part: str
) -> None:
    [path] = [world.root] if not part else world.root.glob(part)
    with _mode(path, 0o000):
        result = world.ask(through=unprivileged)
        only = world.ask("--cache-only", through=unprivileged)

    assert_right(result)
    assert result.stderr.count("the cache cannot be used: permission denied") == 1
    # What stands for what is known of a model was replaced.
    assert only.status == (0 if part == "models/*" else 11)


@pytest.mark.parametrize("part", ["", "answers"])
def test_stats_of_what_may_not_be_read_fail(
    world: World, unprivileged: Sequence[str], part: str
) -> None:
    path = world.root / part
    with _mode(path, 0o000):
        process = world.cli.start(
            "cache", "stats", through=unprivileged, environ=world.environ
        )
        stdout, stderr = process.communicate(timeout=ASK_S)

    assert (process.returncode, stdout) == (11, b"")
    assert b"the cache cannot be used: permission denied" in stderr


@pytest.mark.parametrize("part", ["direct/*", "used", "used/*", "direct"])
def test_what_only_makes_a_hit_faster_may_be_unusable(
    world: World, unprivileged: Sequence[str], part: str
) -> None:
    paths = sorted(world.root.glob(part))
    for path in paths:
        path.chmod(0o000)

    hit = world.ask(through=unprivileged)
    other = world.ask("another", through=unprivileged)
    for path in paths:
        path.chmod(0o700)

    assert_right(hit, warnings=0)
    assert_right(other, warnings=0)
    assert world.asked == 2


def test_a_cache_that_cannot_be_written_still_answers(
    world: World, unprivileged: Sequence[str]
) -> None:
    [shard] = world.files("answers")
    before = shard.read_bytes()
    with _mode(shard, 0o400), _mode(world.root / "answers", 0o500):
        hit = world.ask(through=unprivileged)
        refreshed = world.ask("--refresh", through=unprivileged)

    assert_right(hit, warnings=0)
    assert_right(refreshed)
    assert "the cache cannot be used: permission denied" in refreshed.stderr
    assert (shard.read_bytes(), world.asked) == (before, 2)


def test_a_parent_that_cannot_be_written_is_a_warning(
    cli: Runner, server: FakeServer, unprivileged: Sequence[str]
) -> None:
    world = World(cli, server)
    world.root.parent.mkdir(mode=0o500)

    result = world.ask(through=unprivileged)

    assert_right(result)
    assert f"cannot create '{world.root}'" in result.stderr
    assert list(world.root.parent.iterdir()) == []


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
def test_a_cache_of_another_user_is_neither_read_nor_changed(world: World) -> None:
    os.chown(world.root, _NOBODY, _NOBODY)
    before = content_below(world.root)

    result = world.ask()
    only = world.ask("--cache-only")
    stats = world.cli.run("cache", "stats")
    cleared = world.cli.run("cache", "clear")

    assert_right(result)
    assert "it belongs to another user" in result.stderr
    assert [only.status, stats.status, cleared.status] == [11, 11, 11]
    assert content_below(world.root) == before


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
def test_an_answer_of_another_user_is_neither_read_nor_changed(world: World) -> None:
    [shard] = world.files("answers")
    os.chown(shard, _NOBODY, _NOBODY)
    before = shard.read_bytes()

    result = world.ask()

    assert_right(result)
    assert "it belongs to another user" in result.stderr
    assert (world.asked, shard.read_bytes()) == (2, before)


@contextmanager
def _locked(paths: Sequence[Path]) -> Iterator[None]:
    """Hold files locked, as another process that never lets go."""
    files = [path.open("rb+") for path in paths]
    for file in files:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        for file in files:
            file.close()


def test_locks_that_are_held_for_ever_hold_nobody_up(world: World) -> None:
    shutil.rmtree(world.root / "answers")
    shutil.rmtree(world.root / "models")
    assert_right(world.ask("another"), warnings=0)
    [shard] = world.files("answers")
    for emptied in (shard, *world.files("direct")):
        emptied.write_bytes(b"")
    state = world.cli.home.path / "state"
    every = [*world.root.rglob("*"), state / "llmwrap" / "runs"]

    with _locked([path for path in every if path.is_file()]):
        assert_right(world.ask("another"))

    assert shard.read_bytes() == b""
    assert_right(world.ask("another"), warnings=0)
    assert shard.read_bytes() != b""


def test_a_reader_needs_no_lock(world: World) -> None:
    files = [path for path in world.root.rglob("*") if path.is_file()]

    with _locked(files):
        assert_right(world.ask(environ={"LLMWRAP_DIRECT": "0"}), warnings=0)

    assert world.asked == 1


def test_a_flight_of_a_dead_process_holds_up_nobody(world: World) -> None:
    with world.holder("another") as process:
        assert world.is_anything_in_flight()
        process.kill()
        process.wait(ASK_S)

    result = world.ask("another")

    assert process.returncode == -signal.SIGKILL
    assert_right(result, warnings=0)
    assert not world.is_anything_in_flight()
    assert world.asked == 3
