"""One answer under way, whoever gives it: a server or the cache. Floor F5."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Self, TypeAlias

from ..errors import IncompleteError, LLMWrapError
from ..messages import Chunk, Completion
from .question import Question

Record: TypeAlias = Callable[[Completion, str], None]
"""Takes an answer as far as it came, and the kind of the error that ended it."""


class Answer(ABC):
    """An answer under way: iterate it for chunks, then read `completion`.

    The request goes out at once, so many answers can be under way together. A context
    manager; leaving it early cancels the request on the wire. Belongs to the thread
    that reads it; only `cancel` may be called from any thread, and raises
    CancelledError in the reader. `str()` is the whole text.

    A complete answer is kept in the cache when it was read, or, in a `with` block,
    when the block was left without an error: what could not be written does not count.
    """

    def __init__(self) -> None:
        self._completion: Completion | None = None
        self._is_in_block = False
        self._chunks: Generator[Chunk, None, None] = self._run()

    @property
    @abstractmethod
    def is_cached(self) -> bool:
        """Tell whether it comes from the cache; final once there is a chunk."""

    @property
    @abstractmethod
    def backend(self) -> str:
        """Return the name of the backend that answers."""

    @property
    @abstractmethod
    def model(self) -> str:
        """Return the model: as asked, and once the reply named it, as it did."""

    @property
    def arrived_at(self) -> float:
        """Return when the chunk read last arrived, on the monotonic clock."""
        return time.monotonic()

    @property
    @abstractmethod
    def partial(self) -> Completion:
        """Return the answer as far as it came."""

    @property
    def question(self) -> Question | None:
        """Return what was asked, and where its answer is; None when it is not kept."""
        return None

    @property
    def completion(self) -> Completion:
        """Return the whole answer, reading what is still to come.

        Raises: as reading does; IncompleteError when the answer was left early.
        """
        if self._completion is None:
            for _ in self:
                pass
        if self._completion is None:
            self._conclude()
        if self._completion is None:
            raise IncompleteError("the answer was left before its end")
        return self._completion

    @abstractmethod
    def has_more(self, wait_s: float) -> bool:
        """Tell whether something can be read now, waiting `wait_s` at most."""

    @abstractmethod
    def cancel(self) -> None:
        """End the request on the wire, from any thread."""

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

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def __str__(self) -> str:
        return self.completion.text

    def __enter__(self) -> Self:
        self._is_in_block = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if error is None:
            self._keep()
        self._end(error)

    @abstractmethod
    def _run(self) -> Generator[Chunk, None, None]:
        """Yield the chunks; sets `_completion` at the end of a complete answer."""

    def _conclude(self) -> None:
        """Set `_completion` of an answer that was left at its end marker."""
        return  # explicit: there may be nothing to do

    def _leave(self) -> None:
        """Let go of what the answer holds on to."""
        return

    def _keep(self) -> None:
        """Keep the answer in the cache, if it is complete."""
        return

    def _end(self, error: BaseException | None) -> None:
        """Record how it ended; does nothing the second time."""
        return


def kind_of(error: BaseException | None) -> str:
    """Return the kind of an error for records, nothing for none."""
    if error is None or isinstance(error, GeneratorExit):
        return ""
    if isinstance(error, LLMWrapError):
        return error.kind
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "internal"
