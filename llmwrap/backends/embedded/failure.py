"""Why an embedded server did not start, from what it left behind.

llmwrap asks for it when the process could not say so itself: llama.cpp logs the cause
and hands Python only "failed", or aborts the process.
"""

from __future__ import annotations

import os
import re
import signal

from .state import Failure, ModelFile, ServerFiles

_LOG_START_BYTES = 16 * 1024
_LOG_ERROR = re.compile(
    r"^[\d.]+ E (?:[^:]*: )?(?:error loading model: )?(.*)$", re.MULTILINE
)


def start_failure(
    model: ModelFile, place: ServerFiles, wait_status: int | None = None
) -> Failure:
    """Return why a server did not start, as far as its log and its end tell."""
    reasons = [_reason_in_log(place.log)]
    if wait_status is not None and os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        reasons.append(f"ended by a signal: {signal.strsignal(number)}")
        if number == signal.SIGKILL:
            reasons.append("which is how a kernel short of memory ends a process")
    reason = ", ".join(filter(None, reasons)) or "it ended without a word"
    return Failure(
        "backend_failed",
        f"the embedded server cannot load '{os.path.basename(model.path)}': {reason}",
        f"'{place.log}' has the details",
    )


def _reason_in_log(path: str) -> str:
    """Return the first error llama.cpp logged, the most exact one, or the last line."""
    try:
        with open(path, "rb") as log:
            text = log.read(_LOG_START_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line for line in text.split("\n") if line.strip()]
    found = "".join(_LOG_ERROR.findall(text)[:1] or lines[-1:])
    return "".join(c if c.isprintable() else " " for c in found).strip()[:300]
