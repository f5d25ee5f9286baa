"""Kill writers, readers and compactors of a cache at random moments, and look.

    python -m tests.cachecrash DIRECTORY ROUNDS [SEED]

Five processes write, two read, one compacts, all without a pause. A writer tells each
entry that is safe through a pipe. In each round three of them die by SIGKILL, half of
those when they are caught with a file of the cache open for writing. What a dead
writer acknowledged has to be there, what it was at may be there or not, and nothing
may be altered. Prints its figures as JSON and ends with status 0 if all was well.

A program of its own: pytest may have threads, and what has threads must not fork.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from llmwrap.cache.entry import pack_entry, unpack_entry
from llmwrap.cache.store import Store
from llmwrap.files import BusyError

from .cachemade import entry_of, key_of

_WRITERS, _READERS, _COMPACTORS = 5, 2, 1
_KEYS = 12
"""Of each writer: it writes them again and again."""
_SHARDS = 3
_STABLE = [(200, number) for number in range(12)]
"""Written once, before all the others start; they are always there."""
_KILLS = 3
_LIMIT_BYTES = 1 << 30
_WORD = 8
_TRIES = 200
_CALM_S = 0.004


def _store(root: str) -> Store:
    return Store(root, max_bytes=_LIMIT_BYTES, is_synced=True)


def _key(writer: int, number: int) -> bytes:
    return key_of(writer * 100 + number, shard=number % _SHARDS)


def _text(writer: int, count: int) -> str:
    """Return a text that says whose and which it is, and is altered by no accident."""
    head = f"{writer} {count} "
    size = random.Random(head).choice((10, 300, 3000, 40_000))
    body = hashlib.sha256(head.encode()).hexdigest() * (size // 64 + 1)
    return head + body


def _count(writer: int, payload: bytes | None) -> int | None:
    """Return which text of a writer it is, None for nothing. Raises: AssertionError."""
    if payload is None:
        return None
    entry = unpack_entry(payload)
    assert entry, "a payload is altered"
    whose, count = map(int, entry.text.split()[:2])
    assert whose == writer, "another key's answer"
    assert entry.text == _text(writer, count), "an altered answer"
    return count


def _write(root: str, pipe: int, writer: int, count: int) -> NoReturn:
    store = _store(root)
    while True:
        payload = pack_entry(entry_of(_text(writer, count)))
        with suppress(BusyError):
            if store.put(_key(writer, count % _KEYS), payload):
                os.write(pipe, count.to_bytes(_WORD, "little"))
                count += 1


def _read(root: str, pipe: int, seed: int) -> NoReturn:
    store, chance = _store(root), random.Random(seed)
    while True:
        writer, number = chance.choice(_STABLE)
        count = _count(writer, store.get(_key(writer, number)))
        assert count == number, "an entry that was there all the time is missed"
        writer, number = chance.randrange(_WRITERS), chance.randrange(_KEYS)
        _count(writer, store.get(_key(writer, number)))


def _compact(root: str, pipe: int) -> NoReturn:
    store = _store(root)
    while True:
        with suppress(BusyError):
            store.compact()


class _Worker:
    """One process, and what it acknowledged."""

    def __init__(self, root: str, number: int) -> None:
        self.root = root
        self.number = number
        self.next = 0
        """The number of the entry that it is at."""
        self.last: dict[int, int] = {}
        """The acknowledged entry of each of its keys."""
        self.start()

    def start(self) -> None:
        """Start it, or another one in its place."""
        self.pipe, theirs = os.pipe()
        os.set_blocking(self.pipe, False)
        self.pid = os.fork()
        if self.pid == 0:
            self._work(theirs)
        os.close(theirs)

    def drain(self) -> None:
        """Take what it acknowledged."""
        with suppress(BlockingIOError):
            while part := os.read(self.pipe, 1 << 16):
                for at in range(0, len(part), _WORD):
                    count = int.from_bytes(part[at : at + _WORD], "little")
                    self.last[count % _KEYS] = count
                    self.next = count + 1

    def kill(self, *, inside: bool) -> bool:
        """Kill it; `inside` waits for it to have a file of the cache open for writing.

        Returns whether it had.
        """
        is_inside = False
        for _ in range(_TRIES):
            os.kill(self.pid, signal.SIGSTOP)
            _, status = os.waitpid(self.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status), "a worker failed"
            is_inside = self._has_file()
            if is_inside or not inside:
                break
            os.kill(self.pid, signal.SIGCONT)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.drain()
        os.close(self.pipe)
        return is_inside

    def check(self, store: Store) -> None:
        """Assert that what it acknowledged is there, once it is dead."""
        for number in range(_KEYS):
            found = _count(self.number, store.get(_key(self.number, number)))
            allowed = {self.last.get(number)}
            if self.next % _KEYS == number:
                allowed.add(self.next)
            assert found in allowed, f"{found} instead of {allowed}"

    def _work(self, pipe: int) -> NoReturn:
        try:
            if self.number < _WRITERS:
                _write(self.root, pipe, self.number, self.next)
            if self.number < _WRITERS + _READERS:
                _read(self.root, pipe, self.pid)
            _compact(self.root, pipe)
        except BaseException as error:
            sys.stderr.write(f"worker {self.number}: {error!r}\n")
        os._exit(1)

    def _has_file(self) -> bool:
        directory = f"/proc/{self.pid}/fd"
        for number in os.listdir(directory):
            with suppress(FileNotFoundError):
                path = os.readlink(f"{directory}/{number}")
                flags = int(
                    Path(f"/proc/{self.pid}/fdinfo/{number}")
                    .read_text(encoding="ascii")
                    .split()[3],
                    8,
                )
                if (
                    path.startswith(f"{self.root}/")
                    and flags & os.O_ACCMODE != os.O_RDONLY
                ):
                    return True
        return False


def _hidden(root: str) -> list[Path]:
    return [path for path in Path(root, "answers").iterdir() if path.name[0] == "."]


def _check_end(store: Store, root: str) -> None:
    """Assert that nothing is left of all the deaths."""
    old = time.time() - 86_400
    for path in _hidden(root):
        os.utime(path, (old, old))
    store.compact()
    assert not list(store.damage()), "damage is left"
    assert not _hidden(root), "temporary files are left"
    for writer, number in _STABLE:
        assert _count(writer, store.get(_key(writer, number))) == number


def _rounds(
    root: str, rounds: int, chance: random.Random, workers: list[_Worker]
) -> tuple[int, int]:
    store = _store(root)
    kills = inside = 0
    for _ in range(rounds):
        time.sleep(chance.random() * _CALM_S)  # not for anything: the moment is random
        for worker in workers:
            worker.drain()
        for worker in chance.sample(workers, _KILLS):
            inside += worker.kill(inside=chance.random() < 0.5)
            kills += 1
            if worker.number < _WRITERS:
                worker.check(store)
            worker.start()
    return kills, inside


def main(root: str, rounds: int, seed: int) -> None:
    """Do all the rounds and print the figures. Raises: AssertionError."""
    store = _store(root)
    for writer, number in _STABLE:
        payload = pack_entry(entry_of(_text(writer, number)))
        assert store.put(_key(writer, number), payload)
    count = _WRITERS + _READERS + _COMPACTORS
    workers = [_Worker(root, number) for number in range(count)]
    try:
        kills, inside = _rounds(root, rounds, random.Random(seed), workers)
    finally:
        _last(workers, lambda worker: worker.kill(inside=False))
    for worker in workers[:_WRITERS]:
        worker.check(store)
    _check_end(store, root)
    acknowledged = sum(worker.next for worker in workers)
    figures = {"rounds": rounds, "kills": kills, "inside": inside}
    sys.stdout.write(json.dumps({**figures, "acknowledged": acknowledged}))


def _last(workers: list[_Worker], call: Callable[[_Worker], object]) -> None:
    for worker in workers:
        with suppress(ChildProcessError, ProcessLookupError, AssertionError):
            call(worker)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else 0)
