"""What is recorded of one answer. Floor F5."""

from __future__ import annotations

import time

from ..errors import LLMWrapError
from ..messages import Completion
from ..metrics.recorder import CacheOutcome, Recorder, Run
from .answer import kind_of
from .choice import CacheMode

_OUTCOMES: dict[CacheMode, CacheOutcome] = {
    "use": "miss",
    "only": "miss",
    "refresh": "refresh",
    "off": "off",
}


class RunRecord:
    """The record of one answer, written once, at its end.

    `recorder` None writes none.
    """

    def __init__(self, recorder: Recorder | None, mode: CacheMode) -> None:
        self.lookup_s: float | None = None
        self._recorder = recorder
        self._outcome = _OUTCOMES[mode]
        self._started_at = time.time()

    def fail(self, error: LLMWrapError) -> None:
        """Record that nobody could be asked."""
        if self._recorder is None:
            return
        self._recorder.record(
            Run(
                started_at=self._started_at,
                lookup_s=self.lookup_s,
                outcome=self._outcome,
                error=kind_of(error),
            )
        )

    def end(self, completion: Completion, error: str) -> None:
        """Record an answer as far as it came, and the kind of the error, if any."""
        if self._recorder is None:
            return
        timing, usage = completion.timing, completion.usage
        self._recorder.record(
            Run(
                started_at=self._started_at,
                lookup_s=self.lookup_s,
                ttft_s=timing.ttft_s,
                e2e_s=timing.e2e_s,
                tpot_s=timing.tpot_s,
                queued_s=timing.queued_s,
                outcome="hit" if completion.is_cached else self._outcome,
                backend=completion.backend,
                model=completion.model,
                error=error,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                attempts=completion.attempts,
            )
        )
