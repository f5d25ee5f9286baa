"""A batch that is killed at any moment goes on, each id exactly once."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from .fakeserver import FakeServer
from .runner import Runner

ROUNDS = int(os.environ.get("LLMWRAP_TEST_ROUNDS", "6"))
ITEMS = 500
CONCURRENCY = 8


@pytest.mark.slow
def test_a_batch_that_is_killed_again_and_again_has_each_id_once(
    cli: Runner, tmp_path: Path
) -> None:
    lines = tmp_path / "in.txt"
    lines.write_text("".join(f"question {n}\n" for n in range(ITEMS)))
    output = tmp_path / "out.jsonl"
    argv = [*("batch", str(lines), "-O", str(output), "-m", "alpha", "--resume")]
    argv += ["--concurrency", str(CONCURRENCY), "--no-cache", "-q"]
    chance = random.Random(1)
    with FakeServer() as server:
        server.answer = ("yes",)
        environ = {"OLLAMA_HOST": server.url}
        kills = 0
        for _ in range(ROUNDS):
            before = len(server.requests)
            running = cli.start(*argv, environ=environ)
            wanted = before + chance.randrange(1, 2 * ITEMS // ROUNDS)
            while running.poll() is None and len(server.requests) < wanted:
                time.sleep(0.005)
            running.send_signal(signal.SIGKILL)
            running.communicate()
            kills += running.returncode == -signal.SIGKILL

        assert cli.run(*argv, environ=environ).status == 0

        asked = [r for r in server.requests if r.path == "/api/chat"]
        assert len(asked) <= ITEMS + kills * CONCURRENCY
    found = [json.loads(line) for line in output.read_text().splitlines()]
    assert sorted(int(one["id"]) for one in found) == list(range(1, ITEMS + 1))
    assert {one["text"] for one in found} == {"yes"}
