"""Whom to ask: backends made once, servers and models found where none is named.

What is decided without asking anybody is selection.py's.
"""

import math
import threading
import time
from typing import NamedTuple, Protocol, TypeVar

from .. import lives
from ..backends import create_backend
from ..backends.base import Backend, BackendSettings
from ..config import BackendConfig, mask_secrets
from ..errors import (
    UNLIMITED,
    BackendFailedError,
    CancelledError,
    ConfigError,
    DeadlineError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
)
from ..log import Log
from ..messages import Request
from ..threads import start_together
from ..transport.cancel import CancelToken
from ..units import format_duration
from .access import Access
from .choice import Patience
from .discovery import embedded_is_ready, first_that_answers, nothing_found
from .selection import Selection, is_model_file
from .state import keep_discovered, keep_names, read_discovered

_LISTING_S = 10.0
_NET_S = 1.0
_LOADING_POLL_S = 0.5

T = TypeVar("T")
_T_co = TypeVar("_T_co", covariant=True)


class _Lookup(Protocol[_T_co]):
    """A small call of a backend."""

    def __call__(self, *, timeout_s: float) -> _T_co: ...


class Target(NamedTuple):
    """Whom a request goes to: the backend, its configuration, and the model."""

    backend: Backend
    config: BackendConfig
    model: str


