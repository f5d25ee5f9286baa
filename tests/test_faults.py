"""Every fault of the catalogue, through the whole program: how it ends and what stays.

No hang, no traceback, the class of error as documented, the part that came kept,
exactly one error line.
"""

from __future__ import annotations

import pytest

from .asking import chats, lines
from .fakeserver import FAULTS, TOKENS, FakeServer, Fault
from .pairs import STATUSES, asking
from .runner import Result, Runner

_ENDLESS_TEXT = "more "
_CHATS = [
    pytest.param(fault, id=name)
    for name, fault in FAULTS.items()
    if not fault.kind.is_listing
]


@pytest.mark.parametrize("fault", _CHATS)
def test_every_fault_ends_as_documented(
    cli: Runner, server: FakeServer, fault: Fault
) -> None:
    server.answer = list(TOKENS)  # what comes once a fault is over

    result = cli.run(*asking(fault, server), "hi")

    right = {STATUSES[outcome] for outcome in fault.outcomes}
    assert result.status in right, (result, fault.kind.about)
    assert len(lines(result, "error")) == (result.status != 0)
    assert "Traceback" not in result.stderr
    assert _kept(fault, result) == _expected(fault, server)


def _expected(fault: Fault, server: FakeServer) -> str:
    """Return the text that must stand on stdout."""
    kept = fault.kept()
    if fault.kind.echo:
        kept += fault.kind.echo(chats(server)[-1])
    if fault.outcome == "whole":
        kept = kept or "".join(TOKENS)
    return kept.removesuffix("\n")


def _kept(fault: Fault, result: Result) -> str:
    """Return what stands on stdout, without what would never have ended."""
    text = result.text.removesuffix("\n")
    if fault.outcome not in ("endless", "limit"):
        return text
    return text.replace(_ENDLESS_TEXT, "").removesuffix(_ENDLESS_TEXT.strip())
