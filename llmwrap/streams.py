"""Run any iterator of chunks on a pool thread, behind a bounded queue.

Knows no backend. A thread lives as long as there are streams to run and no longer, so
a pool needs no closing; at the end of the interpreter all streams are cancelled and
waited for half a second at most.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from _queue import Empty, SimpleQueue  # queue has slower ones too, at 1 ms
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from . import lives
from .errors import ClosedError, ExhaustedError
from .messages import Chunk
from .threads import LONGEST_WAIT_S, start_thread
from .transport.cancel import CancelToken

JOIN_S = 0.5
_QUEUED_CHARACTERS = 1 << 20

_Item = tuple[float, Chunk]  # when it arrived, and the chunk
Source = Callable[[], Iterator[Chunk]]


class StreamEnded(Exception):
    """Say that a stream has no further chunk."""


class _Count:
    """How much went through one end of the queue; of the one thread at that end."""

    def __init__(self) -> None:
        self.chunks = 0
        self.deltas = 0
        self.characters = 0

    def add(self, chunk: Chunk) -> None:
        """Count one more."""
        self.deltas += chunk.deltas
        self.characters += len(chunk.text) + len(chunk.thinking)
        self.chunks += 1


class Stream:
    """One running iterator, read by one thread.

    `next_chunk` and `wait` are for that thread alone; `cancel` and `join` may come
    from any, and `cancel` from a finalizer too. What the worker raised is raised where
    the stream is read, after every chunk before it. A cancelled stream has no further
    chunk, whatever is queued. In a forked child it cannot be read.
    """

    def __init__(
        self,
        source: Source,
        cancel: CancelToken,
        buffer_size: int,
        on_silence: Callable[[], object],
    ) -> None:
        self._source = source
        self._on_silence = on_silence
        self._cancel = cancel
        self._buffer_size = buffer_size
        # The queue hands chunks over without Python-level waiting, which would cost
        # more than all else once many streams run; it has no bound, so the counts
        # below make one, and the worker waits at the gate when it is reached. Each
        # count is of one thread, so there is no lock that a reader could wait for.
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._ahead: list[_Item | None] = []
        self.arrived_at = 0.0
        """When the bytes of the chunk that was read last came (monotonic clock)."""
        self._put_in = _Count()
        self._taken_out = _Count()
        self._gate = threading.Lock()
        self._gate.acquire()
        self._is_worker_waiting = False
        self._left_at: float | None = None
        self._birthplace = os.getpid()
        self._error: BaseException | None = None
        self._ended = threading.Event()
        cancel.on_end = partial(_wake_up, self._queue, self._gate)
        lives.enter(self)

    @property
    def has_ended(self) -> bool:
        """Tell whether the worker has left the iterator."""
        return self._ended.is_set()

    @property
    def is_cancelled(self) -> bool:
        """Tell whether the reader has left."""
        return self._left_at is not None

    @property
    def is_lost(self) -> bool:
        """Tell whether the worker should have come back long ago, and has not."""
        left_at = self._left_at
        is_late = left_at is not None and time.monotonic() - left_at > JOIN_S
        return is_late and not self.has_ended

    def next_chunk(self, timeout_s: float | None = None) -> Chunk:
        """Return the next chunk, waiting for it if need be.

        Raises: StreamEnded at the end, TimeoutError after `timeout_s`, CancelledError
        and DeadlineError as the token says, and what the worker raised.
        """
        if not self.wait(timeout_s):
            raise TimeoutError
        self._cancel.check()
        item = self._ahead[0]
        if item is None:  # which stays, for whoever asks again
            raise self._take_error() or StreamEnded
        self._ahead.clear()
        self.arrived_at, chunk = item
        self._taken_out.add(chunk)
        if self._is_worker_waiting:
            _open(self._gate)
        return chunk

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until there is a chunk or the end; tell whether there is."""
        if self._ahead:
            return True
        if os.getpid() != self._birthplace:
            raise ClosedError(
                "this answer is another process's, which had asked for it before it"
                " forked",
                hint="ask again",
            )
        until = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, until - time.monotonic())
            try:
                item = self._queue.get(timeout=min(left_s, LONGEST_WAIT_S))
            except Empty:
                if not left_s:
                    return False
                self._on_silence()
                continue
            self._ahead.append(item)
            return True

    def cancel(self) -> None:
        """End the stream on the wire and drop what is queued."""
        self._left_at = self._left_at or time.monotonic()
        self._cancel.cancel()

    def join(self, timeout_s: float = JOIN_S) -> None:
        """Wait until the worker has left the iterator, at most `timeout_s`."""
        self._ended.wait(timeout_s)

    def run(self) -> None:
        """Drive the iterator to its end; called once, by a worker."""
        try:
            self._cancel.check()
            for chunk in self._source():
                if not self._put(chunk):
                    break
        except BaseException as error:  # handed on to the reader, whatever it is
            if not self._is_over:  # else nobody asks for it, and its frames know much
                # Without this frame, which knows the stream: that would be a circle.
                trace = error.__traceback__
                self._error = error.with_traceback(trace and trace.tb_next)
        self._ended.set()
        self._queue.put(None)

    def fail(self, error: BaseException) -> None:
        """End it before it was run."""
        self._error = error
        self._ended.set()
        self._queue.put(None)

    def start_anew(self) -> None:
        """Have nobody to wait for, in a forked child."""
        self._ended = threading.Event()
        self._ended.set()

    def _take_error(self) -> BaseException | None:
        error, self._error = self._error, None
        return error

    def _put(self, chunk: Chunk) -> bool:
        arrived_at = self._cancel.received_at or time.monotonic()
        size = len(chunk.text) + len(chunk.thinking)
        while not self._is_over and self._is_full(size):
            self._is_worker_waiting = True
            if self._is_full(size):  # still, now that the reader would tell us
                self._gate.acquire(timeout=LONGEST_WAIT_S)
            self._is_worker_waiting = False
        self._put_in.add(chunk)
        self._queue.put((arrived_at, chunk))
        return not self._is_over

    @property
    def _is_over(self) -> bool:
        return self.is_cancelled or self._cancel.is_cancelled

    def _is_full(self, size: int) -> bool:
        # Counted in deltas, as the specification does, and in characters: 8192
        # chunks of one read each would be half a gigabyte.
        there, gone = self._put_in, self._taken_out
        return there.chunks > gone.chunks and (
            there.deltas - gone.deltas >= self._buffer_size
            or there.characters - gone.characters + size > _QUEUED_CHARACTERS
        )


