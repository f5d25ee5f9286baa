"""Why an embedded server did not start, from what it left behind. Floor F3.

llmwrap asks for it when the process could not say so itself: llama.cpp logs the cause
and hands Python only "failed", or aborts the process.
"""

from __future__ import annotations

import os
import re
import signal

from .embedded_state import Failure, ModelFile, Place

_LOG_START_BYTES = 16 * 1024
_LOG_ERROR = re.compile(
    r"^[\d.]+ E (?:[^:]*: )?(?:error loading model: )?(.*)$", re.MULTILINE
)


def start_failure(
    model: ModelFile, place: Place, wait_status: int | None = None
) -> Failure:
    """Return why a server did not start, as far as its log and its end tell."""
    name = os.path.basename(model.path)
    reason = _reason_in_log(place.log)
    if wait_status is not None and os.WIFSIGNALED(wait_status):
        name_of_signal = signal.strsignal(os.WTERMSIG(wait_status))
        reason = f"{reason} (ended by a signal: {name_of_signal})"
    return Failure(
        "backend_failed",
        f"the embedded server cannot load '{name}': {reason}",
        f"'{place.log}' has the details",
    )


def _reason_in_log(path: str) -> str:
    """Return the first error llama.cpp logged, the most exact one, or the last line."""
    try:
        with open(path, "rb") as log:
            text = log.read(_LOG_START_BYTES).decode("utf-8", "replace")
    except OSError:
        text = ""
    lines = [line for line in text.split("\n") if line.strip()]
    found = _LOG_ERROR.findall(text)[:1] or lines[-1:] or ["it ended without a word"]
    return "".join(c if c.isprintable() else " " for c in found[0]).strip()[:300]
