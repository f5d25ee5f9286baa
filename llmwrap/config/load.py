"""The configuration in force: file, variables and defaults as one value.

Not for options (the command line lays them over this value), and not for probing: no
directory is made, no key read, no backend asked.
"""

import os
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from .. import paths
from ..errors import ConfigError
from .complaints import (
    DEFAULT_ORIGIN,
    bad_value,
    is_file_origin,
    origin_subject,
    quoted,
    suggestion,
)
from .kinds import BUILT_IN_KINDS, NAME, PathBase
from .schema import (
    ALIASES,
    BACKENDS,
    EMPTY_ALIASES,
    SECTIONS,
    AliasConfig,
    BackendConfig,
    CacheConfig,
    DefaultsConfig,
    HistoryConfig,
    LimitsConfig,
    LoggingConfig,
    Secret,
    StreamingConfig,
    TemplatesConfig,
    UIConfig,
)
from .sources import (
    API_KEY_VARIABLE,
    BACKEND_VARIABLE,
    MODEL_VARIABLE,
    Collected,
    built_in_kind,
    config_path,
    is_named,
    read_document,
    take_document,
    take_variables,
)
from .toml import parse_toml


class Config(NamedTuple):
    """Everything that file and variables say, with defaults for the rest.

    `backends` has the tables in the order of the file, then those of variables.
    `origins` says for each dotted key where its value came from: `default`, `file
    /x/config.toml`, or the name of a variable. `warnings` are lines for the caller to
    print. `chosen_backend` and `chosen_model` are LLMWRAP_BACKEND and LLMWRAP_MODEL,
    `api_key` is LLMWRAP_API_KEY; they are not `[defaults]`, whose model counts only
    for the backend the file chooses. Immutable: any thread may read it.
    """

    defaults: DefaultsConfig
    limits: LimitsConfig
    backends: Mapping[str, BackendConfig]
    streaming: StreamingConfig
    cache: CacheConfig
    templates: TemplatesConfig
    ui: UIConfig
    logging: LoggingConfig
    history: HistoryConfig
    path: str | None
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    chosen_backend: str | None = None
    chosen_model: str | None = None
    api_key: Secret | None = None
    aliases: Mapping[str, AliasConfig] = EMPTY_ALIASES

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        until: float | None = None,
    ) -> "Config":
        """Return the configuration: variables over the file over defaults.

        The file is `path`, else `$LLMWRAP_CONFIG`, else `llmwrap/config.toml` in the
        XDG place, and only the last may be missing; none in the working directory is
        read by itself. `environ` None is the environment of the process. For the
        defaults alone load os.devnull with an `environ` of HOME. A pipe is read for
        half a minute, or to the deadline `until` (monotonic). Raises: ConfigError,
        DeadlineError.
        """
        environ = os.environ if environ is None else environ
        file = config_path(path, environ)
        must_exist = is_named(path, environ)
        document = read_document(file, must_exist=must_exist, until=until)
        return cls._of(document, file, environ)

    @classmethod
    def of_text(cls, content: bytes, path: str, environ: Mapping[str, str]) -> "Config":
        """Return the configuration if a file held a content. Raises: ConfigError."""
        return cls._of(parse_toml(content, path), path, environ)

    @classmethod
    def _of(
        cls,
        document: Mapping[str, object] | None,
        file: str,
        environ: Mapping[str, str],
    ) -> "Config":
        settings = Collected()
        if document is not None:
            place = PathBase(os.path.dirname(file), environ)
            take_document(settings, document, file, place)
        warnings = take_variables(settings, environ, PathBase("", environ))
        config = _filled(settings, None if document is None else file, environ)
        config = config._replace(warnings=warnings)
        _check_default_backend(config)
        return _with_own_variables(config, environ)

    @property
    def first_backend(self) -> BackendConfig | None:
        """Return the backend that stands first, None to leave it to discovery.

        The first table of the file; without one, the first that a variable gave an
        address, as one that only has a time-out or a key chooses nothing.
        """
        for name, backend in self.backends.items():
            if self._is_in_file(name) or "base_url" in backend.explicit:
                return backend
        return None

    @property
    def has_file_backends(self) -> bool:
        """Tell whether the file has a table of a backend."""
        return any(map(self._is_in_file, self.backends))

    def _is_in_file(self, backend: str) -> bool:
        return is_file_origin(self.origins[f"{BACKENDS}.{backend}"])

    @property
    def backend_names(self) -> tuple[str, ...]:
        """Return the names that `backend` knows: tables first, then built-in ones."""
        return tuple(dict.fromkeys((*self.backends, *BUILT_IN_KINDS)))

    def backend(self, name: str) -> BackendConfig:
        """Return a configured or built-in backend, by its name in any case.

        Raises: ConfigError naming the nearest one.
        """
        folded = name.lower()
        if name in self.backends:
            return self.backends[name]
        for table, backend in self.backends.items():
            if table.lower() == folded:
                return backend
        if folded in BUILT_IN_KINDS:
            return _backend(Collected(), folded)
        hint = suggestion(name, self.backend_names)
        raise ConfigError(f"unknown backend {quoted(name)}", hint=hint)

    def bad_value(
        self, key: str, value: object, choices: Collection[str]
    ) -> ConfigError:
        """Return the error about a value that only a higher floor can judge.

        `key` is dotted (`ui.theme`); `choices` is what it could be.
        """
        origin = self.origins.get(key, DEFAULT_ORIGIN)
        return bad_value(origin, key, value, suggestion(str(value), choices))


