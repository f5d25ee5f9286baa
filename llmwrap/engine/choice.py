"""What the user asked for on top of the configuration. Floor F5."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

CacheMode: TypeAlias = Literal["use", "off", "refresh", "only"]
"""Look and store, leave the cache alone, ask anew and store, or never ask."""


class Choice(NamedTuple):
    """The options of one run that say whom to ask and how long to wait.

    None leaves a value to the configuration. `is_measured` is for load tests: each
    answer is driven by the thread that reads it, and leaves no record for `stats`.
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


class Patience(NamedTuple):
    """How long to wait for one answer, and how often to try.

    `until` is the deadline of the whole command on the monotonic clock.
    """

    first_token_s: float
    idle_s: float
    until: float | None
    retries: int
    retry_delay_s: float
