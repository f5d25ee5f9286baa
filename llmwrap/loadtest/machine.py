"""The machine a load test ran on.

What is compared says whether two tests can be: not the host's name, which is another
for each container of the same machine.
"""

from __future__ import annotations

import os
import platform
from typing import NamedTuple


class Machine(NamedTuple):
    """What a machine is; empty and 0 where it does not say."""

    system: str
    release: str
    arch: str
    cpu: str
    cpus: int
    memory_bytes: int
    host: str
    python: str

    @property
    def identity(self) -> tuple[str, str, str, int]:
        """Return what must be the same for two tests to be comparable."""
        return self.system, self.arch, self.cpu, self.cpus


def this_machine() -> Machine:
    """Return the machine this runs on."""
    return Machine(
        system=platform.system(),
        release=platform.release(),
        arch=platform.machine(),
        cpu=_cpu(),
        cpus=os.cpu_count() or 0,
        memory_bytes=_memory_bytes(),
        host=platform.node(),
        python=platform.python_version(),
    )


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() in ("model name", "Hardware"):
                    return " ".join(value.split())
    except OSError:
        pass  # Not a Linux machine.
    return platform.processor()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0
