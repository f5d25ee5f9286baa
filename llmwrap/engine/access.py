"""How each backend is reached, found out once for an engine.

A key may be read from a pipe, which gives it only once: whoever wants to know whose an
answer is, and whoever asks for it, get the same settings.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple

from .. import lives
from ..backends.base import BackendSettings
from ..config import BackendConfig, Config
from ..log import Log
from .choice import Choice
from .selection import Selector, backend_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Way


class _Reached(NamedTuple):
    """One backend at one address, as first choice or as another."""

    name: str
    address: str | None
    is_first_choice: bool


class Access:
    """The settings of backends, by one configuration, environment and set of options.

    `is_reused` False says that only one question will be asked; `until` is when reading
    a key is given up. Any thread may call everything.
    """

    def __init__(
        self,
        config: Config,
        choice: Choice,
        environ: Mapping[str, str],
        *,
        is_reused: bool,
        until: float | None = None,
    ) -> None:
        self.config = config
        self.choice = choice
        self.environ = environ
        self._is_reused = is_reused
        self._until = until
        self._made: dict[_Reached, BackendSettings] = {}
        self._warnings: list[str] = []
        self._making = threading.Lock()
        lives.enter(self)

    def start_anew(self) -> None:
        """Wait for none of the parent's threads, in a forked child."""
        self._making = threading.Lock()

    def selector(self, model: str | None = None) -> Selector:
        """Return the rules that choose a backend, for a model that a request names."""
        choice = self.choice._replace(model=model) if model else self.choice
        return Selector(self.config, choice, self.environ)

    def settings(
        self, backend: BackendConfig, *, is_first_choice: bool = True
    ) -> BackendSettings:
        """Return how a backend is reached. Raises: ConfigError for an unusable key."""
        way = _Reached(backend.name, backend.base_url, is_first_choice)
        if settings := self._made.get(way):
            return settings
        with self._making:
            if way not in self._made:
                self._made[way], warnings = backend_settings(
                    backend,
                    self.config,
                    self.choice,
                    self.environ,
                    is_first_choice=is_first_choice,
                    is_reused=self._is_reused,
                    until=self._until,
                )
                self._warnings += warnings
            return self._made[way]

    def way(self, backend: BackendConfig, named: str = "") -> Way:
        """Return how a backend was chosen; `named` is the model of the request."""
        from .hints import Way  # late: only an error asks for it

        config, choice = self.config, self.choice
        named = named or choice.model or config.chosen_model or ""
        return Way(backend, config, choice, self.environ, named)

    def warn(self, log: Log) -> None:
        """Say, once, what is to be said of the keys: when somebody is asked."""
        with self._making:
            warnings, self._warnings = self._warnings, []
        for warning in warnings:
            log.warning(warning)
