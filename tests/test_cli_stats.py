"""`stats`: what is recorded of runs, shown and judged."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from llmwrap.metrics.layout import runs_path

from .asking import OLLAMA, address, ask, error
from .failing import busy, failing
from .fakeserver import Answer, Body, EndBody, FakeServer, Pause, ollama_reply
from .recorded import ODD, a_run, record, row, stats
from .runner import Home, Result, Runner


def targets(cli: Runner) -> dict[str, Any]:
    return {one["target"]: one for one in stats(cli)["targets"]}


def test_before_the_first_run_there_is_nothing_and_nothing_is_missed(
    cli: Runner,
) -> None:
    result = cli.run("stats", "--check")

    assert result.status == 0
    assert "runs    0" in result.text
    assert result.text.count("no runs") == 5
    assert stats(cli)["stats"] == []


def test_a_run_leaves_its_figures(cli: Runner, server: FakeServer) -> None:
    ask(cli, server, "one two three")

    found = row(cli, model="alpha:latest")

    labels = (found["backend"], found["template"], found["outcome"])
    assert labels == ("ollama", "", "miss")
    assert (found["runs"], found["errors"], found["attempts"]) == (1, 0, 1)
    names = {name for name, value in found.items() if isinstance(value, dict)}
    assert names >= {"lookup_s", "queued_s", "ttft_s", "e2e_s", "completion_tokens"}
    assert 0 < found["ttft_s"]["p50"] <= found["e2e_s"]["max"]


def test_the_gaps_between_the_pieces_of_an_answer_are_counted(
    cli: Runner, server: FakeServer
) -> None:
    speech = server.speech("ollama")
    frames = [
        *speech.start(("one", " two")),
        *speech.ending(Answer(("one", " two"))),
    ]
    paused = [step for frame in frames for step in (Body(frame), Pause(0.2))]
    server.script(OLLAMA.path, speech.head(), *paused, EndBody())
    ask(cli, server, "one")

    found = row(cli, outcome="miss")

    assert found["itl_s"]["values"] == 1
    assert 0.1 < found["itl_s"]["p50"] < 10


def test_the_template_of_a_run_and_its_rendering_are_counted(
    cli: Runner, server: FakeServer
) -> None:
    given = ("-t", "greeting", "--var", "name=Alice", "--lax")
    assert ask(cli, server, "-n", *given).status == 0

    found = row(cli, template="greeting")

    assert 0 < found["rendering_s"]["p50"] < 10


def test_hits_are_apart_from_misses(cli: Runner, server: FakeServer) -> None:
    for _ in range(3):
        ask(cli, server, "one")
    ask(cli, server, "one", "--no-cache")

    found = stats(cli)

    assert (found["hits"], found["misses"], found["runs"]) == (2, 1, 4)
    assert row(cli, outcome="hit")["runs"] == 2
    assert "lookup_s" not in row(cli, outcome="off")
    assert "tokens_per_s" not in row(cli, outcome="hit")


def test_a_hit_by_direct_mode_counts_like_any_other(
    cli: Runner, server: FakeServer
) -> None:
    for _ in range(2):
        assert cli.spawn(*address(server), "one").status == 0

    assert (stats(cli)["hits"], row(cli, outcome="hit")["runs"]) == (1, 1)


def test_a_failed_run_has_the_kind_of_its_error(
    cli: Runner, server: FakeServer
) -> None:
    failing(server, OLLAMA, *busy())
    ask(cli, server, "one", "--retries", "0")

    found = stats(cli)

    assert found["errors_by_kind"] == {"backend_failed": 1}
    assert found["error_ratio"] == 1.0


def test_how_answers_ended_is_counted(cli: Runner, server: FakeServer) -> None:
    for reason in ("stop", "length", "content_filter", "zzz"):
        server.script(OLLAMA.path, ollama_reply(["some"], done_reason=reason))
        ask(cli, server, reason)
    ask(cli, server, "stop")  # a hit ended as well as what it repeats

    assert stats(cli)["ends"] == {"cut": 1, "good": 2, "unknown": 1, "withheld": 1}
    assert "ends    good 2, " in cli.run("stats").text


def test_the_targets_are_judged(cli: Runner, home: Home) -> None:
    slow = a_run(ttft_s=0.5, lookup_s=0.002, rendering_s=0.2)
    hits = [a_run(outcome="hit", ttft_s=0.001) for _ in range(9)]
    record(home, slow, *hits)

    found = {name: target["met"] for name, target in targets(cli).items()}

    assert found == {
        "ttft_p95_s": False,
        "lookup_p95_s": True,
        "rendering_p95_s": False,
        "hit_ratio": True,
        "error_ratio": True,
    }


def test_the_ttft_of_hits_does_not_hide_that_of_misses(cli: Runner, home: Home) -> None:
    record(home, a_run(ttft_s=0.3), *[a_run(outcome="hit", ttft_s=0.001)] * 99)

    assert targets(cli)["ttft_p95_s"]["measured"] == pytest.approx(0.3, rel=0.01)


def test_a_run_that_was_interrupted_is_no_error(cli: Runner, home: Home) -> None:
    record(home, a_run(error="interrupted"), a_run(error="timeout"), a_run(), a_run())

    found = targets(cli)["error_ratio"]

    assert found["measured"] == 0.25
    assert found["met"] is False
    assert stats(cli)["errors_by_kind"] == {"interrupted": 1, "timeout": 1}
    text = cli.run("stats").text
    assert "errors       1 (timeout 1)" in text
    assert "interrupted  1" in text


def test_check_ends_with_13_when_a_target_is_missed(cli: Runner, home: Home) -> None:
    record(home, a_run(ttft_s=0.5))

    result = cli.run("stats", "--check")

    assert result.status == 13
    assert error(result).startswith(
        "2 of 5 performance targets are missed: ttft_p95_s, hit_ratio"
    )
    assert "missed" in result.text


def test_check_with_json_prints_one_object(cli: Runner, home: Home) -> None:
    record(home, a_run(ttft_s=0.5))

    result = cli.run("stats", "--check", "--json")

    assert result.status == 13
    assert json.loads(result.stdout)["runs"] == 1


def test_since_leaves_out_what_is_older(cli: Runner, home: Home) -> None:
    record(home, a_run(started_at=time.time() - 7200), a_run())

    assert stats(cli)["runs"] == 2
    assert stats(cli, "--since", "1h")["runs"] == 1


def test_the_table_has_percentiles_and_a_histogram(cli: Runner, home: Home) -> None:
    record(home, *(a_run(ttft_s=n / 100) for n in range(1, 101)))

    text = cli.run("stats").text

    words = next(line.split() for line in text.splitlines() if " ttft " in line)
    assert words[:7] == ["alpha", "ollama", "-", "miss", "-", "ttft", "100"]
    assert words[-1] == "1s"
    bars = [line for line in text.splitlines() if line.endswith("#")]
    assert bars[-2].split()[:3] == ["<=", "500ms", "30"]
    assert text.count("#") >= 50


def test_a_name_from_a_server_cannot_drive_the_terminal(
    cli: Runner, home: Home
) -> None:
    record(home, a_run(model=ODD))

    assert "\x1b" not in cli.run("stats").text


def broken_state(home: Home) -> Path:
    path = Path(runs_path(home.environ))
    path.mkdir(parents=True)
    return path


def test_a_state_that_cannot_be_read_is_status_11(cli: Runner, home: Home) -> None:
    broken_state(home)

    result = cli.run("stats", "--json")

    assert result.status == 11
    assert "the record of runs cannot be read" in error(result)
    assert json.loads(result.stdout)["error"]["kind"] == "cache"


def test_a_journal_of_a_newer_version_is_status_11(cli: Runner, home: Home) -> None:
    record(home, a_run())
    path = Path(runs_path(home.environ))
    content = path.read_bytes()
    path.write_bytes(content[:6] + bytes((9, 255 - 9)) + content[8:])

    assert cli.run("stats").status == 11


def test_a_state_that_cannot_be_written_costs_no_answer(
    cli: Runner, home: Home, server: FakeServer
) -> None:
    broken_state(home)

    result: Result = ask(cli, server, "one")

    assert (result.status, result.stderr) == (0, "")


def test_stats_takes_no_operand(cli: Runner) -> None:
    assert cli.run("stats", "today").status == 2


@pytest.mark.parametrize(
    ("argv", "runs"),
    [
        (["-m", "alpha:latest"], 2),
        (["--model", "alpha"], 2),
        (["-m", "beta"], 0),
        (["--backend", "OLLAMA"], 2),
        (["--backend", "openai"], 0),
        (["--template", "none"], 0),
        (["-m", "alpha", "-b", "ollama", "--since", "1h"], 2),
    ],
)
def test_runs_are_counted_by_what_they_have_in_common(
    cli: Runner, server: FakeServer, argv: list[str], runs: int
) -> None:
    for prompt in ("one", "two"):
        ask(cli, server, prompt)

    document = json.loads(cli.run("stats", *argv, "--json").stdout)

    assert document["runs"] == runs
