"""Streams: order, bounds, cancel, errors of the worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from llmwrap.errors import CancelledError, IncompleteError, LLMWrapError
from llmwrap.messages import Chunk
from llmwrap.streams import Stream, StreamEnded, StreamPool
from llmwrap.threads import start_together
from llmwrap.transport.cancel import CancelToken

_LONG_S = 10.0


def _texts(stream: Stream) -> list[str]:
    texts = []
    while True:
        try:
            texts.append(stream.next_chunk(_LONG_S).text)
        except StreamEnded:
            return texts


def _chunks(*texts: str) -> Iterator[Chunk]:
    return (Chunk(text) for text in texts)


@pytest.fixture
def pool() -> Iterator[StreamPool]:
    pool = StreamPool(max_streams=2, buffer_size=8)
    yield pool
    pool.close()


def test_chunks_come_in_order_and_then_the_end(pool: StreamPool) -> None:
    stream = pool.start(lambda: _chunks("a", "b", "c"), CancelToken())

    assert _texts(stream) == ["a", "b", "c"]
    with pytest.raises(StreamEnded):
        stream.next_chunk(_LONG_S)


def test_what_came_before_an_error_is_read_before_it(pool: StreamPool) -> None:
    def broken() -> Iterator[Chunk]:
        yield Chunk("a")
        raise IncompleteError("broke off")

    stream = pool.start(broken, CancelToken())

    assert stream.next_chunk(_LONG_S).text == "a"
    with pytest.raises(IncompleteError, match="broke off"):
        stream.next_chunk(_LONG_S)


def test_a_bug_in_a_source_reaches_the_reader(pool: StreamPool) -> None:
    def buggy() -> Iterator[Chunk]:
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        pool.start(buggy, CancelToken()).next_chunk(_LONG_S)


def test_waiting_ends_after_the_time_given(pool: StreamPool) -> None:
    release = threading.Event()

    def silent() -> Iterator[Chunk]:
        release.wait(_LONG_S)
        yield Chunk("late")

    stream = pool.start(silent, CancelToken())

    with pytest.raises(TimeoutError):
        stream.next_chunk(0.01)
    release.set()
    assert stream.next_chunk(_LONG_S).text == "late"


@pytest.mark.parametrize("size", [1, 1 << 19])
def test_a_slow_reader_holds_the_worker_back(size: int) -> None:
    produced: list[int] = []
    full = threading.Event()

    def endless() -> Iterator[Chunk]:
        for number in range(1000):
            produced.append(number)
            if number == 9:
                full.set()
            yield Chunk("x" * size)

    pool = StreamPool(max_streams=1, buffer_size=8)
    stream = pool.start(endless, CancelToken())
    stream.next_chunk(_LONG_S)
    if size == 1:
        assert full.wait(_LONG_S)

    assert len(produced) <= 11
    pool.close()


def test_a_chunk_larger_than_the_queue_still_passes(pool: StreamPool) -> None:
    stream = pool.start(lambda: _chunks("x" * (3 << 20), "end"), CancelToken())

    assert [len(text) for text in _texts(stream)] == [3 << 20, 3]


def test_cancelling_releases_a_worker_that_waits_for_room() -> None:
    pool = StreamPool(max_streams=1, buffer_size=1)
    left = threading.Event()

    def endless() -> Iterator[Chunk]:
        try:
            while True:
                yield Chunk("x")
        finally:
            left.set()

    stream = pool.start(endless, CancelToken())
    stream.next_chunk(_LONG_S)
    stream.cancel()

    assert left.wait(_LONG_S)
    stream.join(_LONG_S)
    assert stream.has_ended
    pool.close()


def test_no_more_streams_run_at_once_than_allowed() -> None:
    pool = StreamPool(max_streams=3, buffer_size=8)
    running: set[int] = set()
    most: list[int] = []
    lock = threading.Lock()
    go_on = threading.Event()

    def source(number: int) -> Iterator[Chunk]:
        with lock:
            running.add(number)
            most.append(len(running))
            if len(running) == 3:
                go_on.set()
        go_on.wait(_LONG_S)
        yield Chunk(str(number))
        with lock:
            running.discard(number)

    streams = [pool.start(partial(source, n), CancelToken()) for n in range(12)]

    assert [_texts(stream) for stream in streams] == [[str(n)] for n in range(12)]
    assert max(most) == 3
    pool.close()


def test_a_worker_is_used_again(pool: StreamPool) -> None:
    names: set[str] = set()

    def source() -> Iterator[Chunk]:
        names.add(threading.current_thread().name)
        yield Chunk("x")

    for _ in range(20):
        _texts(pool.start(source, CancelToken()))

    assert len(names) <= 2


def test_a_closed_pool_takes_nothing_and_ends_what_runs() -> None:
    pool = StreamPool(max_streams=1, buffer_size=8)
    token = CancelToken()

    def waiting() -> Iterator[Chunk]:
        token.wait(_LONG_S)
        yield Chunk("never")

    stream = pool.start(waiting, token)
    queued = pool.start(lambda: _chunks("never"), CancelToken())
    pool.close()

    with pytest.raises(CancelledError):
        stream.next_chunk(_LONG_S)
    with pytest.raises(CancelledError):
        queued.next_chunk(_LONG_S)
    with pytest.raises(LLMWrapError, match="closed"):
        pool.start(lambda: _chunks("x"), CancelToken())


def test_calls_started_together_hand_back_results_and_errors() -> None:
    def fail() -> int:
        raise IncompleteError("no")

    release = threading.Event()
    good, bad, slow = start_together(
        [lambda: 1, fail, lambda: int(release.wait(_LONG_S))]
    )

    assert good.result(_LONG_S) == 1
    with pytest.raises(IncompleteError):
        bad.result(_LONG_S)
    with pytest.raises(TimeoutError):
        slow.result(0.01)
    release.set()
    assert slow.result(_LONG_S) == 1
