"""Who is there: every backend asked at once.

What comes back are values; a backend that cannot be asked or does not answer is one
with an error, never an exception. Nothing is started and no model loaded for it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ..backends.base import Backend, Model
from ..config import BUILT_IN_BASE_URLS, BackendConfig, Config
from ..engine.choice import Choice
from ..engine.discovery import is_loopback
from ..engine.engine import Engine
from ..engine.selection import Selector
from ..engine.state import keep_names
from ..errors import (
    ConfigError,
    DeadlineError,
    LLMWrapError,
    UnreachableError,
    name_server,
)
from ..threads import start_together
from ..units import format_duration

LOOKUP_S = 10.0
"""How long a small call may take: a list of models, a version."""

_OWNERS_VARIABLES: Mapping[str, str] = {
    "ollama": "OLLAMA_HOST",
    "openai": "OPENAI_BASE_URL",
}


class Candidate(NamedTuple):
    """A backend to ask.

    `is_configured` tells whether somebody named it, in the file or by a variable: the
    others are built in and need not be there. `is_first_choice` tells whether
    LLMWRAP_API_KEY is meant for it. `error` is why it cannot even be asked.
    """

    backend: BackendConfig
    is_configured: bool = True
    is_first_choice: bool = True
    error: LLMWrapError | None = None


class BackendReport(NamedTuple):
    """What asking one backend brought.

    `latency_s` is the time of its smallest call, connecting included. `version` is
    None where the server does not say, `address` empty where there is none. `warnings`
    tell what could not be read of its list.
    """

    name: str
    kind: str
    address: str
    is_configured: bool
    error: LLMWrapError | None = None
    version: str | None = None
    models: tuple[Model, ...] = ()
    latency_s: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_reachable(self) -> bool:
        """Tell whether it answered as it should."""
        return self.error is None

    @property
    def reason(self) -> str:
        """Return why it did not, without name and address; empty where it did."""
        if self.error is None:
            return ""
        # LM Studio's own API is elsewhere than its address says, hence no comparison.
        subject = rf"(cannot (reach|connect to) )?{re.escape(self.name)} at \S+ "
        return re.sub(f"^{subject}", "", self.error.message)


def named_candidate(
    config: Config, choice: Choice, environ: Mapping[str, str]
) -> Candidate | None:
    """Return the backend that options name, if they do. Raises: ConfigError."""
    if not (choice.base_url or choice.backend):
        return None
    backend = Selector(config, choice, environ).selection().backend
    return None if backend is None else Candidate(backend)


def chosen_candidate(
    config: Config, choice: Choice, environ: Mapping[str, str]
) -> Candidate | None:
    """Return the backend that options, environment or `[defaults]` name, if any.

    The first table of the file is none: who wrote several wants to see them all.
    Raises: ConfigError.
    """
    name = config.chosen_backend or config.defaults.backend
    if choice.base_url or choice.backend or not name:
        return named_candidate(config, choice, environ)
    return Candidate(Selector(config, choice, environ).backend(name))


def all_candidates(
    config: Config, choice: Choice, environ: Mapping[str, str]
) -> list[Candidate]:
    """Return every backend there could be: configured ones, then built-in ones.

    A built-in one at the address of a configured one of its kind is left out, and so
    is one at its usual address where a variable says who is meant: see discovery.
    """
    selector = Selector(config, choice, environ)
    first = _selected(selector)
    is_someone_given = any(environ.get(name) for name in _OWNERS_VARIABLES.values())
    found: list[Candidate] = []
    seen: set[str] = set()
    for name in config.backend_names:
        if name.lower() in seen:
            continue  # [backends.Ollama] stands in the place of the built-in one.
        seen.add(name.lower())
        is_table = name in config.backends
        has_variable = bool(environ.get(_OWNERS_VARIABLES.get(name, "")))
        try:
            backend = selector.backend(name)
        except ConfigError as error:
            if is_table or has_variable:
                backend = config.backend(name)
                found.append(Candidate(backend, is_table, False, error))
            continue
        is_usual = backend.base_url == BUILT_IN_BASE_URLS.get(name)
        if is_usual and is_someone_given and not (is_table or has_variable):
            continue
        places = [(c.backend.kind, c.backend.base_url) for c in found]
        if is_table or (backend.kind, backend.base_url) not in places:
            # Where there is a file, it says who is meant; a variable replaces defaults.
            is_configured = is_table or (has_variable and not config.backends)
            found.append(Candidate(backend, is_configured, backend.name == first))
    return found


def survey(
    engine: Engine,
    candidates: Sequence[Candidate],
    *,
    timeout_s: float,
    has_version: bool = True,
) -> list[BackendReport]:
    """Ask all candidates at once and return what each brought, in their order.

    It ends after `timeout_s` at the latest. Without `has_version` only the models are
    asked for, one call less.
    """
    asking = [_asking(engine, candidate, has_version) for candidate in candidates]
    limits_s = [_limit_s(candidate, timeout_s) for candidate in candidates]
    began = time.monotonic()
    calls = [partial(ask, limit) for ask, limit in zip(asking, limits_s, strict=True)]
    reports = []
    for candidate, limit_s, outcome in zip(
        candidates, limits_s, start_together(calls), strict=True
    ):
        try:
            reports.append(outcome.result(began + limit_s - time.monotonic()))
        except TimeoutError:
            reports.append(_silent(candidate, limit_s))
    return reports


def first_choice(candidates: Sequence[Candidate]) -> str | None:
    """Return the name of the backend of first choice, None when discovery decides."""
    return next((c.backend.name for c in candidates if c.is_first_choice), None)


def limited(seconds: float, until: float | None) -> float:
    """Return at most `seconds`, less where the deadline (monotonic) comes first."""
    if until is None:
        return seconds
    return max(0.001, min(seconds, until - time.monotonic()))


def find_model(models: Sequence[Model], name: str) -> Model | None:
    """Return the model of that name, or one that answers to it.

    As Ollama compares them: `x` is `x:latest`.
    """
    wanted = {name.lower()}
    if ":" not in name.rpartition("/")[2]:
        wanted.add(f"{name.lower()}:latest")
    for model in models:
        if not wanted.isdisjoint(map(str.lower, (model.name, *model.aliases))):
            return model
    return None


def failure(reports: Sequence[BackendReport]) -> LLMWrapError | None:
    """Return what a survey ends with when no model came of it, None when one did.

    That is the error of the only backend, or of the first one that was configured;
    where nobody configured any, that no server answers. The embedded backend always
    answers, so it counts as an answer only with a model.
    """
    answered = [r for r in reports if r.error is None]
    if any(report.kind != "embedded" or report.models for report in answered):
        return None
    failed = [(r, r.error) for r in reports if r.error is not None]
    for report, error in failed:
        if report.is_configured or len(reports) == 1:
            return error
    if not failed:
        return None
    asked = ", ".join(where(report.name, report.address) for report, _ in failed)
    return UnreachableError(
        f"no model server answers ({asked})",
        hint="start one, or run 'llmwrap models install' for the small embedded model",
    )


def where(name: str, address: str) -> str:
    """Return what to call a server in a message."""
    return f"{name} at {address}" if address else name


def _selected(selector: Selector) -> str | None:
    try:
        backend = selector.selection().backend
    except ConfigError:
        return None
    return backend.name if backend else None


def _limit_s(candidate: Candidate, timeout_s: float) -> float:
    address = candidate.backend.base_url or ""
    is_guess = not candidate.is_configured and is_loopback(address)
    # A stranger may listen on the port and never say a word: as discovery has it.
    limit_s = candidate.backend.connect_timeout_s
    return min(timeout_s, limit_s) if is_guess else timeout_s


def _asking(
    engine: Engine, candidate: Candidate, has_version: bool
) -> Callable[[float], BackendReport]:
    """Return what asks a candidate; made here, so that imports count for nobody."""
    report = _empty(candidate)
    if report.error is None:
        try:
            backend = engine.backend(
                candidate.backend, is_first_choice=candidate.is_first_choice
            )
        except LLMWrapError as error:
            report = report._replace(error=error)
        else:
            config = candidate.backend

            def ask(limit_s: float) -> BackendReport:
                found = _asked(backend, report, limit_s, has_version, engine.environ)
                if found.error:
                    engine.advise(found.error, config)
                return found

            return ask
    return lambda _: report


def _asked(
    backend: Backend,
    report: BackendReport,
    limit_s: float,
    has_version: bool,
    environ: Mapping[str, str],
) -> BackendReport:
    try:
        began = time.monotonic()
        if has_version:
            version = backend.version(timeout_s=limit_s)
            report = report._replace(version=version)
            if report.address:
                report = report._replace(latency_s=time.monotonic() - began)
        models = tuple(backend.models(timeout_s=limit_s))
        if report.address:
            keep_names(report.address, [model.name for model in models], environ)
        odd = tuple(backend.odd_entries())
        return report._replace(models=models, warnings=odd)
    except LLMWrapError as error:
        name_server(error, where(report.name, report.address))
        return report._replace(error=error)


def _silent(candidate: Candidate, limit_s: float) -> BackendReport:
    backend = candidate.backend
    error = DeadlineError(
        f"{backend.name} at {backend.base_url} did not answer within"
        f" {format_duration(limit_s)}"
    )
    return _empty(candidate)._replace(error=error)


def _empty(candidate: Candidate) -> BackendReport:
    backend = candidate.backend
    return BackendReport(
        name=backend.name,
        kind=backend.kind,
        address=backend.base_url or "",
        is_configured=candidate.is_configured,
        error=candidate.error,
    )
