"""All that one answer of a server needs to come about."""

from typing import NamedTuple, Protocol

from ..backends.base import Backend
from ..config import BackendConfig
from ..errors import DeadlineError, LLMWrapError, name_server
from ..log import Log
from ..messages import Chunk, Request
from ..streams import Source
from ..transport.cancel import CancelToken
from ..units import format_duration
from .answer import Record
from .caching import Keeping
from .choice import Patience
from .question import Question
from .selection import explain_split
from .targets import Targets


class Running(Protocol):
    """One iterator of chunks under way: a `Stream` or an `InlineStream`."""

    arrived_at: float

    @property
    def has_ended(self) -> bool:
        """Tell whether the iterator was left."""
        ...

    @property
    def is_cancelled(self) -> bool:
        """Tell whether the reader has left."""
        ...

    def next_chunk(self, timeout_s: float | None = None) -> Chunk:
        """Return the next chunk. Raises: StreamEnded, TimeoutError."""
        ...

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until there is a chunk or the end; tell whether there is."""
        ...

    def cancel(self) -> None:
        """End the request on the wire."""
        ...

    def join(self) -> None:
        """Wait a little until the iterator is left."""
        ...


class Streams(Protocol):
    """What runs the iterators: threads of its own, or those that read."""

    def start(self, source: Source, cancel: CancelToken) -> Running:
        """Return a stream over what `source()` yields."""
        ...

    def close(self) -> None:
        """Cancel every stream."""
        ...


class Asking(NamedTuple):
    """One question to one backend.

    `request` is what it is asked, `called_at` when it was asked, on the monotonic
    clock; `record` takes what became of it; `keeping` None leaves the cache alone;
    `cancel` ends it; `config` is how the backend is configured, and `targets` knows the
    server.
    """

    question: Question
    request: Request
    config: BackendConfig
    backend: Backend
    targets: Targets
    pool: Streams
    patience: Patience
    answer_limit_bytes: int
    log: Log
    called_at: float
    record: Record
    keeping: Keeping | None
    cancel: CancelToken

    @property
    def where(self) -> str:
        """Return what to call the server in a message."""
        return self.server if self.backend.address else "it"

    @property
    def server(self) -> str:
        """Return the server's name, with its address if it has one."""
        backend = self.backend
        return (
            f"{backend.name} at {backend.address}" if backend.address else backend.name
        )

    def deadline_error(
        self, *, is_total: bool, is_empty: bool, is_loading: bool = False
    ) -> DeadlineError:
        """Return the error for the time-out that passed.

        `is_total` means the deadline of the whole command, `is_empty` that nothing of
        the answer has come, `is_loading` that the server said that it loads.
        """
        where, first_s = self.where, format_duration(self.patience.first_token_s)
        is_streamed = self.request.is_streamed
        if is_loading and not is_total:
            return DeadlineError(
                f"{where} still loads its model after {first_s}",
                hint="--first-token-timeout waits longer",
            )
        if is_total:
            return DeadlineError(
                f"{where} did not finish before the deadline", hint="--timeout sets it"
            )
        if is_empty or not is_streamed:
            what = "sent no token" if is_streamed else "did not answer"
            return DeadlineError(f"{where} {what} within {first_s}", trouble="silent")
        idle_s = format_duration(self.patience.idle_s)
        return DeadlineError(
            f"{where} fell silent for {idle_s} in the middle of its answer",
            hint="--idle-timeout waits longer",
        )

    def explain(self, error: LLMWrapError) -> None:
        """Say which server it was, and what helps."""
        question = self.question
        name_server(error, self.server)
        self.targets.advise(error, self.config, question.request, question.named)
        explain_split(error, self.backend.name, question.selection.whole)

    def context_tokens(self, model: str) -> int | None:
        """Return the context of a model of an Ollama that would not refuse."""
        return self.targets.context_behind(self.config, model, self.question.named)
