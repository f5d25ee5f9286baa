"""One answer under way: attempts and time-outs. Floor F5.

The only loop over attempts. Its clocks run where the answer is read: a piece that
never comes is noticed whatever keeps it (a name that does not resolve, a server that
drips keep-alives), and a reader that is slow itself is not mistaken for a silent
server.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import NamedTuple, Self

from ..backends.base import Backend
from ..errors import (
    BackendFailedError,
    DeadlineError,
    IncompleteError,
    LLMWrapError,
)
from ..log import Log
from ..messages import Chunk, Completion, Request
from ..metrics.timing import Stopwatch
from ..streams import Stream, StreamEnded, StreamPool
from ..transport.cancel import CancelToken
from ..units import format_duration
from .choice import Patience
from .deadlines import first_token_error, idle_error, total_error
from .folding import Folder, cut_error, has_own_limit, suspected_cut
from .telemetry import log_completion, log_request

_AFTER_END_S = 1.0  # for usage and [DONE], once a finish reason came
_LOADING_POLLS_S = (0.1, 0.2, 0.4, 0.5)  # then the last one again
_LONGEST_DELAY_S = 60.0


class Asking(NamedTuple):
    """All that one answer needs to come about."""

    backend: Backend
    request: Request
    pool: StreamPool
    patience: Patience
    answer_limit_bytes: int
    log: Log
    called_at: float


class Answer:
    """An answer under way: iterate it for chunks, then read `completion`.

    The request goes out at once, so many answers can be under way together. A context
    manager; leaving it early cancels the request on the wire. Belongs to the thread
    that reads it; only `cancel` may be called from any thread, and raises
    CancelledError in the reader. `str()` is the whole text.
    """

    is_cached = False

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._token = CancelToken()
        self._stopwatch = Stopwatch(asking.called_at)
        self._folder = Folder(asking.request.model, asking.answer_limit_bytes)
        self._completion: Completion | None = None
        self._attempts = 1
        log_request(asking.log, asking.backend, asking.request)
        self._stream = self._start()
        self._chunks: Generator[Chunk, None, None] = self._run()

    @property
    def backend(self) -> str:
        """Return the name of the backend that answers."""
        return self._asking.backend.name

    @property
    def model(self) -> str:
        """Return the model: as asked, and once the reply named it, as it did."""
        return self._folder.model

    @property
    def partial(self) -> Completion:
        """Return the answer as far as it came."""
        return self._folder.completion(self.backend, self._stopwatch, self._attempts)

    @property
    def completion(self) -> Completion:
        """Return the whole answer, reading what is still to come.

        Raises: as reading does; IncompleteError when the answer was left early.
        """
        if self._completion is None:
            for _ in self:
                pass
        if self._completion is None and self._folder.finish_reason is not None:
            self._complete()  # It was left at its end marker.
        if self._completion is None:
            raise IncompleteError("the answer was left before its end")
        return self._completion

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def __str__(self) -> str:
        return self.completion.text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def has_more(self, wait_s: float) -> bool:
        """Tell whether something can be read now, waiting `wait_s` at most."""
        return self._stream.wait(wait_s)

    def cancel(self) -> None:
        """End the request on the wire, from any thread."""
        self._token.cancel()

    def close(self) -> None:
        """Leave the answer; ends the request unless it is complete."""
        self._chunks.close()
        self._leave()

    def read(self) -> Completion:
        """Read the whole answer; iterating afterwards gives its chunks again.

        Raises: as reading does.
        """
        chunks = list(self)
        completion = self.completion
        self._chunks = (chunk for chunk in chunks)
        return completion

    def __del__(self) -> None:
        # An answer that was never read must not keep its worker and its server busy.
        stream: Stream | None = getattr(self, "_stream", None)
        if stream and not stream.has_ended:
            stream.cancel()

    def _start(self) -> Stream:
        asking, token = self._asking, self._token
        return asking.pool.start(
            lambda: asking.backend.chat(asking.request, token), token
        )

    def _leave(self) -> None:
        # Once: a connect cannot be cancelled, and each waiting for it takes its time.
        if not (self._stream.has_ended or self._stream.is_cancelled):
            self._stream.cancel()
            self._stream.join()

    def _run(self) -> Generator[Chunk, None, None]:
        retries = polls = 0
        loading_until: float | None = None
        while True:
            first_until = time.monotonic() + self._asking.patience.first_token_s
            try:
                yield from self._attempt(loading_until or first_until)
                return
            except LLMWrapError as error:
                if isinstance(error, BackendFailedError) and error.is_loading:
                    loading_until = loading_until or first_until
                    poll_s = _LOADING_POLLS_S[min(polls, len(_LOADING_POLLS_S) - 1)]
                    polls += 1
                    self._check_wait(poll_s, error, loading_until)
                    self._token.wait(poll_s)
                else:
                    self._token.wait(self._retry_delay_s(error, retries))
                    retries += 1
                    loading_until = None
                    self._attempts += 1
                self._stream = self._start()

    def _attempt(self, first_until: float) -> Iterator[Chunk]:
        try:
            if self._asking.request.is_streamed:
                yield from self._read(first_until)
                self._complete()
            else:
                # Nothing of a broken or cut answer may be shown: its end comes first.
                chunks = list(self._read(first_until, is_whole=True))
                self._complete()
                yield from chunks
        finally:
            self._leave()

    def _read(self, first_until: float, *, is_whole: bool = False) -> Iterator[Chunk]:
        folder, stream = self._folder, self._stream
        waiting_since = time.monotonic()
        while True:
            limit = first_until
            if folder.finish_reason is not None:
                limit = waiting_since + _AFTER_END_S
            elif not (folder.is_empty or is_whole):
                limit = waiting_since + self._asking.patience.idle_s
            chunk = self._next_chunk(stream, limit)
            if chunk is None:
                return
            self._note_time(chunk, stream.arrived_at)
            folder.add(chunk)
            yield chunk
            if chunk.deltas or chunk.is_complete:
                waiting_since = time.monotonic()

    def _next_chunk(self, stream: Stream, limit: float) -> Chunk | None:
        """Return the next chunk, None at the end; what follows the end is forgiven."""
        until = self._asking.patience.until
        earliest = limit if until is None else min(limit, until)
        try:
            return stream.next_chunk(max(0.0, earliest - time.monotonic()))
        except StreamEnded:
            return None
        except TimeoutError:
            if self._folder.finish_reason is not None:
                return None
            raise self._deadline_error(is_total=earliest != limit) from None
        except LLMWrapError:
            if self._folder.finish_reason is not None and not self._token.is_cancelled:
                return None
            raise

    def _deadline_error(self, *, is_total: bool) -> DeadlineError:
        asking, backend = self._asking, self._asking.backend
        where = f"{backend.name} at {backend.address}" if backend.address else "it"
        if is_total:
            return total_error(where)
        first_s, is_streamed = asking.patience.first_token_s, asking.request.is_streamed
        if self._folder.is_empty or not is_streamed:
            return first_token_error(where, first_s, is_streamed=is_streamed)
        return idle_error(where, asking.patience.idle_s)

    def _retry_delay_s(self, error: LLMWrapError, retries: int) -> float:
        """Return how long to wait before the next attempt, or raise `error`."""
        patience = self._asking.patience
        allowed = min(error.retries_allowed, patience.retries)
        if retries >= allowed or not self._folder.is_empty:
            raise error
        from random import uniform  # late: only a retry needs it

        backoff_s = min(patience.retry_delay_s * 2.0**retries, _LONGEST_DELAY_S)
        jitter = uniform(0.5, 1.0)  # noqa: S311  no secret hangs on it
        delay_s: float = max(jitter * backoff_s, error.retry_after_s or 0.0)
        self._check_wait(delay_s, error)
        self._asking.log.info(
            f"retrying in {format_duration(delay_s)} ({retries + 1} of {allowed}):"
            f" {error.message}",
            error__type=error.kind,
        )
        return delay_s

    def _check_wait(
        self, delay_s: float, error: LLMWrapError, limit: float | None = None
    ) -> None:
        """Raise at once when a wait would last beyond the deadline."""
        now = time.monotonic()
        if limit is not None and now + delay_s > limit:
            raise self._deadline_error(is_total=False) from error
        until = self._asking.patience.until
        if until is not None and now + delay_s > until:
            if limit is not None:
                raise self._deadline_error(is_total=True) from error
            raise error

    def _note_time(self, chunk: Chunk, arrived_at: float) -> None:
        watch = self._stopwatch
        if chunk.deltas and watch.first_at is None:
            watch.first_at = arrived_at
            watch.sent_at = self._token.sent_at
        if chunk.deltas or chunk.is_complete:
            watch.last_at = arrived_at
            watch.sent_at = watch.sent_at or self._token.sent_at

    def _complete(self) -> None:
        asking, folder = self._asking, self._folder
        if folder.finish_reason is None:
            raise IncompleteError(f"{asking.backend.name} ended without an end marker")
        completion = self.partial
        if asking.backend.may_cut_prompt:
            warning = suspected_cut(asking.request, completion.usage)
            if warning:
                asking.log.warning(warning)
        if folder.finish_reason == "length":
            if not has_own_limit(asking.request):
                asking.log.warning("the answer is cut: its finish reason is 'length'")
                raise cut_error(completion)
            asking.log.note("the answer ends at the length limit you set")
        log_completion(asking.log, asking.backend, asking.request, completion)
        self._completion = completion
