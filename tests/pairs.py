"""Say which fault meets which front: `python -m tests.pairs` prints all pairs.

Each kind of fault meets each dialect once, through `ask` on a pipe (test_faults). What
another front makes of a fault depends only on its class, the exit status, so each
front meets each class (test_fronts): not everything meets everything, which would
take an hour and find no more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .fakeserver import FAULTS, FakeServer, Fault
from .fakeserver.faults.kinds import Outcome

STATUSES: Mapping[Outcome, int] = {
    "whole": 0,
    "lost": 4,
    "refused": 5,
    "redirect": 5,
    "error": 6,
    "failed": 6,
    "malformed": 7,
    "cut": 8,
    "limit": 9,
    "silent": 124,
    "endless": 124,
}
"""The exit status that each outcome has."""

FRONTS = (
    *("text", "json", "events", "file", "terminal", "whole"),
    *("chat", "wrapper", "stream", "loadtest"),
)
"""What shows answers; "whole" is ask --no-stream."""

_REPRESENTATIVES: Mapping[Outcome, Sequence[str]] = {
    "whole": ("closes_twice_then_works", "not_streamed", "crlf_cut"),
    "lost": ("refused", "reset_before_headers", "close_inside_headers"),
    "refused": ("status_400_json", "status_404_html", "error_instead_of_stream"),
    "redirect": ("redirect_307", "redirect_loop_302", "redirect_nowhere"),
    "error": ("error_text", "error_object", "error_then_end_marker"),
    "failed": ("status_500_json", "status_429_empty", "status_500_cut"),
    "malformed": ("json_broken", "bad_chunk_size", "html_instead_of_stream"),
    "cut": ("no_end_marker", "reset_inside_chunk", "finish_reason_length"),
    "limit": ("line_endless", "tokens_endless", "gzip_bomb_endless"),
    "silent": ("silent_before_headers", "silent_inside_chunk", "black_hole"),
    "endless": ("drip_endless", "interim_endless", "tokens_slow_endless"),
}
"""Some kinds of each class, taken in turn, that differ in where they strike."""

_PATIENT = {
    "--connect-timeout": "30",
    "--first-token-timeout": "30",
    "--idle-timeout": "30",
    "--timeout": "60",
    "--retries": "2",
    "--retry-delay": "0",
}
_TEXT_FOR_EVER = ("tokens_slow_endless",)


class Pair(NamedTuple):
    """A front and the fault it meets."""

    front: str
    fault: Fault

    def __str__(self) -> str:
        """Return how it is listed."""
        return f"{self.front}-{self.fault.outcome}-{self.fault}"


def _pairs() -> Iterator[Pair]:
    """Yield the pairs: each front with each class, the dialects in turn."""
    for row, front in enumerate(FRONTS):
        for column, kinds in enumerate(_REPRESENTATIVES.values()):
            dialect = ("ollama", "openai")[(row + column) % 2]
            kind = kinds[(row + column) % len(kinds)]
            yield Pair(front, FAULTS[f"{dialect}-{kind}"])


def patience(fault: Fault) -> dict[str, str]:
    """Return options that let nothing but what is tested run out.

    A time-out is short only where it decides and the text before it cannot be late:
    the outcome must not depend on how busy the machine is.
    """
    short: dict[str, str] = {}
    if fault.kind.name == "full_backlog":
        short = {"--connect-timeout": "0.2"}
    elif fault.kind.name in _TEXT_FOR_EVER:
        short = {"--timeout": "2"}
    elif fault.outcome in ("silent", "endless"):
        has_text = bool(fault.kept())
        short = {"--idle-timeout" if has_text else "--first-token-timeout": "0.4"}
    return {**_PATIENT, **short}


def asking(fault: Fault, server: FakeServer) -> list[str]:
    """Arm a fault, and return the options that lead to it."""
    suffix = "/v1" if fault.dialect == "openai" else ""
    address = fault.arm(server) + suffix
    waits = [word for option in patience(fault).items() for word in option]
    return ["--base-url", address, "-m", "alpha:latest", *waits]


PAIRS = tuple(_pairs())

if __name__ == "__main__":
    sys.stdout.writelines(f"{pair}\n" for pair in PAIRS)
