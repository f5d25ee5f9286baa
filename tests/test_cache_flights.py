"""Files by which processes agree on who asks: damaged, old, in each other's way."""

from __future__ import annotations

import fcntl
import os
import threading
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

    assert isinstance(first.begin(_KEY), Held)
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
    assert isinstance(holder.begin(_KEY), Held)

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
    assert isinstance(second.begin(_KEY), Held)

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

    flights.touch()
    flights.end(_KEY)

    path.parent.mkdir()
    assert isinstance(flights.begin(_KEY), Held)
    flights.end(_KEY)


@pytest.mark.parametrize("has_files", [True, False])
def test_a_thread_waits_for_another_and_never_for_itself(
    root: str, has_files: bool
) -> None:
    flights = Flights(root if has_files else None)
    found: list[Held | Waiting | None] = []
    assert isinstance(flights.begin(_KEY), Held)

    thread = threading.Thread(target=lambda: found.append(flights.begin(_KEY)))
    thread.start()
    thread.join()
    [other] = found

    assert flights.begin(_KEY) is None
    assert isinstance(other, Waiting)
    assert not other.is_over()
    flights.end(_KEY)
    assert other.is_over()
