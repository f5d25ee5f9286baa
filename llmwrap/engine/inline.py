"""Streams that are driven by whoever reads them, for fronts with many readers.

A StreamPool has a thread of its own for each stream and hands every chunk over. Where
each reader is a thread already, as in a load test, that costs half of the requests per
second and moves what is measured. Here the reader itself runs the iterator, and its
time-out is the deadline of the request's token: what waits too long ends on the wire.

What cannot be cancelled is name resolution, which then holds its reader for as long as
the system takes; connecting ends with the connect time-out.
"""

from __future__ import annotations

import time
from collections.abc import Generator

from ..errors import ClosedError, LLMWrapError
from ..messages import Chunk
from ..streams import Source, StreamEnded
from ..transport.cancel import CancelToken


class InlineStreams:
    """Start streams that their readers drive; any thread may start one."""

    def __init__(self) -> None:
        self._running: set[InlineStream] = set()
        self._is_closed = False

    def start(self, source: Source, cancel: CancelToken) -> InlineStream:
        """Return a stream over what `source()` yields; it begins when it is read.

        `cancel` is the token that the source's request listens to. Raises: ClosedError.
        """
        if self._is_closed:
            raise ClosedError("it is closed, and nothing can be asked any more")
        stream = InlineStream(source, cancel, self._running)
        self._running.add(stream)
        return stream

    def close(self) -> None:
        """Cancel every stream."""
        self._is_closed = True
        for stream in list(self._running):  # one step: nothing can change meanwhile
            stream.cancel()


class InlineStream:
    """One iterator, run by the thread that reads it; `cancel` may come from any."""

    def __init__(
        self, source: Source, cancel: CancelToken, running: set[InlineStream]
    ) -> None:
        self._source = source
        self._cancel = cancel
        self._running = running
        self._chunks: Generator[Chunk, None, None] | None = None
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
        token = self._cancel
        token.until = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            token.check()
            chunk = next(chunks)
        except StopIteration:
            self._leave()
            raise StreamEnded from None
        except LLMWrapError:
            self._leave()
            if token.has_expired:
                raise TimeoutError from None
            raise
        finally:
            token.until = (
                None  # A reader that is slow itself has all the time it wants.
            )
        self.arrived_at = token.received_at or time.monotonic()
        return chunk

    def wait(self, timeout_s: float | None) -> bool:
        """Return True: only reading tells whether there is something."""
        return True

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
