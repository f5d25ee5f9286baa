"""What is recorded of one answer."""

from __future__ import annotations

import time

from ..cache.response_cache import ResponseCache
from ..config import BackendConfig, mask_secrets
from ..errors import LLMWrapError
from ..messages import Completion, Rendered
from ..metrics.classes import packed
from ..metrics.recorder import Recorder
from ..metrics.run import CacheOutcome, Run
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

    `recorder` None writes none. The cache counts its own look-ups.
    """

    def __init__(
        self,
        recorder: Recorder | None,
        mode: CacheMode,
        cache: ResponseCache,
        rendered: Rendered | None = None,
    ) -> None:
        self._recorder = recorder
        self._cache = cache
        if recorder is None:
            return  # A load test makes thousands a second.
        self._run = Run(
            started_at=time.time(),
            outcome=_OUTCOMES[mode],
            template=rendered.template if rendered else "",
            rendering_s=rendered.rendering_s if rendered else None,
        )

    def meant(self, backend: BackendConfig, model: str) -> None:
        """Take who is asked: errors and answers of one model belong together."""
        if self._recorder:
            address = mask_secrets(backend.base_url or "")
            self._run = self._run._replace(
                backend=backend.name, model=model, address=address
            )

    def looked_up(self, elapsed_s: float) -> None:
        """Take how long the cache took, if anybody looked into it."""
        if self._recorder and self._run.outcome == "miss":
            self._run = self._run._replace(lookup_s=elapsed_s)

    def fail(self, error: LLMWrapError) -> None:
        """Record that nobody could be asked."""
        if self._recorder:
            self._record(self._run._replace(error=kind_of(error)))

    def end(self, completion: Completion, error: str) -> None:
        """Record an answer as far as it came, and the kind of the error, if any."""
        if self._recorder is None:
            return
        timing, usage = completion.timing, completion.usage
        self._record(
            self._run._replace(
                ttft_s=timing.ttft_s,
                e2e_s=timing.e2e_s,
                tpot_s=timing.tpot_s,
                queued_s=timing.queued_s,
                outcome="hit" if completion.is_cached else self._run.outcome,
                backend=self._run.backend or completion.backend,
                model=self._run.model or completion.model,
                error=error,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                attempts=completion.attempts,
                gaps=tuple(packed(completion.gaps_s)),
                end=completion.end or "",
                asked_again=completion.asked_again,
            )
        )

    def _record(self, run: Run) -> None:
        if run.outcome in ("hit", "miss"):
            self._cache.count(is_hit=run.outcome == "hit")
        if self._recorder:
            self._recorder.record(run)
