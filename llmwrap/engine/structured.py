"""An answer that must be of a schema: checked when it is whole, asked for again.

Each asking is a live answer like any other, with a request of its own. Nothing of its
text is shown before it was checked. One that is not of the schema is asked for again in
a fresh conversation: the messages as they were, that answer, what is wrong with it. A
conversation that grew with each would run out of its context.

What ends otherwise is what it is: an answer that was cut, withheld or refused is never
mended and never asked for again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from .. import lives
from ..backends.options import has_own_seed
from ..errors import LLMWrapError, SchemaError, name_server
from ..messages import Chunk, Completion, Message, Request
from ..schemas.checking import Checker
from ..schemas.loops import LoopWatch
from ..schemas.sending import instructed
from ..transport.cancel import CancelToken
from .answer import Answer, Course
from .asking import Asking
from .live import LiveCourse
from .question import Question

_MOST_SHOWN = 3
_LONGEST_QUOTED = 16 << 10  # characters of a bad answer; the rest is more of the same


class StructuredAnswer(Answer):
    """An answer of a backend that was checked against its schema."""

    def __init__(self, asking: Asking, checker: Checker) -> None:
        course = StructuredCourse(asking, checker)
        super().__init__(course)
        lives.on_death(self, course.abandon)


class StructuredCourse(Course):
    """How such an answer comes about, over all that are asked for."""

    def __init__(self, asking: Asking, checker: Checker) -> None:
        super().__init__()
        self._asking = asking
        self._schema = checker.schema
        self._checker = checker
        self._earlier_attempts = 0
        self._asked_again = 0
        self._bad_text: str | None = None
        self._is_given_up = False
        self._live = self._begin(instructed(asking.request))

    @property
    def is_cached(self) -> bool:
        """Tell whether somebody else's answer was taken."""
        return self._live.is_cached

    @property
    def question(self) -> Question | None:
        """Return what was asked, and where its answer is kept, if it is."""
        return self._live.question

    @property
    def backend(self) -> str:
        """Return the name of the backend that answers."""
        return self._live.backend

    @property
    def model(self) -> str:
        """Return the model."""
        return self._live.model

    @property
    def arrived_at(self) -> float:
        """Return when the bytes that were read last came."""
        return self._live.arrived_at

    @property
    def partial(self) -> Completion:
        """Return the last answer as far as it came."""
        return self._totalled(self._live.partial)

    def has_more(self, wait_s: float) -> bool:
        """Tell whether something of the answer under way can be read."""
        return self._live.has_more(wait_s)

    def cancel(self) -> None:
        """End the request on the wire, from any thread, and ask for no other."""
        self._asking.cancel.cancel()

    def attend(self) -> None:
        """Let others wait for us meanwhile."""
        self._live.attend()

    def pause(self) -> None:
        """Let others wait for us a little longer."""
        self._live.pause()

    def abandon(self) -> None:
        """End it for a reader who has gone without a word."""
        self._live.abandon()

    def leave(self) -> None:
        """End the request unless it is complete."""
        self._live.leave()

    def keep(self) -> None:
        """Keep the answer in the cache, if it is valid and complete."""
        if self.completion:
            self._live.keep()

    def end(self, error: BaseException | None) -> None:
        """Let others no longer wait for it, and record how it ended."""
        self._live.end(error)

    def chunks(self) -> Iterator[Chunk]:
        """Yield reasoning while it comes, and the text once it is valid."""
        while self.completion is None:
            yield from self._round()

    def explain(self, error: LLMWrapError) -> None:
        """Say which server it was."""
        name_server(error, self._asking.server)

    def _begin(self, request: Request) -> LiveCourse:
        # A token of its own: what is cut off here is not what the user cancels.
        token, parent = CancelToken(), self._asking.cancel
        parent.on_end = token.cancel
        if parent.is_cancelled:
            token.cancel()
        live = LiveCourse(
            self._asking._replace(request=request, cancel=token, record=self._record)
        )
        live.is_in_block = True  # Here it is decided what it is worth.
        self._request = request
        return live

    def _record(self, completion: Completion, error: str) -> None:
        self._asking.record(self._totalled(completion), error)

    def _totalled(self, completion: Completion) -> Completion:
        if completion.is_cached:
            return completion
        return completion._replace(
            attempts=self._earlier_attempts + completion.attempts,
            asked_again=self._asked_again,
            end="invalid" if self._is_given_up else completion.end,
        )

    def _round(self) -> Generator[Chunk, None, None]:
        """Read one answer; take it, or begin the next. Raises: SchemaError."""
        live, watch, is_refusal = self._live, LoopWatch(), False
        try:
            for chunk in live.run():
                is_refusal = is_refusal or chunk.is_refusal
                watch.add(chunk.text)
                if watch.found:
                    break
                if chunk.thinking:
                    yield chunk._replace(text="")
        except LLMWrapError as error:
            if self._schema.is_bare or not error.is_about_schema:
                raise
            self._ask_barely(error)
            return
        if is_refusal:
            raise self._given_up("is a refusal", (live.partial.text,))
        if watch.found:
            self._ask_again(live.partial.text.rstrip(), (watch.found,), is_loop=True)
            return
        completion = live.completion or live.partial
        checked = self._checker.check(completion.text)
        if checked.complaints:
            self._ask_again(completion.text, checked.complaints)
            return
        live.completion = completion._replace(text=checked.text)
        self.completion = self._totalled(live.completion)
        yield _whole(self.completion)

    def _ask_barely(self, error: LLMWrapError) -> None:
        """Ask without what the server chokes on; the whole schema still decides."""
        self._asking.log.info(
            f"asking again with a schema of fewer keywords: {error.message}"
        )
        self._schema = self._schema._replace(is_bare=True)
        self._next(self._request._replace(schema=self._schema))

    def _ask_again(
        self, text: str, complaints: tuple[str, ...], *, is_loop: bool = False
    ) -> None:
        if text == self._bad_text:
            raise self._given_up("is not of the schema, twice the same", complaints)
        if self._asked_again >= self._schema.retries:
            raise self._given_up("is not of the schema", complaints)
        self._bad_text = text
        self._asked_again += 1
        self._asking.log.info(
            f"asking again, as the answer is not of the schema: {complaints[0]}"
        )
        request = instructed(
            self._asking.request._replace(schema=self._schema), is_compact=is_loop
        )
        self._next(corrected(request, text, complaints, self._asked_again))

    def _next(self, request: Request) -> None:
        self._earlier_attempts += self._live.partial.attempts
        self._live = self._begin(request)

    def _given_up(self, what: str, complaints: tuple[str, ...]) -> SchemaError:
        self._is_given_up = True
        reasons = ", ".join(complaints[:_MOST_SHOWN])
        more = len(complaints) - _MOST_SHOWN
        if more > 0:
            reasons += f", and {more} more"
        error = SchemaError(
            f"the answer of '{self.model}' {what}: {reasons}",
            hint="--format json shows it",
        )
        error.complaints = complaints
        return error


def _whole(completion: Completion) -> Chunk:
    return Chunk(
        text=completion.text,
        model=completion.model,
        finish_reason=completion.finish_reason,
        usage=completion.usage,
    )


def corrected(
    request: Request, text: str, complaints: tuple[str, ...], number: int
) -> Request:
    """Return a request that shows an answer and says what is wrong with it.

    `number` is the seed, as the same one would bring the same answer, unless the user
    has one.
    """
    listed = "".join(f"\n- {complaint}" for complaint in complaints)
    shown = [Message("assistant", text[:_LONGEST_QUOTED])] if text else []
    words = f"That is not valid:{listed}\nAnswer again, with the whole JSON value only."
    sampling = request.sampling
    if not has_own_seed(sampling):
        sampling = sampling._replace(seed=number)
    messages = (*request.messages, *shown, Message("user", words))
    return request._replace(messages=messages, sampling=sampling)
