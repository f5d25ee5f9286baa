"""The definitions of latency, in one place. Floor F3.

All in seconds on the monotonic clock, as a client sees them:

TTFT    first chunk with non-empty text or reasoning, less request sent.
E2E     last byte of the answer, less request sent.
TPOT    (E2E - TTFT) / (completion_tokens - 1); None below 2 tokens. The first token
        is left out, as vLLM and NVIDIA have it; guidellm's field of that name has it
        in.
queued  request sent, less the call that asked for it: waiting for a free stream,
        connecting, and earlier attempts.

Durations by the server's own clock are kept apart, with the prefix `server_`.
"""

from __future__ import annotations

from ..messages import Timing


class Stopwatch:
    """Note the moments of one answer; belongs to the thread that reads it."""

    def __init__(self, called_at: float) -> None:
        self.called_at = called_at
        self.sent_at: float | None = None
        self.first_at: float | None = None
        self.last_at: float | None = None

    def timing(self, completion_tokens: int | None) -> Timing:
        """Return the figures of what was noted; None where a moment is missing."""
        ttft_s = _between(self.sent_at, self.first_at)
        e2e_s = _between(self.sent_at, self.last_at)
        tpot_s = None
        if ttft_s is not None and e2e_s is not None:
            tpot_s = tpot(ttft_s, e2e_s, completion_tokens)
        return Timing(
            ttft_s=ttft_s,
            e2e_s=e2e_s,
            tpot_s=tpot_s,
            queued_s=_between(self.called_at, self.sent_at),
        )


def tpot(ttft_s: float, e2e_s: float, completion_tokens: int | None) -> float | None:
    """Return the time per output token after the first; None below 2 tokens."""
    if completion_tokens is None or completion_tokens < 2:
        return None
    return (e2e_s - ttft_s) / (completion_tokens - 1)


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)
