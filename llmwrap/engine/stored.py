"""An answer that the cache gives.

It looks like one of a server: chunks, then a completion, with timings of its own.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

from ..cache.entry import Entry
from ..ends import end_of
from ..log import Log
from ..messages import Chunk, Completion, Timing
from ..units import format_duration
from .answer import Course, Record, kind_of
from .question import Question


class Replay:
    """A stored answer as chunks and as a completion.

    `called_at` is when it was asked for, on the monotonic clock.
    """

    def __init__(self, entry: Entry, backend: str, called_at: float) -> None:
        elapsed_s = time.monotonic() - called_at
        self._entry = entry
        self.model = entry.model
        self.completion = Completion(
            text=entry.text,
            thinking=entry.thinking,
            model=entry.model,
            backend=backend,
            finish_reason=entry.finish_reason,
            usage=entry.usage,
            timing=Timing(ttft_s=elapsed_s, e2e_s=elapsed_s, queued_s=0.0),
            attempts=0,
            is_cached=True,
            end=end_of(entry.finish_reason),
        )

    def chunks(self) -> Iterator[Chunk]:
        """Yield the reasoning, the text and the end."""
        entry = self._entry
        if entry.thinking:
            yield Chunk(thinking=entry.thinking, model=entry.model)
        if entry.text:
            yield Chunk(text=entry.text, model=entry.model)
        yield Chunk(
            deltas=0,
            model=entry.model,
            finish_reason=entry.finish_reason,
            usage=entry.usage,
        )

    def log(self, log: Log) -> None:
        """Say that it was there already, and what else is to be said of it."""
        age_s = max(0.0, time.time() - self._entry.stored_at)
        log.info(
            f"'{self.model}' on {self.completion.backend} answered this"
            f" {format_duration(age_s)} ago: from the cache",
            gen_ai__response__model=self.model,
            llmwrap__cached=True,
        )
        if self.completion.end == "cut":
            log.note("the answer ends at the length limit you set")


class StoredCourse(Course):
    """How an answer of the cache is given; no server has to be there."""

    is_cached = True

    def __init__(
        self,
        entry: Entry,
        question: Question,
        called_at: float,
        log: Log,
        record: Record,
    ) -> None:
        super().__init__()
        self._question = question
        name = question.candidates[0].backend.name
        self._replay = Replay(entry, name, called_at)
        self._log = log
        self._record: Record | None = record

    @property
    def backend(self) -> str:
        """Return the name of the backend that would have been asked."""
        return self._replay.completion.backend

    @property
    def model(self) -> str:
        """Return the model, as the reply named it."""
        return self._replay.model

    @property
    def question(self) -> Question:
        """Return what was asked, and where the answer is."""
        return self._question

    @property
    def partial(self) -> Completion:
        """Return the answer."""
        return self._replay.completion

    def has_more(self, wait_s: float) -> bool:
        """Return True: all of it is there."""
        return True

    def cancel(self) -> None:
        """Do nothing: there is nothing on the wire."""

    def run(self) -> Generator[Chunk, None, None]:
        """Yield all that is stored; dropping it records nothing: that would wait."""
        yield from self.chunks()
        self.conclude()
        if not self.is_in_block:
            self.end(None)

    def chunks(self) -> Iterator[Chunk]:
        """Yield all that is stored."""
        return self._replay.chunks()

    def conclude(self) -> None:
        """Set `completion`, and say where it came from."""
        if self.completion is None:
            self._replay.log(self._log)
            self.completion = self._replay.completion

    def end(self, error: BaseException | None) -> None:
        """Record that it was given."""
        record, self._record = self._record, None
        if record:
            record(self._replay.completion, kind_of(error))
