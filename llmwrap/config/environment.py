"""The LLMWRAP_* variables as settings.

`LLMWRAP_SECTION_KEY` sets a key, `LLMWRAP_BACKENDS_NAME_KEY` one of a backend, with `-`
as `_`; lists and tables are JSON; an empty one counts as not set, as XDG has it. A
backend that the file does not have is made when its name is a built-in kind or its
`..._BACKEND_TYPE` is set, and comes after those of the file. Names that begin with
`LLMWRAP_TEST_` belong to the tests and are ignored; any other unknown one is a warning.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ConfigError
from .complaints import nearest, quoted
from .kinds import BUILT_IN_KINDS, Place
from .schema import BACKEND_KEYS, BACKENDS, SECTIONS, Key
from .settings import Settings, built_in_kind, is_backend_name
from .source import FILE_VARIABLE

PREFIX = "LLMWRAP_"
BACKEND_VARIABLE = "LLMWRAP_BACKEND"
MODEL_VARIABLE = "LLMWRAP_MODEL"
API_KEY_VARIABLE = "LLMWRAP_API_KEY"
OWN_VARIABLES = (
    BACKEND_VARIABLE,
    MODEL_VARIABLE,
    FILE_VARIABLE,
    API_KEY_VARIABLE,
    "LLMWRAP_DEBUG",
    "LLMWRAP_DIRECT",
)
"""The variables that are no key of the file."""

_TEST_PREFIX = PREFIX + "TEST_"
_BACKENDS_PREFIX = f"{PREFIX}{BACKENDS.upper()}_"


def variable_of(section: str, name: str) -> str:
    """Return the variable of a key: `LLMWRAP_CACHE_TTL`, `..._BACKENDS_BOX_PROXY`."""
    return f"{PREFIX}{section}_{name}".upper().replace(".", "_").replace("-", "_")


def take_variables(
    settings: Settings, environ: Mapping[str, str], place: Place
) -> tuple[str, ...]:
    """Set what the variables say; return the warnings about unknown ones.

    Sorted, so that two runs with the same variables make the same configuration.
    Raises: ConfigError naming the variable.
    """
    warnings = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        text = environ[variable]
        if not text or variable in OWN_VARIABLES or variable.startswith(_TEST_PREFIX):
            continue
        found = _plain_key(variable)
        if variable.startswith(_BACKENDS_PREFIX):
            found = _backend_key(variable, settings, environ)
        if found is None:
            warnings.append(_unknown(variable, settings))
        else:
            section, key = found
            settings.put_text(section, key, text, variable, place)
    return tuple(warnings)


def _plain_key(variable: str) -> tuple[str, Key] | None:
    for section, keys in SECTIONS.items():
        for key in keys if section != BACKENDS else ():
            names = (key.name, key.alias) if key.alias else (key.name,)
            if variable in [variable_of(section, name) for name in names]:
                return section, key
    return None


def _backend_key(
    variable: str, settings: Settings, environ: Mapping[str, str]
) -> tuple[str, Key] | None:
    # A name may hold '_', and so do keys: a backend that exists comes first, then
    # the longest key (FOO_CONNECT_TIMEOUT is 'connect_timeout' of FOO).
    readings = _readings(variable)
    for name, key in readings:
        tables = [table for table in settings.backends if _mangled(table) == name]
        if len(tables) > 1:
            both = " and ".join(quoted(table) for table in tables)
            raise ConfigError(f"'{variable}': may mean the backends {both}")
        if tables:
            return f"{BACKENDS}.{tables[0]}", key
    for name, key in readings:
        has_type = environ.get(f"{_BACKENDS_PREFIX}{name}_BACKEND_TYPE")
        if is_backend_name(name) and (has_type or built_in_kind(name)):
            return settings.add_backend(name.lower(), variable), key
    return None


def _readings(variable: str) -> list[tuple[str, Key]]:
    rest = variable.removeprefix(_BACKENDS_PREFIX)
    longest_first = sorted(BACKEND_KEYS, key=lambda key: -len(key.name))
    found = []
    for key in longest_first:
        name = rest.removesuffix("_" + key.name.upper())
        if name and name != rest:
            found.append((name, key))
    return found


def _mangled(name: str) -> str:
    return name.upper().replace("-", "_")


def _unknown(variable: str, settings: Settings) -> str:
    known = list(OWN_VARIABLES)
    for section, keys in SECTIONS.items():
        if section != BACKENDS:
            known += [variable_of(section, key.name) for key in keys]
    for name in (*settings.backends, *BUILT_IN_KINDS):
        section = f"{BACKENDS}.{name}"
        known += [variable_of(section, key.name) for key in BACKEND_KEYS]
    best = nearest(variable, known)
    hint = f"; did you mean '{best}'?" if best else ""
    readings = _readings(variable) if variable.startswith(_BACKENDS_PREFIX) else []
    if readings:
        name = readings[0][0].lower()
        return f"{quoted(variable)} is ignored, there is no backend '{name}'{hint}"
    return f"unknown variable {quoted(variable)} is ignored{hint}"
