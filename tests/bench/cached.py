"""Measure the response cache: hits as whole processes, and what is below them."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from llmwrap.cache.entry import Entry, pack_entry
from llmwrap.cache.store import Store
from llmwrap.direct import SWITCH
from llmwrap.messages import Usage
from llmwrap.paths import cache_dir

from .measure import Job, Ratio, Row, Run, environment, jobs_in_turn, ratio, run
from .scripts import LOOKUPS, SQLITE, STORE

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "15"))
_MANY = 100_000
_FEW = 100
_LOOKUPS = 5_000
_TEXT = "many words " * 93  # 1 KB
_DISK_BYTES = 1 << 30
_TABLE = "CREATE TABLE answers (key BLOB PRIMARY KEY, stored_ns INTEGER, payload BLOB)"
_DURABILITIES = (("off", "without fsync"), ("full", "each put safe on disk"))


class CacheBench:
    """The installed program with caches of its own, and a server that fills them."""

    def __init__(self, program: list[str], server: str, directory: str) -> None:
        self._ask = [*program, "--base-url", server, "-m", "mock:n=1", "-n", "hi"]
        self._directory = Path(directory)
        self._python = sys.executable
        self._bare = environment(directory)
        self._keys = [os.urandom(32) for _ in range(_MANY)]

    def rows(self) -> Iterator[Row]:
        """Measure everything, one row after the other."""
        many, few = self._home("many", _MANY), self._home("few", _FEW)
        yield from self._hits(many, few)
        yield from self._lookups(many)
        yield from self._beside_sqlite()

    def _hits(self, many: dict[str, str], few: dict[str, str]) -> Iterator[Row]:
        jobs = [
            Job([self._python, "-c", "pass"], many),
            Job(self._ask, many),
            Job(self._ask, few),
            Job(self._ask, {**many, SWITCH: "0"}),
            Job(self._ask, {**few, SWITCH: "0"}),
        ]
        runs = jobs_in_turn(jobs, _ROUNDS)
        nothing, direct, direct_few, ordinary, few_ordinary = runs
        what = f"a hit, {_MANY:,} entries of 1 KB stored, over `python3 -c pass`"
        yield Row(what, "<= 2.0", str(_walls(direct, nothing)))
        yield Row("the same, direct mode off", "<= 5.0", str(_walls(ordinary, nothing)))
        what = f"a hit, {_MANY:,} over {_FEW} entries stored"
        yield Row(what, "<= 1.15", str(_walls(direct, direct_few)))
        found = _walls(ordinary, few_ordinary)
        yield Row("the same, direct mode off", "<= 1.15", str(found))

    def _lookups(self, many: dict[str, str]) -> Iterator[Row]:
        command = [self._python, "-c", LOOKUPS, cache_dir(many), str(_LOOKUPS)]
        memory, disk, slow = map(float, run(command, many).output.split())
        yield Row("lookup in memory, median", "<= 5 us", f"{memory:.1f} us")
        shown = f"p50 {disk:.0f} us, p99 {slow:.0f} us, n {_LOOKUPS}"
        yield Row(f"lookup on disk, {_MANY:,} entries", "p99 <= 2 ms", shown)

    def _beside_sqlite(self) -> Iterator[Row]:
        database = self._database()
        root = cache_dir(self._environ("many"))
        gets = self._pairs(root, database, "off", is_put=False)
        what = f"get by a fresh process over sqlite3's, {_MANY:,} entries"
        yield Row(what, "<= 1.0", str(_walls(*gets)))
        for durability, name in _DURABILITIES:
            puts = self._pairs(root, database, durability, is_put=True)
            yield Row(f"put the same way, {name}", "<= 1.0", str(_walls(*puts)))

    def _pairs(
        self, root: str, database: str, durability: str, *, is_put: bool
    ) -> list[list[Run]]:
        """Return the runs of our store and those of sqlite3, another key each round."""
        turns = []
        for number in range(_ROUNDS + 1):
            key = os.urandom(32) if is_put else self._keys[number]
            words = [durability, key.hex(), *["put"][:is_put]]
            turns.append(
                [
                    run([self._python, "-c", script, place, *words], self._bare)
                    for script, place in ((STORE, root), (SQLITE, database))
                ]
            )
        return [list(runs) for runs in zip(*turns[1:], strict=True)]

    def _home(self, name: str, count: int) -> dict[str, str]:
        """Make a home whose cache has so many answers, and the one that is asked."""
        environ = self._environ(name)
        store = Store(cache_dir(environ), max_bytes=_DISK_BYTES, is_synced=False)
        for key in self._keys[:count]:
            store.put(key, _payload())
        run(self._ask, environ)
        if not Path(cache_dir(environ), "direct").exists():
            raise SystemExit("the first run left nothing for direct mode")
        return environ

    def _environ(self, name: str) -> dict[str, str]:
        return environment(str(self._directory / name))

    def _database(self) -> str:
        path = str(self._directory / "answers.sqlite")
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(_TABLE)
            rows = ((key, time.time_ns(), _payload()) for key in self._keys)
            database.executemany("INSERT INTO answers VALUES (?, ?, ?)", rows)
            database.commit()
        return path


def _payload() -> bytes:
    return pack_entry(
        Entry(
            stored_ns=time.time_ns(),
            text=_TEXT,
            thinking="",
            asked_model="mock",
            model="mock",
            backend="ollama",
            kind="ollama",
            digest="",
            finish_reason="stop",
            usage=Usage(9, 186),
        )
    )


def _walls(ours: Sequence[Run], theirs: Sequence[Run]) -> Ratio:
    return ratio(ours, theirs, lambda run: run.wall_s)