class Targets:
    """Find out whom to ask, by one configuration and one set of options.

    Any thread may call it. Where each answer is driven by its reader, as in a batch,
    what was found once holds for all questions.
    """

    def __init__(self, access: Access, log: Log) -> None:
        self._access = access
        self._environ = access.environ
        self._log = log
        self._until = access.until
        self._is_settled = access.choice.is_inline
        self._finding = threading.Lock()
        lives.enter(self)
        self._found: BackendConfig | None = None
        self._models: dict[str, str] = {}
        self._backends: dict[tuple[str, str | None], Backend] = {}
        self._told: set[str] = set()
        self._told_options: set[tuple[str, str]] = set()
        self._natives: dict[str, Backend | None] = {}
        self._local: set[tuple[str, str]] = set()

    def start_anew(self) -> None:
        """Wait for none of the parent's threads, in a forked child."""
        self._finding = threading.Lock()

    def close(self) -> None:
        """Close every connection."""
        for backend in self._backends.values():
            backend.close()

    def target(self, selection: Selection, cancel: CancelToken | None = None) -> Target:
        """Return whom to ask, with what the rules leave open found out.

        `cancel` ends the looking. Raises: CancelledError, ConfigError, UnreachableError
        when nothing answers, RefusedError when there is no model.
        """
        is_known = selection.backend and selection.model and not selection.rival
        if not self._is_settled or is_known:
            return self._target(selection, cancel or CancelToken())
        with self._finding:
            config = selection.backend or self._found
            model = selection.model or (config and self._models.get(config.name))
            known = selection._replace(backend=config, model=model)
            found = self._target(known, cancel or CancelToken())
            if not selection.backend:
                self._found = found.config
            if not selection.model:
                self._models[found.config.name] = found.model
            return found

    def _target(self, selection: Selection, cancel: CancelToken) -> Target:
        config = selection.backend or self._discovered(cancel)
        if selection.is_given:
            self._note_given(config)
        if selection.rival and self._has(selection.rival, selection.model, cancel):
            config = selection.rival
        backend = self.backend(config)
        if config.kind == "embedded" and is_model_file(selection.model or ""):
            self._note(f"using the embedded backend for '{selection.model}'")
        if selection.model:
            if self._access.choice.local_for:
                self._check_local(backend, selection.model)
            return Target(backend, config, selection.model)
        try:
            model = self._default_model(
                backend, config, cancel, is_found=selection.is_given
            )
        except LLMWrapError as error:
            self.advise(error, config)
            if not error.hint and _is_of_a_list(error):
                error.hint = "name one with -m"
            raise
        return Target(backend, config, model)

    def advise(
        self,
        error: LLMWrapError,
        config: BackendConfig,
        request: Request | None = None,
        named: str = "",
    ) -> None:
        """Give an error of a backend the hint that helps; see hints.py."""
        if not error.trouble or error.hint:
            return
        from .hints import advise  # late: only an error needs it

        advise(error, self._access.way(config, named), self.backend(config), request)

    def context_behind(
        self, config: BackendConfig, model: str, named: str
    ) -> int | None:
        """Return the context that Ollama, behind a /v1 of its own, has in force.

        Says once what that /v1 is, and what refuses where it would cut.
        """
        from .hints import context_in_force, native_of

        address = config.base_url or ""
        if address not in self._natives:
            way = self._access.way(config, named)
            self._natives[address], there = native_of(way)
            refuses = f"; {there} refuses it instead" if there else ""
            self._log.note(
                f"{config.name} at {mask_secrets(address)} is Ollama's OpenAI API,"
                f" which cuts a prompt that is too long in silence{refuses}"
            )
        native = self._natives[address]
        return context_in_force(native, model) if native else None

    def warn_of_options(self, backend: Backend, request: Request) -> None:
        """Name what a server may overlook; once in a run."""
        for name in backend.unknown_options(request):
            if (backend.name, name) not in self._told_options:
                self._told_options.add((backend.name, name))
                self._log.warning(
                    f"'{name}' is no option that {backend.name} is known to have; it is"
                    " sent, and may be overlooked"
                )
        if request.schema and request.think is False and backend.kind == "ollama":
            self._log.warning(
                "Ollama may overlook a schema where reasoning is forbidden; the answer"
                " is checked all the same"
            )

    def _check_local(self, backend: Backend, name: str) -> None:
        """Check once that a backend has a model itself. Raises: ConfigError."""
        if (backend.name, name) in self._local:
            return
        names = (name, f"{name}:latest")
        for model in backend.models(timeout_s=_LISTING_S):
            if model.name in names and model.remote is None:
                self._local.add((backend.name, name))
                return
        raise ConfigError(
            f"{self._access.choice.local_for}: {backend.name} at {backend.address} has"
            " no such model of its own",
            hint="-m names one all the same",
        )

    def backend(
        self, config: BackendConfig, *, is_first_choice: bool = True
    ) -> Backend:
        """Return the backend of a configuration, made once. Raises: ConfigError."""
        key = (config.name, config.base_url)
        if key not in self._backends:
            reached = self._access.reached(config, is_first_choice=is_first_choice)
            settings = reached.settings
            self._access.warn(self._log)
            # Of two threads that make it at once, both get the one that is closed.
            self._backends.setdefault(key, create_backend(settings))
            if note := self._backends[key].note:
                self._note(note)
        return self._backends[key]

    def _discovered(self, cancel: CancelToken) -> BackendConfig:
        """Return the server that is found, or the embedded one where it may stand in.

        One that is remembered is tried as often as a question would be: it may be
        about to start again.
        """
        selector = self._access.selector()
        known = selector.remembered()
        candidates = selector.candidates()
        settings = [
            self._access.reached(one, is_first_choice=False).settings.without_own()
            for one in candidates
        ]
        remembered = settings[candidates.index(known)] if known else None
        waiting = self._patience(known or candidates[0])
        tries = waiting.retries + 1
        for attempt in range(tries if remembered else 1):
            if attempt:
                cancel.wait(waiting.backoff_s(attempt - 1))
            found = first_that_answers(
                settings,
                remembered,
                tries=1 if remembered else tries,
                until=self._until,
                check=cancel.check,
            )
            if found is not None:
                self._keep_found(candidates[settings.index(found)])
                return candidates[settings.index(found)]
        return self._embedded_instead(settings)

    def _keep_found(self, found: BackendConfig) -> None:
        self._note(f"using {found.name} at {found.base_url}")
        discovered = read_discovered(self._environ)
        if (discovered.kind, discovered.address) != (found.kind, found.base_url):
            keep_discovered(
                discovered._replace(kind=found.kind, address=found.base_url),
                self._environ,
            )

    def _embedded_instead(self, asked: list[BackendSettings]) -> BackendConfig:
        discovered = read_discovered(self._environ)
        has_model = embedded_is_ready(self._environ)
        if has_model and discovered.kind is None:
            self._note("no model server answers: using the embedded model")
            return self._access.selector().backend("embedded")
        raise nothing_found(asked, discovered, has_model)

    def _note_given(self, config: BackendConfig) -> None:
        self._note(f"using {config.name} at {config.base_url}")
        used, *others = self._access.selector().given_variables()
        for name in others:
            self._note(f"{name} is set too, and is not asked: {used} goes first")

    def _note(self, message: str) -> None:
        """Say what was chosen, once."""
        if message not in self._told:
            self._told.add(message)
            self._log.note(message)

    def _has(
        self, config: BackendConfig, model: str | None, cancel: CancelToken
    ) -> bool:
        """Tell whether a backend has a model of that very name, as its list says.

        A list that cannot be had has none.
        """
        try:
            backend = self.backend(config)
            until = self._patience(config).until
            models = self._in_time(backend, backend.models, until, cancel)
        except CancelledError:
            raise
        except LLMWrapError:
            return False
        keep_names(config.base_url or "", [m.name for m in models], self._environ)
        return any(one.name == model for one in models)

    def _default_model(
        self,
        backend: Backend,
        config: BackendConfig,
        cancel: CancelToken,
        *,
        is_found: bool,
    ) -> str:
        """Return the model to take when none is named, and remember it.

        `is_found`: and its server as one that there is. Raises: RefusedError.
        """
        known = read_discovered(self._environ)
        remembered = known.models.get(backend.address)
        try:
            name = self._looked_up(backend, config, cancel, is_short=bool(remembered))
        except (DeadlineError, BackendFailedError, ProtocolError) as error:
            if remembered is None or (self._until and self._until <= time.monotonic()):
                raise
            what = f"{error.message}; using '{remembered}', the one of last time"
            self._log.warning(what)
            return remembered
        for warning in backend.odd_entries():
            self._log.warning(warning)
        if name is None:
            raise RefusedError(
                f"{backend.name} at {backend.address} has no model to chat with",
                trouble="no_model",
            )
        self._note(f"using model '{name}'")
        models = {**known.models, backend.address: name}
        found = known._replace(models=models)
        if is_found:
            found = found._replace(kind=config.kind, address=config.base_url)
        if found != known:
            keep_discovered(found, self._environ)
        return name

    def _looked_up(
        self,
        backend: Backend,
        config: BackendConfig,
        cancel: CancelToken,
        *,
        is_short: bool,
    ) -> str | None:
        """Return the default model, trying as often as a question would be tried.

        A server that loads its model is waited for and not counted. `is_short`: there
        is one to fall back on, so a list takes no longer than connecting may.
        """
        waiting = self._patience(config)
        if is_short:
            limit_s = self._access.choice.connect_timeout_s or config.connect_timeout_s
            until = min(waiting.until, time.monotonic() + limit_s)
            waiting = waiting._replace(until=until)
        retries = 0
        while True:
            try:
                return self._in_time(
                    backend, backend.default_model, waiting.until, cancel
                )
            except LLMWrapError as error:
                is_loading = isinstance(error, BackendFailedError) and error.is_loading
                if is_loading:
                    delay_s = _LOADING_POLL_S
                elif retries < min(waiting.retries, error.retries_allowed):
                    delay_s = waiting.backoff_s(retries)
                    retries += 1
                else:
                    raise
                delay_s = max(delay_s, error.retry_after_s or 0.0)
                if time.monotonic() + delay_s > waiting.until:
                    if is_loading:
                        raise _still_loading(backend) from error
                    raise
            cancel.wait(delay_s)

    def _patience(self, config: BackendConfig) -> Patience:
        """Return how long a look-up is waited for, and how often it is tried."""
        now = time.monotonic()
        waiting = self._access.patience(config, now)
        until = min(now + waiting.first_token_s, self._until or math.inf)
        return waiting._replace(until=until)

    def _in_time(
        self, backend: Backend, call: _Lookup[T], until: float, cancel: CancelToken
    ) -> T:
        """Return what a small call brings. Raises: DeadlineError, as the call does."""
        left_s = max(0.0, until - time.monotonic())
        # On a thread of its own: a name that does not resolve cannot be cancelled. Its
        # own time-out is a net below the one here, which says what is wrong.
        [outcome] = start_together([lambda: call(timeout_s=left_s + _NET_S)])
        try:
            return outcome.result(left_s, cancel.check)
        except TimeoutError:
            raise DeadlineError(
                f"{backend.name} at {backend.address} did not name its models within"
                f" {format_duration(left_s)}",
                hint="name one with -m",
            ) from None


def _is_of_a_list(error: LLMWrapError) -> bool:
    """Tell whether it may be only the list of models that cannot be had."""
    if isinstance(error, RefusedError):
        return error.trouble in ("", "path") and not error.is_unauthorized
    is_everywhere = error.retries_allowed == UNLIMITED  # a gateway said it
    return isinstance(error, BackendFailedError | ProtocolError) and not is_everywhere


def _still_loading(backend: Backend) -> DeadlineError:
    return DeadlineError(
        f"{backend.name} at {backend.address} still loads its model",
        hint="--first-token-timeout waits longer",
    )
