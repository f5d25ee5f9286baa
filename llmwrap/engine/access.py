"""How each backend is reached and waited for, and where its answers belong.

Found out once for an engine, whatever is asked: a key may be read from a pipe, which
gives it only once, and whoever wants to know whose an answer is, and whoever asks for
it, get the same settings.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from .. import lives
from ..backends import BUILT_IN_KINDS
from ..backends.base import Backend, BackendSettings, ClientCertificate
from ..cache.fingerprint import GGUF, Place, server_place
from ..cache.owner import owner_of
from ..config import FIRST_RETRY_S, BackendConfig, Config
from ..config.api_key import is_secret_name, key_in, read_own
from ..errors import ConfigError
from ..journal.records import blake2b
from ..log import Log
from ..named_files import read_named
from ..paths import state_dir
from .choice import Choice, Patience
from .selection import Selector, own_address

_OWN_KEYS = {"ollama": "OLLAMA_API_KEY", "openai": "OPENAI_API_KEY"}
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_LARGEST_CERTIFICATE_BYTES = 1 << 20

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Way


Making: TypeAlias = Callable[[BackendConfig], Backend]
"""Makes the backend of a configuration."""


class Access:
    """How backends are reached, by one configuration, environment, set of options.

    `is_reused` False says that only one question will be asked; `until` is the deadline
    of the whole command on the monotonic clock: without one each answer has its own.
    Any thread may call everything.
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
        self.is_reused = is_reused
        self.until = until
        self._reached: dict[tuple[str, str | None, bool], Reached] = {}
        self.warnings: list[str] = []
        """What is still to be said of the keys."""
        self.reading = threading.Lock()
        """Held while keys are read."""
        lives.enter(self)

    def start_anew(self) -> None:
        """Wait for none of the parent's threads, in a forked child."""
        self.reading = threading.Lock()

    def selector(self, model: str | None = None) -> Selector:
        """Return the rules that choose a backend, for a model that a request names."""
        choice = self.choice._replace(model=model) if model else self.choice
        return Selector(self.config, choice, self.environ)

    def reached(
        self, backend: BackendConfig, *, is_first_choice: bool = True
    ) -> Reached:
        """Return how a backend is reached, the same each time."""
        key = (backend.name, backend.base_url, is_first_choice)
        if found := self._reached.get(key):
            return found
        made = Reached(self, backend, is_first_choice=is_first_choice)
        return self._reached.setdefault(key, made)

    def place(
        self,
        backend: BackendConfig,
        model: str,
        backend_of: Making,
        on_block: Callable[[], object] = lambda: None,
    ) -> Place:
        """Return where the answers of a model belong.

        `backend_of` makes a backend that is not built in, which may have a place of its
        own. `on_block` is called while a model file is hashed, and may raise.
        Raises: ConfigError for an unusable key, RefusedError for a model file that is
        not there; OSError where it cannot be told whose they are.
        """
        if backend.kind == "embedded":
            return self._file_place(model, on_block)
        owner, address = self.reached(backend).owner, backend.base_url or ""
        if backend.kind not in BUILT_IN_KINDS:
            address = str(backend_of(backend).place or backend.name)
        return server_place(backend.kind, address, owner)

    def _file_place(self, model: str, on_block: Callable[[], object]) -> Place:
        from ..models.installed import gguf_sha256, model_path

        environ = self.environ
        path = model_path(model, environ)
        return Place(GGUF, gguf_sha256(path, state_dir(environ), on_block))

    def deadline(self, called_at: float) -> float:
        """Return until when an answer that was asked for may take."""
        if self.until is not None:
            return self.until
        total_s = self.choice.total_timeout_s
        return called_at + (total_s or self.config.streaming.total_timeout_s)

    def patience(self, backend: BackendConfig, called_at: float) -> Patience:
        """Return how long to wait for an answer of a backend."""
        choice, retries = self.choice, self.choice.retries
        return Patience(
            first_token_s=_or(
                choice.first_token_timeout_s, backend.first_token_timeout_s
            ),
            idle_s=_or(choice.idle_timeout_s, backend.idle_timeout_s),
            until=self.deadline(called_at),
            retries=backend.retry_attempts if retries is None else retries,
            retry_delay_s=_or(choice.retry_delay_s, FIRST_RETRY_S),
        )

    def way(self, backend: BackendConfig, named: str = "") -> Way:
        """Return how a backend was chosen; `named` is the model of the request."""
        from .hints import Way  # late: only an error asks for it

        config, choice = self.config, self.choice
        named = named or choice.model or config.chosen_model or ""
        return Way(backend, config, choice, self.environ, named)

    def warn(self, log: Log) -> None:
        """Say, once, what is to be said of the keys: when somebody is asked."""
        with self.reading:
            warnings, self.warnings = self.warnings, []
        for warning in warnings:
            log.warning(warning)


