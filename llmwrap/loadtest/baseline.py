"""Whether two load tests can be compared at all."""

from __future__ import annotations

from ..errors import UsageError
from .document import Kept
from .machine import Machine
from .summary import Setting

_SPOKEN = {
    "kind": "backend",
    "server": "server's host",
    "concurrency": "concurrency",
    "rate_per_s": "rate",
    "arrival": "arrivals",
    "max_tokens": "--max-tokens",
}
_NOT_COMPARED = {"backend"}  # a name of the user's; what it is stands in `kind`


def check_comparable(kept: Kept, setting: Setting, machine: Machine) -> None:
    """Refuse a baseline of another machine, model or load. Raises: UsageError."""
    found = differences(kept, setting, machine)
    if found:
        raise UsageError(
            f"the baseline '{kept.name}' is of another test: {'; '.join(found)}",
            hint="--compare-anyway compares them",
        )


def differences(kept: Kept, setting: Setting, machine: Machine) -> list[str]:
    """Return what differs, each as `model 'a', now 'b'`."""
    found = []
    for name, now in setting._asdict().items():
        was = getattr(kept.setting, name)
        if was != now and name not in _NOT_COMPARED:
            found.append(f"{_SPOKEN.get(name, name)} '{was}', now '{now}'")
    for name, was, now in zip(
        ("system", "arch", "cpu", "cpus"),
        kept.machine.identity,
        machine.identity,
        strict=True,
    ):
        if was != now:
            found.append(f"machine's {name} '{was}', now '{now}'")
    return found
