"""What is said when a time-out passes, each with the option that sets it. Floor F5."""

from __future__ import annotations

from ..errors import DeadlineError
from ..units import format_duration


def total_error(where: str) -> DeadlineError:
    """Return the error for the deadline of the whole command."""
    return DeadlineError(
        f"{where} did not finish before the deadline", hint="--timeout sets it"
    )


def first_token_error(
    where: str, first_token_s: float, *, is_streamed: bool
) -> DeadlineError:
    """Return the error for an answer that did not begin, or did not come whole."""
    what = "sent no token" if is_streamed else "did not answer"
    return DeadlineError(
        f"{where} {what} within {format_duration(first_token_s)}",
        hint="--first-token-timeout waits longer, for a model that loads",
    )


def idle_error(where: str, idle_s: float) -> DeadlineError:
    """Return the error for an answer that broke its flow."""
    return DeadlineError(
        f"{where} fell silent for {format_duration(idle_s)} in the middle of its"
        " answer",
        hint="--idle-timeout waits longer",
    )
