"""The peak memory of a program, started by a process smaller than any of them.

Linux counts into a process's peak what it had before exec, which is what its parent
had: measured from here, a small program would be as large as the benchmarks.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

_STARTER = """
import os, sys
null = os.open(os.devnull, os.O_RDWR)
files = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1)]
number = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=files)
_, status, usage = os.wait4(number, 0)
print(usage.ru_maxrss * 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_bytes(command: Sequence[str], environ: dict[str, str]) -> int:
    """Run a command to its end and return the most memory it had in use."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _STARTER, *command],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command[:4]} ended with {done.returncode}")
    return int(done.stdout)
