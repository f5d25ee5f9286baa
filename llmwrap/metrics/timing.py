"""The definitions of latency, in one place.

All in seconds on the monotonic clock, as a client sees them:

TTFT    first chunk with non-empty text or reasoning, less request sent.
E2E     last byte of the answer, less request sent.
        None where the whole answer was asked for in one piece: no first one was seen.
TPOT    (E2E - TTFT) / (completion_tokens - 1); None below 2 tokens, and where all of
        them came in one delta: nothing was seen of the time between. The first token
        is left out, as vLLM and NVIDIA have it; guidellm's field of that name has it
        in.
ITL     the gaps between chunks with non-empty text or reasoning: what a client sees,
        which is tokens only as far as a server sends them one by one.
queued  request sent, less the call that asked for it: waiting for a free stream,
        connecting, and earlier attempts.

Durations by the server's own clock are kept apart, with the prefix `server_`.
"""

from __future__ import annotations

from ..messages import Timing

_MOST_GAPS = 8192  # then every second one goes: memory must not grow with an answer


class Stopwatch:
    """Note the moments of one answer; belongs to the thread that reads it."""

    def __init__(self, called_at: float) -> None:
        self.called_at = called_at
        self.sent_at: float | None = None
        self.first_at: float | None = None
        self.last_at: float | None = None
        self.gaps_s: list[float] = []
        """The gaps between pieces (ITL); of a very long answer a sample."""
        self._piece_at: float | None = None
        self._pieces = 0
        self._deltas = 0
        self._stride = 1

    def note_piece(self, arrived_at: float, deltas: int = 1) -> None:
        """Note that a piece of text or reasoning came, and of how many deltas."""
        self._deltas += deltas
        before, self._piece_at = self._piece_at, arrived_at
        if before is None:
            return
        self._pieces += 1
        if self._pieces % self._stride:
            return
        self.gaps_s.append(max(0.0, arrived_at - before))
        if len(self.gaps_s) >= _MOST_GAPS:
            del self.gaps_s[::2]
            self._stride *= 2

    def timing(self, completion_tokens: int | None) -> Timing:
        """Return the figures of what was noted; None where a moment is missing."""
        ttft_s = _between(self.sent_at, self.first_at)
        e2e_s = _between(self.sent_at, self.last_at)
        tpot_s = None
        if ttft_s is not None and e2e_s is not None and self._deltas > 1:
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