def built_in_backend(kind: str) -> BackendConfig:
    """Return a built-in backend as it is without a table and without variables."""
    return _backend(Collected(), kind)


def _filled(
    settings: Collected, path: str | None, environ: Mapping[str, str]
) -> Config:
    backends = {name: _backend(settings, name) for name in settings.backends}
    cache = CacheConfig._make(_values(settings, "cache"))
    if not cache.path:
        cache = cache._replace(path=paths.cache_dir(environ))
    return Config(
        defaults=DefaultsConfig._make(_values(settings, "defaults")),
        limits=LimitsConfig._make(_values(settings, "limits")),
        backends=MappingProxyType(backends),
        streaming=StreamingConfig._make(_values(settings, "streaming")),
        cache=cache,
        templates=TemplatesConfig._make(_values(settings, "templates")),
        ui=UIConfig._make(_values(settings, "ui")),
        logging=LoggingConfig._make(_values(settings, "logging")),
        history=HistoryConfig._make(_values(settings, "history")),
        path=path,
        origins=MappingProxyType(settings.origins),
        aliases=MappingProxyType(
            {name: _alias(settings, name) for name in settings.tables[ALIASES]}
        ),
    )


def _values(settings: Collected, section: str) -> list[object]:
    """Return the values of a section in the order of the schema."""
    given = settings.values.get(section, {})
    nowhere = PathBase("", {})
    values: list[object] = []
    for key in SECTIONS[section.partition(".")[0]]:
        if key.name in given:
            values.append(given[key.name])
            continue
        settings.origins[f"{section}.{key.name}"] = DEFAULT_ORIGIN
        is_set = key.default is not None
        values.append(key.kind.parse(key.default, nowhere) if is_set else None)
    return values


def _backend(settings: Collected, name: str) -> BackendConfig:
    section = f"{BACKENDS}.{name}"
    kind, *others = _values(settings, section)
    kind = kind or built_in_kind(name)
    if kind is None:
        where = origin_subject(settings.origins[section])
        raise ConfigError(
            f"'{where}': '{section}.backend_type' is missing",
            hint=f"choose from {', '.join(BUILT_IN_KINDS)}",
        )
    explicit = frozenset(settings.values.get(section, ()))
    backend = BackendConfig._make((name, kind, *others, explicit))
    return _at_another_address(settings, backend)


def _at_another_address(settings: Collected, backend: BackendConfig) -> BackendConfig:
    """Return a backend whose address a variable changed without what was the table's.

    What other variables say of it was said beside the address, and stays.
    """
    section = f"{BACKENDS}.{backend.name}"
    moved = settings.moved_from.get(section)
    if moved is None or moved == backend.base_url:
        return backend
    stripped = backend.elsewhere()
    kept: dict[str, object] = {"base_url": backend.base_url}
    fields = zip(SECTIONS[BACKENDS], BackendConfig._fields[1:-1], strict=True)
    for key, field in fields:
        origin = settings.origins.get(f"{section}.{key.name}", DEFAULT_ORIGIN)
        if origin != DEFAULT_ORIGIN and not is_file_origin(origin):
            kept[field] = getattr(backend, field)
    values = {**stripped._asdict(), **kept, "explicit": backend.explicit}
    return BackendConfig._make(values.values())


def _alias(settings: Collected, name: str) -> AliasConfig:
    """Return an alias; it leads to a model and not to another alias."""
    section = f"{ALIASES}.{name}"
    alias = AliasConfig._make((name, *_values(settings, section)))
    dotted = f"{section}.model"
    if not alias.model:
        where = origin_subject(settings.origins[section])
        raise ConfigError(f"'{where}': '{dotted}' is missing")
    if alias.model != name and alias.model in settings.tables[ALIASES]:
        origin, hint = settings.origins[dotted], "name the model itself"
        raise bad_value(origin, dotted, alias.model, f"an alias is no model; {hint}")
    return alias


def _check_default_backend(config: Config) -> None:
    name = config.defaults.backend
    known = [known.lower() for known in config.backend_names]
    if name is not None and name.lower() not in known:
        raise config.bad_value("defaults.backend", name, config.backend_names)


def _with_own_variables(config: Config, environ: Mapping[str, str]) -> Config:
    return config._replace(
        chosen_backend=_name_in(environ, BACKEND_VARIABLE),
        chosen_model=_name_in(environ, MODEL_VARIABLE),
        api_key=_key_in(environ),
    )


def _name_in(environ: Mapping[str, str], variable: str) -> str | None:
    text = environ.get(variable)
    if not text:
        return None
    try:
        return str(NAME.parse(text, PathBase("", {})))
    except ValueError as error:
        raise bad_value(variable, variable, text, str(error)) from None


def _key_in(environ: Mapping[str, str]) -> Secret | None:
    if not environ.get(API_KEY_VARIABLE):
        return None
    from .api_key import key_in

    return key_in(environ, API_KEY_VARIABLE)
