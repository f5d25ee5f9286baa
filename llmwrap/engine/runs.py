"""What is recorded of one answer."""

from __future__ import annotations

import time

from ..cache.response_cache import ResponseCache
from ..config import mask_secrets
from ..errors import LLMWrapError
from ..messages import Completion, Rendered
from ..metrics.classes import packed
from ..metrics.recorder import Recorder
from ..metrics.run import CacheOutcome, Run
from .answer import kind_of
from .choice import CacheMode
from .question import Question

_OUTCOMES: dict[CacheMode, CacheOutcome] = {
    "use": "miss",
    "only": "miss",
    "refresh": "refresh",
    "off": "off",
}


class RunRecord:
    """The record of one answer, written once, at its end.

    `recorder` None writes none. The cache counts its own look-ups.
    """

    def __init__(
        self,
        recorder: Recorder | None,
        mode: CacheMode,
        cache: ResponseCache,
        rendered: Rendered | None = None,
    ) -> None:
        self.question: Question | None = None
        """What is asked, as far as it is known; errors belong to its model, too."""
        self.lookup_s: float | None = None
        """How long the cache took, if anybody looked into it."""
        self._recorder = recorder
        self._mode = mode
        self._cache = cache
        self._rendered = rendered
        self._started_at = time.time()

    def fail(self, error: LLMWrapError) -> None:
        """Record that nobody could be asked."""
        if self._recorder:
            self._record(self._run()._replace(error=kind_of(error)))

    def end(self, completion: Completion, error: str) -> None:
        """Record an answer as far as it came, and the kind of the error, if any."""
        if self._recorder is None:
            return  # A load test makes thousands a second.
        run, timing, usage = self._run(), completion.timing, completion.usage
        self._record(
            run._replace(
                ttft_s=timing.ttft_s,
                e2e_s=timing.e2e_s,
                tpot_s=timing.tpot_s,
                queued_s=timing.queued_s,
                outcome="hit" if completion.is_cached else run.outcome,
                backend=run.backend or completion.backend,
                model=run.model or completion.model,
                error=error,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                attempts=completion.attempts,
                gaps=tuple(packed(completion.gaps_s)),
                end=completion.end or "",
                asked_again=completion.asked_again,
            )
        )

    def _run(self) -> Run:
        """Return what is known before there is an answer."""
        outcome, rendered = _OUTCOMES[self._mode], self._rendered
        candidates = self.question.candidates if self.question else ()
        first = candidates[0] if candidates else None
        return Run(
            started_at=self._started_at,
            lookup_s=self.lookup_s if outcome == "miss" else None,
            outcome=outcome,
            backend=first.backend.name if first else "",
            model=first.model if first else "",
            address=mask_secrets(first.backend.base_url or "") if first else "",
            template=rendered.template if rendered else "",
            rendering_s=rendered.rendering_s if rendered else None,
        )

    def _record(self, run: Run) -> None:
        if run.outcome in ("hit", "miss"):
            self._cache.count(is_hit=run.outcome == "hit")
        if self._recorder:
            self._recorder.record(run)
