"""Streams that are driven by whoever reads them, for fronts with many readers. F5.

A StreamPool has a thread of its own for each stream and hands every chunk over. Where
each reader is a thread already, as in a load test, that costs half of the requests per
second and moves what is measured. Here the reader itself runs the iterator, and one
thread for all of them watches the clocks: what waits too long is cancelled on the wire.

What cannot be cancelled is name resolution, which then holds its reader for as long as
the system takes; connecting ends with the connect time-out.
"""

from __future__ import annotations

import time
from collections.abc import Generator

from ..errors import LLMWrapError
from ..messages import Chunk
from ..streams import Source, StreamEnded, Ticker
from ..transport.cancel import CancelToken

_LOOK_S = 0.02


class InlineStreams:
    """Start streams that their readers drive; any thread may start one."""

    def __init__(self) -> None:
        self._running: set[InlineStream] = set()
        self._ticker = Ticker(_LOOK_S, self._look)

    def start(self, source: Source, cancel: CancelToken) -> InlineStream:
        """Return a stream over what `source()` yields; it begins when it is read.

        `cancel` is the token that the source's request listens to.
        """
        stream = InlineStream(source, cancel, self._running)
        self._running.add(stream)
        return stream

    def close(self) -> None:
        """Cancel every stream."""
        self._ticker.stop()
        for stream in self._all():
            stream.cancel()

    def _look(self) -> None:
        now = time.monotonic()
        for stream in self._all():
            stream.expire(now)

    def _all(self) -> list[InlineStream]:
        return list(self._running)  # one step of the interpreter: nothing can change


class InlineStream:
    """One iterator, run by the thread that reads it; `cancel` may come from any."""

    def __init__(
        self, source: Source, cancel: CancelToken, running: set[InlineStream]
    ) -> None:
        self._source = source
        self._cancel = cancel
        self._running = running
        self._chunks: Generator[Chunk, None, None] | None = None
        self._until: float | None = None
        self._has_expired = False
        self.has_ended = False
        """Whether the iterator was left."""
        self.is_cancelled = False
        """Whether the reader has left."""
        self.arrived_at = 0.0
        """When the bytes of the chunk that was read last came (monotonic clock)."""

    def next_chunk(self, timeout_s: float | None = None) -> Chunk:
        """Return the next chunk, running the iterator for it.

        Raises: StreamEnded at the end, TimeoutError after `timeout_s`, and what the
        iterator raises.
        """
        chunks = self._chunks = self._chunks or self._run()
        if timeout_s is not None:
            self._until = time.monotonic() + timeout_s
        try:
            chunk = next(chunks)
        except StopIteration:
            self._leave()
            raise StreamEnded from None
        except LLMWrapError:
            self._leave()
            if self._has_expired:
                raise TimeoutError from None
            raise
        finally:
            self._until = None
        self.arrived_at = self._cancel.received_at or time.monotonic()
        return chunk

    def wait(self, timeout_s: float | None) -> bool:
        """Return True: only reading tells whether there is something."""
        return True

    def expire(self, now: float) -> None:
        """Cancel the request if its reader has waited long enough."""
        until = self._until
        if until is not None and now >= until:
            self._has_expired = True
            self._cancel.cancel()

    def cancel(self) -> None:
        """End the request on the wire."""
        self.is_cancelled = True
        self._cancel.cancel()
        self._running.discard(self)

    def join(self) -> None:
        """Leave the iterator; for the thread that reads."""
        self._leave()

    def _run(self) -> Generator[Chunk, None, None]:
        self._cancel.check()
        yield from self._source()

    def _leave(self) -> None:
        self._running.discard(self)
        self.has_ended = True
        if self._chunks:
            self._chunks.close()
