"""Whom to ask: backends made once, servers and models found where none is named. F5.

What is decided without asking anybody is selection.py's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from ..backends import BUILT_IN_KINDS, create_backend
from ..backends.base import Backend, BackendSettings
from ..config import BackendConfig, Config
from ..errors import BackendFailedError, DeadlineError, RefusedError
from ..log import Log
from ..streams import start_together
from ..transport.lean import import_requests
from ..units import format_duration
from .choice import Choice
from .discovery import embedded_is_ready, first_that_answers, nothing_found
from .selection import Selector, backend_settings, patience
from .state import Discovered, keep_discovered, read_discovered

_LOOKUP_S = 10.0
_NET_S = 1.0
_LOADING_POLL_S = 0.5


class Target(NamedTuple):
    """Whom a request goes to: the backend, its configuration, and the model."""

    backend: Backend
    config: BackendConfig
    model: str


class Targets:
    """Find out whom to ask, by one configuration and one set of options.

    Any thread may call it. `until` and `is_one_shot` are those of the engine.
    """

    def __init__(
        self,
        config: Config,
        choice: Choice,
        environ: Mapping[str, str],
        log: Log,
        *,
        until: float | None,
        is_one_shot: bool,
    ) -> None:
        self._config = config
        self._choice = choice
        self._environ = environ
        self._log = log
        self._until = until
        self._is_one_shot = is_one_shot
        self._backends: dict[tuple[str, str | None], Backend] = {}
        self._named: dict[str | None, Target] = {}

    def close(self) -> None:
        """Close every connection."""
        for backend in self._backends.values():
            backend.close()

    def target(self, model: str | None = None) -> Target:
        """Return whom to ask, with the model chosen when none is named.

        Raises: ConfigError, UnreachableError when nothing answers, RefusedError when
        there is no model.
        """
        if known := self._named.get(model):
            return known
        choice = self._choice if model is None else self._choice._replace(model=model)
        selection = Selector(self._config, choice, self._environ).selection()
        config = selection.backend or self._discover(choice)
        backend = self.backend(config)
        if selection.backend and selection.model:
            # Where nothing has to be found out it stays as it is: of many short
            # answers, each would spend a sixth of its time on this.
            target = Target(backend, config, selection.model)
            return self._named.setdefault(model, target)
        return Target(
            backend, config, selection.model or self._default_model(backend, config)
        )

    def backend(
        self, config: BackendConfig, *, is_first_choice: bool = True
    ) -> Backend:
        """Return the backend of a configuration, made once. Raises: ConfigError."""
        key = (config.name, config.base_url)
        if key not in self._backends:
            if self._is_one_shot and config.kind in BUILT_IN_KINDS:
                import_requests()
            settings = self._settings(config, is_first_choice=is_first_choice)
            # Of two threads that make it at once, both get the one that is closed.
            self._backends.setdefault(key, create_backend(settings))
        return self._backends[key]

    def _settings(
        self, config: BackendConfig, *, is_first_choice: bool
    ) -> BackendSettings:
        settings, warnings = backend_settings(
            config,
            self._config,
            self._choice,
            self._environ,
            is_first_choice=is_first_choice,
            is_reused=not self._is_one_shot,
        )
        for warning in warnings:
            self._log.warning(warning)
        return settings

    def _discover(self, choice: Choice) -> BackendConfig:
        selector = Selector(self._config, choice, self._environ)
        candidates = selector.candidates()
        settings = [self._settings(c, is_first_choice=False) for c in candidates]
        is_given = selector.is_given(candidates[0].kind)
        found = first_that_answers(settings, is_given=is_given)
        discovered = read_discovered(self._environ)
        if found is not None:
            config = candidates[settings.index(found)]
            self._log.note(f"using {found.name} at {found.base_url}")
            if (discovered.kind, discovered.address) != (found.kind, found.base_url):
                keep_discovered(
                    discovered._replace(kind=found.kind, address=found.base_url),
                    self._environ,
                )
            return config
        has_model = embedded_is_ready(self._environ)
        if has_model and discovered.kind is None:
            self._log.note("no model server answers: using the embedded model")
            return selector.backend("embedded")
        raise nothing_found(settings, discovered, has_model)

    def _looked_up(self, backend: Backend) -> str | None:
        """Return the backend's default model, within the deadline of the command."""
        left_s = _LOOKUP_S
        if self._until is not None:
            left_s = min(left_s, max(0.0, self._until - time.monotonic()))
        # On a thread of its own: a name that does not resolve cannot be cancelled. Its
        # own time-out is a net below the one here, which says what is wrong.
        net_s = left_s + _NET_S
        [outcome] = start_together([lambda: backend.default_model(timeout_s=net_s)])
        try:
            return outcome.result(left_s)
        except TimeoutError:
            raise DeadlineError(
                f"{backend.name} at {backend.address} did not name its models within"
                f" {format_duration(left_s)}",
                hint="name one with -m",
            ) from None

    def _loaded(self, backend: Backend, config: BackendConfig) -> str | None:
        """Return the default model, waiting for a server that loads its model."""
        called_at = time.monotonic()
        waiting = patience(config, self._config, self._choice, called_at)
        until = called_at + waiting.first_token_s
        until = min(until, self._until or until) - _LOADING_POLL_S
        while True:
            try:
                return self._looked_up(backend)
            except BackendFailedError as error:
                if not error.is_loading:
                    raise
                if time.monotonic() > until:
                    raise DeadlineError(
                        f"{backend.name} at {backend.address} still loads its model",
                        hint="--first-token-timeout waits longer",
                    ) from error
            time.sleep(_LOADING_POLL_S)

    def _default_model(self, backend: Backend, config: BackendConfig) -> str:
        name = self._loaded(backend, config)
        if name is None:
            raise RefusedError(
                f"{backend.name} at {backend.address} has no model",
                hint="pull one, for example 'llmwrap models pull llama3.2'",
            )
        self._log.note(f"using model '{name}'")
        discovered: Discovered = read_discovered(self._environ)
        if discovered.models.get(backend.address) != name:
            models = {**discovered.models, backend.address: name}
            keep_discovered(discovered._replace(models=models), self._environ)
        return name
