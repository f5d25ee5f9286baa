"""Which state of an embedded server is believed, and who may read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from llmwrap.errors import (
    ConfigError,
)

from .embedded_world import (
    World,
    is_running,
    status_with_key,
    stranger,
    write_stale_state,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a place of its own to a test, and end what it has started."""
    with World(tmp_path) as world:
        yield world


def test_a_stale_state_with_a_reused_pid_and_port_is_not_believed(
    world: World,
) -> None:
    with stranger() as (pid, listener):
        write_stale_state(world, pid, listener.getsockname()[1])

        server = world.ensure()

        assert server.pid != pid
        assert is_running(pid)
        with pytest.raises(BlockingIOError):  # Nobody has come with a key.
            listener.accept()


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"format": 2}', b"[" * 60_000, Random(1).randbytes(300)],
)
def test_a_damaged_state_of_a_dead_server_is_ignored(
    world: World, damage: bytes
) -> None:
    write_stale_state(world, 1 << 22, 1)
    Path(world.place.state).write_bytes(damage)

    server = world.ensure()

    assert status_with_key(server, server.key) == 200


def test_what_a_kill_left_of_a_state_goes_with_the_next_start(world: World) -> None:
    write_stale_state(world, 1 << 22, 1)
    left = Path(world.place.state).with_name(".model.json.0badcafe")
    left.write_text("{")
    os.utime(left, (1, 1))

    world.ensure()

    assert not left.exists()


def test_a_server_whose_state_is_damaged_is_replaced(world: World) -> None:
    first = world.ensure(idle_s=1.5)
    Path(world.place.state).write_bytes(b"{")

    second = world.ensure()

    assert second.pid != first.pid
    assert not is_running(first.pid)


def test_a_state_that_others_can_read_is_not_believed(world: World) -> None:
    first = world.ensure(idle_s=1.5)
    os.chmod(world.place.state, 0o644)

    second = world.ensure()

    assert second.key != first.key
    assert os.stat(world.place.state).st_mode & 0o777 == 0o600


def test_a_link_in_the_place_of_the_state_is_not_followed(world: World) -> None:
    write_stale_state(world, 1 << 22, 1)
    elsewhere = world.directory / "elsewhere.json"
    os.rename(world.place.state, elsewhere)
    before = elsewhere.read_bytes()
    os.symlink(elsewhere, world.place.state)

    server = world.ensure()

    assert status_with_key(server, server.key) == 200
    assert elsewhere.read_bytes() == before


def test_a_link_in_the_place_of_the_lock_is_an_error(world: World) -> None:
    write_stale_state(world, 1 << 22, 1)
    os.unlink(world.place.lock)
    os.symlink("/dev/null", world.place.lock)

    with pytest.raises(ConfigError, match="no private file"):
        world.ensure()


def test_the_key_is_nowhere_but_in_the_private_state(world: World) -> None:
    world.environ["LLMWRAP_API_KEY"] = "the user's own"
    server = world.ensure()
    process = Path(f"/proc/{server.pid}")

    told = [process / "cmdline", process / "environ", Path(server.log_path)]

    assert all(server.key.encode() not in path.read_bytes() for path in told)
    assert b"the user's own" not in (process / "environ").read_bytes()
    assert server.key not in repr(server)
    for path in (server.log_path, world.place.state, world.place.lock):
        assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(server.log_path)).st_mode & 0o777 == 0o700
