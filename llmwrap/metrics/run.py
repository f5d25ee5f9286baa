"""The format of a run's record: its fields, packed and read.

A run is one answer that was asked for, whatever became of it.
"""

from typing import Any, Literal, NamedTuple, TypeAlias

from ..journal.packing import Packable, pack, unpack
from .layout import OLDEST_S, RUNS

CacheOutcome: TypeAlias = Literal["hit", "miss", "refresh", "off"]
"""Whether the answer was found, was not, was not looked for but stored, or neither."""

RUN, TOTALS, ROLLUP = 1, 2, 3
"""What a record is, its first field. Totals are no longer written."""

_FLOAT, _FLOAT_BYTES = b"\xcb", 9  # a double in msgpack
_GRACE_S = 30 * 24 * 3600  # else each run would find another one too old
_LONGEST_NAME = 200  # models name themselves, and a record has to be small


class Run(NamedTuple):
    """One run. Durations in seconds, as timing.py defines them; None where unknown.

    `started_at` is the wall clock, in seconds since 1970. `lookup_s` is what the
    cache took, `rendering_s` the template, `error` the kind of the error that ended
    it, empty for none. `gaps` is the ITL, counted in classes (classes.py).
    `end` says how the answer ended (messages.End), empty where it did not.
    `asked_again` counts the attempts that were made because an answer was not of the
    schema. `model` is the one that was asked for, which errors know too, `address` that
    of the server.

    The order is that of the record: new fields come last, and older records are
    read with their defaults. The four floats stand first for `moved_run`.
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
    rendering_s: float | None = None
    gaps: tuple[int | float, ...] = ()
    end: str = ""
    asked_again: int = 0
    address: str = ""


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
    fields: list[Any] = [f[:_LONGEST_NAME] if isinstance(f, str) else f for f in run]
    return pack([RUN, *fields])


def unpack_record(payload: bytes) -> list[Packable]:
    """Return the fields of a record, what it is first; empty for what is none."""
    try:
        fields = unpack(payload)
    except ValueError:
        return []
    return fields if isinstance(fields, list) else []


def moved_run(packed: bytes) -> tuple[bytes, bytes]:
    """Return what stands before and behind the four durations of a packed run.

    Its moment and its first three durations, all floats, are then put between anew:
    the fast way of a hit records its runs so, without msgpack.
    """
    before = packed.index(_FLOAT)
    return packed[:before], packed[before + 4 * _FLOAT_BYTES :]


def is_outdated(beginning: bytes, now: float) -> bool:
    """Tell whether a journal begins with what is to be there no longer."""
    first = next(RUNS.walk(beginning), None)
    match unpack_record(first.payload)[:4] if first else []:
        case [int(kind), float(moment), *_] if kind == RUN:
            pass
        case [int(kind), _, int(start), int(length_s)] if kind == ROLLUP:
            moment = start + length_s
        case _:
            return False
    return now - moment > OLDEST_S + _GRACE_S
