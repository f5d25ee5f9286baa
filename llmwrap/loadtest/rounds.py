"""The rounds of a load test put together: runs one after the other, as one outcome.

Moments count from the start of the first, as if there were no time between.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from .summary import Outcome


def joined(outcomes: Sequence[Outcome]) -> Outcome:
    """Return rounds, at least one, as one outcome; the last says how it ended."""
    began_s = 0.0
    samples, itl_s, itl_at_s = [], array("d"), array("d")
    for number, outcome in enumerate(outcomes):
        samples += [
            sample._replace(
                started_s=sample.started_s + began_s,
                ended_s=sample.ended_s + began_s,
                round=number,
            )
            for sample in outcome.samples
        ]
        itl_s.extend(outcome.itl_s)
        itl_at_s.extend(moment + began_s for moment in outcome.itl_at_s)
        began_s += outcome.wall_s
    return outcomes[-1]._replace(
        started_at=outcomes[0].started_at,
        wall_s=began_s,
        warmups=sum(outcome.warmups for outcome in outcomes),
        samples=samples,
        itl_s=itl_s,
        itl_at_s=itl_at_s,
        rounds=len(outcomes),
    )
