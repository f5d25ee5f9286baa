"""What checking answers against a schema costs: of many, and of one that is kept."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from .measure import Row, environment, in_turn, ratio, run
from .scripts import STRUCTURED

_ANSWERS = int(os.environ.get("BENCH_ANSWERS", "10000"))
_AT_ONCE = 16
_ROUNDS = 5
_FIELDS = "text"
_SCHEMA = '{"type": "object", "properties": {"text": {"type": "string"}}}'


def structured_rows(
    llmwrap: list[str], server: str, directory: str, rounds: int
) -> Iterator[Row]:
    """Measure answers that are checked, beside the same that are not."""
    environ = environment(str(Path(directory, "structured")))
    yield _checking(server, environ)
    file = Path(directory, "text.json")
    file.write_text(_SCHEMA)
    model = ("--base-url", server, "-m", "mock:n=30,json=1", "-n", "hi")
    plain = [*llmwrap, *model]
    what = "a hit with `--schema`, over one without"
    for name, schema, other in (
        (what, _FIELDS, plain),
        ("the same, from a file, which is not for direct mode", str(file), None),
    ):
        without = other or [*plain, "-s", "@/dev/null"]
        hits, others = in_turn([[*plain, "--schema", schema], without], rounds, environ)
        found = ratio(hits, others, lambda run: run.wall_s)
        yield Row(name, "<= 1.1", str(found))


def _checking(server: str, environ: dict[str, str]) -> Row:
    found = []
    for _ in range(_ROUNDS):
        checked, others = (
            float(run(_command(server, schema), environ).output)
            for schema in (_FIELDS, "")
        )
        found.append(checked / others)
    span = f"[{min(found):.3f} to {max(found):.3f}]"
    what = (
        f"{_ANSWERS:,} answers of 200 bytes checked, 5 ms a token, {_AT_ONCE} at once,"
        " over the same unchecked"
    )
    shown = f"{statistics.median(found):.3f} {span}, n {_ROUNDS}"
    return Row(what, "<= 1.03", shown)


def _command(server: str, schema: str) -> list[str]:
    numbers = (str(_AT_ONCE), str(_ANSWERS))
    return [sys.executable, "-c", STRUCTURED, server, *numbers, schema]
