"""One record for each run, kept across processes. Floor F3.

A run is one answer that was asked for, whatever became of it. Its record is appended
after the answer is out, in one small write; nothing waits for the disk. The journal
lies in the state directory and is bounded: what is older than its newest records is
counted together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from ..errors import ConfigError
from ..journal.files import LockedFile, append_record, read
from ..journal.packing import Packable, pack, unpack
from ..log import Log
from ..paths import ensure_private_dir
from .layout import LARGEST_BYTES, RUNS, runs_path

CacheOutcome: TypeAlias = Literal["hit", "miss", "refresh", "off"]
"""Whether the answer was found, was not, was not looked for but stored, or neither."""

_RUN, _TOTALS = 1, 2
_KEPT_BYTES = 4 << 20
_FLOAT, _FLOAT_BYTES = b"\xcb", 9  # a double in msgpack


class Run(NamedTuple):
    """One run. Durations in seconds, as timing.py defines them; None where unknown.

    `started_at` is the wall clock, in seconds since 1970. `lookup_s` is what the
    cache took, `error` the kind of the error that ended it, empty for none.
    """

    started_at: float
    lookup_s: float | None = None
    ttft_s: float | None = None
    e2e_s: float | None = None
    tpot_s: float | None = None
    queued_s: float | None = None
    outcome: CacheOutcome = "off"
    backend: str = ""
    model: str = ""
    error: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    attempts: int = 0
    template: str = ""


class Counts(NamedTuple):
    """How often the cache had the answer, over all runs that are kept."""

    hits: int = 0
    misses: int = 0

    @property
    def hit_ratio(self) -> float:
        """Return hits over look-ups, 0 without any."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 0.0


def pack_run(run: Run) -> bytes:
    """Return a run as the payload of a record: msgpack of its fields in order."""
    return pack([_RUN, *run])


def moved_run(packed: bytes) -> tuple[bytes, bytes]:
    """Return what stands before and behind the four durations of a packed run.

    Its moment and its first three durations, all floats, are then put between anew:
    the fast way of a hit records its runs so, without msgpack.
    """
    before = packed.index(_FLOAT)
    return packed[:before], packed[before + 4 * _FLOAT_BYTES :]


class Recorder:
    """Append runs to the journal; one that cannot be written costs no answer.

    Any thread may call it.
    """

    def __init__(self, environ: Mapping[str, str], log: Log) -> None:
        self._environ = environ
        self._log = log
        self._has_failed = False

    def record(self, run: Run) -> None:
        """Append a run."""
        if self._has_failed:
            return
        path = runs_path(self._environ)
        try:
            ensure_private_dir(os.path.dirname(path))
            append_record(path, RUNS, pack_run(run))
            if os.path.getsize(path) > LARGEST_BYTES:
                shorten(path)
        except (OSError, ConfigError) as error:
            self._has_failed = True
            self._log.info(f"this run is not recorded: {error}")


def read_counts(environ: Mapping[str, str]) -> Counts:
    """Return the counts of all runs. Raises: OSError."""
    hits = misses = 0
    for record in RUNS.walk(read(runs_path(environ))):
        counts = _counted(record.payload)
        hits += counts.hits
        misses += counts.misses
    return Counts(hits, misses)


def _counted(payload: bytes) -> Counts:
    try:
        fields = unpack(payload)
    except ValueError:
        return Counts()
    match fields:
        case [int(kind), int(hits), int(misses)] if kind == _TOTALS:
            return Counts(hits, misses)
        case [int(kind), *_] if kind == _RUN and len(fields) > _OUTCOME_AT:
            outcome = fields[_OUTCOME_AT]
            return Counts(int(outcome == "hit"), int(outcome == "miss"))
    return Counts()


_OUTCOME_AT = 1 + Run._fields.index("outcome")


def shorten(path: str) -> None:
    """Count the older records together. Raises: OSError."""
    with LockedFile(path, is_synced=False) as file:
        if file.size_bytes <= LARGEST_BYTES:
            return  # Another process did it.
        hits = misses = 0
        kept: list[bytes] = []
        content = file.content()
        for record in RUNS.walk(content):
            if len(content) - record.start > _KEPT_BYTES:
                counts = _counted(record.payload)
                hits += counts.hits
                misses += counts.misses
            else:
                kept.append(RUNS.record(b"", record.payload))
        totals: list[Packable] = [_TOTALS, hits, misses]
        file.replace([RUNS.record(b"", pack(totals)), *kept])
