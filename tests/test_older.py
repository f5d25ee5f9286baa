"""What an older llmwrap left in a home is read: see older/make.py."""

from __future__ import annotations

import json
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from llmwrap.journal.records import header
from llmwrap.metrics.layout import RUNS
from llmwrap.metrics.run import moved_run
from llmwrap.repl.input_history import InputHistory

from .runner import Runner

OLDER = Path(__file__).parent / "older" / "home"


@pytest.fixture
def older(cli: Runner) -> Runner:
    """Give a home that an older llmwrap filled."""
    for name in ("cache", "config", "state"):
        shutil.copytree(OLDER / name, cli.home.path / name)
    return cli


def document(cli: Runner, *argv: str) -> Any:
    """Return what a command prints as JSON."""
    result = cli.run(*argv, "--json")
    assert (result.status, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_its_answers_are_no_hits_since_fewer_ends_are_good(older: Runner) -> None:
    result = older.run("-b", "desk", "-m", "alpha", "--cache-only", "Why?")

    assert result.status == 11
    assert "the cache has no answer of 'alpha' to this" in result.stderr


def test_its_answers_are_listed_and_whole(older: Runner) -> None:
    listed = document(older, "cache", "list")["cache"]

    assert sorted(one["model"] for one in listed) == ["alpha:latest"] * 4 + ["beta"]
    assert not any(one["expired"] for one in listed)
    assert older.run("cache", "verify").status == 0
    assert older.run("cache", "clear", "--model", "beta").status == 0
    assert len(document(older, "cache", "list")["cache"]) == 4


def test_its_answers_survive_a_compaction(older: Runner) -> None:
    assert older.run("cache", "compact").status == 0

    assert len(document(older, "cache", "list")["cache"]) == 5


def test_its_conversations_are_read_and_carried_on(older: Runner) -> None:
    listed = document(older, "history", "list")["history"]

    shown = older.run("history", "show", listed[0]["id"])

    assert len(listed) == 2
    assert "An older answer." in shown.text


def test_its_runs_are_counted(older: Runner) -> None:
    """Their moments are moved to now: what is too old is counted no longer."""
    path = older.home.path / "state" / "llmwrap" / "runs"
    records = []
    for record in RUNS.walk(path.read_bytes()):
        before, after = moved_run(record.payload)
        durations = record.payload[len(before) + 9 : len(record.payload) - len(after)]
        moment = b"\xcb" + struct.pack(">d", time.time())
        records.append(RUNS.record(b"", before + moment + durations + after))
    path.write_bytes(header() + b"".join(records))

    counted = document(older, "cache", "stats")
    assert (counted["hits"], counted["misses"]) == (1, 5)
    assert older.run("stats").status == 0


def test_what_was_entered_in_chats_is_remembered(older: Runner) -> None:
    entered = InputHistory(older.home.environ).load_history_strings()

    assert list(entered) == ["What did I ask?"]


def test_its_templates_and_its_configuration_hold(older: Runner) -> None:
    argv = ("template", "render", "greet", "--var", "name=Al", "--var", "tone=warm")

    assert older.run(*argv).text == "Greet Al in warm words.\n"
    assert older.run("config", "validate").status == 0


def test_the_model_it_found_is_remembered(older: Runner) -> None:
    """Nobody is asked: nothing listens there."""
    result = older.run("-b", "desk", "--cache-only", "Never asked.")

    assert result.status == 11
    assert "'alpha:latest'" in result.stderr
