"""Run any iterator of chunks on a pool thread, behind a bounded queue. Floor F4.

Knows no backend. Threads and not concurrent.futures: its import costs 13 ms, and its
exit waits for workers that are blocked in a read. Workers are daemon threads; whoever
leaves cancels its streams and waits half a second at most.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from .errors import LLMWrapError
from .messages import Chunk
from .transport.cancel import LONGEST_WAIT_S, CancelToken, wait_for

JOIN_S = 0.5
_QUEUED_CHARACTERS = 1 << 20

T = TypeVar("T")
_Item = tuple[float, Chunk]  # when it arrived, and the chunk
Source = Callable[[], Iterator[Chunk]]


class StreamEnded(Exception):
    """Say that a stream has no further chunk."""


class Stream:
    """One running iterator, read by one thread.

    `next_chunk` and `wait` are for that thread alone; `cancel` and `join` may come
    from any. What the worker raised is raised where the stream is read, after every
    chunk before it.
    """

    def __init__(self, source: Source, cancel: CancelToken, buffer_size: int) -> None:
        self._source = source
        self._cancel = cancel
        self._buffer_size = buffer_size
        # The queue hands chunks over without Python-level waiting, which would cost
        # more than all else once many streams run; it has no bound, so the counts
        # below make one, and the worker waits only when it is reached.
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._ahead: list[_Item | None] = []
        self.arrived_at = 0.0
        """When the bytes of the chunk that was read last came (monotonic clock)."""
        self._room = threading.Condition()
        self._queued = 0
        self._deltas = 0
        self._characters = 0
        self._is_worker_waiting = False
        self._is_started = False
        self._is_abandoned = False
        self._error: BaseException | None = None
        self._ended = threading.Event()

    @property
    def has_ended(self) -> bool:
        """Tell whether the worker has left the iterator."""
        return self._ended.is_set()

    @property
    def is_cancelled(self) -> bool:
        """Tell whether the reader has left."""
        return self._is_abandoned

    def next_chunk(self, timeout_s: float | None = None) -> Chunk:
        """Return the next chunk, waiting for it if need be.

        Raises: StreamEnded at the end, TimeoutError after `timeout_s`, and what the
        worker raised.
        """
        if not self.wait(timeout_s):
            raise TimeoutError
        item = self._ahead[0]
        if item is None:  # which stays, for whoever asks again
            if self._error:
                raise self._error
            raise StreamEnded
        self._ahead.clear()
        self.arrived_at, chunk = item
        with self._room:
            self._queued -= 1
            self._deltas -= chunk.deltas
            self._characters -= len(chunk.text) + len(chunk.thinking)
            if self._is_worker_waiting:
                self._room.notify()
        return chunk

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until there is a chunk or the end; tell whether there is."""
        if self._ahead:
            return True
        until = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, until - time.monotonic())
            try:
                item = self._queue.get(timeout=min(left_s, LONGEST_WAIT_S))
            except Empty:
                if not self._is_started:
                    self._cancel.check()  # It waits for its turn: nobody else would.
                if left_s:
                    continue
                return False
            self._ahead.append(item)
            return True

    def cancel(self) -> None:
        """End the stream on the wire and drop what is queued."""
        self._cancel.cancel()
        with self._room:
            self._is_abandoned = True
            self._room.notify()

    def join(self, timeout_s: float = JOIN_S) -> None:
        """Wait until the worker has left the iterator, at most `timeout_s`."""
        self._ended.wait(timeout_s)

    def run(self) -> None:
        """Drive the iterator to its end; called once, by a worker."""
        self._is_started = True
        try:
            self._cancel.check()
            for chunk in self._source():
                if not self._put(chunk):
                    break
        except Exception as error:  # handed on to the reader, whatever it is
            self._error = error
        self._ended.set()
        self._queue.put(None)

    def _put(self, chunk: Chunk) -> bool:
        size = len(chunk.text) + len(chunk.thinking)
        arrived_at = self._cancel.received_at or time.monotonic()
        with self._room:
            while not self._is_abandoned and self._is_full(size):
                self._is_worker_waiting = True
                self._room.wait()
                self._is_worker_waiting = False
            self._queued += 1
            self._deltas += chunk.deltas
            self._characters += size
        self._queue.put((arrived_at, chunk))
        return not self._is_abandoned

    def _is_full(self, size: int) -> bool:
        # Counted in deltas, as the specification does, and in characters: 8192
        # chunks of one read each would be half a gigabyte.
        return bool(self._queued) and (
            self._deltas >= self._buffer_size
            or self._characters + size > _QUEUED_CHARACTERS
        )


