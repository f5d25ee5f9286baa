"""Have pip fetch one wheel, and tell how far it is."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import IO, NamedTuple

from ..errors import (
    DeadlineError,
    LLMWrapError,
    OutputError,
    RefusedError,
    UnreachableError,
)
from .download import OnProgress

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_FULL = re.compile(r"Errno (?:28|122)\]|No space left|quota exceeded", re.IGNORECASE)
_NO_NETWORK = re.compile(r"Retrying|ConnectionError|timed out|ProxyError|SSLError")
_MOST_LINES = 200


class _Outcome(NamedTuple):
    """How pip ended, and the last lines it wrote."""

    exit_status: int
    lines: list[str]


def fetch_wheel(
    project: str,
    version: str,
    directory: str,
    environ: Mapping[str, str],
    on_progress: OnProgress,
    until: float | None,
) -> str:
    """Download a wheel without its dependencies and return its path.

    pip's configuration holds, but its own cache is not filled with a copy. `until` is
    on the monotonic clock. Raises: OutputError, RefusedError, UnreachableError,
    DeadlineError.
    """
    requirement = f"{project}=={version}"
    # "raw" is known to pip from 24.1 on; one that knows it not ends at once.
    for bar in ("raw", "off"):
        command = _command(requirement, directory, bar)
        # Its own temporary files beside ours: only one disk can be too small, and the
        # wheel need not be copied from one to the other.
        variables = _environment(environ) | {"TMPDIR": directory}
        outcome = _run(command, variables, on_progress, until)
        if outcome.exit_status != 2:
            break
    wheels = [name for name in os.listdir(directory) if name.endswith(".whl")]
    if outcome.exit_status != 0 or not wheels:
        raise _error(requirement, outcome)
    return os.path.join(directory, wheels[0])


def _command(requirement: str, directory: str, bar: str) -> list[str]:
    # -P: a directory we happen to be in must not be able to provide a pip.
    return [
        *(sys.executable, "-P", "-m", "pip", "download", "--no-deps"),
        *("--only-binary", ":all:", "--no-cache-dir", "--progress-bar", bar),
        *("--dest", directory, requirement),
    ]


def _run(
    command: list[str],
    environ: Mapping[str, str],
    on_progress: OnProgress,
    until: float | None,
) -> _Outcome:
    lines: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environ),
    ) as process:
        try:
            for line in _lines(process.stdout, until):
                if progress := _PROGRESS.match(line):
                    on_progress(int(progress[1]), int(progress[2]), "downloading")
                else:
                    lines = [*lines[-_MOST_LINES:], line]
        except BaseException:
            process.kill()
            raise
    return _Outcome(process.returncode, lines)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    own = {
        "NO_COLOR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONUNBUFFERED": "1",
    }
    # Keys of ours are nothing for pip and what it starts.
    kept = {k: v for k, v in environ.items() if not k.endswith("_API_KEY")}
    return kept | own


def _lines(stdout: IO[bytes] | None, until: float | None) -> Iterator[str]:
    if stdout is None:
        return  # Never: Popen was told to make a pipe.
    fd = stdout.fileno()
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while True:
            left_s = None if until is None else until - time.monotonic()
            if not selector.select(left_s):
                raise DeadlineError("pip did not fetch the model in time")
            read = os.read(fd, 65536)
            *whole, pending = (pending + read).split(b"\n")
            if not read:
                whole = [pending]
            yield from (line.decode("utf-8", "replace").rstrip() for line in whole)
            if not read:
                return


def _error(requirement: str, outcome: _Outcome) -> LLMWrapError:
    lines = [line for line in outcome.lines if line] or ["it says nothing"]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    # A disk error comes as "ERROR: Exception:" and a traceback.
    last = errors[-1] if errors and not errors[-1].endswith(":") else lines[-1]
    message = f"pip cannot fetch '{requirement}': {last.removeprefix('ERROR: ')[:300]}"
    if any(_FULL.search(line) for line in lines):
        return OutputError(message)
    # Without a network pip warns of that, and ends with "no matching distribution".
    if any(_NO_NETWORK.search(line) for line in lines):
        return UnreachableError(message)
    return RefusedError(message, hint="pip's index-url says where to look")
