"""Ask one question and note what it took.

Through the engine, as every other front: attempts, time-outs and what counts as a
complete answer are those that users meet.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from typing import NamedTuple

from ..engine import Answer, Engine
from ..errors import LLMWrapError
from ..messages import Completion, Request, Timing
from .samples import Sample

_NO_TIMING = Timing()


class Noted(NamedTuple):
    """A sample, the moments of its chunks in seconds since the start, its error."""

    sample: Sample
    moments: array[float]
    failure: LLMWrapError | None


class Asker:
    """Ask the requests of a test; any thread may.

    `request` makes the request of a number, `is_rendered` tells whether templates do.
    `is_open` counts latencies from the moment a request was due.
    """

    def __init__(
        self,
        engine: Engine,
        request: Callable[[int], Request],
        *,
        is_open: bool,
        is_rendered: bool = False,
    ) -> None:
        self._engine = engine
        self._request = request
        self._is_open = is_open
        self._is_rendered = is_rendered

    def ask(self, number: int, due_at: float, began_at: float) -> Noted:
        """Ask a question that was due at `due_at` of a test that began at `began_at`.

        Both on the monotonic clock. What goes wrong is in the sample.
        """
        called_at = time.monotonic()
        moments: array[float] = array("d")
        completion, failure, made_at = self._asked(number, moments)
        timing = completion.timing if completion else _NO_TIMING
        late_s = called_at - due_at
        # From the moment it was due, or as the definitions have it, from request sent.
        before_s = made_at - due_at if self._is_open else 0.0
        shift_s = before_s + (timing.queued_s or 0.0) if self._is_open else 0.0
        sample = Sample(
            number=number,
            started_s=due_at - began_at,
            ended_s=time.monotonic() - began_at,
            late_s=late_s,
            queued_s=_shifted(timing.queued_s, before_s),
            ttft_s=_shifted(timing.ttft_s, shift_s),
            e2e_s=_shifted(timing.e2e_s, shift_s),
            tpot_s=timing.tpot_s,
            chunks=len(moments),
            rendering_s=made_at - called_at if self._is_rendered else None,
            error=failure.kind if failure else "",
            message=failure.message if failure else "",
        )
        if completion:
            sample = sample._replace(
                prompt_tokens=completion.usage.prompt_tokens,
                completion_tokens=completion.usage.completion_tokens,
                is_cached=completion.is_cached,
                attempts=completion.attempts,
                server=completion.server,
            )
        since = array("d", [moment - began_at for moment in moments])
        return Noted(sample, since, failure)

    def _asked(
        self, number: int, moments: array[float]
    ) -> tuple[Completion | None, LLMWrapError | None, float]:
        """Return the answer as far as it came, the error, when the request was made."""
        answer: Answer | None = None
        made_at = time.monotonic()
        try:
            request = self._request(number)
            made_at = time.monotonic()
            with self._engine.ask(request) as answer:
                for chunk in answer:
                    if chunk.deltas:
                        moments.append(answer.arrived_at)
                return answer.completion, None, made_at
        except LLMWrapError as error:
            return answer.partial if answer else None, error, made_at


def _shifted(duration_s: float | None, by_s: float) -> float | None:
    return None if duration_s is None else duration_s + by_s
