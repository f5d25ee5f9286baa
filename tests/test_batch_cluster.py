"""`batch --cluster`: workers of Dask ask, each the server of its own machine.

Each worker has a home and a server of its own, as if it were another machine.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .dask_programs import READY_S, DaskCluster, DaskPrograms
from .fakeserver import FakeServer, RefusedPort, Tell, WaitFor, json_error
from .fakeserver.steps import Close
from .runner import Result, Runner

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def programs() -> Iterator[DaskPrograms]:
    with DaskPrograms() as one:
        yield one


@pytest.fixture
def cluster(tmp_path: Path, programs: DaskPrograms) -> Iterator[DaskCluster]:
    (tmp_path / "dask").mkdir()
    with DaskCluster(tmp_path / "dask", programs) as one:
        yield one


@pytest.fixture
def servers() -> Iterator[list[FakeServer]]:
    with ExitStack() as stack:
        made = [stack.enter_context(FakeServer()) for _ in range(2)]
        for server in made:
            server.answer = ("yes",)
        yield made


def lines(cli: Runner, count: int) -> None:
    text = "".join(f"item {number}\n" for number in range(count))
    (cli.home.path / "in.txt").write_text(text)


def batch(cli: Runner, address: str, *argv: str, **environ: str) -> Result:
    words = ("batch", "in.txt", "-O", "out.jsonl", "--cluster", address, *argv)
    return cli.spawn(*words, environ=environ)


def results(cli: Runner) -> dict[str, Any]:
    text = (cli.home.path / "out.jsonl").read_text()
    found = [json.loads(line) for line in text.splitlines()]
    assert len({one["id"] for one in found}) == len(found)
    return {one["id"]: one for one in found}


def asked(server: FakeServer) -> list[str]:
    return [
        request.json["messages"][-1]["content"]
        for request in server.requests
        if request.path == "/api/chat"
    ]


def held(server: FakeServer) -> tuple[threading.Event, threading.Event]:
    """Let two questions wait; return when one has come, and what lets both go."""
    has_come, gate = threading.Event(), threading.Event()
    server.script("/api/chat", Tell(has_come), WaitFor(gate), Close(), times=2)
    return has_come, gate


def test_workers_ask_each_item_once_by_their_own_configuration(
    cli: Runner, cluster: DaskCluster, servers: list[FakeServer]
) -> None:
    lines(cli, 40)
    for server in servers:
        home = cluster.worker(server.url, environ={"OLLAMA_API_KEY": "worker-key"})
        home.configure("[defaults.options]\nseed = 1\n")
    cli.home.configure("[aliases]\nswift = 'alpha'\n")
    servers[0].script("/api/chat", json_error(400, {"error": "no such thing"}))

    argv = ("-m", "swift", "-H", "X-Secret: mine", "--seed", "7")
    first = batch(cli, cluster.address, *argv, LLMWRAP_API_KEY="my-key")

    assert first.status == 10, first.stderr
    found = results(cli)
    assert len(found) == 40
    [error] = [one["error"] for one in found.values() if one["error"]]
    assert (error["kind"], error["exit_status"]) == ("refused", 5)
    assert "no such thing" in error["message"]
    questions = [*asked(servers[0]), *asked(servers[1])]
    assert sorted(questions) == sorted(f"item {number}" for number in range(40))
    assert all(asked(server) for server in servers)
    for server in servers:
        for request in server.requests:
            assert "x-secret" not in {name.lower() for name in request.headers}
            assert "my-key" not in str(request.headers)
        bodies = [r for r in server.requests if r.path == "/api/chat"]
        assert {body.json["options"]["seed"] for body in bodies} == {7}
        assert "worker-key" in str(bodies[0].headers)
    assert "40 items: 39 answered" in first.stderr
    assert "headers of -H go to no cluster" in first.stderr

    again = batch(cli, cluster.address, *argv, "--retry-failed")

    assert again.status == 0, again.stderr
    assert "1 item: 1 answered; 39 were there" in again.stderr
    assert {one["text"] for one in results(cli).values()} == {"yes"}


def test_what_a_worker_cannot_reach_goes_to_the_others(
    cli: Runner, cluster: DaskCluster, servers: list[FakeServer]
) -> None:
    lines(cli, 12)
    argv = ("-m", "alpha", "--retries", "0")
    with RefusedPort() as port:
        cluster.worker(port.url)

        alone = batch(cli, cluster.address, *argv)

        assert alone.status == 4
        assert "error: the worker tcp://127.0.0.1:" in alone.stderr
        assert f"cannot reach ollama at {port.url}" in alone.stderr
        assert "0 of 12 done; --resume goes on" in alone.stderr
        assert results(cli) == {}

        cluster.worker(servers[0].url)
        result = batch(cli, cluster.address, *argv, "--resume")

    assert result.status == 0, result.stderr
    assert len(results(cli)) == 12
    assert len(asked(servers[0])) == 12
    assert result.stderr.count("its items go to the others") == 1


def test_what_a_worker_died_over_is_asked_by_another(
    cli: Runner, cluster: DaskCluster, servers: list[FakeServer]
) -> None:
    lines(cli, 10)
    has_come, gate = held(servers[0])
    cluster.worker(servers[0].url)
    cluster.worker(servers[1].url)
    address = cluster.address
    words = ["batch", "in.txt", "-O", "out.jsonl", "--cluster", address, "-m", "alpha"]

    with cli.start(*words) as program:
        assert has_come.wait(READY_S)
        cluster.kill(1)
        gate.set()
        _, stderr = program.communicate(timeout=READY_S)

    assert program.returncode == 0, stderr
    found = results(cli)
    assert len(found) == 10
    assert not any(one["error"] for one in found.values())


@pytest.mark.parametrize("number", [0, 1], ids=["scheduler", "last-worker"])
def test_a_cluster_that_is_lost_ends_it_and_it_goes_on(
    cli: Runner, cluster: DaskCluster, servers: list[FakeServer], number: int
) -> None:
    lines(cli, 10)
    has_come, gate = held(servers[0])
    cluster.worker(servers[0].url)
    address = cluster.address
    words = ["batch", "in.txt", "-O", "out.jsonl", "-m", "alpha"]

    with cli.start(*words, "--cluster", address) as program:
        assert has_come.wait(READY_S)
        cluster.kill(number)
        _, stderr = program.communicate(timeout=READY_S)
    gate.set()

    text = stderr.decode()
    assert program.returncode == 4, text
    note, error = text.splitlines()
    assert note.startswith("llmwrap: note: 0 items")
    assert error.startswith(f"llmwrap: error: the cluster at {address}")
    assert "0 of 10 done; --resume goes on" in error

    alone = cli.run(*words, "--resume", environ={"OLLAMA_HOST": servers[1].url})

    assert alone.status == 0
    assert len(results(cli)) == 10


def test_a_signal_ends_it_and_what_is_under_way_is_not_written(
    cli: Runner, cluster: DaskCluster, servers: list[FakeServer]
) -> None:
    lines(cli, 10)
    has_come, gate = held(servers[0])
    cluster.worker(servers[0].url)
    words = ["batch", "in.txt", "-O", "out.jsonl", "-m", "alpha"]

    with cli.start(*words, "--cluster", cluster.address) as program:
        assert has_come.wait(READY_S)
        program.terminate()
        _, stderr = program.communicate(timeout=READY_S)
    gate.set()

    assert program.returncode == -signal.SIGTERM, stderr
    assert results(cli) == {}


def test_a_worker_that_is_not_like_this_machine_ends_it_before_the_first_item(
    cli: Runner, cluster: DaskCluster, servers: list[FakeServer]
) -> None:
    lines(cli, 2)
    home = cluster.worker(servers[0].url)
    home.configure("[cache]\nttl = 'soon'\n")

    configured = batch(cli, cluster.address, "-m", "alpha")

    assert configured.status == 3
    assert "tcp://127.0.0.1:" in configured.stderr
    assert "soon" in configured.stderr

    home.config_file.unlink()
    cluster.worker(servers[1].url, version="0.0.1")
    older = batch(cli, cluster.address, "-m", "alpha")

    assert older.status == 3
    assert "has not this llmwrap" in older.stderr
    assert "0.0.1; install the same one everywhere" in older.stderr
    assert not servers[0].requests


def test_another_machine_is_a_warning_unless_others_are_kept_out(
    cli: Runner, cluster: DaskCluster, servers: list[FakeServer]
) -> None:
    lines(cli, 2)
    # Every address of this machine: not its own alone, so others may be there.
    address = cluster.address.replace("127.0.0.1", "0.0.0.0")

    lonely = batch(cli, address)

    assert lonely.status == 4
    assert f"the cluster at {address} has no workers" in lonely.stderr
    assert f"'dask worker {address}' starts one" in lonely.stderr

    cluster.worker(servers[0].url)
    result = batch(cli, address, "-m", "alpha", "--resume")

    assert result.status == 0, result.stderr
    assert "can read the questions, and run programs on the workers" in result.stderr


@pytest.mark.parametrize(
    ("address", "argv", "said"),
    [
        ("", (), "'' is no address of a cluster"),
        ("http://127.0.0.1:1", (), "is no address of a cluster"),
        ("tcp://127.0.0.1:1", ("--dry-run",), "--dry-run shows no requests"),
        ("tcp://127.0.0.1:1", ("--base-url", "http://x"), "has one backend"),
        ("tcp://127.0.0.1:1", ("-b", "a", "-b", "b"), "has one backend"),
    ],
)
def test_what_makes_no_sense_with_a_cluster_is_wrong_usage(
    cli: Runner, address: str, argv: tuple[str, ...], said: str
) -> None:
    lines(cli, 2)

    result = cli.run("batch", "in.txt", "-O", "out", "--cluster", address, *argv)

    assert result.status == 2
    assert said in result.stderr


def test_without_the_extra_it_says_how_to_get_it(
    cli: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines(cli, 2)
    monkeypatch.setitem(sys.modules, "distributed", None)

    result = cli.run("batch", "in.txt", "-O", "out", "--cluster", "tcp://127.0.0.1:1")

    assert result.status == 3
    assert "pip install 'llmwrap[cluster]'" in result.stderr


def test_a_table_is_not_begun_where_nobody_can_be_asked(
    cli: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli.home.path / "in.csv").write_text("name\nAda\n")
    monkeypatch.setitem(sys.modules, "distributed", None)
    words = ("batch", "in.csv", "Who is {{name}}?", "-O", "out.csv")

    first = cli.run(*words, "--cluster", "tcp://127.0.0.1:1")
    again = cli.run(*words, "--cluster", "tcp://127.0.0.1:1")

    assert (first.status, again.status) == (3, 3)
    assert (cli.home.path / "out.csv").read_bytes() == b""


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("tcp://127.0.0.1", 2, "port"),
        ("tcp://127.0.0.1:1", 4, "cannot reach the cluster at tcp://127.0.0.1:1"),
        ("tls://127.0.0.1:1", 3, "Dask has no certificates for TLS"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_one_line(
    cli: Runner, address: str, status: int, said: str
) -> None:
    lines(cli, 2)

    result = batch(cli, address, "--connect-timeout", "1")

    assert result.status == status, result.stderr
    line = result.stderr.splitlines()[-1]
    assert line.startswith("llmwrap: error: ")
    assert said in line
    assert result.stderr.count("llmwrap: ") == 1
