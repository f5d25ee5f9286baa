"""Where runs are recorded.

Apart from recorder.py, so that the fast way of a hit can record its runs too.
"""

from __future__ import annotations

from ..journal.records import RecordFormat
from ..paths import state_dir

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

RUNS = RecordFormat("llmwrap runs")
LARGEST_BYTES = 4 << 20
"""How long the journal may be before its older runs are counted together."""

OLDEST_S = 400 * 24 * 3600
"""How old runs may be; what is older is counted no longer."""


def runs_path(environ: Mapping[str, str]) -> str:
    """Return the journal of runs."""
    return state_dir(environ) + "/runs"
