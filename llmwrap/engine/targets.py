"""Whom to ask: backends made once, servers and models found where none is named.

What is decided without asking anybody is selection.py's.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from ..backends import BUILT_IN_KINDS, create_backend
from ..backends.base import Backend
from ..config import BackendConfig
from ..errors import (
    BackendFailedError,
    DeadlineError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
)
from ..log import Log
from ..threads import start_together
from ..transport.cancel import CancelToken
from ..transport.lean import import_requests
from ..units import format_duration
from .access import Access
from .discovery import embedded_is_ready, first_that_answers, nothing_found
from .selection import Selection, patience
from .state import Discovered, keep_discovered, read_discovered

_NET_S = 1.0
_LOADING_POLL_S = 0.5


class Target(NamedTuple):
    """Whom a request goes to: the backend, its configuration, and the model."""

    backend: Backend
    config: BackendConfig
    model: str


class Targets:
    """Find out whom to ask, by one configuration and one set of options.

    Any thread may call it. `until` and `is_one_shot` are those of the engine; with
    `is_settled` what was found once holds for all questions.
    """

    def __init__(
        self,
        access: Access,
        log: Log,
        *,
        until: float | None,
        is_one_shot: bool,
        is_settled: bool = False,
    ) -> None:
        self._access = access
        self._environ = access.environ
        self._log = log
        self._until = until
        self._is_one_shot = is_one_shot
        self._is_settled = is_settled
        self._finding = threading.Lock()
        self._found: BackendConfig | None = None
        self._models: dict[str, str] = {}
        self._backends: dict[tuple[str, str | None], Backend] = {}

    def close(self) -> None:
        """Close every connection."""
        for backend in self._backends.values():
            backend.close()

    def target(self, selection: Selection, cancel: CancelToken | None = None) -> Target:
        """Return whom to ask, with what the rules leave open found out.

        `cancel` ends the looking. Raises: CancelledError, ConfigError, UnreachableError
        when nothing answers, RefusedError when there is no model.
        """
        if not self._is_settled or (selection.backend and selection.model):
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
        config = selection.backend or self._discover()
        backend = self.backend(config)
        if selection.model:
            return Target(backend, config, selection.model)
        try:
            model = self._default_model(backend, config, cancel)
        except LLMWrapError as error:
            from .hints import advise  # late: only an error needs it

            advise(error, self._access.way(config), backend)
            raise
        return Target(backend, config, model)

    def backend(
        self, config: BackendConfig, *, is_first_choice: bool = True
    ) -> Backend:
        """Return the backend of a configuration, made once. Raises: ConfigError."""
        key = (config.name, config.base_url)
        if key not in self._backends:
            if self._is_one_shot and config.kind in BUILT_IN_KINDS:
                import_requests()
            settings = self._access.settings(config, is_first_choice=is_first_choice)
            self._access.warn(self._log)
            # Of two threads that make it at once, both get the one that is closed.
            self._backends.setdefault(key, create_backend(settings))
        return self._backends[key]

    def _discover(self) -> BackendConfig:
        selector = self._access.selector()
        candidates = selector.candidates()
        settings = [
            self._access.settings(one, is_first_choice=False) for one in candidates
        ]
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

    def _looked_up(
        self, backend: Backend, wait_s: float, cancel: CancelToken
    ) -> str | None:
        """Return the backend's default model, within `wait_s` and the deadline."""
        left_s = wait_s
        if self._until is not None:
            left_s = min(left_s, max(0.0, self._until - time.monotonic()))
        # On a thread of its own: a name that does not resolve cannot be cancelled. Its
        # own time-out is a net below the one here, which says what is wrong.
        net_s = left_s + _NET_S
        [outcome] = start_together([lambda: backend.default_model(timeout_s=net_s)])
        try:
            return outcome.result(left_s, cancel.check)
        except TimeoutError:
            raise DeadlineError(
                f"{backend.name} at {backend.address} did not name its models within"
                f" {format_duration(left_s)}",
                hint="name one with -m",
            ) from None

    def _loaded(
        self, backend: Backend, config: BackendConfig, cancel: CancelToken
    ) -> str | None:
        """Return the default model, waiting for a server that loads its model."""
        called_at = time.monotonic()
        waiting = patience(config, self._access.config, self._access.choice, called_at)
        wait_s = waiting.first_token_s
        if backend.address in read_discovered(self._environ).models:
            # There is an answer to fall back on: as long as it takes to connect.
            choice = self._access.choice
            wait_s = min(wait_s, choice.connect_timeout_s or config.connect_timeout_s)
        until = called_at + waiting.first_token_s
        until = min(until, self._until or until) - _LOADING_POLL_S
        while True:
            try:
                return self._looked_up(backend, wait_s, cancel)
            except BackendFailedError as error:
                if not error.is_loading:
                    raise
                if time.monotonic() > until:
                    raise DeadlineError(
                        f"{backend.name} at {backend.address} still loads its model",
                        hint="--first-token-timeout waits longer",
                    ) from error
            cancel.wait(_LOADING_POLL_S)

    def _default_model(
        self, backend: Backend, config: BackendConfig, cancel: CancelToken
    ) -> str:
        discovered: Discovered = read_discovered(self._environ)
        try:
            name = self._loaded(backend, config, cancel)
        except (DeadlineError, BackendFailedError, ProtocolError) as error:
            name = discovered.models.get(backend.address)
            if name is None or (self._until and self._until <= time.monotonic()):
                raise
            self._log.warning(f"{error.message}; using '{name}', the one of last time")
            return name
        if name is None:
            raise RefusedError(
                f"{backend.name} at {backend.address} has no model", trouble="no_model"
            )
        self._log.note(f"using model '{name}'")
        if discovered.models.get(backend.address) != name:
            models = {**discovered.models, backend.address: name}
            keep_discovered(discovered._replace(models=models), self._environ)
        return name
