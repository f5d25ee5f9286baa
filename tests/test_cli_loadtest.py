"""`loadtest` from the command line: what it asks, tells and ends with."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llmwrap.metrics.layout import runs_path

from .asking import DIALECTS, OLLAMA, Dialect, address, chats, error, lines
from .fakeserver import (
    FOREVER,
    Answer,
    Body,
    EndBody,
    FakeServer,
    Silence,
    WaitFor,
    json_error,
    json_reply,
)
from .runner import SPAWN_S, Result, Runner

_FEW = ("--concurrency", "2", "--requests", "6")


def loadtest(
    cli: Runner,
    server: FakeServer,
    *argv: str,
    load: Sequence[str] = _FEW,
    dialect: Dialect = OLLAMA,
    **options: Any,
) -> Result:
    return cli.run("loadtest", *address(server, dialect), *load, *argv, **options)


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def prompts(server: FakeServer) -> list[str]:
    return [request.json["messages"][-1]["content"] for request in chats(server)]


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_it_asks_as_often_as_it_is_told_after_a_warm_up(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    result = loadtest(cli, server, "--json", dialect=dialect)

    found = document(result)
    assert (result.status, found["requests"], found["errors"]) == (0, 6, 0)
    assert found["warmup_requests"] == 2
    assert len(chats(server)) == 8
    assert len(found["samples"]) == 6
    assert found["completion_tokens"] == 36
    assert 0 < found["ttft_s"]["p50"] <= found["e2e_s"]["p50"]


def test_the_report_on_stdout_is_for_people(cli: Runner, server: FakeServer) -> None:
    result = loadtest(cli, server, "--slo", "e2e=60s", "--samples")

    assert result.status == 0
    shown = [line.split("  ")[0] for line in result.text.splitlines()]
    assert [row for row in ("TTFT", "ITL", "TPOT", "E2E", "queued") if row in shown]
    assert "requests  6, 0 failed; 2 before to warm up" in result.text
    assert "100.0% of requests" in result.text
    assert len([line for line in result.text.splitlines() if line.endswith(" ok")]) == 6


def test_results_go_to_a_file_as_well(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    result = loadtest(cli, server, "--json", "--output", str(tmp_path / "r.json"))

    assert json.loads((tmp_path / "r.json").read_bytes()) == document(result)


def test_a_file_called_minus_is_stdout(cli: Runner, server: FakeServer) -> None:
    result = loadtest(cli, server, "--output", "-")

    assert document(result)["requests"] == 6
    assert not (cli.home.path / "-").exists()


def test_none_of_it_counts_in_the_metrics(cli: Runner, server: FakeServer) -> None:
    loadtest(cli, server)

    assert not Path(runs_path(cli.home.environ)).exists()


def test_it_asks_past_the_cache(cli: Runner, server: FakeServer) -> None:
    for _ in range(2):
        result = loadtest(cli, server, "--json")

    assert len(chats(server)) == 16
    assert document(result)["hit_ratio"] is None


def test_a_test_of_the_cache_has_a_cache_of_its_own(
    cli: Runner, server: FakeServer
) -> None:
    load = ("--concurrency", "1", "--requests", "20", "--warmup", "0")

    for _ in range(2):
        result = loadtest(cli, server, "--json", "--test-cache", load=load)

    found = document(result)
    assert found["hit_ratio"] == 0.8
    assert found["hits_e2e_s"]["p50"] < found["misses_e2e_s"]["p50"]
    assert len(chats(server)) == 8
    assert not (cli.home.path / "cache").exists()


def test_an_open_loop_sends_at_its_rate(cli: Runner, server: FakeServer) -> None:
    load = ("--rate", "200", "--duration", "100ms", "--arrival", "constant")

    found = document(loadtest(cli, server, "--json", load=load))

    assert (found["requests"], found["setting"]["mode"]) == (20, "open")
    moments = [sample["started_s"] for sample in found["samples"]]
    assert moments == pytest.approx([number / 200 for number in range(20)])


def test_a_stall_shows_in_an_open_loop(cli: Runner, server: FakeServer) -> None:
    """Every request that was due while the server stalled says for how long."""
    go_on = threading.Event()

    def release() -> None:
        server.wait_for_requests(20)
        go_on.set()

    load = ("--rate", "1000", "--requests", "20", "--arrival", "constant")
    server.script(OLLAMA.path, WaitFor(go_on), *ended(server), times=FOREVER)
    threading.Thread(target=release).start()
    found = document(loadtest(cli, server, "--json", "--warmup", "0", load=load))

    samples = sorted(found["samples"], key=lambda sample: sample["started_s"])
    # None could end before the last was asked, so all that is between counts.
    last_s = samples[-1]["started_s"]
    assert [s["e2e_s"] >= last_s - s["started_s"] for s in samples] == [True] * 20


def ended(server: FakeServer) -> Any:
    """Return the steps of a whole answer of one token."""
    speech = server.speech("ollama")
    frames = [*speech.start(("one",)), *speech.ending(Answer(("one",)))]
    return [speech.head(), *map(Body, frames), EndBody()]


def test_failures_are_counted_by_kind_and_end_with_10(
    cli: Runner, server: FakeServer
) -> None:
    load = ("--concurrency", "1", "--requests", "5", "--warmup", "0")
    for status in (500, 503, 404):
        server.script(OLLAMA.path, json_error(status, {"error": "no"}))

    result = loadtest(cli, server, "--json", load=load)

    assert result.status == 10
    said = "3 of 5 requests failed: backend_failed 2, refused 1"
    assert error(result) == said
    found = document(result)
    assert found["errors"] == 3
    assert found["errors_by_kind"] == {"backend_failed": 2, "refused": 1}
    assert found["requests"] == len(found["samples"]) == 5


def test_nothing_is_retried_unless_asked(cli: Runner, server: FakeServer) -> None:
    load = ("--concurrency", "1", "--requests", "1", "--warmup", "0")
    again = ("--retries", "1", "--retry-delay", "0")
    server.script(OLLAMA.path, json_error(503, {"error": "busy"}), times=2)

    once = loadtest(cli, server, load=load)
    twice = loadtest(cli, server, *again, load=load)

    assert (once.status, twice.status) == (10, 0)
    assert len(chats(server)) == 3


def test_a_backend_that_is_down_is_said_at_once(cli: Runner) -> None:
    result = cli.run("loadtest", "-b", "ollama", "-m", "alpha", "--json")

    assert result.status == 4
    assert document(result)["error"]["kind"] == "unreachable"
    assert "cannot reach ollama" in error(result)


def test_time_outs_are_those_of_each_request(cli: Runner, server: FakeServer) -> None:
    load = ("--concurrency", "1", "--requests", "2", "--warmup", "0")
    server.script(OLLAMA.path, Silence())

    result = loadtest(cli, server, "--timeout", "1s", "--json", load=load)

    assert result.status == 10
    assert document(result)["errors_by_kind"] == {"timeout": 1}


def test_prompts_come_from_a_file_or_stdin(cli: Runner, server: FakeServer) -> None:
    load = ("--concurrency", "1", "--requests", "3", "--warmup", "0")

    loadtest(cli, server, "--prompts", "-", load=load, stdin=b"one\ntwo\n")

    assert prompts(server) == ["one", "two", "one"]


def test_prompts_are_made_with_a_length(cli: Runner, server: FakeServer) -> None:
    result = loadtest(cli, server, "--json", "--prompt-tokens", "30")

    assert {len(prompt.split()) for prompt in prompts(server)} == {30}
    assert len(set(prompts(server))) == 8
    assert document(result)["prompt_tokens"] == 180


def test_options_go_to_the_model(cli: Runner, server: FakeServer) -> None:
    options = ("--max-tokens", "2", "--seed", "7", "-s", "be brief", "-o", "num_ctx=99")

    result = loadtest(cli, server, "--json", *options)

    asked = chats(server)[0].json
    assert asked["options"] == {"num_predict": 2, "seed": 7, "num_ctx": 99}
    assert asked["messages"][0] == {"role": "system", "content": "be brief"}
    assert document(result)["completion_tokens"] == 12


def test_what_every_request_would_say_is_said_once(
    cli: Runner, server: FakeServer
) -> None:
    result = loadtest(cli, server, "--max-tokens", "2")

    assert lines(result, "note") == [
        f"testing 'alpha:latest' on ollama at {server.url}: 2 requests at once"
    ]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["Hello"], "'loadtest' takes no 'Hello'"),
        (["--rate", "5"], "--rate needs to know its end"),
        (["--hit-ratio", "50%"], "--hit-ratio is for --test-cache"),
        (["--prompts", "f", "--prompt-tokens", "5"], "--prompts and --prompt-tokens"),
        (["--slo", "ttft"], "'ttft' is no LATENCY=DURATION"),
        (["--slo", "itl=5ms"], "'itl=5ms' is no LATENCY=DURATION"),
        (["--slo", "e2e=5x"], "is no duration"),
        (["--concurrency", "0"], "a whole number from 1"),
        (["--rate", "0"], "it must be more than 0"),
        (["--tolerance", "150%"], "'150%' is no share"),
        (["--test-templates", "-t", "sql"], "--test-templates and --template"),
        (["--var", "a=b"], "variables are given and no template"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    cli: Runner, argv: list[str], said: str
) -> None:
    result = cli.run("loadtest", *argv)

    assert result.status == 2
    assert said in error(result)


def test_templates_are_asked_in_turn(cli: Runner, server: FakeServer) -> None:
    result = loadtest(
        cli, server, "--test-templates", "--requests", "40", "--warmup", "0"
    )

    prompts = [chat.json["messages"][-1]["content"] for chat in chats(server)]
    assert result.status == 0
    assert len(set(prompts)) == 40
    assert any("commit message" in prompt for prompt in prompts)
    assert not any("{{" in prompt for prompt in prompts)


@pytest.mark.parametrize(
    "asked", [("--test-templates",), ("-t", "greeting", "--var", "name=Alice")]
)
def test_what_rendering_takes_is_told(
    cli: Runner, server: FakeServer, asked: tuple[str, ...]
) -> None:
    page = cli.home.path / "r.json"

    result = loadtest(cli, server, *asked, "--output", str(page))

    found = json.loads(page.read_bytes())
    assert list(found["rendering_s"]) == ["p50", "p90", "p95", "p99", "max"]
    assert all(sample["rendering_s"] > 0 for sample in found["samples"])
    assert [line for line in result.text.splitlines() if line.startswith("rendering ")]


def test_what_is_not_rendered_takes_no_rendering(
    cli: Runner, server: FakeServer
) -> None:
    found = document(loadtest(cli, server, "--json"))

    assert found["rendering_s"] is None


def test_one_template_is_asked_with_its_variables(
    cli: Runner, server: FakeServer
) -> None:
    loadtest(cli, server, "-t", "greeting", "--var", "name=Alice", "--requests", "3")

    assert {c.json["messages"][-1]["content"] for c in chats(server)} == {
        "Hello Alice!"
    }


def test_a_template_that_lacks_a_variable_is_status_3_before_anybody_is_asked(
    cli: Runner, server: FakeServer
) -> None:
    result = loadtest(cli, server, "-t", "greeting")

    assert (result.status, server.requests) == (3, [])
    assert "missing variable 'name'" in error(result)


def test_nothing_is_asked_when_a_file_cannot_be_written(
    cli: Runner, server: FakeServer
) -> None:
    result = loadtest(cli, server, "--output", "missing/r.json")

    assert result.status == 12
    assert chats(server) == []


# Rounds


def test_rounds_are_runs_one_after_the_other(cli: Runner, server: FakeServer) -> None:
    result = loadtest(cli, server, "--json", "--rounds", "3")

    found = document(result)
    samples = found["samples"]
    assert (found["rounds"], found["requests"], found["warmup_requests"]) == (3, 18, 6)
    assert [s["round"] for s in samples] == [0] * 6 + [1] * 6 + [2] * 6
    ends = [max(s["ended_s"] for s in samples[n : n + 6]) for n in (0, 6, 12)]
    starts = [min(s["started_s"] for s in samples[n : n + 6]) for n in (6, 12)]
    assert ends[0] <= starts[0]
    assert ends[1] <= starts[1]
    assert found["wall_s"] == pytest.approx(ends[2])
    assert {"ttft_s", "e2e_s"} <= found["spread"].keys()
    assert len(chats(server)) == 24


def test_one_round_knows_no_spread(cli: Runner, server: FakeServer) -> None:
    found = document(loadtest(cli, server, "--json"))

    assert (found["rounds"], found["spread"]) == (1, None)


def test_each_round_of_a_cache_test_has_a_cache_of_its_own(
    cli: Runner, server: FakeServer
) -> None:
    load = ("--concurrency", "1", "--requests", "20", "--warmup", "0")

    result = loadtest(cli, server, "--json", "--test-cache", "--rounds", "2", load=load)

    assert document(result)["hit_ratio"] == 0.8


def test_rounds_and_their_spread_stand_in_the_report(
    cli: Runner, server: FakeServer
) -> None:
    result = loadtest(cli, server, "--rounds", "2")

    assert "12, 0 failed; 2 rounds; 4 before to warm up" in result.text
    assert "between rounds  TTFT " in result.text


# The gate


@pytest.fixture
def baseline(cli: Runner, server: FakeServer, tmp_path: Path) -> Path:
    path = tmp_path / "old.json"
    result = loadtest(cli, server, "--requests", "20", "--output", str(path))
    assert result.status == 0
    return path


def move(baseline: Path, ttft_s: float, e2e_s: float) -> None:
    """Let all answers of a baseline have had these latencies, whatever was measured.

    So how fast the machine that runs this is has no say in who is faster.
    """
    kept = json.loads(baseline.read_text())
    for sample in kept["samples"]:
        sample |= {"ttft_s": ttft_s, "e2e_s": e2e_s}
    baseline.write_text(json.dumps(kept))


def test_a_server_that_became_slower_breaks_the_gate(
    cli: Runner, server: FakeServer, baseline: Path
) -> None:
    move(baseline, 0.001, 0.001)
    server.first_token_delay_s = 0.01

    result = loadtest(
        cli, server, "--json", "--requests", "20", "--baseline", str(baseline)
    )

    assert result.status == 13
    assert error(result).startswith("worse than the baseline: ttft p50 by ")
    verdicts = {
        (one["name"], one["figure"]): one["verdict"]
        for one in document(result)["comparison"]
    }
    assert verdicts["ttft_s", "p50"] == "worse"
    assert verdicts["errors", "share"] == "same"


def test_a_server_that_became_faster_does_not(
    cli: Runner, server: FakeServer, baseline: Path
) -> None:
    move(baseline, 1000.0, 1000.0)

    result = loadtest(cli, server, "--requests", "20", "--baseline", str(baseline))

    assert result.status == 0
    assert "better" in result.text


def test_whether_the_spread_between_runs_is_known_is_said(
    cli: Runner, server: FakeServer, baseline: Path, tmp_path: Path
) -> None:
    other, few = tmp_path / "other.json", ("--requests", "20")
    assert loadtest(cli, server, *few, "--output", str(other)).status == 0
    for path in (baseline, other):
        move(path, 1000.0, 1000.0)
    both = ("--baseline", str(baseline), "--baseline", str(other))

    single = loadtest(cli, server, *few, "--baseline", str(baseline))
    several = loadtest(cli, server, *few, *both)
    rounds = loadtest(
        cli, server, *few, "--baseline", str(baseline), "--rounds", "2", "--json"
    )

    assert "Not known is how much runs differ by themselves" in single.text
    assert "Runs differ by up to " in several.text
    assert document(rounds)["comparison"][0]["spread"] is not None


def test_a_gate_that_breaks_without_the_spread_says_what_would_tell(
    cli: Runner, server: FakeServer, baseline: Path
) -> None:
    move(baseline, 1e-6, 1e-6)
    server.first_token_delay_s = 0.01

    result = loadtest(cli, server, "--requests", "20", "--baseline", str(baseline))

    assert result.status == 13
    assert "--rounds 3 tells how much runs differ" in result.stderr


def test_a_baseline_that_is_given_twice_is_refused(
    cli: Runner, server: FakeServer, baseline: Path
) -> None:
    twice = ("--baseline", str(baseline)) * 2
    before = len(chats(server))

    result = loadtest(cli, server, *twice)

    assert result.status == 2
    assert "are the same" in error(result)
    assert len(chats(server)) == before


def test_errors_that_come_up_break_the_gate(
    cli: Runner, server: FakeServer, baseline: Path
) -> None:
    server.script(OLLAMA.path, json_error(500, {"error": "no"}), times=9)
    load = ("--requests", "20", "--warmup", "0", "--tolerance", "90%")

    result = loadtest(cli, server, *load, "--baseline", str(baseline))

    assert result.status == 13
    assert "worse than the baseline: errors share 0.0% to 45.0%" in error(result)


def test_too_few_answers_to_compare_are_said(
    cli: Runner, server: FakeServer, baseline: Path
) -> None:
    result = loadtest(cli, server, "--baseline", str(baseline))

    assert result.status == 0
    (warning,) = lines(result, "warning")
    assert warning == "too few complete answers to compare their latencies"


def test_a_baseline_of_another_model_is_refused_before_anything_is_asked(
    cli: Runner, server: FakeServer, baseline: Path
) -> None:
    before = len(chats(server))

    refused = loadtest(cli, server, "-m", "beta:7b", "--baseline", str(baseline))
    assert len(chats(server)) == before
    taken = loadtest(
        *(cli, server, "-m", "beta:7b", "--baseline", str(baseline)),
        "--compare-anyway",
    )

    assert (refused.status, taken.status) == (2, 0)
    assert "model 'alpha:latest', now 'beta:7b'" in error(refused)


def test_a_baseline_that_is_none_is_unusable(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "old.json").write_text("{}")

    result = loadtest(cli, server, "--baseline", str(tmp_path / "old.json"))

    assert result.status == 3
    assert chats(server) == []


# Ctrl-C


def test_ctrl_c_reports_what_was_done(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    server.script(OLLAMA.path, *ended(server), times=4)
    server.script(OLLAMA.path, Silence(), times=FOREVER)
    output = tmp_path / "r.json"

    argv = ("loadtest", *address(server), *_FEW, "--output", str(output))
    with cli.start(*argv) as process:
        server.wait_for_requests(6, timeout_s=SPAWN_S)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=SPAWN_S)

    assert process.returncode == -signal.SIGINT
    assert b"2, 0 failed; 2 before to warm up; interrupted, 2 cut off" in stdout
    found = json.loads(output.read_bytes())
    assert (found["requests"], found["interrupted"]) == (2, True)


def test_a_terminal_shows_how_far_it_is(cli: Runner, server: FakeServer) -> None:
    result = loadtest(cli, server, tty={"stderr"})

    assert "\r\x1b[Kwarming up [" in result.stderr
    assert result.stderr.endswith("\r\x1b[K")


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_of_answers_in_one_piece_nobody_saw_when_they_began(
    cli: Runner, server: FakeServer, path: str
) -> None:
    """A server, or a gateway, that streams nothing whatever it is asked for."""
    message = {"role": "assistant", "content": "Hello there."}
    whole: dict[str, Any] = {"message": message, "done": True, "eval_count": 3}
    address = server.url
    if path.startswith("/v1"):
        address += "/v1"
        choice = {"message": message, "finish_reason": "stop"}
        whole = {"choices": [choice], "usage": {"completion_tokens": 3}}
    server.script(path, json_reply(whole), times=None)
    argv = ("--base-url", address, "-m", "alpha", "--requests", "2")

    result = cli.run("loadtest", *argv, "--slo", "ttft=1h,e2e=1h", "--json")

    found = json.loads(result.text)
    assert (found["ttft_s"], found["tpot_s"]) == (None, None)
    assert (found["goodput_ratio"], found["slo_unseen"]) == (None, ["ttft_s"])
    assert "no answer showed its ttft" in result.stderr
