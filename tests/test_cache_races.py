"""Many at once: stores into one shard, clearing, compaction."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .cachemade import Warnings as Heard
from .cachemade import cache_at, entry_of, key_of, text_of
from .cacheworld import ASK_S
from .runner import ROOT

_WRITERS = 32
_COMPACTIONS = 25


def _run(code: str, *argv: str) -> subprocess.Popen[bytes]:
    """Start a program that waits for a line before it does anything."""
    common = (
        "import sys, time\n"
        "from tests.cachemade import *\n"
        "root, *argv = sys.argv[1:]\n"
        "log = Warnings()\n"
        "cache = cache_at(Path(root), log)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", common + code, *argv],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@contextmanager
def _together(programs: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Let programs of `_run` go at the same instant; they end before the block does."""
    with ExitStack() as stack:
        for program in programs:
            stack.enter_context(program)
            stack.callback(program.kill)
            assert program.stdout
            assert program.stdout.readline() == b"ready\n"
        for program in programs:
            assert program.stdin
            program.stdin.write(b"go\n")
            program.stdin.flush()
        yield
        assert [program.wait(ASK_S) for program in programs] == [0] * len(programs)


def test_all_that_is_stored_in_one_shard_at_the_same_instant_is_kept(
    tmp_path: Path,
) -> None:
    """Long ones make the file grow so fast that it is written anew several times.

    Who waited for a second and stored nothing says so, and tries again.
    """
    sizes = [1 + 3000 * (number % 4) for number in range(_WRITERS)]
    store = (
        "text = f'answer {argv[0]} ' * int(argv[1])\n"
        "while True:\n"
        "    log = Warnings()\n"
        "    cache_at(Path(root), log).put(key_of(int(argv[0])), entry_of(text))\n"
        "    if not log.records:\n"
        "        break\n"
    )
    root = str(tmp_path)

    writers = [_run(store, root, str(n), str(size)) for n, size in enumerate(sizes)]
    with _together(writers):
        pass

    cache = cache_at(tmp_path, Heard())
    texts = [text_of(cache, key_of(number)) for number in range(_WRITERS)]
    assert texts == [f"answer {number} " * size for number, size in enumerate(sizes)]
    assert cache.damage() == []


def test_readers_miss_nothing_while_it_is_compacted(tmp_path: Path) -> None:
    cache = cache_at(tmp_path, Heard())
    for number in range(20):
        cache.put(key_of(number), entry_of(f"answer {number}"))
    read = (
        "while not Path(argv[0]).exists():\n"
        "    for number in range(20):\n"
        "        assert text_of(cache, key_of(number)) == f'answer {number}', number\n"
        "sys.exit(len(log.records))\n"
    )
    enough = tmp_path / "enough"

    readers = [_run(read, str(tmp_path), str(enough)) for _ in range(3)]
    with _together(readers):
        for _ in range(_COMPACTIONS):
            cache.compact()
            cache.put(key_of(99), entry_of("x" * 3000))
        enough.touch()


@pytest.mark.parametrize("verb", ["clear", "compact", "remove"])
def test_what_is_stored_after_a_clearing_is_not_lost_to_it(
    tmp_path: Path, verb: str
) -> None:
    """Nor is anything ever seen that was not stored last."""
    disturb = (
        "for turn in range(40):\n"
        f"    cache.{verb}({'lambda found: False' if verb == 'remove' else ''})\n"
        "sys.exit(len(log.records))\n"
    )
    write = (
        "for turn in range(150):\n"
        "    cache.put(key_of(int(argv[0])), entry_of(f'{argv[0]} {turn}'))\n"
        "    found = text_of(cache, key_of(int(argv[0])))\n"
        "    assert found in ({None} if argv[1] == 'clear' else set())"
        " | {f'{argv[0]} {turn}'}, found\n"
        "sys.exit(len(log.records))\n"
    )
    root = str(tmp_path)
    programs = [_run(write, root, str(number), verb) for number in range(3)]

    with _together([*programs, _run(disturb, root)]):
        pass
    cache = cache_at(tmp_path, Heard())
    if verb == "clear":
        for number in range(3):
            cache.put(key_of(number), entry_of(f"{number} 149"))

    assert [text_of(cache, key_of(n)) for n in range(3)] == ["0 149", "1 149", "2 149"]
    assert cache.damage() == []
