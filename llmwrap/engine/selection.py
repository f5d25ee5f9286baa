"""Which backend, which model: options, environment, file, discovery.

The rules stand in the manual under "Which backend, which model". This module decides
and asks nobody; what has to be asked (discovery, the default model) is discovery.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..backends import BUILT_IN_KINDS
from ..backends.base import BackendSettings
from ..config import (
    BUILT_IN_BASE_URLS,
    BackendConfig,
    Config,
    built_in_backend,
    mask_secrets,
    parse_base_url,
)
from ..config.api_key import ApiKey, read_api_key
from ..errors import ConfigError
from .choice import Choice, Patience

_FIRST_RETRY_S = 0.5
_OWN_VARIABLES = {"ollama": "OLLAMA_HOST", "openai": "OPENAI_BASE_URL"}
_DEFAULTS = ["ollama", "lmstudio"]  # what has an address that nobody has to give


class Selection(NamedTuple):
    """Whom to ask: None as `backend` means that discovery decides.

    `model` None means the backend's default. `is_first_choice` tells whether
    LLMWRAP_API_KEY is meant for it.
    """

    backend: BackendConfig | None
    model: str | None


class Selector:
    """Apply the rules to one configuration, environment and set of options."""

    def __init__(
        self, config: Config, choice: Choice, environ: Mapping[str, str]
    ) -> None:
        self._config = config
        self._choice = choice
        self._environ = environ

    def selection(self) -> Selection:
        """Return whom to ask. Raises: ConfigError."""
        choice, config = self._choice, self._config
        model = choice.model or config.chosen_model
        if choice.base_url:
            return Selection(self._at_address(choice.base_url), model)
        if choice.backend:
            backend = self.backend(choice.backend)
            return Selection(backend, model or self._file_model(backend.name))
        if model:
            named = self._split(model, self._is_split_by_environment())
            if named:
                return named
        name = config.chosen_backend or self._file_backend()
        if name is None:
            model = model or config.defaults.model
            # A backend of the file would have names of its own, with slashes in them.
            named = self._split(model, may_name_backend=True) if model else None
            return named or Selection(None, model)
        backend = self.backend(name)
        return Selection(backend, model or self._file_model(backend.name))

    def backend(self, name: str) -> BackendConfig:
        """Return a configured backend, or a built-in one, by name.

        Raises: ConfigError for an unknown name, or one without an address.
        """
        backend = self._config.backend(name)  # in any case; names the nearest
        address = self.address(backend)
        if address is None:
            raise ConfigError(
                f"backend '{backend.name}' has no address",
                hint="give --base-url, base_url in the file, or OPENAI_BASE_URL",
            )
        return backend._replace(base_url=address)

    def candidates(self) -> list[BackendConfig]:
        """Return what discovery asks, in the order of preference.

        Where a variable says who is meant that is the only one: a prompt never goes
        elsewhere because it is down. Raises: ConfigError.
        """
        names = [n for n in _OWN_VARIABLES if self.is_given(n)][:1] or _DEFAULTS
        found = [self.built_in(name) for name in names]
        return [backend._replace(base_url=self.address(backend)) for backend in found]

    def is_given(self, kind: str) -> bool:
        """Tell whether the variable of a kind's own programs says where it is."""
        return bool(self._environ.get(_OWN_VARIABLES.get(kind, "")))

    def address(self, backend: BackendConfig) -> str | None:
        """Return where a backend answers, None when nothing says so."""
        if backend.base_url:
            return backend.base_url
        if backend.kind == "ollama" and self._environ.get("OLLAMA_HOST"):
            from ..backends.ollama_host import parse_ollama_host

            return parse_ollama_host(self._environ["OLLAMA_HOST"])
        if backend.kind == "openai":
            return _openai_address(self._environ)
        # The embedded backend and an entry point's may need none.
        return BUILT_IN_BASE_URLS.get(backend.kind, "")

    def built_in(self, kind: str) -> BackendConfig:
        """Return the backend that needs no table."""
        return built_in_backend(kind)

    def _find(self, name: str) -> BackendConfig | None:
        lowered = name.lower()
        for configured, backend in self._config.backends.items():
            if configured == name or configured.lower() == lowered:
                return backend
        return self.built_in(lowered) if lowered in BUILT_IN_KINDS else None

    def _at_address(self, base_url: str) -> BackendConfig:
        try:
            address = parse_base_url(base_url)
        except ValueError as error:
            shown = mask_secrets(base_url)
            raise ConfigError(f"--base-url '{shown}': {error}") from error
        if not self._choice.backend:
            kind = "openai" if address.endswith("/v1") else "ollama"
            return self.built_in(kind)._replace(base_url=address)
        backend = self._find(self._choice.backend)
        if backend is None:
            return self.backend(self._choice.backend)
        if self.address(backend) != address:
            # A table's key belongs to the table's address and goes nowhere else.
            backend = backend._replace(api_key_env=None, api_key_file=None)
        return backend._replace(base_url=address)

    def _is_split_by_environment(self) -> bool:
        # LLMWRAP_BACKEND is to LLMWRAP_MODEL what -b is to -m.
        return bool(self._choice.model) or not self._config.chosen_backend

    def _split(self, model: str, may_name_backend: bool) -> Selection | None:
        """Return what `BACKEND/M` or a path to a GGUF file names, if it names one."""
        if model.lower().endswith(".gguf"):
            return Selection(self.backend("embedded"), model)
        name, slash, rest = model.partition("/")
        if not (slash and rest and may_name_backend):
            return None
        backend = self._find(name)
        if backend is None or self.address(backend) is None:
            return None
        return Selection(self.backend(name), rest)

    def _file_backend(self) -> str | None:
        if self._config.defaults.backend:
            return self._config.defaults.backend
        first = self._config.first_backend
        return first.name if first else None

    def _file_model(self, backend: str) -> str | None:
        """Return `[defaults] model`, which is for the file's own backend only."""
        chosen = self._file_backend()
        if chosen is not None and chosen.lower() == backend.lower():
            return self._config.defaults.model
        return None


