"""Whether a request is sent again, and when."""

from __future__ import annotations

import time

from ..errors import BackendFailedError, LLMWrapError
from ..units import format_duration
from .asking import Asking

_LOADING_POLLS_S = (0.1, 0.2, 0.4, 0.5)  # then the last one again


class Retries:
    """Count the attempts at one answer; belongs to the thread that reads it.

    A server that loads its model is waited for and not counted.
    """

    def __init__(self, asking: Asking) -> None:
        self.attempts = 1
        self.loading_until: float | None = None
        """Until when a model that loads is waited for, on the monotonic clock."""
        self._asking = asking
        self._retries = 0
        self._polls = 0

    def delay_s(
        self, error: LLMWrapError, first_until: float, *, is_empty: bool
    ) -> float:
        """Return how long to wait before the next attempt, or raise `error`.

        `first_until` is when the attempt that failed would have waited for its first
        token; `is_empty` tells whether nothing of the answer has come.
        """
        if isinstance(error, BackendFailedError) and error.is_loading:
            self.loading_until = self.loading_until or first_until
            poll_s = _LOADING_POLLS_S[min(self._polls, len(_LOADING_POLLS_S) - 1)]
            self._polls += 1
            if error.retry_after_s and error.retry_after_s > poll_s:
                poll_s = error.retry_after_s
                if time.monotonic() + poll_s > self.loading_until:
                    raise error  # Asked again no earlier than that, so not at all.
            self._check_wait(poll_s, error, self.loading_until)
            return poll_s
        delay_s = self._retry_delay_s(error, is_empty=is_empty)
        self._retries += 1
        self.attempts += 1
        self.loading_until = None
        return delay_s

    def _retry_delay_s(self, error: LLMWrapError, *, is_empty: bool) -> float:
        patience = self._asking.patience
        allowed = min(error.retries_allowed, patience.retries)
        if self._retries >= allowed or not is_empty:
            raise error
        delay_s = patience.backoff_s(self._retries)
        delay_s = max(delay_s, error.retry_after_s or 0.0)
        self._check_wait(delay_s, error)
        self._asking.log.info(
            f"retrying in {format_duration(delay_s)} ({self._retries + 1} of"
            f" {allowed}): {error.message}",
            error__type=error.kind,
        )
        return delay_s

    def _check_wait(
        self, delay_s: float, error: LLMWrapError, limit: float | None = None
    ) -> None:
        """Raise at once when a wait would last beyond the deadline."""
        end, asking = time.monotonic() + delay_s, self._asking
        if limit is not None and end > limit:
            raise asking.deadline_error(
                is_total=False, is_empty=True, is_loading=True
            ) from error
        if end > asking.patience.until:
            if limit is not None:
                raise asking.deadline_error(is_total=True, is_empty=True) from error
            raise error
