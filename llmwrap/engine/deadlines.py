"""What is said when a time-out passes, each with the option that sets it."""

from __future__ import annotations

from ..errors import DeadlineError
from ..units import format_duration
from .asking import Asking


def deadline_error(
    asking: Asking, *, is_total: bool, is_empty: bool, is_loading: bool = False
) -> DeadlineError:
    """Return the error for the time-out that passed.

    `is_total` means the deadline of the whole command, `is_empty` that nothing of
    the answer has come, `is_loading` that the server said that it loads.
    """
    where, patience = asking.where, asking.patience
    if is_loading and not is_total:
        return DeadlineError(
            f"{where} still loads its model after"
            f" {format_duration(patience.first_token_s)}",
            hint="--first-token-timeout waits longer",
        )
    if is_total:
        return DeadlineError(
            f"{where} did not finish before the deadline", hint="--timeout sets it"
        )
    if is_empty or not asking.request.is_streamed:
        what = "sent no token" if asking.request.is_streamed else "did not answer"
        return DeadlineError(
            f"{where} {what} within {format_duration(patience.first_token_s)}",
            trouble="silent",
        )
    return DeadlineError(
        f"{where} fell silent for {format_duration(patience.idle_s)} in the middle of"
        " its answer",
        hint="--idle-timeout waits longer",
    )
