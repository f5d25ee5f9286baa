"""Find a server without any configuration.

All candidates are asked at once; the first in the order of preference that answers is
taken: one on this machine within 80 ms, one whose address was given, or that is
elsewhere, within the connect time-out. The embedded model stands in only where it is
installed and no server was ever found, so that a cron job never gets a weaker model
unasked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ..backends import create_backend
from ..backends.base import BackendSettings
from ..errors import (
    BackendFailedError,
    LLMWrapError,
    RefusedError,
    UnreachableError,
)
from ..threads import start_together
from .state import Discovered

_LOOPBACK_S = 0.08
_LOOPBACK_HOSTS = ("127.", "localhost", "[::1]")


def is_loopback(address: str) -> bool:
    """Tell whether an address is on this machine."""
    host = address.partition("://")[2]
    return host.startswith(_LOOPBACK_HOSTS)


def first_that_answers(
    candidates: list[BackendSettings], *, is_given: bool = False
) -> BackendSettings | None:
    """Return the first candidate, in the order given, that answers in time.

    `is_given`: somebody gave their addresses. Whatever such a one answers, a wrong key
    or a model that still loads, it is the one that is meant, and has the connect
    time-out to do it.
    """
    # Imported before the clock starts: the probes would share the 90 ms it takes.
    from ..transport import client  # noqa: F401

    started = time.monotonic()
    limits_s = [_allowance_s(candidate, is_given) for candidate in candidates]
    calls = [
        _probe(c, limit_s) for c, limit_s in zip(candidates, limits_s, strict=True)
    ]
    outcomes = start_together(calls)
    for candidate, limit_s, outcome in zip(candidates, limits_s, outcomes, strict=True):
        try:
            outcome.result(started + limit_s - time.monotonic())
        except (RefusedError, BackendFailedError):
            if not is_given:
                continue
        except (TimeoutError, LLMWrapError):
            continue
        return candidate
    return None


def nothing_found(
    candidates: list[BackendSettings], discovered: Discovered, has_model: bool
) -> UnreachableError:
    """Return the error for a machine where nothing answers."""
    asked = ", ".join(f"{c.name} at {c.base_url}" for c in candidates)
    hint = "start one, or run 'llmwrap models install' and ask with -b embedded"
    if has_model:
        last = f"{discovered.kind} at {discovered.address}"
        hint = f"start {last} again, or use the embedded model with -b embedded"
    return UnreachableError(f"no model server answers ({asked})", hint=hint)


def _allowance_s(candidate: BackendSettings, is_given: bool) -> float:
    if is_loopback(candidate.base_url) and not is_given:
        return _LOOPBACK_S
    return candidate.connect_timeout_s


def _probe(candidate: BackendSettings, timeout_s: float) -> Callable[[], None]:
    def probe() -> None:
        create_backend(candidate).version(timeout_s=timeout_s)

    return probe


def embedded_is_ready(environ: Mapping[str, str]) -> bool:
    """Tell whether the embedded default model is installed."""
    from ..models.installed import DEFAULT_MODEL, installed_models

    return any(model.name == DEFAULT_MODEL.name for model in installed_models(environ))
