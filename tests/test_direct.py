"""Direct mode: a repeated invocation is answered before anything is imported."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llmwrap.direct import Invocation
from llmwrap.journal.packing import unpack
from llmwrap.metrics.layout import RUNS

from .asking import address, chats
from .direct import Answered, answered, left_records, twice
from .fakeserver import HOSTILE_NAMES, FakeServer
from .runner import ROOT, Home, Runner


@pytest.fixture
def argv(server: FakeServer) -> tuple[str, ...]:
    """Give an invocation."""
    return (*address(server), "Why?")


def test_a_repeated_invocation_is_answered_directly(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    again = twice(cli, server, *argv)

    assert again == Answered(0, b"first\n", "", is_direct=True)
    assert len(chats(server)) == 1


def test_a_hit_of_the_ordinary_way_leaves_a_record_too(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    twice(cli, server, *argv, environ={"LLMWRAP_DIRECT": "0"})
    assert left_records(cli.home) == 0

    assert not answered(cli, *argv).is_direct
    assert answered(cli, *argv).is_direct


def test_a_variable_switches_it_off(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    twice(cli, server, *argv)

    again = answered(cli, *argv, environ={"LLMWRAP_DIRECT": "0"})

    assert again == Answered(0, b"first\n", "", is_direct=False)


@pytest.mark.parametrize("text", ["\n", "two\nlines\n", " ", *HOSTILE_NAMES[:3]])
def test_every_text_is_written_as_the_ordinary_way_does(
    cli: Runner, server: FakeServer, argv: tuple[str, ...], text: str
) -> None:
    server.answer = [text]
    ordinary = answered(cli, *argv)

    assert answered(cli, *argv) == ordinary._replace(is_direct=True)


def test_such_runs_are_recorded(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    twice(cli, server, *argv)
    answered(cli, *argv, environ={"LLMWRAP_DIRECT": "0"})

    stats = json.loads(cli.run("cache", "stats", "--json").stdout)
    assert (stats["hits"], stats["misses"]) == (2, 1)
    data = (cli.home.path / "state/llmwrap/runs").read_bytes()
    _, direct, ordinary = (unpack(record.payload) for record in RUNS.walk(data))
    assert isinstance(direct, list)
    assert isinstance(ordinary, list)
    assert direct[:1] + direct[5:] == ordinary[:1] + ordinary[5:]
    assert all(isinstance(moment, float) for moment in direct[1:5])


def test_a_clock_that_is_set_back_meanwhile_changes_no_duration(
    cli: Runner,
    server: FakeServer,
    argv: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for_ever = {"LLMWRAP_CACHE_TTL": "0"}
    twice(cli, server, *argv, environ=for_ever)
    invocation = Invocation([*argv], cli.environ({**for_ever, "PYTHONPATH": str(ROOT)}))
    started_ns = invocation.started_ns

    monkeypatch.setattr(time, "time_ns", lambda: started_ns - 10**15)
    assert invocation.answer()

    assert capfd.readouterr().out == "first\n"
    data = (cli.home.path / "state/llmwrap/runs").read_bytes()
    *_, last = (unpack(record.payload) for record in RUNS.walk(data))
    assert isinstance(last, list)
    assert last[1] == started_ns / 1e9
    assert all(isinstance(moment, float) and moment >= 0 for moment in last[2:5])


def test_a_state_that_cannot_be_written_costs_no_answer(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    twice(cli, server, *argv)
    runs = cli.home.path / "state/llmwrap/runs"
    runs.unlink()
    runs.mkdir()

    assert answered(cli, *argv) == Answered(0, b"first\n", "", is_direct=True)


def test_the_use_of_an_answer_is_noted(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    """Else what is asked most would be the first to go."""
    twice(cli, server, *argv)
    [used] = (cli.home.path / "cache/llmwrap/used").iterdir()
    used.unlink()

    assert answered(cli, *argv).is_direct

    assert used.read_bytes().strip(b"\0")


def _cleared(home: Home) -> None:
    Runner(home).run("cache", "clear")


def _cleared_of_the_model(home: Home) -> None:
    Runner(home).run("cache", "clear", "--model", "alpha")


def _pulled(home: Home) -> None:
    [model] = (home.path / "cache/llmwrap/models").iterdir()
    model.write_text("another digest")


def _damaged_answer(home: Home) -> None:
    [shard] = (home.path / "cache/llmwrap/answers").iterdir()
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0")


def _newer_answers(home: Home) -> None:
    [shard] = (home.path / "cache/llmwrap/answers").iterdir()
    data = shard.read_bytes()
    shard.write_bytes(data[:6] + bytes((2, 253)) + data[8:])


def _another_owner(home: Home) -> None:
    root = home.path / "cache/llmwrap"
    try:
        os.chown(root, os.getuid() + 1, -1)
    except PermissionError:
        pytest.skip("only root can give a directory away")


@pytest.mark.parametrize(
    "change",
    [
        _cleared,
        _cleared_of_the_model,
        _pulled,
        _damaged_answer,
        _newer_answers,
        pytest.param(_another_owner, marks=pytest.mark.root),
    ],
)
def test_an_answer_that_does_not_count_any_more_is_asked_for(
    cli: Runner,
    server: FakeServer,
    argv: tuple[str, ...],
    change: Callable[[Home], None],
) -> None:
    assert twice(cli, server, *argv).is_direct
    change(cli.home)

    again = answered(cli, *argv)

    assert (again.status, again.stdout, again.is_direct) == (0, b"second\n", False)


def test_an_expired_answer_is_asked_for(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    again = twice(cli, server, *argv, environ={"LLMWRAP_CACHE_TTL": "1ms"})

    assert left_records(cli.home)
    assert (again.stdout, again.is_direct) == (b"second\n", False)


def _each(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    "change",
    [
        _each(lambda data: data[:-1]),
        _each(lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        _each(lambda data: data[:40] + b"?" + data[41:]),
        _each(lambda _: b""),
        _each(lambda _: b"#!/bin/sh\n"),
        _each(lambda data: data[:6] + bytes((2, 253)) + data[8:]),
        lambda path: path.chmod(0) if os.getuid() else path.unlink(),
        lambda path: path.symlink_to(path.rename(path.with_suffix(".real"))),
    ],
    ids=["cut", "flipped", "foreign key", "empty", "foreign", "newer", "shut", "link"],
)
def test_records_that_cannot_be_used_are_no_hit(
    cli: Runner,
    server: FakeServer,
    argv: tuple[str, ...],
    change: Callable[[Path], object],
) -> None:
    assert twice(cli, server, *argv).is_direct
    for path in list((cli.home.path / "cache/llmwrap/direct").iterdir()):
        change(path)

    again = answered(cli, *argv)

    assert again == Answered(0, b"first\n", "", is_direct=False)
