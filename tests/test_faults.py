"""Every fault of the catalogue, through the whole program: how it ends and what stays.

No hang, no traceback, the class of error as documented, the part that came kept,
exactly one error line.
"""

from __future__ import annotations

import pytest

from .fakeserver import FAULTS, FakeServer, Fault
from .runner import Result, Runner

_TOKENS = ("one", " two", " three")
_STATUSES: dict[str, tuple[int, ...]] = {
    "whole": (0,),
    "cut": (8,),
    "lost": (4,),
    "silent": (124,),
    "endless": (9, 124),
    "error": (5, 6),
    "status": (5, 6),
    "redirect": (5,),
    "malformed": (7,),
    "limit": (9,),
    "either": (0, 4, 5, 6, 7, 8, 9, 124),
}
_PATIENCE = (
    *("--connect-timeout", "0.5"),
    *("--first-token-timeout", "1.5"),
    *("--idle-timeout", "1.5"),
    *("--timeout", "4"),
    *("--retries", "2"),
    *("--retry-delay", "0"),
)
_CHATS = [str(fault) for fault in FAULTS.values() if not fault.kind.is_listing]


def _asked(cli: Runner, fault: Fault, server: FakeServer, *more: str) -> Result:
    server.answer = list(_TOKENS)  # what comes once a fault is over
    address = fault.arm(server, _TOKENS)
    suffix = "/v1" if fault.dialect == "openai" else ""
    return cli.run(
        "--base-url", address + suffix, "-m", "alpha:latest", *_PATIENCE, *more, "hi"
    )


def _error_lines(result: Result) -> list[str]:
    return [
        line
        for line in result.stderr.splitlines()
        if line.startswith("llmwrap: error: ")
    ]


@pytest.mark.parametrize("name", _CHATS)
def test_every_fault_ends_as_documented(
    cli: Runner, server: FakeServer, name: str
) -> None:
    fault = FAULTS[name]

    result = _asked(cli, fault, server)

    assert result.status in _STATUSES[fault.outcome], (result, fault.kind.about)
    assert len(_error_lines(result)) == (result.status != 0)
    assert "Traceback" not in result.stderr
    if fault.outcome == "whole":
        kept = fault.kept(_TOKENS) or "".join(_TOKENS)
        assert result.text.removesuffix("\n") == kept.removesuffix("\n")
    elif fault.outcome in ("cut", "silent", "error", "malformed", "status"):
        assert result.text.removesuffix("\n") == fault.kept(_TOKENS)
