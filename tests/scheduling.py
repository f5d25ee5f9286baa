"""Which tests pytest-xdist runs in one process, one after the other.

Not its own `--dist=loadgroup`: version 3.8 marks tests in a way that pytest 9.2 does
not look at any more, in silence.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

_ALONE = ("tmux", "signals", "embedded")
"""Terminals, signals and models are slow in each other's company: modules with such a
word in their name share one process."""

_WHOLE = ("test_direct_twins", "test_dist", "test_loadtest_page", "test_plugin")
"""What one of their tests builds is there for all."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Hand tests out one by one, but those of some modules together."""

    def _split_scope(self, nodeid: str) -> str:
        module = PurePosixPath(nodeid.partition("::")[0]).stem
        if any(word in module for word in _ALONE):
            return "alone"
        return module if module in _WHOLE else nodeid
