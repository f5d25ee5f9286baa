"""What a row of the table means as numbers: its goal, its result, how far it spread.

Rows are written for people (`p99 <= 2 ms`, `1.09 [0.90 to 1.24], n 15`); this reads
them, so that who adds one has nothing else to fill in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .measure import Row

_NUMBER = r"(\d+(?:,\d{3})*(?:\.\d+)?)"
_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "KiB": 1024.0,
    "MiB": 1024.0**2,
    "%": 0.01,
}
_UNIT = rf"(?: ?({'|'.join(_UNITS)})\b)?"
_GOAL = re.compile(rf"(?:(\w+) )?(<=|>=|<|>) {_NUMBER}{_UNIT}")
_VALUE = re.compile(rf"{_NUMBER}{_UNIT}")
_SPAN = re.compile(rf"\[{_NUMBER} to {_NUMBER}\]")
_AS_BEFORE = re.compile(r"^(?:the same|put the same way)\b")


class Span(NamedTuple):
    """The least and the most of what was measured."""

    least: float
    most: float


class Goal(NamedTuple):
    """What is promised: a number that is not to be passed, in seconds, bytes or none.

    `label` says which of several figures is meant: `p99`.
    """

    label: str
    is_upper: bool
    limit: float


class Figure(NamedTuple):
    """A row and what it says; `name` tells it from all others.

    `is_met` is None where there is no goal.
    """

    name: str
    what: str
    goal: str
    measured: str
    value: float | None = None
    limit: float | None = None
    is_upper: bool = True
    span: Span | None = None

    @property
    def is_met(self) -> bool | None:
        """Tell whether the goal is met, None where there is none."""
        if self.value is None or self.limit is None:
            return None
        return self.value <= self.limit if self.is_upper else self.value >= self.limit

    @property
    def result(self) -> str:
        """Return how the table says it."""
        return {True: "met", False: "missed", None: "-"}[self.is_met]

    @property
    def part_of_goal(self) -> float | None:
        """Return the value over its goal: up to 1 is met, whichever way is better."""
        if not self.value or not self.limit:
            return None
        return self.value / self.limit if self.is_upper else self.limit / self.value


def figures(rows: Iterable[Row]) -> Iterator[Figure]:
    """Yield rows as numbers; the name of `the same` says what it is the same as."""
    before = ""
    for row in rows:
        name = row.what
        if _AS_BEFORE.match(name):
            name = f"{before}: {name}"
        else:
            before = name
        yield _figure(name, row)


def goal_of(text: str) -> Goal | None:
    """Return the goal that a text begins with, None without."""
    found = _GOAL.match(text)
    if not found:
        return None
    label, sign, number, unit = found.groups()
    return Goal(label or "", sign.startswith("<"), _scaled(number, unit))


def value_of(text: str, label: str = "") -> float | None:
    """Return the first number behind a label, in seconds or bytes if it has a unit."""
    at = text.find(label)  # 0 for no label
    found = _VALUE.search(text, at + len(label) if at >= 0 else 0)
    return _scaled(*found.groups()) if found else None


def _figure(name: str, row: Row) -> Figure:
    goal = goal_of(row.goal)
    found = _SPAN.search(row.measured)
    span = (
        Span(*(_scaled(number, None) for number in found.groups())) if found else None
    )
    plain = Figure(name, *row, span=span)
    if goal is None:
        return plain._replace(value=value_of(row.measured))
    value = value_of(row.measured, goal.label)
    return plain._replace(value=value, limit=goal.limit, is_upper=goal.is_upper)


def _scaled(number: str, unit: str | None) -> float:
    return float(number.replace(",", "")) * (_UNITS[unit] if unit else 1.0)