def backend_settings(
    backend: BackendConfig,
    config: Config,
    choice: Choice,
    environ: Mapping[str, str],
    *,
    is_first_choice: bool,
    is_reused: bool,
    until: float | None = None,
) -> tuple[BackendSettings, tuple[str, ...]]:
    """Return the settings of a backend, and warnings about its key file.

    Raises: ConfigError for a key that cannot be read.
    """
    found = ApiKey(None)
    if backend.api_key_env or backend.api_key_file:
        found = read_api_key(backend, environ, until)
    key = found.key.reveal() if found.key else None
    if key is None and backend.base_url and _is_openai_address(backend, environ):
        key = environ.get("OPENAI_API_KEY") or None
    if key is None and is_first_choice and config.api_key:
        key = config.api_key.reveal()
    connect_s = choice.connect_timeout_s
    settings = BackendSettings(
        name=backend.name,
        kind=backend.kind,
        base_url=backend.base_url or "",
        environ=environ,
        api_key=key,
        connect_timeout_s=connect_s or backend.connect_timeout_s,
        silence_s=_silence_s(backend, choice),
        proxy=backend.proxy,
        ca_bundle=backend.ca_bundle,
        line_limit_bytes=config.limits.line_bytes,
        body_limit_bytes=config.limits.body_bytes,
        pool_size=config.streaming.max_concurrent_streams,
        is_reused=is_reused,
    )
    return settings, found.warnings


def patience(
    backend: BackendConfig, config: Config, choice: Choice, called_at: float
) -> Patience:
    """Return how long to wait for an answer of `backend`."""
    total_s = choice.total_timeout_s
    if total_s is None:
        total_s = config.streaming.total_timeout_s
    retries = choice.retries
    return Patience(
        first_token_s=_or(choice.first_token_timeout_s, backend.first_token_timeout_s),
        idle_s=_or(choice.idle_timeout_s, backend.idle_timeout_s),
        until=called_at + total_s,
        retries=backend.retry_attempts if retries is None else retries,
        retry_delay_s=_or(choice.retry_delay_s, _FIRST_RETRY_S),
    )


def _is_openai_address(backend: BackendConfig, environ: Mapping[str, str]) -> bool:
    try:
        return backend.base_url == _openai_address(environ)
    except ConfigError:
        return False  # It is somebody else's trouble when another backend is asked.


def _openai_address(environ: Mapping[str, str]) -> str | None:
    address = environ.get("OPENAI_BASE_URL")
    if not address:
        return None
    try:
        return parse_base_url(address)
    except ValueError as error:
        shown = mask_secrets(address)
        raise ConfigError(f"OPENAI_BASE_URL '{shown}': {error}") from error


def _silence_s(backend: BackendConfig, choice: Choice) -> float:
    # A net below the engine's clocks: a little slower than the slower of them.
    first_s = _or(choice.first_token_timeout_s, backend.first_token_timeout_s)
    idle_s = _or(choice.idle_timeout_s, backend.idle_timeout_s)
    return max(first_s, idle_s) + 5.0


def _or(chosen: float | None, configured: float) -> float:
    return configured if chosen is None else chosen
