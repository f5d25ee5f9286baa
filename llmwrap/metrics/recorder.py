"""One record for each run, kept across processes.

A record (run.py) is appended after the answer is out, in one small write; nothing waits
for the disk. Those of a batch are appended together, once a second. The journal lies in
the state directory and is bounded: rollup.py counts its older half together.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping

from .. import lives
from ..errors import ConfigError
from ..files import BusyError
from ..log import Log
from ..paths import ensure_private_dir
from .layout import LARGEST_BYTES, append_run, runs_path
from .run import Run, is_outdated, pack_run

_FIRST_BYTES = 8192  # no record of ours is as long
_GATHERED_S = 1.0


class Recorder:
    """Append runs to the journal; one that cannot be written costs no answer.

    Each is tried: a disk that was full has room again. `is_gathering` is for those who
    ask many times a second: what comes within a second of the last writing waits for
    the next one, or for `close`. Any thread may call it.
    """

    def __init__(
        self, environ: Mapping[str, str], log: Log, *, is_gathering: bool = False
    ) -> None:
        self._environ = environ
        self._log = log
        self._has_failed = False
        self._has_looked = False
        self._is_gathering = is_gathering
        self._waiting: list[bytes] = []
        self._written_at = 0.0
        self._lock = threading.Lock()
        lives.enter(self)

    def start_anew(self) -> None:
        """Leave to the parent what waits, in a forked child."""
        self._waiting = []
        self._lock = threading.Lock()

    def record(self, run: Run) -> None:
        """Append a run."""
        now = time.monotonic()
        with self._lock:
            self._waiting.append(pack_run(run))
            if self._is_gathering and now - self._written_at < _GATHERED_S:
                return
            self._written_at = now
            payloads, self._waiting = self._waiting, []
        self._append(payloads)

    def close(self) -> None:
        """Append what still waits, and from now on each run at once."""
        with self._lock:
            self._is_gathering = False
            payloads, self._waiting = self._waiting, []
        if payloads:
            self._append(payloads)

    def _append(self, payloads: list[bytes]) -> None:
        path = runs_path(self._environ)
        try:
            ensure_private_dir(os.path.dirname(path))
            append_run(path, *payloads)
            if os.path.getsize(path) > LARGEST_BYTES or self._is_outdated(path):
                shorten(path)
        except BusyError:
            return  # They are lost; the next one need not be.
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
