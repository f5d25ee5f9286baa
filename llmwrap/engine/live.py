"""An answer that a server gives, over all attempts.

The only loop over attempts. Its clocks run where the answer is read: a piece that
never comes is noticed whatever keeps it (a name that does not resolve, a server that
drips keep-alives), and a reader that is slow itself is not mistaken for a silent
server.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from .. import lives
from ..cache.entry import Entry
from ..errors import (
    BackendFailedError,
    DeadlineError,
    IncompleteError,
    LLMWrapError,
    RefusedError,
)
from ..messages import Chunk, Completion, End
from ..metrics.timing import Stopwatch
from ..streams import StreamEnded
from .answer import Answer, Course, kind_of
from .asking import Asking, Running
from .cuts import cut_error, suspicions
from .folding import Folder
from .question import Question
from .retries import Retries
from .stored import Replay
from .telemetry import log_completion, log_request
from .verdict import judged

_AFTER_END_S = 1.0  # for usage and [DONE], once a finish reason came
_FLIGHT_POLLS_S = (0.002, 0.005, 0.01, 0.02)  # then the last one again


class LiveAnswer(Answer):
    """An answer of a backend, or of whoever asks it the same at the moment."""

    def __init__(self, asking: Asking) -> None:
        course = LiveCourse(asking)
        super().__init__(course)
        lives.on_death(self, course.abandon)


class LiveCourse(Course):
    """How an answer comes from a backend."""

    def __init__(self, asking: Asking) -> None:
        super().__init__()
        self._asking = asking
        self._token = asking.cancel
        self._token.until = asking.patience.until
        self._stopwatch = Stopwatch(asking.called_at)
        self._folder = Folder(asking.request.model, asking.answer_limit_bytes)
        self._attempts = 1
        self._is_ended = False
        self._is_parents = False
        self._is_assumed = False
        self._is_loading = False
        self._how_ended: End | None = None
        lives.enter(self)
        self._replay: Replay | None = None
        self._stream: Running | None = None
        if not (asking.keeping and asking.keeping.is_waiting):
            try:
                self._start()
            except BaseException:
                self.abandon()
                raise

    @property
    def is_cached(self) -> bool:
        """Tell whether somebody else's answer was taken."""
        return self._replay is not None

    @property
    def question(self) -> Question | None:
        """Return what was asked, and where its answer is kept, if it is."""
        return self._asking.keeping.question if self._asking.keeping else None

    @property
    def backend(self) -> str:
        """Return the name of the backend that answers."""
        return self._asking.backend.name

    @property
    def model(self) -> str:
        """Return the model: as asked, and once the reply named it, as it did."""
        return self._replay.model if self._replay else self._folder.model

    @property
    def arrived_at(self) -> float:
        """Return when the bytes of the chunk read last came."""
        return self._stream.arrived_at if self._stream else time.monotonic()

    @property
    def partial(self) -> Completion:
        """Return the answer as far as it came."""
        if self._replay:
            return self._replay.completion
        folded = self._folder.completion(self.backend, self._stopwatch, self._attempts)
        return folded._replace(end=self._how_ended)

    def has_more(self, wait_s: float) -> bool:
        """Tell whether something can be read now, waiting `wait_s` at most."""
        return self._stream is None or self._stream.wait(wait_s)

    def cancel(self) -> None:
        """End the request on the wire, from any thread."""
        self._token.cancel()

    def attend(self) -> None:
        """Let others wait for us meanwhile."""
        if self._asking.keeping:
            self._asking.keeping.attend()

    def pause(self) -> None:
        """Let others wait for us a little longer."""
        if self._asking.keeping:
            self._asking.keeping.pause()

    def abandon(self) -> None:
        """End it for a reader who has gone without a word; waits for nothing."""
        self._is_ended = True
        stream = self._stream
        if stream and not stream.has_ended:
            stream.cancel()
        if self._asking.keeping:
            self._asking.keeping.release()

    def start_anew(self) -> None:
        """Leave the answer to the parent, in a forked child."""
        self._is_ended = True
        self._is_parents = True

    def _start(self) -> Running:
        asking, token = self._asking, self._token
        if self._stream is None:  # not with each attempt
            log_request(asking.log, asking.backend, asking.request)
        self._stream = asking.pool.start(
            lambda: asking.backend.chat(asking.request, token), token
        )
        return self._stream

    def leave(self) -> None:
        """End the request unless it is complete, and wait a little for its end."""
        # Once: a connect cannot be cancelled, and each waiting for it takes its time.
        stream = self._stream
        if stream and not (stream.has_ended or stream.is_cancelled):
            stream.cancel()
            stream.join()

    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks, of somebody else's answer or over all attempts."""
        if entry := self._awaited():
            yield from self._replayed(entry)
        else:
            yield from self._attempts_to_the_end()

    def explain(self, error: LLMWrapError) -> None:
        """Say which server it was, and what helps."""
        self._asking.explain(error)

    def _awaited(self) -> Entry | None:
        """Wait for somebody else's answer to the same, and return it if it came."""
        keeping, patience = self._asking.keeping, self._asking.patience
        if keeping is None or not keeping.is_waiting:
            return None
        until = time.monotonic() + patience.first_token_s
        polls = 0
        while not keeping.is_over() and time.monotonic() < until:
            self._wait(_FLIGHT_POLLS_S[min(polls, len(_FLIGHT_POLLS_S) - 1)])
            polls += 1
        return keeping.stop_waiting()

    def _replayed(self, entry: Entry) -> Iterator[Chunk]:
        replay = Replay(entry, self.backend, self._asking.called_at)
        self._replay = replay
        yield from replay.chunks()
        replay.log(self._asking.log)
        self.completion = replay.completion

    def _attempts_to_the_end(self) -> Iterator[Chunk]:
        if self._stream is None:
            self._start()
        retries = Retries(self._asking)
        while True:
            first_until = time.monotonic() + self._asking.patience.first_token_s
            try:
                yield from self._attempt(retries.loading_until or first_until)
                return
            except LLMWrapError as error:
                is_empty = self._folder.is_empty
                self._wait(retries.delay_s(error, first_until, is_empty=is_empty))
                self._attempts = retries.attempts
                self._is_loading = retries.loading_until is not None
                self._start()

    def _attempt(self, first_until: float) -> Iterator[Chunk]:
        try:
            if self._asking.request.is_streamed:
                yield from self._read(first_until)
                self._complete()
            else:
                # Nothing of a broken or cut answer may be shown: its end comes first.
                chunks = list(self._read(first_until, is_whole=True))
                try:
                    self._complete()
                except IncompleteError:
                    if self._how_ended == "cut":  # that is shown, as far as it came
                        yield from chunks
                    raise
                yield from chunks
        finally:
            self.leave()

    def conclude(self) -> None:
        """Set `completion` where the end marker came. Raises: IncompleteError."""
        if self.completion is None and self._folder.finish_reason is not None:
            self._complete()

    def keep(self) -> None:
        """Keep the answer in the cache, if it is complete and a server's."""
        keeping = self._asking.keeping
        if keeping is None or self.is_cached or self._is_parents:
            return
        try:
            self.conclude()  # It may have been left at its end marker.
        except IncompleteError:
            return
        if self.completion and not self.completion.is_doubtful:
            keeping.keep(self.completion)

    def end(self, error: BaseException | None) -> None:
        """Let others no longer wait for it, and record how it ended."""
        if self._is_ended:
            return
        self._is_ended = True
        if self._asking.keeping:
            self._asking.keeping.release()
        self._asking.record(self.completion or self.partial, kind_of(error))

    def _read(self, first_until: float, *, is_whole: bool = False) -> Iterator[Chunk]:
        folder, stream = self._folder, self._stream or self._start()
        waiting_since = time.monotonic()
        while True:
            limit = first_until
            if folder.is_ended:
                limit = waiting_since + _AFTER_END_S
            elif not (folder.is_empty or is_whole):
                limit = waiting_since + self._asking.patience.idle_s
            chunk = self._next_chunk(stream, limit)
            if chunk is None:
                return
            self._note_time(chunk, stream.arrived_at)
            if self._asking.keeping:
                self._asking.keeping.watch()
            folder.add(chunk)
            yield chunk
            if chunk.deltas or chunk.is_complete:
                waiting_since = time.monotonic()

    def _next_chunk(self, stream: Running, limit: float) -> Chunk | None:
        """Return the next chunk, None at the end.

        A connection that breaks behind the end marker is forgiven, unless a marker has
        turned out to be none before; what the server itself says is not.
        """
        earliest = min(limit, self._asking.patience.until)
        try:
            return stream.next_chunk(max(0.0, earliest - time.monotonic()))
        except StreamEnded:
            return None
        except TimeoutError:
            if self._folder.is_ended:
                self._is_assumed = not self._folder.is_proved
                return None
            raise self._out_of_time(is_total=earliest != limit) from None
        except (BackendFailedError, RefusedError):
            raise
        except LLMWrapError:
            folder = self._folder
            if folder.is_ended and not (folder.has_erred or self._token.is_cancelled):
                return None
            if self._token.has_expired:
                raise self._out_of_time(is_total=True) from None
            raise

    def _wait(self, seconds: float) -> None:
        try:
            self._token.wait(seconds)
        except DeadlineError:
            raise self._out_of_time(is_total=True) from None

    def _out_of_time(self, *, is_total: bool) -> LLMWrapError:
        is_empty = self._folder.is_empty
        return self._asking.deadline_error(
            is_total=is_total,
            is_empty=is_empty,
            is_loading=is_empty and self._is_loading,
        )

    def _note_time(self, chunk: Chunk, arrived_at: float) -> None:
        watch = self._stopwatch
        # Of an answer in one piece nobody saw when it began.
        is_whole = chunk.is_whole or not self._asking.request.is_streamed
        if chunk.deltas and not is_whole:
            if watch.first_at is None:
                watch.first_at = arrived_at
                watch.sent_at = self._token.sent_at
            watch.note_piece(arrived_at, chunk.deltas)
        if chunk.deltas or chunk.is_complete:
            watch.last_at = arrived_at
            watch.sent_at = watch.sent_at or self._token.sent_at

    def _cut_prompt(self, completion: Completion) -> list[str]:
        """Return warnings of a prompt that may be cut. Raises: IncompleteError."""
        asking, folder = self._asking, self._folder
        counted = completion.usage.prompt_tokens or 0
        if counted:
            counted += folder.cached_tokens
        if error := cut_error(asking.request, counted):
            self._how_ended = "cut"
            raise error
        context = asking.context_tokens(completion.model) if folder.is_ollama else None
        return list(suspicions(asking.request, completion, counted, context))

    def _complete(self) -> None:
        asking, folder = self._asking, self._folder
        if folder.finish_reason is None:
            raise IncompleteError("ended its answer without an end marker")
        completion = self.partial
        verdict = judged(
            asking.request, completion, folder.tool, is_assumed=self._is_assumed
        )
        self._how_ended = verdict.end
        warnings = [verdict.warning] if verdict.warning else []
        if asking.backend.may_cut_prompt:
            warnings += self._cut_prompt(completion)
        if verdict.error:
            raise verdict.error
        for warning in warnings:
            asking.log.warning(warning)
        if verdict.note:
            asking.log.note(verdict.note)
        log_completion(asking.log, asking.backend, asking.request, completion)
        self.completion = completion._replace(
            end=verdict.end, is_doubtful=bool(warnings)
        )
