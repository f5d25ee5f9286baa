"""How a question is asked, and what came of it so far. Floor F6."""

from __future__ import annotations

import time
from typing import NamedTuple

from ..history import Turn
from ..messages import Completion, Sampling, Usage
from ..transport.cancel import CancelToken
from .keeper import Keeper
from .mailbox import Facts


class Settings(NamedTuple):
    """How the next question is asked; `model` None is the one the rules choose."""

    model: str | None = None
    system: str | None = None
    sampling: Sampling = Sampling()
    think: bool | str | None = None


class Asked:
    """One question under way, and what came of its answer."""

    def __init__(
        self, keeper: Keeper, question: Turn, system: str, *, is_summary: bool
    ) -> None:
        self.keeper = keeper
        self.question = question
        self.system = system
        self.is_summary = is_summary
        self.cancel = CancelToken()
        """Ends it at any moment: while a server is looked for, too."""
        self.is_over = False
        self.pieces: list[str] = []
        self.facts = Facts()
        self.asked_at = time.monotonic()
        self.first_at: float | None = None
        self.deltas = 0


def facts_of(completion: Completion) -> Facts:
    """Return what is known of a whole answer."""
    timing, usage = completion.timing, completion.usage
    return Facts(
        model=completion.model,
        backend=completion.backend,
        is_cached=completion.is_cached,
        ttft_s=timing.ttft_s,
        tokens_per_s=1 / timing.tpot_s if timing.tpot_s else None,
        usage=usage,
    )


def context_used(usage: Usage) -> int | None:
    """Return how many tokens of the context the last answer left filled."""
    if usage.prompt_tokens is None:
        return None
    return usage.prompt_tokens + (usage.completion_tokens or 0)
