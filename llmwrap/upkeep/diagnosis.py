"""What is wrong with a set-up, and what `ask` would end with now.

The same selection as for a question, and the model looked up. One token is asked for
only where that loads nothing: no model is loaded or unloaded, and no server started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeVar

from ..backends.base import Backend, Model
from ..config import Config
from ..engine.choice import Choice
from ..engine.engine import Engine
from ..engine.targets import Target
from ..errors import (
    UNLIMITED,
    BackendFailedError,
    ConfigError,
    DeadlineError,
    IncompleteError,
    LimitError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
)
from ..log import LEVELS, Log, LogRecord, Sink
from ..messages import Json, Message, Request, Sampling
from ..prompting.sampling import DRAWING
from ..threads import start_together
from ..transport.cancel import CancelToken
from ..units import format_duration
from .checks import (
    SMALL_CONTEXT_TOKENS,
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
from .listing import hidden, model_count, model_rows
from .survey import (
    LOOKUP_S,
    BackendReport,
    Candidate,
    all_candidates,
    find_model,
    limited,
    survey,
    where,
)

_T = TypeVar("_T")
_SEVERITIES: tuple[Severity, ...] = ("ok", "note", "warning", "error")
# Servers with OpenAI's API may answer to any name, so their list does not settle it.
_LENIENT_KINDS = ("openai", "lmstudio")
_OF_ONE_CALL = (
    *(RefusedError, BackendFailedError, ProtocolError),
    *(IncompleteError, LimitError, DeadlineError),
)


class Surroundings(NamedTuple):
    """What a diagnosis looks at besides the configuration.

    `directory` is the working directory; `until` the deadline on the monotonic clock.
    `request` is a question as `ask` would put it, for one token; `is_asking`: it is
    asked whatever that takes.
    """

    choice: Choice
    environ: Mapping[str, str]
    directory: str
    until: float | None = None
    request: Request = Request("", (Message("user", "Hi"),), Sampling(max_tokens=1))
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
    """How far `ask` would come: whom it would ask, and what would stop it.

    `told` is what choosing said; notes that come later are about the one token.
    """

    target: Target | None
    findings: tuple[Finding, ...]
    error: LLMWrapError | None = None
    told: tuple[LogRecord, ...] = ()


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
    environ = surroundings.environ
    # Nobody wants to find its question in the cache, or in the figures of all runs.
    choice = surroundings.choice._replace(cache="off", is_measured=True)
    told: list[LogRecord] = []
    with Engine(
        config,
        environ=environ,
        choice=choice,
        log=Log(Sink(LEVELS["note"], told.append)),
        until=surroundings.until,
    ) as engine:
        verdict = _verdict(engine, surroundings, told)
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
        *_told([*verdict.told, *(one for one in told if one.level == "warning")]),
        *_proxies(verdict.target, candidates, environ),
        *_backends(verdict.target, reports),
        *_hidden(reports, config),
        *verdict.findings,
    ]
    return Diagnosis(_without_repeats(findings), verdict.error)


def _verdict(
    engine: Engine, surroundings: Surroundings, told: Sequence[LogRecord]
) -> _Verdict:
    try:
        target = engine.target()
    except LLMWrapError as error:
        return _Verdict(None, (error_finding("backend", error),), error, (*told,))
    chosen, findings = (*told,), list[Finding]()
    try:
        findings.extend(_model(engine, target, surroundings))
    except LLMWrapError as error:
        if isinstance(error, BackendFailedError) and error.is_loading:
            # `ask` waits until it is loaded.
            findings.append(error_finding("model", error, "warning"))
            return _Verdict(target, tuple(findings), None, chosen)
        engine.advise(error, target.config, surroundings.request)
        subject = "model" if isinstance(error, RefusedError) else "backend"
        findings.append(error_finding(subject, error))
        return _Verdict(target, tuple(findings), error, chosen)
    return _Verdict(target, tuple(findings), None, chosen)


def _model(
    engine: Engine, target: Target, surroundings: Surroundings
) -> Iterator[Finding]:
    """Yield what there is to say of the model; raise what `ask` would end with."""
    backend, name = target.backend, target.model
    if backend.kind == "embedded":
        yield from _embedded_model(name, surroundings.environ)
        if surroundings.is_asking:
            yield _asked(engine, target, surroundings)
        return
    limit_s = limited(LOOKUP_S, surroundings.until)
    failed: list[LLMWrapError] = []
    _had(
        lambda: backend.check_access(name, timeout_s=limit_s),
        failed,
        is_final=lambda _: True,
    )
    models = _had(lambda: backend.models(timeout_s=limit_s), failed) or []
    details: Mapping[str, Json] | None = None
    if backend.kind not in _LENIENT_KINDS:
        details = _had(
            lambda: backend.model(name, timeout_s=limit_s),
            failed,
            is_final=lambda error: error.trouble != "path",
        )
    for error in failed:
        yield error_finding("model", error, "warning")
    place = where(backend.name, backend.address)
    found = find_model(models, name)
    model = found or Model(name)
    yield from _use_of(model, place)
    is_known = found is not None or details is not None
    is_to_be_asked = surroundings.is_asking or _is_worth_a_token(
        backend, model, surroundings.request, is_listed=is_known or not models
    )
    if is_known:
        yield _loading(model, place, engine.warming(target.config, model.name))
    else:
        yield from _unlisted(models, name, place, is_to_be_asked=is_to_be_asked)
    if is_to_be_asked:
        yield _asked(engine, target, surroundings)
    yield from _context(backend, model, details or {}, surroundings.request)


def _had(
    call: Callable[[], _T],
    failed: list[LLMWrapError],
    is_final: Callable[[RefusedError], bool] = lambda _: False,
) -> _T | None:
    """Return what a small call brings, None where it is only that call that fails.

    It is a convenience then, which a question does without; `failed` keeps the error.
    Raises: what a question would meet too: nobody there, a gateway whose server is
    down, a refusal that is final, a second failure.
    """
    try:
        return call()
    except _OF_ONE_CALL as error:
        is_refusal = isinstance(error, RefusedError) and is_final(error)
        if failed or is_refusal or error.retries_allowed == UNLIMITED:
            raise
        failed.append(error)
        return None


def _use_of(model: Model, place: str) -> Iterator[Finding]:
    """Yield a warning of a model elsewhere. Raises: RefusedError for an embedder."""
    if model.is_embedding:
        what = ", ".join(model.capabilities) or "embedding"
        raise RefusedError(
            f"model '{model.name}' on {place} cannot chat: it is for {what}",
            trouble="no_chat",
        )
    if model.remote:
        message = f"'{model.name}' on {place} runs at {model.remote}"
        yield Finding("warning", "model", f"{message}: the prompt goes there")


def _is_worth_a_token(
    backend: Backend, model: Model, request: Request, *, is_listed: bool
) -> bool:
    """Tell whether one token is worth asking for, as nothing is loaded for it.

    A model that a list lacks may be there all the same, by an alias or a wildcard of a
    gateway. One that is loaded stays as it is only where the request asks for the
    context that it has; without one Ollama takes its default, and loads it anew.
    """
    if not is_listed:
        return True
    options = request.sampling.options
    context = backend.context_option
    if model.remote or not model.is_loaded:
        return False
    if not options.keys() <= DRAWING | {context}:
        return False
    asked_tokens = options.get(context, SMALL_CONTEXT_TOKENS)
    return not context or model.context_tokens == asked_tokens


def _unlisted(
    models: Sequence[Model], name: str, place: str, *, is_to_be_asked: bool
) -> Iterator[Finding]:
    """Yield what is to be said of a model that no list has."""
    if not is_to_be_asked:
        message = f"unknown whether {place} has '{name}': only a question could tell"
        yield Finding("warning", "model", message, "--ask asks")
    elif models and not any(fnmatchcase(name, model.name) for model in models):
        hint = f"take -m {models[0].name}" if len(models) == 1 else ""
        message = f"{place} does not list '{name}': another model may answer"
        yield Finding("warning", "model", message, hint)


def _context(
    backend: Backend, model: Model, details: Mapping[str, Json], request: Request
) -> Iterator[Finding]:
    # Late: it brings what speaks HTTP, and help and manual need none of it.
    from ..backends.ollama_words import trained_context_tokens

    option = backend.context_option
    asked_tokens = request.sampling.options.get(option)
    yield from context_findings(
        model,
        trained_context_tokens(details),
        asked_tokens if isinstance(asked_tokens, int) else None,
        option,
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


def _asked(engine: Engine, target: Target, surroundings: Surroundings) -> Finding:
    """Ask the question. Raises: what it ends with.

    Where nobody wanted it asked, it is not waited for as long as a question would be.
    """
    name, cancel = target.model, CancelToken()
    wait_s = limited(LOOKUP_S, surroundings.until)

    def ask() -> None:
        with engine.ask(surroundings.request, cancel=cancel) as answer:
            for _ in answer:
                pass

    if surroundings.is_asking:
        ask()
        return Finding("ok", "model", f"'{name}' answered a question")
    (outcome,) = start_together([ask])
    try:
        outcome.result(wait_s)
    except TimeoutError:
        cancel.cancel()
        what = f"'{name}' did not answer a question within {format_duration(wait_s)}"
        return Finding("warning", "model", what, "--ask waits longer")
    return Finding("ok", "model", f"'{name}' answered a question")


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


def _hidden(reports: Sequence[BackendReport], config: Config) -> Iterator[Finding]:
    for message in hidden(model_rows(reports), config.aliases.values()):
        yield Finding("note", "model", message)


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
