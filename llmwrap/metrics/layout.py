"""Where runs are recorded, and how one is added.

Apart from recorder.py, so that the fast way of a hit can record its runs too.
"""

from __future__ import annotations

from ..files import LockedFile
from ..journal.records import HEADER_BYTES, RecordFormat, check_version, headed
from ..paths import state_dir

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

RUNS = RecordFormat("llmwrap runs")
LARGEST_BYTES = 4 << 20
"""How long the journal may be before its older runs are counted together."""

OLDEST_S = 400 * 24 * 3600
"""How old runs may be; what is older is counted no longer."""

_LOCK_WAIT_S = 0.25


def runs_path(environ: Mapping[str, str]) -> str:
    """Return the journal of runs."""
    return state_dir(environ) + "/runs"


def append_run(path: str, *payloads: bytes) -> None:
    """Append a run, or several at once, to a journal of them.

    Not synced: what a run of the machine lost with its power is no loss. Nor waited
    for long. Raises: OSError, BusyError, NewerError.
    """
    with LockedFile(path, is_synced=False, wait_s=_LOCK_WAIT_S) as file:
        check_version(file.beginning(HEADER_BYTES), path)
        data = b"".join([RUNS.record(b"", payload) for payload in payloads])
        file.append(headed(data, file.size_bytes))
