"""What is wrong with a set-up, and what `ask` would end with now.

The same selection as for a question, the model looked up, nothing asked: no model is
loaded and no server started.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from ..backends.base import Model
from ..config import Config
from ..engine.choice import Choice
from ..engine.engine import Engine
from ..engine.targets import Target
from ..errors import (
    BackendFailedError,
    ConfigError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
)
from ..log import LEVELS, Log, LogRecord, Sink
from ..messages import Message, Request, Sampling
from ..units import format_duration
from .checks import (
    Finding,
    Severity,
    config_findings,
    context_findings,
    directory_findings,
    error_finding,
    key_findings,
    proxy_findings,
    stray_file_findings,
)
from .embedded_servers import has_embedded_extra
from .listing import model_count
from .survey import (
    LOOKUP_S,
    BackendReport,
    Candidate,
    all_candidates,
    find_model,
    limited,
    survey,
)

_SEVERITIES: tuple[Severity, ...] = ("ok", "note", "warning", "error")
# Servers with OpenAI's API may answer to any name, so their list does not settle it.
_LENIENT_KINDS = ("openai", "lmstudio")


class Surroundings(NamedTuple):
    """What a diagnosis looks at besides the configuration.

    `directory` is the working directory; `until` the deadline on the monotonic clock.
    `is_asking`: a question is asked, for one token.
    """

    choice: Choice
    environ: Mapping[str, str]
    directory: str
    until: float | None = None
    is_asking: bool = False


class Diagnosis(NamedTuple):
    """The findings, and the error `ask` would end with now, None for none."""

    findings: tuple[Finding, ...]
    error: LLMWrapError | None = None

    @property
    def exit_status(self) -> int:
        """Return the status `ask` would end with."""
        return self.error.exit_status if self.error else 0


class _Verdict(NamedTuple):
    """How far `ask` would come: whom it would ask, and what would stop it."""

    target: Target | None
    findings: tuple[Finding, ...]
    error: LLMWrapError | None = None


def diagnose_without_config(
    error: LLMWrapError, environ: Mapping[str, str], directory: str
) -> Diagnosis:
    """Return what can be said when the configuration is unusable."""
    findings = [error_finding("configuration", error)]
    findings += stray_file_findings(directory, None)
    findings += directory_findings(environ)
    return Diagnosis(tuple(findings), error)


def diagnose(config: Config, surroundings: Surroundings) -> Diagnosis:
    """Return everything that can be said about a set-up."""
    choice, environ = surroundings.choice, surroundings.environ
    told: list[LogRecord] = []
    with Engine(
        config,
        environ=environ,
        choice=choice,
        log=Log(Sink(LEVELS["note"], told.append)),
        until=surroundings.until,
    ) as engine:
        verdict = _verdict(engine, surroundings)
        candidates = all_candidates(config, choice, environ)
        reports = survey(
            engine, candidates, timeout_s=limited(LOOKUP_S, surroundings.until)
        )
    tables = config.backends.values()
    findings = [
        *config_findings(config),
        *stray_file_findings(surroundings.directory, config.path),
        *directory_findings(environ, config.cache.path),
        *key_findings(tables, environ),
        *_told(told),
        *_proxies(verdict.target, candidates, environ),
        *_backends(verdict.target, reports),
        *verdict.findings,
    ]
    return Diagnosis(_without_repeats(findings), verdict.error)


def _verdict(engine: Engine, surroundings: Surroundings) -> _Verdict:
    try:
        target = engine.target()
    except LLMWrapError as error:
        return _Verdict(None, (error_finding("backend", error),), error)
    try:
        findings = list(_model(engine, target, surroundings))
        if surroundings.is_asking:
            findings.append(_asked(engine, target))
        return _Verdict(target, tuple(findings))
    except LLMWrapError as error:
        if isinstance(error, BackendFailedError) and error.is_loading:
            # `ask` waits until it is loaded.
            return _Verdict(target, (error_finding("model", error, "warning"),))
        engine.advise(error, target.config)
        subject = "model" if isinstance(error, RefusedError) else "backend"
        return _Verdict(target, (error_finding(subject, error),), error)


def _model(
    engine: Engine, target: Target, surroundings: Surroundings
) -> Iterator[Finding]:
    """Yield what there is to say of the model; raise what `ask` would end with."""
    backend, name = target.backend, target.model
    if backend.kind == "embedded":
        yield from _embedded_model(name, surroundings.environ)
        return
    limit_s = limited(LOOKUP_S, surroundings.until)
    where = f"{backend.name} at {backend.address}" if backend.address else backend.name
    backend.check_access(name, timeout_s=limit_s)
    try:
        models = backend.models(timeout_s=limit_s)
    except (RefusedError, ProtocolError) as error:
        # A list is a convenience: `ask` needs none where the model is named.
        yield error_finding("model", error, "warning")
        models = []
    trained_tokens = None
    found = _named(models, name, backend.kind)
    if backend.kind not in _LENIENT_KINDS:
        # Late: it brings what speaks HTTP, and help and manual need none of it.
        from ..backends.ollama_words import trained_context_tokens

        details = backend.model(name, timeout_s=limit_s)
        trained_tokens = trained_context_tokens(details)
    elif found is None:
        yield _unlisted(models, name, where)
    found = found or Model(name)
    if found.is_embedding:
        what = ", ".join(found.capabilities) or "embedding"
        raise RefusedError(
            f"model '{name}' on {where} cannot chat: it is for {what}",
            hint="run 'llmwrap models'",
        )
    if found.remote:
        message = f"'{name}' on {where} runs at {found.remote}: the prompt goes there"
        yield Finding("warning", "model", message)
    yield _loading(found, where, engine.warming(target.config, found.name))
    option = "num_ctx" if backend.kind == "ollama" else ""
    asked_tokens = engine.config.defaults.options.get(option)
    yield from context_findings(
        found,
        trained_tokens,
        asked_tokens if isinstance(asked_tokens, int) else None,
        option,
    )


def _named(models: Sequence[Model], name: str, kind: str) -> Model | None:
    """Return the model of a name, or the wildcard of a gateway that fits it."""
    found = find_model(models, name)
    if found is None and kind in _LENIENT_KINDS:
        fits = [m for m in models if "*" in m.name and fnmatchcase(name, m.name)]
        return Model(name) if fits else None
    return found


def _unlisted(models: Sequence[Model], name: str, where: str) -> Finding:
    """Return what is to be said of a model that a list lacks.

    Raises: RefusedError where the list settles it.
    """
    if not models:
        message = f"whether {where} has '{name}' only a question could tell"
        return Finding("warning", "model", message, "--ask asks")
    if len(models) == 1:
        message = (
            f"{where} has only '{models[0].name}'; it may answer as '{name}' or not"
        )
        return Finding("warning", "model", message, f"take -m {models[0].name}")
    raise RefusedError(
        f"model '{name}' not found on {where}", hint="run 'llmwrap models'"
    )


def _embedded_model(name: str, environ: Mapping[str, str]) -> Iterator[Finding]:
    from ..models.installed import model_path

    path = model_path(name, environ)
    if not has_embedded_extra():
        raise ConfigError(
            "the embedded backend needs xllamacpp, which is not installed",
            hint="run: pip install 'llmwrap[embedded]'",
        )
    yield Finding("ok", "model", f"'{path}' is the embedded model")


def _loading(model: Model, where: str, hint: str) -> Finding:
    if model.is_loaded is False:
        return Finding(
            "warning",
            "model",
            f"'{model.name}' on {where} is not loaded: the first answer waits for it",
            hint,
        )
    state = "is loaded" if model.is_loaded else "is there"
    return Finding("ok", "model", f"'{model.name}' on {where} {state}")


def _asked(engine: Engine, target: Target) -> Finding:
    """Ask for one token. Raises: what the question ends with."""
    message = Message("user", "Hi")
    sampling = Sampling(max_tokens=1)
    request = Request(target.model, (message,), sampling=sampling)
    with engine.ask(request, is_fresh=True) as answer:
        for _ in answer:
            pass
    return Finding("ok", "model", f"'{target.model}' answered a question")


def _told(records: Iterable[LogRecord]) -> Iterator[Finding]:
    """Yield what selecting said: notes are what was chosen for the user."""
    for record in records:
        if record.level == "note":
            yield Finding("note", "choice", record.message)
        elif record.level == "warning":
            yield Finding("warning", "backend", record.message)


def _proxies(
    target: Target | None, candidates: Sequence[Candidate], environ: Mapping[str, str]
) -> Iterator[Finding]:
    backends = [candidate.backend for candidate in candidates]
    for backend in backends:
        if backend.proxy:
            yield from proxy_findings(backend, environ)
    asked = target.config if target else next((b for b in backends if b.base_url), None)
    if asked and not asked.proxy:
        yield from proxy_findings(asked, environ)


def _backends(
    target: Target | None, reports: Sequence[BackendReport]
) -> Iterator[Finding]:
    """Yield who answers; of those nobody configured, only who does."""
    for report in reports:
        is_target = target is not None and target.backend.name == report.name
        if report.kind == "embedded":
            yield from _embedded(report, is_target=is_target)
        elif report.error is None:
            yield Finding("ok", "backend", _answering(report))
        elif report.is_configured and not is_target:
            yield error_finding("backend", report.error, "warning")


def _answering(report: BackendReport) -> str:
    version = f" (version {report.version})" if report.version else ""
    latency = f" in {format_duration(report.latency_s)}" if report.latency_s else ""
    count = len(report.models)
    models = "1 model" if count == 1 else f"{model_count(report.models)} models"
    return f"{report.name} at {report.address} answers{latency}{version}: {models}"


def _embedded(report: BackendReport, *, is_target: bool) -> Iterator[Finding]:
    severity: Severity = "warning" if report.is_configured or is_target else "note"
    if not has_embedded_extra():
        hint = "'pip install llmwrap[embedded]' does, for a machine without a server"
        yield Finding(severity, "backend", "xllamacpp is not installed", hint)
    if report.error is not None:
        yield error_finding("backend", report.error, severity)
    elif not report.models:
        hint = "'llmwrap models install' fetches the small default one"
        yield Finding(severity, "backend", "no embedded model is installed", hint)


def _without_repeats(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return each thing said once, as severely as anybody said it."""
    kept: dict[str, Finding] = {}
    for finding in findings:
        # A log line has the hint in it already.
        said = "; ".join(part for part in (finding.message, finding.hint) if part)
        before = kept.get(said)
        if before is None or _SEVERITIES.index(finding.severity) > _SEVERITIES.index(
            before.severity
        ):
            kept[said] = finding
    return tuple(kept.values())
