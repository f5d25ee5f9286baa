"""Files by which processes agree on who asks: damaged, old, in each other's way."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmwrap.cache.flights import Flights, Held, Waiting
from llmwrap.cache.layout import flight_path

from .cachemade import key_of

_KEY = key_of(1)


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "flights").mkdir()
    return str(tmp_path)


def _attended(flights: Flights) -> Held:
    """Hold a flight as if another thread read its answer."""
    held = flights.begin(_KEY)
    assert isinstance(held, Held)
    held.attend()
    return held


@contextmanager
def _waiting(flights: Flights) -> Iterator[Waiting]:
    waiting = flights.begin(_KEY)
    assert isinstance(waiting, Waiting)
    try:
        yield waiting
    finally:
        waiting.leave()


def test_the_second_waits_until_the_first_has_ended(root: str) -> None:
    first, second = Flights(root), Flights(root)

    _attended(first)
    with _waiting(second) as waiting:
        assert not waiting.is_over()
        first.end(_KEY)
        assert waiting.is_over()

    assert isinstance(second.begin(_KEY), Held)
    second.end(_KEY)


def test_an_old_file_is_no_holder_that_stopped(root: str) -> None:
    """What a dead process left is old until its next holder touches it."""
    path = flight_path(root, _KEY)
    with Path(path).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.utime(path, (0, 0))

        with _waiting(Flights(root)) as waiting:
            assert not waiting.is_over()


def test_a_clock_that_was_set_stops_nobody(root: str) -> None:
    holder = Flights(root)
    _attended(holder)

    for moment in (0, 1 << 32):
        os.utime(flight_path(root, _KEY), (moment, moment))
        with _waiting(Flights(root)) as waiting:
            assert not waiting.is_over()

    holder.end(_KEY)


def test_a_file_that_was_replaced_is_not_removed(root: str) -> None:
    """Somebody emptied the directory, and another process holds the flight now."""
    first, second = Flights(root), Flights(root)
    path = Path(flight_path(root, _KEY))
    assert isinstance(first.begin(_KEY), Held)
    path.unlink()
    _attended(second)

    first.end(_KEY)

    assert path.exists()
    with _waiting(Flights(root)) as waiting:
        assert not waiting.is_over()
    second.end(_KEY)
    assert not path.exists()


def test_a_directory_that_is_gone_harms_nobody(root: str) -> None:
    flights = Flights(root)
    path = Path(flight_path(root, _KEY))
    assert isinstance(flights.begin(_KEY), Held)
    path.unlink()
    path.parent.rmdir()

    flights.look(time.monotonic())
    flights.end(_KEY)

    path.parent.mkdir()
    assert isinstance(flights.begin(_KEY), Held)
    flights.end(_KEY)


@pytest.mark.parametrize("has_files", [True, False])
def test_a_thread_waits_for_another_and_never_for_itself(
    root: str, has_files: bool
) -> None:
    flights = Flights(root if has_files else None)
    is_over: list[bool] = []
    assert isinstance(flights.begin(_KEY), Held)

    def wait() -> None:
        waiting = flights.begin(_KEY)
        assert isinstance(waiting, Waiting)
        is_over.append(waiting.is_over())
        flights.end(_KEY)
        is_over.append(waiting.is_over())

    assert flights.begin(_KEY) is None
    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()

    assert is_over == [False, True]


@pytest.mark.parametrize("is_same", [True, False])
def test_a_thread_never_waits_for_an_answer_that_it_would_have_to_read(
    root: str, is_same: bool
) -> None:
    """Whichever cache of this process has it: each has a file of its own open."""
    first = Flights(root)
    second = first if is_same else Flights(root)
    held = first.begin(_KEY)
    assert isinstance(held, Held)
    held.attend()
    held.pause()

    assert second.begin(_KEY) is None


def test_an_answer_that_nobody_reads_is_not_touched_for_long(root: str) -> None:
    flights = Flights(root)
    held = flights.begin(_KEY)
    assert isinstance(held, Held)
    path = Path(flight_path(root, _KEY))

    os.utime(path, (0, 0))
    held.touch()
    assert path.stat().st_mtime > 0  # It was begun just now.
    held.pause(now=time.monotonic() - 60)
    os.utime(path, (0, 0))
    held.touch()

    assert path.stat().st_mtime == 0
    held.attend()
    held.touch()
    assert path.stat().st_mtime > 0
    flights.end(_KEY)
