"""`stats --export`: files that other programs read."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from .asking import error
from .recorded import ODD, a_run, record, stats
from .runner import Home, Runner


def exported(cli: Runner, name: str, *argv: str) -> str:
    result = cli.run("stats", "--export", name, *argv)
    assert (result.status, result.stdout, result.stderr) == (0, b"", "")
    return (cli.home.path / name).read_bytes().decode()


def test_the_json_file_holds_what_json_prints(cli: Runner, home: Home) -> None:
    record(home, a_run(model=ODD))

    found = json.loads(exported(cli, "out.json"))

    printed = stats(cli)
    assert found["stats"] == printed["stats"]
    assert found["stats"][0]["model"] == ODD


def test_the_csv_file_has_a_line_for_each_metric(cli: Runner, home: Home) -> None:
    record(home, a_run(model=ODD))

    lines = list(csv.DictReader(io.StringIO(exported(cli, "out.csv"))))

    assert {line["model"] for line in lines} == {ODD}
    by_metric = {line["metric"]: line for line in lines}
    assert by_metric["runs"]["values"] == "1"
    assert float(by_metric["ttft_s"]["p95"]) == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_csv_file_is_a_formula(
    cli: Runner, home: Home, first: str
) -> None:
    """A server or a template may have any name, which a spreadsheet would run."""
    name = f"{first}cmd|' /C calc'!A0"
    record(home, a_run(model=name, backend=name, template=name))

    rows = [*csv.reader(io.StringIO(exported(cli, "out.csv"), newline=""))]

    assert rows[1][:3] == [f"'{name}"] * 3


def test_every_line_of_the_csv_file_has_every_column(cli: Runner, home: Home) -> None:
    record(home, a_run(), a_run(error="timeout", model=ODD))

    rows = [*csv.reader(io.StringIO(exported(cli, "out.csv"), newline=""))]

    assert {len(row) for row in rows} == {len(rows[0])}


def families(cli: Runner) -> dict[str, Any]:
    text = exported(cli, "out.prom")
    return {one.name: one for one in text_string_to_metric_families(text)}


def test_prometheus_reads_the_file(cli: Runner, home: Home) -> None:
    record(
        home,
        *(a_run(ttft_s=n / 100, model=ODD) for n in range(1, 101)),
        a_run(error="timeout"),
    )

    found = families(cli)

    ttft = found["gen_ai_client_operation_time_to_first_chunk_seconds"]
    assert ttft.type == "histogram"
    buckets = {
        sample.labels["le"]: sample.value
        for sample in ttft.samples
        if sample.name.endswith("_bucket")
        and sample.labels["gen_ai_request_model"] == ODD
    }
    assert buckets["0.5"] == pytest.approx(50, abs=2)
    assert buckets["+Inf"] == 100
    assert list(buckets.values()) == sorted(buckets.values())
    runs = {s.labels["error_type"]: s.value for s in found["llmwrap_runs"].samples}
    assert runs == {"": 100, "timeout": 1}


def test_the_provider_is_the_kind_and_not_the_users_name(
    cli: Runner, home: Home
) -> None:
    """Two tables of one kind stay apart by their names."""
    home.configure(
        '[backends.desk]\nbackend_type = "OpenAI"\nbase_url = "http://127.0.0.1:9/v1"\n'
        '[backends.lab]\nbackend_type = "OpenAI"\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    record(home, a_run(backend="desk"), a_run(backend="lab"), a_run(backend="ollama"))

    runs = families(cli)["llmwrap_runs"].samples

    found = {
        s.labels["llmwrap_backend"]: s.labels["gen_ai_provider_name"] for s in runs
    }
    assert found == {"desk": "openai", "lab": "openai", "ollama": "ollama"}


def test_every_histogram_is_whole(cli: Runner, home: Home) -> None:
    """What Prometheus wants of one: +Inf, which is its count, and a sum."""
    full = a_run(
        rendering_s=0.01,
        gaps=(1, 5000),
        prompt_tokens=5,
        completion_tokens=7,
        outcome="refresh",
    )
    record(home, full)

    found = families(cli)

    histograms = [one for one in found.values() if one.type == "histogram"]
    assert len(histograms) == 9
    for family in histograms:
        by_name = {s.name: s.value for s in family.samples}
        assert by_name[f"{family.name}_bucket"] == by_name[f"{family.name}_count"]
        assert f"{family.name}_sum" in by_name
    units = ("_seconds", "_usage", "_per_second")
    assert all(family.name.endswith(units) for family in histograms)


@pytest.mark.parametrize("name", ["out.txt", "out", ".prom/"])
def test_a_name_that_says_no_format_is_status_2(cli: Runner, name: str) -> None:
    result = cli.run("stats", "--export", name)

    assert result.status == 2
    assert "does not end in .json, .csv, .prom" in error(result)


def test_a_file_that_cannot_be_written_is_status_12_and_left_alone(
    cli: Runner, home: Home
) -> None:
    directory = home.path / "there.json"
    directory.mkdir()

    result = cli.run("stats", "--export", str(directory))

    assert result.status == 12
    assert list(directory.iterdir()) == []
