"""Damaged files of the cache, seen by the real program."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from llmwrap.cache import layout

from .cacheworld import World, assert_right, content_below
from .damage import ANSWERS, DIRECT, FILES, TEXTS, Damage
from .fakeserver import FakeServer
from .runner import Runner


@pytest.fixture
def world(cli: Runner, server: FakeServer) -> World:
    """Give a cache with one answer, which the program finds in every way it has."""
    world = World(cli, server)
    for _ in range(2):
        assert_right(world.ask(), warnings=0)
    assert world.asked == 1
    return world


def _survives(
    world: World, part: str, damage: Damage, name: str, *, is_direct: bool
) -> None:
    """Damage every file of a part; direct mode is seen in a program of its own."""
    ask = world.ask if is_direct else world.ask_here
    with world.as_it_is():
        for file in world.files(part):
            file.write_bytes(damage(file.read_bytes()))

        assert_right(ask())
        asked = world.asked
        assert_right(ask(), warnings=0)

        assert world.asked == asked, f"{name}: the next run is no hit"


@pytest.mark.parametrize(
    ("part", "is_direct"),
    [
        *(("answers", False), ("models", False), ("used", False)),
        *(("answers", True), ("direct", True)),
    ],
)
def test_a_damaged_file_costs_one_hit_at_most(
    world: World, part: str, is_direct: bool
) -> None:
    for name, damage in FILES.items():
        _survives(world, part, damage, name, is_direct=is_direct)


@pytest.mark.parametrize(
    ("part", "kinds", "is_direct"),
    [("answers", ANSWERS, False), ("answers", TEXTS, True), ("direct", DIRECT, True)],
    ids=["answers", "texts", "direct"],
)
def test_a_hostile_payload_in_a_whole_record_costs_one_hit_at_most(
    world: World, part: str, kinds: Mapping[str, Damage], is_direct: bool
) -> None:
    """Direct mode looks at the text alone, the ordinary way at everything."""
    for name, damage in kinds.items():
        _survives(world, part, damage, name, is_direct=is_direct)


def _newer(data: bytes) -> bytes:
    return data[:6] + b"\x02\xfd" + data[8:]


@pytest.mark.parametrize(("part", "warnings"), [("answers", 1), ("direct", 0)])
def test_a_newer_format_is_left_alone(world: World, part: str, warnings: int) -> None:
    for file in world.files(part):
        file.write_bytes(_newer(file.read_bytes()))
    before = content_below(world.root / part)

    for _ in range(2):
        result = world.ask()
        assert_right(result)
        assert result.stderr.count("a newer llmwrap wrote it") == warnings

    assert content_below(world.root / part) == before


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:6] + b"\0\xff" + data[8:], id="older"),
        pytest.param(lambda data: data[:6] + b"\xfd\xfe" + data[8:], id="no version"),
        pytest.param(lambda data: b"SQLite format 3\0" + bytes(4096), id="foreign"),
    ],
)
def test_what_is_no_newer_format_is_replaced(
    world: World, damage: Callable[[bytes], bytes]
) -> None:
    [file] = world.files("answers")
    file.write_bytes(damage(file.read_bytes()))

    world.ask("--refresh")

    assert file.read_bytes()[:8] == b"lwjrnl\x01\xfe"
    asked = world.asked
    assert_right(world.ask(), warnings=0)
    assert world.asked == asked


def test_verify_and_stats_tell_of_a_newer_format(world: World) -> None:
    [file] = world.files("answers")
    file.write_bytes(_newer(file.read_bytes()))

    results = [world.cli.run("cache", verb) for verb in ("verify", "stats", "compact")]

    assert [result.status for result in results] == [11, 11, 11]
    assert all("a newer llmwrap wrote it" in one.stderr for one in results)


def test_verify_finds_damage_and_compact_drops_it(world: World) -> None:
    [file] = world.files("answers")
    whole = file.read_bytes()
    file.write_bytes(whole[:40] + b"?" + whole[41:])

    before = world.cli.run("cache", "verify")
    compacted = world.cli.run("cache", "compact")
    after = world.cli.run("cache", "verify")

    assert [before.status, compacted.status, after.status] == [11, 0, 0]
    assert not file.exists()


def test_damage_to_one_answer_is_none_to_the_others(world: World) -> None:
    for number in range(3):
        assert_right(world.ask(str(number)), warnings=0)
    file, *_ = world.files("answers")
    lost = len(layout.ANSWERS.live(file.read_bytes()))
    file.write_bytes(bytes(file.stat().st_size))
    asked = world.asked

    assert_right(world.ask())
    for number in range(3):
        assert_right(world.ask(str(number)))

    assert world.asked == asked + lost
