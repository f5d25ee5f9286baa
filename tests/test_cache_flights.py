"""The file by which processes agree on who asks: locked, replaced, gone."""

from __future__ import annotations

import fcntl
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmwrap.cache.flights import Flights, Held, Waiting
from llmwrap.cache.layout import flights_path

from .cachemade import is_anything_in_flight, key_of

_KEY, _OTHER = key_of(1), key_of(2)
_LONG_S = 20.0


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


def _held(flights: Flights) -> Held:
    held = flights.begin(_KEY)
    assert isinstance(held, Held)
    return held


def _attended(flights: Flights) -> Held:
    """Hold a flight as if another thread read its answer."""
    held = _held(flights)
    held.attend()
    return held


def _waiting(flights: Flights) -> Waiting:
    waiting = flights.begin(_KEY)
    assert isinstance(waiting, Waiting)
    return waiting


@contextmanager
def _held_elsewhere(root: str) -> Iterator[None]:
    """Hold every flight as another program, of which Flights knows nothing."""
    with open(flights_path(root), "rb+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def _is_in_flight(root: str) -> bool:
    return is_anything_in_flight(Path(flights_path(root)))


def test_the_second_waits_until_the_first_has_ended(root: str) -> None:
    first, second = Flights(root), Flights(root)

    _attended(first)
    waiting = _waiting(second)
    assert not waiting.is_over()
    first.end(_KEY)
    assert waiting.is_over()

    _held(second)
    second.end(_KEY)
    assert not _is_in_flight(root)


def test_different_questions_do_not_wait_for_each_other(root: str) -> None:
    first, second = Flights(root), Flights(root)
    _attended(first)

    assert isinstance(second.begin(_OTHER), Held)


def test_an_old_sign_is_no_holder_that_stopped(root: str) -> None:
    """What a dead process said last is there until the next holder speaks."""
    flights = Flights(root)
    _attended(flights).show(7)
    flights.end(_KEY)

    with _held_elsewhere(root):
        assert not _waiting(Flights(root)).is_over()


def test_who_looks_does_not_take_the_lock_from_a_thread_beside_it(root: str) -> None:
    flights = Flights(root)
    _held(flights)
    flights.end(_KEY)
    with _held_elsewhere(root):
        waiting = _waiting(flights)
    assert waiting.is_over()
    assert not _is_in_flight(root)

    _attended(flights)

    assert not waiting.is_over()
    assert _is_in_flight(root)


def test_a_flight_that_ends_twice_does_not_end_the_next_one(root: str) -> None:
    flights = Flights(root)
    first = _held(flights)
    flights.end(_KEY)
    _held(flights)

    first.release()

    assert _is_in_flight(root)


def test_a_file_that_was_replaced_is_another_flight(root: str) -> None:
    """Somebody emptied the directory, and another process holds the flight now."""
    first, second = Flights(root), Flights(root)
    _held(first)
    Path(flights_path(root)).unlink()
    _attended(second)

    first.end(_KEY)

    assert _is_in_flight(root)
    assert not _waiting(Flights(root)).is_over()


def test_who_asks_on_notices_that_the_file_was_replaced(root: str) -> None:
    flights = Flights(root)
    _held(flights)
    flights.end(_KEY)
    shutil.rmtree(root)
    until = time.monotonic() + _LONG_S

    while not Path(root).exists() and time.monotonic() < until:
        flights.begin(_OTHER)
        flights.end(_OTHER)
    _attended(flights)

    assert _is_in_flight(root)


def test_a_directory_that_is_gone_harms_nobody(root: str) -> None:
    flights = Flights(root)
    _held(flights)
    shutil.rmtree(root)

    flights.look(time.monotonic())
    flights.end(_KEY)

    _held(flights)
    flights.end(_KEY)


@pytest.mark.parametrize("has_file", [True, False])
def test_a_thread_waits_for_another_and_never_for_itself(
    root: str, has_file: bool
) -> None:
    flights = Flights(root if has_file else None)
    is_over: list[bool] = []
    _held(flights)

    def wait() -> None:
        waiting = _waiting(flights)
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
    """Whichever cache of this process has it: each has opened the file itself."""
    first = Flights(root)
    second = first if is_same else Flights(root)
    _attended(first).pause()

    assert second.begin(_KEY) is None


def test_an_answer_that_nobody_reads_gives_no_sign_for_long(root: str) -> None:
    flights = Flights(root)
    held = _held(flights)

    held.show(1)
    assert flights.sign(_KEY) == b"\1"  # It was begun just now.
    held.pause(now=time.monotonic() - 60)
    held.show(2)
    assert flights.sign(_KEY) == b"\1"
    held.attend()
    held.show(3)
    assert flights.sign(_KEY) == b"\3"


def test_many_threads_that_begin_and_end_leave_nothing(root: str) -> None:
    """Each holds the one flight, or waits for it; at no time do two hold it."""
    flights = Flights(root)
    holding: list[int] = []
    most: list[int] = []

    def fly() -> None:
        for _ in range(300):
            if isinstance(flights.begin(_KEY), Held):
                holding.append(1)
                most.append(len(holding))
                holding.pop()
                flights.end(_KEY)

    threads = [threading.Thread(target=fly) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(most) == {1}
    assert not _is_in_flight(root)
