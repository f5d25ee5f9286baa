"""Find a server where nobody named one.

All candidates are asked at once, without any key; the first in the order of preference
that answers is taken. 80 ms choose between several, but never decide that there is
none: what is remembered, or took the connection, may be slow on a busy machine. The
embedded model stands in only where it is installed and no server was ever found, so
that a cron job never gets a weaker model unasked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from ..backends import create_backend
from ..backends.base import BackendSettings
from ..errors import BackendFailedError, LLMWrapError, RefusedError, UnreachableError
from ..threads import Future, start_together
from .state import Discovered

CHOOSING_S = 0.08
"""How long one that answers waits for those before it."""

_LOOK_S = 0.005
_LOOPBACK_HOSTS = ("127.", "localhost", "[::1]")


def is_loopback(address: str) -> bool:
    """Tell whether an address is on this machine."""
    host = address.partition("://")[2]
    return host.startswith(_LOOPBACK_HOSTS)


def first_that_answers(
    candidates: Sequence[BackendSettings],
    remembered: BackendSettings | None = None,
    *,
    tries: int = 1,
    until: float | None = None,
    check: Callable[[], object] = lambda: None,
    choosing_s: float = CHOOSING_S,
) -> BackendSettings | None:
    """Return the first candidate, in the order given, that answers.

    For each the connect time-out, `tries` times that for one that took the connection,
    `until` at the latest. The `remembered` one counts whatever it answers, and is
    waited for where another would do; the others are, only for `choosing_s` or while
    nobody has answered. `check` ends it by raising.
    """
    # Imported before the clock starts: the probes would share the 90 ms it takes.
    from ..transport import client  # noqa: F401

    began = time.monotonic()
    limit_s = max((c.connect_timeout_s * tries for c in candidates), default=0.0)
    end = began + limit_s if until is None else min(began + limit_s, until)
    outcomes = start_together([_probe(c, c is remembered, tries) for c in candidates])
    open_ones = list(zip(candidates, outcomes, strict=True))
    while open_ones:
        is_choosing = time.monotonic() < began + choosing_s
        for one in tuple(open_ones):
            candidate, outcome = one
            answers = _answers(outcome)
            if answers:
                return candidate
            if answers is False:
                open_ones.remove(one)
            elif is_choosing or candidate is remembered:
                break  # Whoever comes behind it has to wait.
        if time.monotonic() >= end:
            return None
        check()
    return None


def nothing_found(
    candidates: Sequence[BackendSettings], discovered: Discovered, has_model: bool
) -> UnreachableError:
    """Return the error for a machine where nothing answers."""
    asked = ", ".join(f"{c.name} at {c.base_url}" for c in candidates)
    hint = "start one, or run 'llmwrap models install' and ask with -b embedded"
    if has_model:
        last = f"{discovered.kind} at {discovered.address}"
        hint = f"start {last} again, or use the embedded model with -b embedded"
    return UnreachableError(f"no model server answers ({asked})", hint=hint)


def _probe(
    candidate: BackendSettings, is_remembered: bool, tries: int
) -> Callable[[], bool]:
    limit_s = candidate.connect_timeout_s * tries

    def probe() -> bool:
        try:
            create_backend(candidate).version(timeout_s=limit_s)
        except (RefusedError, BackendFailedError):
            return is_remembered
        except LLMWrapError:
            return False
        return True

    return probe


def _answers(outcome: Future[bool]) -> bool | None:
    """Tell whether one answers as it should, None while that is not known."""
    try:
        return outcome.result(_LOOK_S)
    except TimeoutError:
        return None
    except LLMWrapError:
        return False  # It got no thread.


def embedded_is_ready(environ: Mapping[str, str]) -> bool:
    """Tell whether the embedded default model is installed."""
    from ..models.installed import DEFAULT_MODEL, installed_models

    return any(model.name == DEFAULT_MODEL.name for model in installed_models(environ))
