"""What the user asked for on top of the configuration."""

from typing import Literal, NamedTuple, TypeAlias

from ..config.schema import HistoryConfig

_LONGEST_DELAY_S = 60.0

CacheMode: TypeAlias = Literal["use", "off", "refresh", "only"]
"""Look and store, leave the cache alone, ask anew and store, or never ask."""


class Choice(NamedTuple):
    """The options of one run that say whom to ask and how long to wait.

    None leaves a value to the configuration. `headers` go to the first choice only.
    `is_inline` lets each answer be driven by the thread that reads it; `is_measured` is
    for load tests: that, and it leaves no record for `stats`. `local_for` is
    set where `model` was named by somebody who may not decide whom to ask: it has to be
    a model of the backend that is asked without it, or the run ends, its message
    beginning with `local_for`.
    """

    backend: str | None = None
    model: str | None = None
    base_url: str | None = None
    connect_timeout_s: float | None = None
    first_token_timeout_s: float | None = None
    idle_timeout_s: float | None = None
    total_timeout_s: float | None = None
    retries: int | None = None
    retry_delay_s: float | None = None
    cache: CacheMode | None = None
    is_measured: bool = False
    is_inline: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    local_for: str = ""


class ConversationChoice(NamedTuple):
    """What the options say about the conversation that a question belongs to.

    `name` is an id or the beginning of one and goes before `is_continued`, which is
    the last one. `is_on_terminal` tells whether a person reads the answer.
    """

    name: str | None = None
    is_continued: bool = False
    is_forbidden: bool = False
    is_on_terminal: bool = False

    @property
    def is_required(self) -> bool:
        """Tell whether the user asked for a conversation."""
        return self.is_continued or self.name is not None

    def is_keeping(self, config: HistoryConfig) -> bool:
        """Tell whether question and answer are to be kept."""
        is_due = self.is_required or self.is_on_terminal or config.ask
        return is_due and config.enabled and not self.is_forbidden

    def is_any(self, config: HistoryConfig) -> bool:
        """Tell whether a conversation has to do with the question at all."""
        return self.is_required or self.is_keeping(config)


class Patience(NamedTuple):
    """How long to wait for one answer, and how often to try.

    `until` is the deadline of it all on the monotonic clock.
    """

    first_token_s: float
    idle_s: float
    until: float
    retries: int
    retry_delay_s: float

    def backoff_s(self, retries: int) -> float:
        """Return how long to wait after so many retries: exponential, with jitter."""
        from random import uniform  # late: only a retry needs it

        backoff = min(self.retry_delay_s * 2.0**retries, _LONGEST_DELAY_S)
        return uniform(0.5, 1.0) * backoff  # noqa: S311  no secret hangs on it