class Reached:
    """How one backend is reached, found out when it is first wanted, and once.

    Not on the way of any question: none of this depends on what is asked. Any thread
    may ask for everything.
    """

    def __init__(
        self, access: Access, backend: BackendConfig, *, is_first_choice: bool
    ) -> None:
        self._access = access
        self._backend = backend
        self._is_first_choice = is_first_choice
        self._settings: BackendSettings | None = None
        self._owner: bytes | None = None

    @property
    def settings(self) -> BackendSettings:
        """Return what it is made with.

        Raises: ConfigError for a key or another secret that cannot be read.
        """
        with self._access.reading:
            if self._settings is None:
                self._settings = self._read()
            return self._settings

    @property
    def owner(self) -> bytes:
        """Return whose its answers are. Raises: as `settings`, OSError."""
        if self._owner is None:
            self._owner = owner_of(self.settings.own, self._access.environ)
        return self._owner

    def _read(self) -> BackendSettings:
        access, backend = self._access, self._backend
        config, choice, environ = access.config, access.choice, access.environ
        own = read_own(backend, environ, access.until)
        key = own.key
        if self._is_first_choice and config.api_key:
            key = config.api_key.reveal()
        key = key or _owners_key(backend, environ)
        _check_authorization(backend, key)
        given = choice.headers if self._is_first_choice else ()
        named = [value for name, value in given if is_secret_name(name)]
        ca_directory = environ.get("SSL_CERT_DIR") or None
        settings = BackendSettings(
            name=backend.name,
            kind=backend.kind,
            base_url=backend.base_url or "",
            environ=environ,
            api_key=key,
            connect_timeout_s=choice.connect_timeout_s or backend.connect_timeout_s,
            silence_s=_silence_s(backend, choice),
            proxy=backend.proxy,
            ca_bundle=_ca_bundle(backend, environ),
            ca_directory=None if backend.ca_bundle else ca_directory,
            api_key_header=backend.api_key_header,
            user=backend.user,
            password=own.password,
            headers=(*own.headers, *given),
            query=own.query,
            certificate=_certificate(backend, access.until),
            secrets=(*own.secrets, *_parts(named)),
            line_limit_bytes=config.limits.line_bytes,
            body_limit_bytes=config.limits.body_bytes,
            pool_size=config.streaming.max_concurrent_streams,
            is_reused=access.is_reused,
        )
        access.warnings += own.warnings
        return settings


def _owners_key(backend: BackendConfig, environ: Mapping[str, str]) -> str | None:
    """Return the key that goes to the address of its own variable, and nowhere else."""
    for kind, variable in _OWN_KEYS.items():
        try:
            address = own_address(kind, environ)
        except ConfigError:
            continue  # It is somebody else's trouble when another backend is asked.
        if address and address == backend.base_url:
            key = key_in(environ, variable)
            return key.reveal() if key else None
    return None


def _check_authorization(backend: BackendConfig, key: str | None) -> None:
    if backend.user and key and not backend.api_key_header:
        raise ConfigError(
            f"'{backend.name}' has a user and an API key, and both want the header"
            " 'Authorization'",
            hint="api_key_header names another one for the key",
        )


def _ca_bundle(backend: BackendConfig, environ: Mapping[str, str]) -> str | None:
    named = (environ.get(name) for name in _CA_VARIABLES)
    return backend.ca_bundle or next(filter(None, named), None)


def _certificate(
    backend: BackendConfig, until: float | None
) -> ClientCertificate | None:
    if not backend.client_certificate:
        if backend.client_key:
            raise ConfigError(
                f"'{backend.name}' has a client_key and no client_certificate"
            )
        return None
    hashed = blake2b(digest_size=16)
    for path in filter(None, (backend.client_certificate, backend.client_key)):
        try:
            hashed.update(read_named(path, _LARGEST_CERTIFICATE_BYTES, until).data)
        except OSError as error:
            raise ConfigError(
                f"cannot read the client certificate '{path}':"
                f" {(error.strerror or str(error)).lower()}"
            ) from error
    return ClientCertificate(
        backend.client_certificate, backend.client_key, hashed.hexdigest()
    )


def _parts(values: Sequence[str]) -> list[str]:
    """Return secrets, and each without the scheme before it."""
    return [part for v in values for part in {v, v.rpartition(" ")[2]}]


def _silence_s(backend: BackendConfig, choice: Choice) -> float:
    # A net below the engine's clocks: a little slower than the slower of them.
    first_s = _or(choice.first_token_timeout_s, backend.first_token_timeout_s)
    idle_s = _or(choice.idle_timeout_s, backend.idle_timeout_s)
    return max(first_s, idle_s) + 5.0


def _or(chosen: float | None, configured: float) -> float:
    return configured if chosen is None else chosen
