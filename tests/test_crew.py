"""The threads of a batch: who takes what, and how it ends."""

from __future__ import annotations

import threading

import pytest

from llmwrap.batch.crew import Crew
from llmwrap.errors import ExhaustedError, OutputError


def doubled(number: int) -> int:
    return 2 * number


def test_each_is_done_once() -> None:
    crew = Crew(iter(range(100)), [doubled] * 4)

    assert sorted(crew.results()) == [2 * number for number in range(100)]


def test_order_is_kept_where_it_is_wanted() -> None:
    crew = Crew(iter(range(100)), [doubled] * 4, in_order=True)

    assert list(crew.results()) == [2 * number for number in range(100)]


def test_what_one_cannot_do_is_another_ones() -> None:
    crew = Crew(iter(range(20)), [lambda _: None, lambda _: None, doubled])

    assert sorted(crew.results()) == [2 * number for number in range(20)]


def test_no_more_are_begun_than_there_are_threads_before_results_are_taken() -> None:
    begun: list[int] = []

    def note(number: int) -> int:
        begun.append(number)
        return number

    results = Crew(iter(range(100)), [note] * 3).results()
    next(results)

    assert len(begun) <= 3
    results.close()  # type: ignore[attr-defined]  # it is a generator


def test_what_is_under_way_ends_and_nothing_else_begins() -> None:
    def last(number: int) -> int:
        crew.finish()
        return number

    crew = Crew(iter(range(100)), [last] * 3)

    assert 1 <= len(list(crew.results())) <= 3


def test_a_bug_is_raised_behind_what_others_did() -> None:
    has_begun = threading.Event()

    def break_down(number: int) -> int:
        has_begun.set()
        raise ValueError(number)

    def wait(number: int) -> int:
        has_begun.wait(30)
        return number

    crew = Crew(iter(range(10)), [break_down, wait])
    found: list[int] = []

    with pytest.raises(ValueError, match=r"^\d$"):
        found += crew.results()
    assert len(found) == 9


def test_where_there_is_no_thread_that_is_said() -> None:
    before = threading.stack_size(1 << 46)
    try:
        with pytest.raises(ExhaustedError):
            list(Crew(iter(range(3)), [doubled] * 2).results())
    finally:
        threading.stack_size(before)


def test_each_is_delivered_once_by_the_threads_themselves() -> None:
    delivered: list[int] = []
    threads: set[int] = set()

    def deliver(number: int) -> None:
        delivered.append(number)
        threads.add(threading.get_ident())

    Crew(iter(range(100)), [doubled] * 4).run(deliver)

    assert sorted(delivered) == [2 * number for number in range(100)]
    assert threading.get_ident() not in threads


def test_order_is_kept_by_the_threads_themselves() -> None:
    delivered: list[int] = []

    Crew(iter(range(100)), [doubled] * 4, in_order=True).run(delivered.append)

    assert delivered == [2 * number for number in range(100)]


def test_what_cannot_be_delivered_ends_it() -> None:
    """A full disk, say: what else is asked would be lost, too."""
    begun: list[int] = []

    def begin(number: int) -> int:
        begun.append(number)
        return number

    def deliver(number: int) -> None:
        raise OutputError(f"no room for {number}")

    with pytest.raises(OutputError):
        Crew(iter(range(100)), [begin] * 3).run(deliver)
    assert len(begun) <= 3


def test_nothing_is_delivered_behind_a_drop() -> None:
    delivered: list[int] = []

    def deliver(number: int) -> None:
        delivered.append(number)
        crew.drop()

    crew = Crew(iter(range(100)), [doubled] * 3)
    crew.run(deliver)

    assert len(delivered) == 1


def test_threads_go_on_while_the_reader_of_ordered_results_is_slow() -> None:
    begun: list[int] = []
    has_begun_all = threading.Event()

    def begin(number: int) -> int:
        begun.append(number)
        if len(begun) == 8:
            has_begun_all.set()
        return number

    results = Crew(iter(range(8)), [begin] * 2, in_order=True).results()
    first = next(results)

    assert first == 0
    assert has_begun_all.wait(30)
    assert list(results) == [*range(1, 8)]
