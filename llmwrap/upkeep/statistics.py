"""The metrics of all runs on this machine, as `stats` shows and exports them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..errors import CacheError, ConfigError, TargetMissedError
from ..messages import Json
from ..metrics.figures import as_csv, document
from ..metrics.prometheus import exposition
from ..metrics.series import Labels
from ..metrics.tally import Tally, read_tally
from ..metrics.targets import PerformanceTarget, judged


class Statistics(NamedTuple):
    """What was counted, and whether the targets are met.

    `kinds` has the kinds of backends that have names of the user's.
    """

    tally: Tally
    targets: list[PerformanceTarget]
    kinds: Mapping[str, str] = MappingProxyType({})

    def document(self) -> dict[str, Json]:
        """Return everything as one JSON object."""
        return document(self.tally, self.targets)

    def check(self) -> None:
        """Raise TargetMissedError when a target is missed; what has no runs is none."""
        missed = [target.name for target in self.targets if target.is_met is False]
        if missed:
            raise TargetMissedError(
                f"{len(missed)} of {len(self.targets)} performance targets are missed:"
                f" {', '.join(missed)}",
                hint="'llmwrap stats' shows the figures",
            )


class Wanted(NamedTuple):
    """Which runs count: those that fit everything that is given, whatever its case."""

    model: str | None = None
    backend: str | None = None
    template: str | None = None

    def fits(self, labels: Labels) -> bool:
        """Tell whether runs count."""
        pairs = zip(self, (labels.model, labels.backend, labels.template), strict=True)
        return all(
            name is None or had.lower() in (name.lower(), f"{name.lower()}:latest")
            for name, had in pairs
        )


def read_statistics(
    environ: Mapping[str, str], since_s: float | None = None, wanted: Wanted = Wanted()
) -> Statistics:
    """Return the metrics of the runs that are wanted, of the last `since_s` seconds.

    Raises: CacheError when what is kept cannot be read.
    """
    since = None if since_s is None else time.time() - since_s
    try:
        tally = read_tally(environ, since)
    except (OSError, ConfigError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise CacheError(
            f"the record of runs cannot be read: {what}",
            hint="it is the file 'runs' in the state directory",
        ) from error
    series = {one: of for one, of in tally.series.items() if wanted.fits(one)}
    tally = tally._replace(series=series)
    return Statistics(tally, judged(tally))


def exporter(path: str) -> Callable[[Statistics], str] | None:
    """Return what makes the content of a file, by the end of its name; None without."""
    for suffix, make in _EXPORTERS.items():
        if path.lower().endswith(suffix):
            return make
    return None


def _as_json(statistics: Statistics) -> str:
    import json

    return json.dumps(statistics.document(), indent=2, ensure_ascii=False) + "\n"


_EXPORTERS: dict[str, Callable[[Statistics], str]] = {
    ".json": _as_json,
    ".csv": lambda statistics: as_csv(statistics.tally),
    ".prom": lambda statistics: exposition(*statistics),
}
EXPORTED = tuple(_EXPORTERS)
"""The ends of names that `exporter` knows."""