class StreamPool:
    """Threads that drive streams, `max_streams` of them at once at most.

    Any thread may start a stream; those over the limit wait for a free worker in the
    order they came.
    """

    def __init__(self, max_streams: int, buffer_size: int) -> None:
        self._max_streams = max_streams
        self._buffer_size = buffer_size
        self._changed = threading.Condition()
        self._waiting: deque[Stream] = deque()
        self._running: set[Stream] = set()
        self._workers = 0
        self._idle = 0
        self._is_closed = False

    def start(self, source: Source, cancel: CancelToken) -> Stream:
        """Return a stream over what `source()` yields, run by a worker.

        `cancel` is the token that the source's request listens to.
        """
        stream = Stream(source, cancel, self._buffer_size)
        with self._changed:
            if self._is_closed:
                raise LLMWrapError("the stream pool is closed")
            self._waiting.append(stream)
            if self._idle >= len(self._waiting):
                self._changed.notify()
            elif self._workers < self._max_streams:
                self._workers += 1
                threading.Thread(
                    target=self._work,
                    name=f"llmwrap-stream-{self._workers}",
                    daemon=True,
                ).start()
        return stream

    def close(self) -> None:
        """Cancel every stream and let the workers go."""
        with self._changed:
            self._is_closed = True
            running, waiting = [*self._running], [*self._waiting]
            self._waiting.clear()
            self._changed.notify_all()
        for stream in running:
            stream.cancel()
        for stream in waiting:
            stream.cancel()
            stream.run()  # which ends it: nobody else will

    def _work(self) -> None:
        while stream := self._take():
            try:
                stream.run()
            finally:
                with self._changed:
                    self._running.discard(stream)

    def _take(self) -> Stream | None:
        with self._changed:
            self._idle += 1
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            self._idle -= 1
            if self._is_closed:
                self._workers -= 1
                return None
            stream = self._waiting.popleft()
            self._running.add(stream)
            return stream


class Outcome(Generic[T]):
    """What a call on a thread of its own will have brought."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._ended = threading.Event()
        self._result: T | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Make the call; called once, by its thread."""
        try:
            self._result = self._call()
        except Exception as error:  # handed on to whoever asks for the result
            self._error = error
        self._ended.set()

    def result(self, timeout_s: float) -> T:
        """Return what the call returned, or raise what it raised.

        Raises: TimeoutError when it has not ended after `timeout_s`.
        """
        if not wait_for(self._ended, timeout_s):
            raise TimeoutError
        if self._error:
            raise self._error
        return self._result  # type: ignore[return-value]  # set, or there was an error


def start_together(calls: Sequence[Callable[[], T]]) -> list[Outcome[T]]:
    """Start every call at once, each on a daemon thread, and return their outcomes."""
    outcomes = [Outcome(call) for call in calls]
    for number, outcome in enumerate(outcomes, 1):
        threading.Thread(
            target=outcome.run, name=f"llmwrap-call-{number}", daemon=True
        ).start()
    return outcomes


class Ticker:
    """Call something again and again on a daemon thread, until it is stopped."""

    def __init__(self, interval_s: float, call: Callable[[], object]) -> None:
        self._interval_s = interval_s
        self._call = call
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="llmwrap-ticker", daemon=True).start()

    def stop(self) -> None:
        """Call it no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            self._call()
