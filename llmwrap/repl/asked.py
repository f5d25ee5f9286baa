"""How a question is asked, and what came of it so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..engine.conversing import Keeper
from ..history import Turn
from ..messages import Completion, Message, Sampling, Schema, Usage
from ..transport.cancel import CancelToken
from .mailbox import Facts

_LONG_CHARACTERS = 2000
RECENT_TURNS = 4
"""What a summary leaves as it is, if that is not long."""


class Settings(NamedTuple):
    """How the next question is asked; `model` None is the one the rules choose."""

    model: str | None = None
    system: str | None = None
    sampling: Sampling = Sampling()
    think: bool | str | None = None
    schema: Schema | None = None


class Refused(NamedTuple):
    """A question of which nothing came, through no wish of the user.

    `too_long` is what the server said of one that the context does not hold. `covers`
    as in Asked.
    """

    question: Message
    too_long: str = ""
    covers: int = 0


class Asked:
    """One question under way, and what came of its answer."""

    def __init__(
        self, keeper: Keeper, question: Turn, settings: Settings, *, covers: int = 0
    ) -> None:
        self.keeper = keeper
        self.question = question
        self.settings = settings
        self.covers = covers
        """How many turns the answer is a summary of; 0 for an answer like any."""
        self.cancel = CancelToken()
        """Ends it at any moment: while a server is looked for, too."""
        self.is_over = False
        self.pieces: list[str] = []
        self.facts = Facts()
        self.asked_at = time.monotonic()
        self.first_at: float | None = None
        self.deltas = 0


def turn_of(message: Message, facts: Facts = Facts()) -> Turn:
    """Return a message as a turn of this moment."""
    return Turn(
        message=message,
        model=facts.model,
        backend=facts.backend,
        at=time.time(),
        is_interrupted=facts.is_interrupted,
        is_cached=facts.is_cached,
        usage=facts.usage,
    )


def older_of(said: Sequence[Turn]) -> Sequence[Turn]:
    """Return what a summary would stand for: all but the last few turns.

    Of a long conversation these are at most a third, so that there is always
    something older as long as there is much.
    """
    sizes = [len(turn.message.content) for turn in said]
    is_long = sum(sizes) >= _LONG_CHARACTERS
    most = sum(sizes) // 3 if is_long else _LONG_CHARACTERS
    count = RECENT_TURNS
    while count > 0 and sum(sizes[-count:]) > most:
        count -= 2  # a question goes with its answer
    return said[: max(0, len(said) - count)]


def settings_of(
    turns: Sequence[Turn], base: Settings, name_of: Callable[[str, str], str | None]
) -> Settings:
    """Return how a conversation was talked in; `base` for what it does not say.

    `name_of` returns what asks a model of a backend, None where that is not there.
    """
    systems = [turn.message.content for turn in turns if turn.message.role == "system"]
    settings = base._replace(system=systems[-1] if systems else None)
    answers = [turn for turn in turns if turn.message.role == "assistant"]
    if not answers:
        return settings
    last = answers[-1]
    if last.model and (name := name_of(last.backend, last.model)):
        settings = settings._replace(model=name)
    if last.options is not None:
        sampling = settings.sampling._replace(options=last.options)
        settings = settings._replace(sampling=sampling)
    return settings


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
