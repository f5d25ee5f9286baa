"""Long calls beside the questions: pulling, loading and installing models.

None of them has a time-out unless the user sets one, and all end at once by Ctrl-C.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from typing import NamedTuple

from ..backends.base import Backend, Progress
from ..config import Config
from ..config.complaints import nearest
from ..engine.choice import Choice
from ..engine.selection import Selector
from ..errors import DeadlineError, LLMWrapError, RefusedError, UsageError
from ..messages import Request
from ..streams import JOIN_S
from ..threads import Future, start_together
from ..transport.cancel import CancelToken
from .survey import LOOKUP_S, Candidate, find_model, limited, where

_TICK_S = 0.1
# Sockets take no larger number than 24 days; nothing sensible is silent for a week.
_FOREVER_S = 7 * 86400.0
_CANNOT_PULL = ("lmstudio", "openai", "embedded")

OnProgress = Callable[[Progress], None]


class Installed(NamedTuple):
    """A model of the embedded backend that was installed, or was there already."""

    name: str
    path: str


def patient(choice: Choice) -> Choice:
    """Return a choice that stands any silence, unless the options set a bound."""
    return choice._replace(
        first_token_timeout_s=choice.first_token_timeout_s or _FOREVER_S,
        idle_timeout_s=choice.idle_timeout_s or _FOREVER_S,
    )


def pull_target(
    config: Config, choice: Choice, environ: Mapping[str, str]
) -> tuple[Candidate, str]:
    """Return through whom `choice.model` is pulled, and what it is called there.

    That is the backend which options or variables name; else Ollama, the file's
    before the built-in one, because of the built-in kinds it alone can pull.
    Raises: ConfigError.
    """
    selector = Selector(config, choice, environ)
    selection = selector.selection()
    name = selection.model or ""
    is_split = name != choice.model  # BACKEND/M
    is_named = is_split or choice.base_url or choice.backend or config.chosen_backend
    backend = selection.backend
    if backend is None or (not is_named and backend.kind in _CANNOT_PULL):
        tables = [table for table in config.backends.values() if table.kind == "ollama"]
        backend = selector.backend(tables[0].name if tables else "ollama")
    return Candidate(backend, is_first_choice=backend == selection.backend), name


def pull(
    backend: Backend, name: str, until: float | None
) -> Generator[Progress, None, None]:
    """Fetch a model and yield how far it is, a few times a second.

    Leaving the iterator early ends the request on the wire; the server keeps what it
    has and goes on from there next time. `until` is on the monotonic clock.
    Raises: DeadlineError, and as the backend does.
    """

    def call(cancel: CancelToken, tell: OnProgress) -> None:
        for progress in backend.pull(name, cancel):
            tell(progress)

    return _beside(call, f"pulling '{name}'", until)


def warm(backend: Backend, request: Request, until: float | None) -> bool:
    """Load the model of a request as that would have it; tell whether it stays.

    Raises: DeadlineError, and as the backend does.
    """

    def call(cancel: CancelToken, tell: OnProgress) -> None:
        backend.warm(request, cancel)

    for _ in _beside(call, f"loading '{request.model}'", until):
        pass
    try:
        models = backend.models(timeout_s=limited(LOOKUP_S, until))
    except LLMWrapError:
        return True  # It was loaded; that is all that can be said.
    found = find_model(models, request.model)
    return found is None or found.is_loaded is not False


def remove(backend: Backend, name: str, *, timeout_s: float) -> None:
    """Remove a model, by the very name that the list has: no other goes by mistake.

    Raises: RefusedError when there is none of that name, UsageError for a backend
    that cannot, and as it does.
    """
    found = backend.models(timeout_s=timeout_s)
    names = [model.name for model in found]
    if name not in names:
        meant = find_model(found, name)
        best = meant.name if meant else nearest(name, names)
        raise RefusedError(
            f"model '{name}' not found on {where(backend.name, backend.address)}",
            hint=f"did you mean '{best}'?" if best else "'llmwrap models' lists them",
        )
    backend.remove(name, timeout_s=timeout_s)


def install(
    source: str,
    environ: Mapping[str, str],
    on_progress: OnProgress,
    *,
    sha256: str = "",
    is_replaced: bool = False,
    until: float | None = None,
) -> Installed:
    """Install the GGUF file at a URL, or the default model for an empty source.

    Runs on the caller's thread, so that an interruption cleans up. Raises: UsageError
    for a source that is no URL, and as embedded/install.py says.
    """
    from ..models.install import install_default, install_url
    from ..models.installed import SUFFIX

    def tell(done_bytes: int, total_bytes: int | None, label: str) -> None:
        on_progress(Progress(label, done_bytes, total_bytes))

    if not source:
        if sha256:
            raise UsageError("the checksum of the default model is known")
        path = install_default(environ, tell, until=until)
    elif "://" not in source:
        raise UsageError(
            f"'{source}' is no URL",
            hint="a GGUF file on this machine is used by its path: llmwrap -m FILE",
        )
    else:
        path = install_url(
            source,
            environ,
            tell,
            sha256=sha256,
            replace=is_replaced,
            until=until,
        )
    return Installed(path.rpartition("/")[2].removesuffix(SUFFIX), path)


def _beside(
    call: Callable[[CancelToken, OnProgress], None], what: str, until: float | None
) -> Generator[Progress, None, None]:
    """Run a call on a thread of its own and yield its latest progress now and then.

    A thread, because neither resolving a name nor connecting can be interrupted: the
    main thread waits for an event instead, which a signal ends at once.
    """
    cancel = CancelToken()
    latest: deque[Progress] = deque(maxlen=1)  # appending and reading are atomic

    def run() -> None:
        try:
            call(cancel, latest.append)
        except TimeoutError as error:  # which means something else where we wait
            raise DeadlineError(f"{what} timed out: {error}") from error

    (outcome,) = start_together([run])
    try:
        while not _has_ended(outcome, until, what):
            if latest:
                yield latest[-1]
    except BaseException:
        cancel.cancel()
        with suppress(LLMWrapError, TimeoutError):
            outcome.result(JOIN_S)
        raise


def _has_ended(outcome: Future[None], until: float | None, what: str) -> bool:
    left_s = _TICK_S if until is None else min(_TICK_S, until - time.monotonic())
    try:
        outcome.result(left_s)
    except TimeoutError:
        if until is not None and time.monotonic() >= until:
            raise DeadlineError(
                f"{what} did not end before the deadline", hint="--timeout sets it"
            ) from None
        return False
    return True
