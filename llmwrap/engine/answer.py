"""One answer under way, whoever gives it: a server or the cache."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Self, TypeAlias

from ..errors import IncompleteError, LLMWrapError, ProtocolError
from ..jsontext import parse_json_text
from ..messages import Chunk, Completion, Json
from .question import Question

Record: TypeAlias = Callable[[Completion, str], None]
"""Takes an answer as far as it came, and the kind of the error that ended it."""

_MOST_SHOWN = 40


class Course(ABC):
    """How an answer comes about; `Answer` is what its reader holds.

    It knows nothing of its `Answer`: whoever drops that one ends this one at once, and
    not when the garbage collector finds the circle.
    """

    def __init__(self) -> None:
        self.completion: Completion | None = None
        """The whole answer, once it came to its end."""
        self.is_in_block = False
        """Whether it is read in a `with` block, whose end decides what it is worth."""

    @property
    @abstractmethod
    def is_cached(self) -> bool:
        """As `Answer` has it, and so with what follows."""

    @property
    @abstractmethod
    def backend(self) -> str:
        """Return the name of the backend that answers."""

    @property
    @abstractmethod
    def model(self) -> str:
        """Return the model."""

    @property
    def arrived_at(self) -> float:
        """Return when the chunk read last arrived."""
        return time.monotonic()

    @property
    @abstractmethod
    def partial(self) -> Completion:
        """Return the answer as far as it came."""

    @property
    def question(self) -> Question | None:
        """Return what was asked, None when its answer is not kept."""
        return None

    @abstractmethod
    def has_more(self, wait_s: float) -> bool:
        """Tell whether something can be read now."""

    @abstractmethod
    def cancel(self) -> None:
        """End the request on the wire."""

    def run(self) -> Generator[Chunk, None, None]:
        """Yield the chunks, and settle what it is worth unless a block does that."""
        try:
            yield from self.chunks()
        except BaseException as error:
            if isinstance(error, LLMWrapError):
                self.explain(error)
            if not self.is_in_block:
                self.end(error)
            raise
        if not self.is_in_block:
            self.keep()
            self.end(None)

    @abstractmethod
    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks; sets `completion` at the end of a complete answer."""

    def explain(self, error: LLMWrapError) -> None:
        """Add to an error what is known of who was asked."""
        return  # explicit: there may be nothing to do

    def attend(self) -> None:
        """Know that the reader waits for the next piece."""
        return

    def pause(self) -> None:
        """Know that the reader does something else."""
        return

    def conclude(self) -> None:
        """Set `completion` of an answer that was left at its end marker."""
        return

    def leave(self) -> None:
        """Let go of what is held."""
        return

    def keep(self) -> None:
        """Keep the answer in the cache, if it is complete."""
        return

    def end(self, error: BaseException | None) -> None:
        """Record how it ended; does nothing the second time."""
        return


class Answer:
    """An answer under way: iterate it for chunks, then read `completion`.

    The request goes out at once, so many answers can be under way together. A context
    manager; leaving it early, or dropping it, cancels the request on the wire. Belongs
    to the thread that reads it; only `cancel` may be called from any thread, and raises
    CancelledError in the reader at once. `str()` is the whole text.

    An error that ends it has what came until then as its `partial`.

    A complete answer is kept in the cache when it was read, or, in a `with` block,
    when the block was left without an error: what could not be written does not count.
    """

    def __init__(self, course: Course) -> None:
        self._course = course
        self._chunks = course.run()

    @property
    def is_cached(self) -> bool:
        """Tell whether it comes from the cache; final once there is a chunk."""
        return self._course.is_cached

    @property
    def backend(self) -> str:
        """Return the name of the backend that answers."""
        return self._course.backend

    @property
    def model(self) -> str:
        """Return the model: as asked, and once the reply named it, as it did."""
        return self._course.model

    @property
    def arrived_at(self) -> float:
        """Return when the chunk read last arrived, on the monotonic clock."""
        return self._course.arrived_at

    @property
    def partial(self) -> Completion:
        """Return the answer as far as it came."""
        return self._course.partial

    @property
    def question(self) -> Question | None:
        """Return what was asked, and where its answer is; None when it is not kept."""
        return self._course.question

    @property
    def completion(self) -> Completion:
        """Return the whole answer, reading what is still to come.

        Raises: as reading does; IncompleteError when the answer was left early.
        """
        course = self._course
        if course.completion is None:
            for _ in self:
                pass
        try:
            if course.completion is None:
                course.conclude()
            if course.completion is None:
                raise IncompleteError("the answer was left before its end")
        except LLMWrapError as error:
            error.partial = self.partial
            raise
        return course.completion

    @property
    def value(self) -> Json:
        """Return what the whole answer says in JSON, as one with a schema does.

        Raises: as `completion`; ProtocolError for a text that is no JSON.
        """
        try:
            return parse_json_text(self.completion.text)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"the answer is no JSON: {error}") from error

    def has_more(self, wait_s: float) -> bool:
        """Tell whether something can be read now, waiting `wait_s` at most."""
        self._course.attend()
        try:
            return self._course.has_more(wait_s)
        finally:
            self._course.pause()

    def cancel(self) -> None:
        """End the request on the wire, from any thread."""
        self._course.cancel()

    def close(self) -> None:
        """Leave the answer; ends the request unless it is complete."""
        self._chunks.close()
        self._course.leave()

    def read(self) -> Completion:
        """Read the whole answer; iterating afterwards gives its chunks again.

        Raises: as reading does.
        """
        chunks = list(self)
        completion = self.completion
        self._chunks = (chunk for chunk in chunks)
        return completion

    def __iter__(self) -> Iterator[Chunk]:
        return self  # and not the chunks, which do not keep the answer alive

    def __next__(self) -> Chunk:
        self._course.attend()
        try:
            return next(self._chunks)
        except LLMWrapError as error:
            error.partial = self.partial
            raise
        finally:
            self._course.pause()

    def __str__(self) -> str:
        return self.completion.text

    def __repr__(self) -> str:
        completion = self._course.completion or self.partial
        text = completion.text
        if len(text) > _MOST_SHOWN:
            text = text[:_MOST_SHOWN] + "…"
        so_far = "" if self._course.completion else " so far"
        return f"<Answer of '{self.model}' on {self.backend}{so_far}: {text!r}>"

    def __enter__(self) -> Self:
        self._course.is_in_block = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if error is None:
            self._course.keep()
        self._course.end(error)


def kind_of(error: BaseException | None) -> str:
    """Return the kind of an error for records, nothing for none."""
    if error is None or isinstance(error, GeneratorExit):
        return ""
    if isinstance(error, LLMWrapError):
        return error.kind
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "internal"
