"""What a batch costs beside a bare loop that asks the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from .measure import Row, Run, environment, ratio, run
from .scripts import LOOP

_ITEMS = int(os.environ.get("BENCH_ITEMS", "10000"))
_AT_ONCE = "16"
_MODEL = "mock:n=1"


def batch_rows(
    llmwrap: list[str], server: str, directory: str, rounds: int
) -> Iterator[Row]:
    """Measure a batch with default settings, its cache and OUTPUT on one disk."""
    items = Path(directory, "items.txt")
    items.write_text("".join(f"question {number}\n" for number in range(_ITEMS)))
    loop = [sys.executable, "-c", LOOP, server, _MODEL, _AT_ONCE, str(items)]
    ours: list[Run] = []
    theirs: list[Run] = []
    for number in range(rounds):
        # Nothing is known in a home of its own, so all of it is asked.
        home = Path(directory, f"batch-{number}")
        home.mkdir()
        environ = environment(str(home))
        theirs.append(run([*loop, str(home / "loop.jsonl")], environ))
        words = ("batch", str(items), "-O", str(home / "batch.jsonl"), "-q")
        pace = ("--concurrency", _AT_ONCE)
        asked = ("--base-url", server, "-m", _MODEL)
        ours.append(run([*llmwrap, *words, *pace, *asked], environ))
    what = f"batch of {_ITEMS:,} one-token prompts, {_AT_ONCE} at once, cache on"
    found = ratio(theirs, ours, lambda run: run.wall_s)
    yield Row(f"{what}, over the rate of a loop with requests", ">= 0.9", str(found))
    found = ratio(ours, theirs, lambda run: run.cpu_s)
    yield Row(f"{what}, processor time over that loop's", "-", str(found))
