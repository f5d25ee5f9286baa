"""`cache`: what is kept, in tables and JSON, and looking after it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from .asking import OPENAI, ask, chats, error, lines
from .fakeserver import FakeServer
from .runner import Home, Runner


def rows(cli: Runner, *argv: str) -> Any:
    return json.loads(cli.run("cache", "list", "--json", *argv).stdout)["cache"]


def shards(home: Home) -> list[Path]:
    return sorted((home.path / "cache" / "llmwrap" / "answers").iterdir())


@pytest.fixture
def filled(cli: Runner, server: FakeServer) -> FakeServer:
    """Give a server that was asked three questions, which are kept."""
    ask(cli, server, "one")
    ask(cli, server, "-m", "beta:7b", "two")
    ask(cli, server, "three", dialect=OPENAI)
    return server


def test_an_empty_cache_is_no_failure(cli: Runner) -> None:
    for verb in ("stats", "list", "clear", "verify", "compact", "path"):
        for options in ((), ("--json",)):
            result = cli.run("cache", verb, *options)

            assert result.status == 0, (verb, result.stderr)
            assert lines(result, "warning") == []
            if options:
                assert json.loads(result.stdout)["version"] == 1


def test_stats_count_over_all_processes(
    cli: Runner, home: Home, filled: FakeServer
) -> None:
    for question in ("one", "one"):
        ask(cli, filled, question)

    stats = json.loads(cli.run("cache", "stats", "--json").stdout)

    size = sum(path.stat().st_size for path in shards(home))
    assert stats == {
        "version": 1,
        "entries": 3,
        "bytes": size,
        "hits": 2,
        "misses": 3,
        "hit_ratio": 0.4,
    }
    text = cli.run("cache").text
    assert "hit ratio  40.0%" in text
    assert str(home.path / "cache" / "llmwrap") in text


def test_the_list_has_the_newest_first(cli: Runner, filled: FakeServer) -> None:
    found = rows(cli)

    assert [row["kind"] for row in found] == ["openai", "ollama", "ollama"]
    assert [row["asked_model"] for row in found] == [
        "alpha:latest",
        "beta:7b",
        "alpha:latest",
    ]
    assert {row["expired"] for row in found} == {False}
    assert [bool(row["digest"]) for row in found] == [False, True, True]
    table = cli.run("cache", "list").text.splitlines()
    titles = ["KEY", "MODEL", "BACKEND", "AGE", "SIZE", "TOKENS", "STATE"]
    assert table[0].split() == titles
    assert [line.split()[0] for line in table[1:]] == [row["key"][:12] for row in found]


def test_expired_answers_are_listed_as_such(cli: Runner, filled: FakeServer) -> None:
    environ = {"LLMWRAP_CACHE_TTL": "0.000001"}

    table = cli.run("cache", "list", environ=environ).text.splitlines()[1:]

    assert {line.split()[-1] for line in table} == {"expired"}


@pytest.mark.parametrize(
    ("argv", "left"),
    [
        ([], 0),
        (["--model", "beta:7b"], 2),
        (["-m", "alpha"], 1),
        (["-m", "alpha", "-b", "openai"], 2),
        (["-b", "OLLAMA"], 1),
        (["-m", "gamma"], 3),
        (["--older-than", "1h"], 3),
        (["--older-than", "0"], 0),
    ],
    ids=str,
)
def test_clear_removes_what_is_meant(
    cli: Runner, filled: FakeServer, argv: list[str], left: int
) -> None:
    assert len(rows(cli, *argv)) == 3 - left

    result = cli.run("cache", "clear", "--json", *argv)

    assert json.loads(result.stdout) == {"version": 1, "removed": 3 - left}
    assert len(rows(cli)) == left


def test_a_key_can_be_cleared(cli: Runner, filled: FakeServer) -> None:
    key = rows(cli, "-m", "beta:7b")[0]["key"]

    cli.run("cache", "clear", "--key", key[:8].upper())

    assert key not in [row["key"] for row in rows(cli)]
    assert len(rows(cli)) == 2


def test_what_is_cleared_is_asked_again(cli: Runner, filled: FakeServer) -> None:
    cli.run("cache", "clear", "-m", "alpha")

    ask(cli, filled, "one")
    ask(cli, filled, "-m", "beta:7b", "two")

    assert len(chats(filled)) == 4


def test_verify_finds_damage_and_compact_drops_it(
    cli: Runner, home: Home, filled: FakeServer
) -> None:
    # The shortest: two of the three may share a file, as the server's port decides.
    shard = min(shards(home), key=lambda path: path.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)

    found = cli.run("cache", "verify", "--json")
    cli.run("cache", "compact")
    again = cli.run("cache", "verify")

    assert found.status == 11
    damage = json.loads(found.stdout)["damage"]
    assert [one["path"] for one in damage] == [str(shard)]
    assert damage[0]["damaged_bytes"] == len(content) - 16
    assert error(found).startswith("the cache is damaged in 1 file")
    assert str(shard) in lines(found, "warning")[0]
    assert again.status == 0
    assert len(rows(cli)) == 2


def test_compact_keeps_what_is_too_old_for_one_and_not_for_others(
    cli: Runner, filled: FakeServer
) -> None:
    environ = {"LLMWRAP_CACHE_TTL": "0.000001"}

    done = json.loads(cli.run("cache", "compact", "--json", environ=environ).stdout)

    assert done["removed"] == 0
    assert len(rows(cli)) == 3


def test_the_path_is_where_it_is(cli: Runner, home: Home, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "elsewhere")

    assert cli.run("cache", "path").text == f"{home.path}/cache/llmwrap\n"
    moved = cli.run("cache", "path", environ={"LLMWRAP_CACHE_PATH": elsewhere})
    assert moved.text == f"{elsewhere}\n"


@pytest.mark.parametrize(
    ("words", "variable"),
    [("cache path", "LLMWRAP_CACHE_PATH"), ("config path", "LLMWRAP_CONFIG")],
)
def test_a_path_that_is_no_utf8_is_printed_by_its_bytes(
    cli: Runner, words: str, variable: str
) -> None:
    name = os.fsdecode(b"/n\xff/x")

    assert cli.run(*words.split(), environ={variable: name}).stdout == b"/n\xff/x\n"


@pytest.mark.parametrize("verb", ["stats", "list", "clear", "verify", "compact"])
def test_a_cache_that_cannot_be_used_is_status_11(
    cli: Runner, home: Home, verb: str
) -> None:
    place = home.path / "cache" / "llmwrap" / "answers" / "00"
    place.parent.mkdir(parents=True)
    os.symlink("/dev/zero", place)

    result = cli.run("cache", verb, "--json")

    assert result.status == 11
    assert json.loads(result.stdout)["version"] == 1
    assert len(lines(result, "error")) == 1


@pytest.mark.parametrize(
    "argv",
    [
        ["frobnicate"],
        ["stats", "more"],
        ["stats", "-m", "alpha"],
        ["verify", "--older-than", "1d"],
        ["list", "--key", "xyz"],
        ["clear", "--older-than", "soon"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_status_2(cli: Runner, argv: list[str]) -> None:
    assert cli.run("cache", *argv).status == 2


def test_names_of_models_cannot_drive_the_terminal(
    cli: Runner, server: FakeServer
) -> None:
    with FakeServer(models=["evil\x1b]0;x\x07:latest"]) as hostile:
        cli.run("--base-url", hostile.url, "-m", "evil\x1b]0;x\x07", "Hello")

    listed = cli.run("cache", "list", tty=True)

    assert b"evil" in listed.stdout
    assert b"\x1b" not in listed.stdout


def test_an_answer_is_shown_by_the_beginning_of_its_key(
    cli: Runner, server: FakeServer
) -> None:
    ask(cli, server, "Hi")
    (row,) = json.loads(cli.run("cache", "list", "--json").stdout)["cache"]

    shown = cli.run("cache", "show", row["key"][:12])
    whole = json.loads(cli.run("cache", "show", row["key"], "--json").stdout)

    assert shown.status == 0
    assert row["key"] in shown.text
    assert shown.text.endswith("\nHello from the fake server.\n")
    assert whole["cache"] == [{**row, "text": "Hello from the fake server."}]


def test_a_key_of_none_is_status_3(cli: Runner) -> None:
    assert cli.run("cache", "show", "ffff").status == 3


def test_an_empty_list_says_so(cli: Runner) -> None:
    result = cli.run("cache", "list")

    assert (result.stdout, lines(result, "note")) == (b"", ["no answer is stored"])
