"""One record for each run, kept across processes.

A record (run.py) is appended after the answer is out, in one small write; nothing waits
for the disk. The journal lies in the state directory and is bounded: rollup.py counts
its older half together.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from ..errors import ConfigError
from ..files import BusyError
from ..log import Log
from ..paths import ensure_private_dir
from .layout import LARGEST_BYTES, append_run, runs_path
from .run import Run, is_outdated, pack_run

_FIRST_BYTES = 8192  # no record of ours is as long


class Recorder:
    """Append runs to the journal; one that cannot be written costs no answer.

    Each is tried: a disk that was full has room again. Any thread may call it.
    """

    def __init__(self, environ: Mapping[str, str], log: Log) -> None:
        self._environ = environ
        self._log = log
        self._has_failed = False
        self._has_looked = False

    def record(self, run: Run) -> None:
        """Append a run."""
        path = runs_path(self._environ)
        try:
            ensure_private_dir(os.path.dirname(path))
            append_run(path, pack_run(run))
            if os.path.getsize(path) > LARGEST_BYTES or self._is_outdated(path):
                shorten(path)
        except BusyError:
            return  # This one is lost; the next one need not be.
        except (OSError, ConfigError) as error:
            if not self._has_failed:
                self._log.info(f"this run is not recorded: {error}")
            self._has_failed = True
        else:
            self._has_failed = False

    def _is_outdated(self, path: str) -> bool:
        """Look at the oldest record, once. Raises: OSError."""
        if self._has_looked:
            return False
        self._has_looked = True
        with open(path, "rb") as file:
            return is_outdated(file.read(_FIRST_BYTES), time.time())


def shorten(path: str) -> None:
    """Count the older records together. Raises: OSError."""
    from .rollup import roll_up  # late: once in many thousand runs

    roll_up(path, time.time())
