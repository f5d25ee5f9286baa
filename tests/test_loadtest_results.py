"""The figures of a load test, as JSON and as rows, and what can be compared."""

from __future__ import annotations

import json
from array import array
from typing import Any

import pytest

from llmwrap.errors import ConfigError, UsageError
from llmwrap.loadtest.baseline import check_comparable
from llmwrap.loadtest.curves import phases, thinned, throughput
from llmwrap.loadtest.document import document_of, read_kept
from llmwrap.loadtest.machine import Machine, this_machine
from llmwrap.loadtest.samples import Sample
from llmwrap.loadtest.summary import Outcome, Setting, summary_of
from llmwrap.loadtest.text import figure_rows, head_rows, latency_rows, sample_rows
from llmwrap.messages import ServerTimings

SETTING = Setting(
    backend="ollama",
    kind="ollama",
    server="loopback",
    model="alpha",
    mode="closed",
    concurrency=4,
    rate_per_s=None,
    arrival=None,
    prompts="0123",
    max_tokens=None,
    cache="off",
)
MACHINE = Machine("Linux", "6.1", "x86_64", "A CPU", 8, 1 << 34, "here", "3.11.7")


def sample(number: int, **fields: Any) -> Sample:
    usual: dict[str, Any] = {
        "started_s": number * 0.1,
        "ended_s": number * 0.1 + 1.0,
        "queued_s": 0.001,
        "ttft_s": 0.2,
        "tpot_s": 0.01,
        "e2e_s": 1.0,
        "chunks": 80,
        "prompt_tokens": 10,
        "completion_tokens": 81,
        "attempts": 1,
        "server": ServerTimings(0.0, 0.1, 0.8, 0.9),
    }
    return Sample(number, **{**usual, **fields})


def outcome(*samples: Sample, **fields: Any) -> Outcome:
    whole = Outcome(
        setting=SETTING,
        machine=MACHINE,
        started_at=1_772_323_200.0,
        wall_s=2.0,
        warmups=4,
        described="6 built-in prompts",
        samples=samples,
        itl_s=array("d", [0.01, 0.03]),
        itl_at_s=array("d", [0.5, 0.6]),
        slo={},
        is_interrupted=False,
        cut_off=0,
    )
    return whole._replace(**fields)


FAILED = sample(
    9, ttft_s=None, tpot_s=None, e2e_s=None, error="timeout", message="late"
)


def test_rates_count_complete_answers_over_the_wall_time() -> None:
    found = summary_of(outcome(sample(0), sample(1), FAILED))

    assert (found.requests, found.errors) == (3, 1)
    assert found.errors_by_kind == {"timeout": 1}
    assert found.requests_per_s == 1.0
    assert found.tokens_per_s == 81.0


def test_tokens_that_the_server_did_not_count_are_not_known() -> None:
    found = summary_of(outcome(sample(0, completion_tokens=None), sample(1)))

    assert (found.completion_tokens, found.tokens_per_s) == (None, None)


def test_goodput_is_what_was_answered_in_time_of_all_requests() -> None:
    slo = {"ttft_s": 0.25, "e2e_s": 1.0}
    samples = (sample(0), sample(1, ttft_s=0.3), sample(2, e2e_s=1.1), FAILED)

    found = summary_of(outcome(*samples, slo=slo))

    assert found.goodput_ratio == 0.25
    assert found.goodput_per_s == 0.5


def test_an_answer_of_one_token_has_no_tpot_to_miss() -> None:
    one = sample(0, tpot_s=None, completion_tokens=1)
    found = summary_of(outcome(one, slo={"tpot_s": 0.001}))

    assert (found.goodput_ratio, found.unseen) == (1.0, ())


@pytest.mark.parametrize("name", ["ttft_s", "tpot_s"])
def test_what_no_answer_showed_leaves_no_goodput(name: str) -> None:
    blind = [sample(number, **{name: None}) for number in range(2)]

    found = summary_of(outcome(*blind, slo={name: 9.0, "e2e_s": 9.0}))

    assert (found.goodput_ratio, found.goodput_per_s) == (None, None)
    assert found.unseen == (name,)
    (said,) = [row[1] for row in figure_rows(found) if row[0] == "goodput"]
    assert "no answer showed" in said


def test_what_one_answer_did_not_show_it_has_not_kept() -> None:
    samples = (sample(0), sample(1, ttft_s=None))

    found = summary_of(outcome(*samples, slo={"ttft_s": 9.0}))

    assert (found.goodput_ratio, found.unseen) == (0.5, ())


def test_hits_are_told_from_misses_where_the_cache_is_used() -> None:
    hit = sample(1, is_cached=True, e2e_s=0.001, server=None)
    setting = SETTING._replace(cache="test")

    found = summary_of(outcome(sample(0), hit, setting=setting))

    assert found.hit_ratio == 0.5
    assert found.hits_e2e_s is not None
    assert found.hits_e2e_s.max == 0.001
    assert found.completion_tokens == 81
    assert summary_of(outcome(sample(0))).hit_ratio is None


def test_nothing_at_all_has_no_latencies() -> None:
    found = summary_of(outcome(wall_s=0.0, itl_s=array("d")))

    assert set(found.latencies.values()) == {None}
    assert found.requests_per_s == 0.0


def test_the_document_has_every_field_of_the_contract() -> None:
    whole = outcome(sample(0), FAILED)

    document: Any = document_of(whole, summary_of(whole))

    assert document["version"] == 1
    assert (document["requests"], document["errors"]) == (2, 1)
    assert document["errors_by_kind"] == {"timeout": 1}
    for name in ("ttft_s", "itl_s", "tpot_s", "e2e_s", "queued_s"):
        assert list(document[name]) == ["p50", "p90", "p95", "p99", "max"]
    assert document["server_generation_s"]["p50"] == 0.8
    rates = ("tokens_per_s", "requests_per_s", "hit_ratio", "goodput_ratio")
    assert set(rates) <= set(document)
    assert document["machine"]["cpus"] == 8
    assert [one["error"] for one in document["samples"]] == ["", "timeout"]
    assert document["started_at"] == "2026-03-01T00:00:00+00:00"


