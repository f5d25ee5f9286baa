"""Which backend, which model: options, environment, file, discovery.

The rules stand in the manual under "Which backend, which model". This module decides
and asks nobody; what has to be asked (discovery, the default model) is discovery.py's.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ..backends import BUILT_IN_KINDS
from ..config import (
    BUILT_IN_BASE_URLS,
    AliasConfig,
    BackendConfig,
    Config,
    built_in_backend,
    mask_secrets,
    parse_base_url,
)
from ..errors import ConfigError, LLMWrapError, RefusedError
from .choice import Choice
from .state import is_known_name, read_discovered

_GUESSED = ("ollama", "lmstudio")  # what has an address that nobody has to give
_FILE_SUFFIX = ".gguf"

OWN_VARIABLES = {"ollama": "OLLAMA_HOST", "openai": "OPENAI_BASE_URL"}
"""By which the programs of a kind of server are told where it is."""


class Selection(NamedTuple):
    """Whom to ask: None as `backend` means that discovery decides.

    `model` None means the backend's default. `whole` is the name that `BACKEND/M` was
    split from. `is_given` tells that the variable of its own programs names the
    backend; `rival` is who is meant instead of the embedded one, if its list has a
    model of that path.
    """

    backend: BackendConfig | None
    model: str | None
    whole: str = ""
    is_given: bool = False
    rival: BackendConfig | None = None


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
        if choice.local_for:
            without = choice._replace(model=None, local_for="")
            anyway = Selector(config, without, self._environ).selection()
            return anyway._replace(model=choice.model, whole="", rival=None)
        model = self._meant(choice.model or config.chosen_model)
        if choice.base_url:
            return Selection(self._at_address(choice.base_url), model)
        if choice.backend:
            backend = self.backend(choice.backend)
            return Selection(backend, model or self._file_model(backend.name))
        # LLMWRAP_BACKEND is to LLMWRAP_MODEL what -b is to -m.
        is_free = choice.model or not config.chosen_backend
        if model and is_free and (named := self._named(model)):
            return named
        if name := config.chosen_backend or self._file_backend():
            backend = self.backend(name)
            # An alias may name a backend, as it is the user's own word.
            alias = None if model else self.alias()
            if alias and (named := self._named(alias.model)):
                return named
            return Selection(backend, model or self._file_model(backend.name))
        model = model or self._meant(config.defaults.model)
        # A backend of the file would have names of its own, with slashes in them.
        if model and (named := self._named(model)):
            return named
        given = self.given()
        return Selection(given, model, is_given=given is not None)

    def alias(self) -> AliasConfig | None:
        """Return the alias by which the model is named, None when none names it.

        Raises: ConfigError.
        """
        choice, config = self._choice, self._config
        name = choice.model or config.chosen_model
        if not (name or choice.base_url) and config.aliases:
            chosen = choice.backend or config.chosen_backend or self._file_backend()
            is_files = chosen is None or self._is_file_backend(chosen)
            name = config.defaults.model if is_files else None
        return config.aliases.get(name or "")

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

    def given(self) -> BackendConfig | None:
        """Return the backend that a variable of its own programs names, if one does.

        It alone is asked then: a prompt never goes elsewhere because that one is down.
        Raises: ConfigError.
        """
        names = self.given_variables()
        kind = next((k for k, name in OWN_VARIABLES.items() if name in names), None)
        return self.backend(kind) if kind else None

    def given_variables(self) -> tuple[str, ...]:
        """Return the variables that name a server, the one that counts first."""
        return tuple(n for n in OWN_VARIABLES.values() if self._environ.get(n))

    def candidates(self) -> list[BackendConfig]:
        """Return what discovery asks, in the order of preference. Nobody named them."""
        return [self.backend(name) for name in _GUESSED]

    def remembered(self) -> BackendConfig | None:
        """Return what discovery found last, if it would be asked for today."""
        discovered = read_discovered(self._environ)
        for candidate in self.candidates():
            found = (candidate.kind, candidate.base_url)
            if found == (discovered.kind, discovered.address):
                return candidate
        return None

    def address(self, backend: BackendConfig) -> str | None:
        """Return where a backend answers, None when nothing says so."""
        if backend.base_url:
            return backend.base_url
        if backend.kind == "openai":
            return _openai_address(self._environ)
        given = None
        if backend.kind in OWN_VARIABLES:
            given = own_address(backend.kind, self._environ)
        # The embedded backend and an entry point's may need none.
        return given or BUILT_IN_BASE_URLS.get(backend.kind, "")

    def _at_address(self, base_url: str) -> BackendConfig:
        try:
            address = parse_base_url(base_url)
        except ValueError as error:
            shown = mask_secrets(base_url)
            raise ConfigError(f"--base-url '{shown}': {error}") from error
        if not self._choice.backend:
            kind = "openai" if address.endswith("/v1") else "ollama"
            return built_in_backend(kind)._replace(base_url=address)
        backend = self._config.backend(self._choice.backend)
        if self._is_elsewhere(backend, address):
            backend = backend.elsewhere()
        return backend._replace(base_url=address)

    def _is_elsewhere(self, backend: BackendConfig, address: str) -> bool:
        try:
            return self.address(backend) != address
        except ConfigError:
            return True  # A variable that is no address names no place.

    def _named(self, model: str) -> Selection | None:
        """Return what `BACKEND/M` or a path to a GGUF file names, if it names one."""
        name, slash, rest = model.partition("/")
        backend = self._prefix(name) if slash and rest else None
        if backend is None:
            return self._of_path(model) if is_model_file(model) else None
        usual = self._usual() if backend.kind != "embedded" else None
        is_usual = usual is not None and usual.name == backend.name
        if is_usual and self._is_known(backend, model):
            return Selection(backend, model)
        return Selection(backend, rest, whole=model)

    def _of_path(self, model: str) -> Selection:
        usual = self._usual()
        embedded = self.backend("embedded")
        if usual is None or usual.kind == "embedded":
            return Selection(embedded, model)
        # llama-server calls a model without an alias by the path of its file.
        if self._is_known(usual, model):
            return Selection(usual, model)
        return Selection(embedded, model, rival=usual)

    def _prefix(self, name: str) -> BackendConfig | None:
        """Return the backend that a name before a slash means, if it means one.

        A table, or where the file has none a built-in backend with an address: what
        stands before the slash may as well be part of the model's own name.
        """
        folded = name.lower()
        if folded == "embedded" or folded in map(str.lower, self._config.backends):
            return self.backend(name)
        if self._config.has_file_backends or folded not in BUILT_IN_KINDS:
            return None
        try:
            has_address = self.address(self._config.backend(folded)) is not None
        except ConfigError:
            return None  # It is somebody else's trouble when another backend is asked.
        return self.backend(folded) if has_address else None

    def _usual(self) -> BackendConfig | None:
        """Return who would be asked if no model were named, as far as that is known."""
        name = self._config.chosen_backend or self._file_backend()
        try:
            if name:
                return self.backend(name)
            return self.given() or self.remembered()
        except ConfigError:
            return None  # It is said where it is asked.

    def _is_known(self, backend: BackendConfig, model: str) -> bool:
        return is_known_name(backend.base_url or "", model, self._environ)

    def _file_backend(self) -> str | None:
        if self._config.defaults.backend:
            return self._config.defaults.backend
        first = self._config.first_backend
        return first.name if first else None

    def _file_model(self, backend: str) -> str | None:
        """Return `[defaults] model`, which is for the file's own backend only."""
        if self._is_file_backend(backend):
            return self._meant(self._config.defaults.model)
        return None

    def _is_file_backend(self, backend: str) -> bool:
        chosen = self._file_backend()
        return chosen is not None and chosen.lower() == backend.lower()

    def _meant(self, model: str | None) -> str | None:
        """Return the model that a name means: an alias leads to it in one step."""
        alias = self._config.aliases.get(model or "")
        return alias.model if alias else model


def explain_split(error: LLMWrapError, backend: str, whole: str) -> None:
    """Let an error about a model say how the whole name is named, if it was split."""
    if whole and isinstance(error, RefusedError) and error.is_unknown_model:
        how = f"if '{whole}' is its whole name: -b {backend} -m {whole}"
        error.hint = f"{error.hint} ({how})" if error.hint else how


def is_model_file(name: str) -> bool:
    """Tell whether a model's name may be the path of a GGUF file."""
    return name.lower().endswith(_FILE_SUFFIX)


def own_address(kind: str, environ: Mapping[str, str]) -> str | None:
    """Return what the variable of a kind's own programs says. Raises: ConfigError."""
    if kind == "openai":
        return _openai_address(environ)
    if not environ.get("OLLAMA_HOST"):
        return None
    from ..backends.ollama_host import parse_ollama_host

    return parse_ollama_host(environ["OLLAMA_HOST"])


def _openai_address(environ: Mapping[str, str]) -> str | None:
    address = environ.get("OPENAI_BASE_URL")
    if not address:
        return None
    try:
        return parse_base_url(address)
    except ValueError as error:
        shown = mask_secrets(address)
        raise ConfigError(f"OPENAI_BASE_URL '{shown}': {error}") from error