class StreamPool:
    """Threads that drive streams, `max_streams` of them at once at most.

    Any thread may start a stream; those over the limit wait for a free worker in the
    order they came. Of a worker that does not come back when its stream is left (code
    of others may hang for ever) the place is given to another one.
    """

    def __init__(self, max_streams: int, buffer_size: int) -> None:
        self._max_streams = max_streams
        self._buffer_size = buffer_size
        self._lock = threading.Lock()
        self._waiting: deque[Stream] = deque()
        self._running: set[Stream] = set()
        self._is_closed = False
        lives.enter(self)
        atexit.unregister(_cancel_all)
        atexit.register(_cancel_all)

    def start(self, source: Source, cancel: CancelToken) -> Stream:
        """Return a stream over what `source()` yields, run by a worker.

        `cancel` is the token that the source's request listens to. Raises:
        ClosedError, ExhaustedError when the machine has no thread left.
        """
        stream = Stream(source, cancel, self._buffer_size, self.make_room)
        with self._lock:
            if self._is_closed:
                raise ClosedError("it is closed, and nothing can be asked any more")
            if len(self._running) >= self._max_streams:
                self._waiting.append(stream)
                return stream
            self._running.add(stream)
        self._start_worker(stream)
        return stream

    def make_room(self) -> None:
        """Let others have the places of workers that do not come back."""
        with self._lock:
            lost = [stream for stream in self._running if stream.is_lost]
        for stream in lost:
            self._replace(stream)

    def close(self) -> None:
        """Cancel every stream; nothing can be started any more."""
        with self._lock:
            self._is_closed = True
            streams = [*self._running, *self._waiting]
            self._waiting.clear()
        for stream in streams:
            stream.cancel()

    def start_anew(self) -> None:
        """Have no streams and no workers, in a forked child."""
        self._lock = threading.Lock()
        self._waiting = deque()
        self._running = set()

    def _start_worker(self, stream: Stream) -> None:
        number = len(self._running)
        try:
            start_thread(partial(self._work, stream), f"stream-{number}")
        except ExhaustedError as error:
            stream.fail(error)
            self._replace(stream)

    def _replace(self, stream: Stream) -> None:
        if next_one := self._after(stream):
            self._start_worker(next_one)

    def _work(self, stream: Stream) -> None:
        next_one: Stream | None = stream
        while next_one:
            next_one.run()
            next_one = self._after(next_one)

    def _after(self, stream: Stream) -> Stream | None:
        """Return what is run in the place of a stream that needs it no more."""
        with self._lock:
            if stream not in self._running:
                return None  # It was given up, and another one has its place.
            self._running.discard(stream)
            if self._is_closed or not self._waiting:
                return None
            next_one = self._waiting.popleft()
            self._running.add(next_one)
            return next_one


def _open(gate: threading.Lock) -> None:
    try:
        gate.release()
    except RuntimeError:
        pass  # It was open.


def _wake_up(queue: SimpleQueue[_Item | None], gate: threading.Lock) -> None:
    queue.put(None)
    _open(gate)


def _cancel_all() -> None:
    """Leave no worker in a read when the interpreter ends under it."""
    streams = [stream for stream in lives.living(Stream) if not stream.has_ended]
    for stream in streams:
        stream.cancel()
    until = time.monotonic() + JOIN_S
    for stream in streams:
        stream.join(max(0.0, until - time.monotonic()))