def test_a_document_is_read_again_as_it_was() -> None:
    whole = outcome(sample(0, is_cached=True), FAILED)
    data = json.dumps(document_of(whole, summary_of(whole))).encode()

    kept = read_kept(data, "old.json")

    assert (kept.setting, kept.machine) == (SETTING, MACHINE)
    assert list(kept.samples) == list(whole.samples)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.clear(), "is no result of a load test"),
        (lambda d: d.update(version=2), "has version 2 of the results, not 1"),
        (lambda d: d.pop("setting"), "no whole result"),
        (lambda d: d["machine"].update(new=1), "no whole result"),
        (lambda d: d["samples"].append({"number": 1}), "no whole result"),
        (lambda d: d["samples"].append(5), "no whole result"),
        (lambda d: d["samples"][0].update(e2e_s="1"), "no whole result"),
        (lambda d: d["samples"][0].update(round=[]), "no whole result"),
    ],
)
def test_what_is_no_result_is_refused(change: Any, said: str) -> None:
    whole = outcome(sample(0))
    document = json.loads(json.dumps(document_of(whole, summary_of(whole))))
    change(document)

    with pytest.raises(ConfigError, match=said):
        read_kept(json.dumps(document).encode(), "old.json")


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'old.json' is no result of a load test"):
        read_kept(b"\xff{", "old.json")


def kept_of(setting: Setting, machine: Machine) -> Any:
    whole = outcome(sample(0), setting=setting, machine=machine)
    data = json.dumps(document_of(whole, summary_of(whole))).encode()
    return read_kept(data, "old.json")


@pytest.mark.parametrize(
    ("setting", "machine", "said"),
    [
        ({"model": "beta"}, {}, "model 'beta', now 'alpha'"),
        ({"kind": "openai"}, {}, "backend 'openai', now 'ollama'"),
        ({"server": "gpu"}, {}, "server's host 'gpu', now 'loopback'"),
        ({"concurrency": 8}, {}, "concurrency '8', now '4'"),
        ({"prompts": "4567"}, {}, "prompts '4567', now '0123'"),
        ({}, {"cpu": "Another"}, "machine's cpu 'Another', now 'A CPU'"),
        ({}, {"cpus": 2}, "machine's cpus '2', now '8'"),
    ],
)
def test_a_baseline_of_another_test_is_refused(
    setting: dict[str, Any], machine: dict[str, Any], said: str
) -> None:
    kept = kept_of(SETTING._replace(**setting), MACHINE._replace(**machine))

    with pytest.raises(UsageError, match=said) as caught:
        check_comparable(kept, SETTING, MACHINE)

    assert "--compare-anyway" in caught.value.hint


def test_another_host_of_the_same_kind_can_be_compared() -> None:
    """Containers of one machine have another host's name each."""
    kept = kept_of(
        SETTING._replace(backend="mine"), MACHINE._replace(host="x", release="7")
    )

    check_comparable(kept, SETTING, MACHINE)


def test_this_machine_says_what_it_is() -> None:
    machine = this_machine()

    assert machine.cpus > 0
    assert machine.system
    assert machine == this_machine()


def test_rows_show_what_happened() -> None:
    whole = outcome(sample(0), FAILED, slo={"e2e_s": 2.0})
    summary = summary_of(whole)

    head = {row[0]: row[1] for row in head_rows(whole, summary)}
    figures = {row[0]: row[1] for row in figure_rows(summary)}

    assert head["requests"] == "2, 1 failed; 4 before to warm up"
    assert head["failed: timeout"] == "1, the first: late"
    assert head["load"] == "closed loop, 4 at once"
    assert figures["goodput"] == "50.0% of requests, 0.50/s"
    assert latency_rows(summary)[1][:2] == ("TTFT", "200.0 ms")
    assert [row[-1] for row in sample_rows(whole.samples)] == ["ended", "ok", "timeout"]


def test_throughput_puts_each_answer_where_it_ended() -> None:
    found = throughput(outcome(sample(0), sample(9), wall_s=2.0))

    width_s = found.edges_s[1]
    assert sum(found.answered) * width_s == pytest.approx(2)
    assert sum(found.tokens) * width_s == pytest.approx(162)
    assert found.answered[int(1.0 / width_s)] > 0


def test_the_phases_of_a_request_follow_each_other() -> None:
    found = phases(sample(0), is_open=False)

    assert [name for name, _, _ in found] == [
        "waiting to be sent",
        "to the first token",
        "answer",
    ]
    ends = [end for _, _, end in found]
    assert [begin for _, begin, _ in found] == [0.0, *ends[:-1]]
    assert ends == pytest.approx([0.001, 0.201, 1.0])


@pytest.mark.parametrize(
    ("fields", "phase"),
    [
        ({"error": "timeout"}, "failed"),
        ({"is_cached": True}, "from the cache"),
        ({"ttft_s": None}, "answer"),
    ],
)
def test_other_requests_are_one_phase(fields: dict[str, Any], phase: str) -> None:
    assert phases(sample(0, **fields), is_open=True) == [(phase, 0.0, 1.0)]


def test_thinning_keeps_first_and_last() -> None:
    found = thinned(range(10_000), 100)

    assert (len(found), found[0], found[-1]) == (100, 0, 9_999)
    assert found == sorted(set(found))
    assert thinned(range(5)) == [0, 1, 2, 3, 4]
