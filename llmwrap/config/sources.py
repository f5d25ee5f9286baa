"""What the file and the variables set, before defaults fill in the rest.

`LLMWRAP_SECTION_KEY` sets a key, `LLMWRAP_BACKENDS_NAME_KEY` one of a backend, with `-`
as `_`; lists and tables are JSON; an empty one counts as not set, as XDG has it. A
backend that the file does not have is made when its name is a built-in kind or its
`..._BACKEND_TYPE` is set, and comes after those of the file. Names that begin with
`LLMWRAP_TEST_` belong to the tests and are ignored; any other unknown one is a warning.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from .. import paths
from ..errors import ConfigError
from ..named_files import read_named
from .complaints import (
    bad_value,
    file_origin,
    is_file_origin,
    nearest,
    printable,
    quoted,
)
from .kinds import BACKEND_KIND, BUILT_IN_KINDS, PathBase, expand_home
from .schema import ALIASES, BACKEND_KEYS, BACKENDS, NAMED, SECTIONS, Key
from .toml import parse_toml

FILE_VARIABLE = "LLMWRAP_CONFIG"
LARGEST_BYTES = 1 << 20
"""How large a file of settings may be."""

_LONGEST_S = 30.0
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
_ALIASES_PREFIX = f"{PREFIX}{ALIASES.upper()}_"
_PLAIN = str.maketrans(".:-", "___")  # what a variable has instead


class Collected:
    """Collect parsed values of one load, each with its origin; the last one wins.

    `values` has a mapping for each section that was mentioned, whose keys are the
    names of the schema; a backend's section is `backends.NAME`. `origins` goes by
    the dotted names, `backends.NAME` among them. Belongs to the thread that loads.
    """

    def __init__(self) -> None:
        self.values: dict[str, dict[str, object]] = {}
        self.origins: dict[str, str] = {}
        self.tables: dict[str, list[str]] = {group: [] for group in NAMED}
        self.moved_from: dict[str, str] = {}
        """The addresses of the file that variables replaced, by section."""

    @property
    def backends(self) -> list[str]:
        """Return the names of the backends."""
        return self.tables[BACKENDS]

    def add_table(self, group: str, name: str, origin: str) -> str:
        """Note a table that was not there before and return its section."""
        section = f"{group}.{name}"
        self.tables[group].append(name)
        self.values[section] = {}
        self.origins[section] = origin
        return section

    def put(
        self, section: str, key: Key, raw: object, origin: str, place: PathBase
    ) -> None:
        """Parse a value as TOML has it and keep it. Raises: ConfigError."""
        dotted = f"{section}.{key.name}"
        try:
            value = key.kind.parse(raw, place)
        except ValueError as error:
            shown = key.kind.mask(raw) if isinstance(raw, str) else raw
            raise bad_value(origin, dotted, shown, str(error)) from None
        values = self.values.setdefault(section, {})
        before = values.get(key.name)
        if key.name == "base_url" and not is_file_origin(origin):
            in_file = before if isinstance(before, str) else ""
            if section in self.values and is_file_origin(self.origins.get(section, "")):
                self.moved_from[section] = in_file
        values[key.name] = value
        self.origins[dotted] = origin

    def put_text(
        self, section: str, key: Key, text: str, origin: str, place: PathBase
    ) -> object:
        """Parse a value as a variable has it, keep it, and return it as TOML has it.

        Raises: ConfigError.
        """
        try:
            raw = key.kind.from_text(text)
        except ValueError as error:
            dotted = f"{section}.{key.name}"
            raise bad_value(origin, dotted, text, str(error)) from None
        self.put(section, key, raw, origin, place)
        return raw


def is_backend_name(name: str) -> bool:
    """Tell whether a table may be called so: what TOML takes without quotes."""
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum()


def is_alias_name(name: str) -> bool:
    """Tell whether an alias may be called so: as models are, but without a slash."""
    return is_backend_name(name.replace(".", "-").replace(":", "-"))


def built_in_kind(name: str) -> str | None:
    """Return the built-in kind of which a backend's name speaks, None if of none."""
    kind = str(BACKEND_KIND.parse(name, PathBase("", {})))
    return kind if kind in BUILT_IN_KINDS else None


def is_named(path: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> bool:
    """Tell whether the file was chosen by somebody, so that it has to be there."""
    return path is not None or bool(environ.get(FILE_VARIABLE))


def config_path(path: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> str:
    """Return the absolute path of the file that is read, or would be if it existed.

    Raises: ConfigError when the path is relative and the working directory is gone.
    """
    chosen = os.fspath(path) if path is not None else ""
    if path is None:
        chosen = expand_home(environ.get(FILE_VARIABLE, ""), environ)
    if path is None and not chosen:
        chosen = os.path.join(paths.config_dir(environ), "config.toml")
    if os.path.isabs(chosen):
        return chosen
    try:
        return os.path.join(os.getcwd(), chosen)
    except OSError as error:
        raise _cannot_read(chosen, "the working directory is gone") from error


def read_until(until: float | None) -> float:
    """Return when reading a file of the configuration is given up.

    That is after half a minute, or with the deadline, both on the monotonic clock.
    """
    bound = time.monotonic() + _LONGEST_S
    return bound if until is None else min(bound, until)


def read_document(
    path: str, *, must_exist: bool, until: float | None = None
) -> dict[str, object] | None:
    """Return the tables of a TOML file, None when it does not exist and need not.

    Raises: ConfigError in one line for whatever makes the file unusable, DeadlineError
    for a pipe that does not end.
    """
    try:
        content = read_named(path, LARGEST_BYTES, read_until(until)).data
    except (FileNotFoundError, NotADirectoryError) as error:
        if not must_exist:
            return None
        hint = "run 'llmwrap config init' to write one"
        raise _cannot_read(path, "there is no such file", hint) from error
    except OSError as error:
        raise _cannot_read(path, (error.strerror or str(error)).lower()) from error
    except ValueError as error:
        raise _cannot_read(path, "a path holds no null character") from error
    if len(content) > LARGEST_BYTES:
        raise _cannot_read(path, "it is larger than 1 MiB")
    return parse_toml(content, path) if content else {}


def _cannot_read(path: str, why: str, hint: str = "") -> ConfigError:
    return ConfigError(
        f"cannot read the configuration '{printable(path)}': {why}", hint=hint
    )


def take_document(
    settings: Collected, document: Mapping[str, object], path: str, place: PathBase
) -> None:
    """Check every key and value of the file and set them. Raises: ConfigError."""
    for section, table in document.items():
        if section not in SECTIONS:
            raise _unknown_key(path, section, None)
        if not isinstance(table, dict):
            raise _no_table(path, section)
        if section not in NAMED:
            _take_table(settings, section, table, path, place)
            continue
        for name, keys in table.items():
            _check_name(section, name, path)
            if section == ALIASES and not isinstance(keys, dict):
                keys = {"model": keys}  # noqa: PLW2901  the short form
            if not isinstance(keys, dict):
                raise _no_table(path, f"{section}.{name}")
            inner = settings.add_table(section, name, file_origin(path))
            _take_table(settings, inner, keys, path, place)


def _check_name(group: str, name: str, path: str) -> None:
    what, is_name, more = "a backend", is_backend_name, ""
    if group == ALIASES:
        what, is_name, more = "an alias", is_alias_name, " '.', ':',"
    if not is_name(name):
        raise ConfigError(
            f"'{printable(path)}': bad name {quoted(name)} of {what}",
            hint=f"use letters, digits,{more} '-' and '_'",
        )


def _take_table(
    settings: Collected,
    section: str,
    table: Mapping[str, object],
    path: str,
    place: PathBase,
) -> None:
    keys = _keys_of(section)
    by_name = {key.name: key for key in keys}
    by_name.update((key.alias, key) for key in keys if key.alias)
    for name, raw in table.items():
        key = by_name.get(name)
        if key is None:
            raise _unknown_key(path, name, section)
        if key.alias and key.alias in table and key.name in table:
            raise ConfigError(
                f"'{printable(path)}': '{section}.{key.name}' is given twice",
                hint=f"'{key.alias}' is the same",
            )
        settings.put(section, key, raw, file_origin(path), place)


def key_named(name: str, path: str) -> tuple[str, Key]:
    """Return the section and the key of a dotted name: `backends.box.timeout`.

    `aliases.fast` is the model of an alias. `path` is the file it is for. Raises:
    ConfigError naming the nearest one.
    """
    section, _, last = name.rpartition(".")
    if name.startswith(f"{ALIASES}."):
        section, last = _alias_named(name, path)
    top, _, table = section.partition(".")
    is_known = top in SECTIONS and bool(table) == (top in NAMED)
    for key in _keys_of(section) if is_known else ():
        if last in (key.name, key.alias):
            return section, key
    raise _no_key(name, path) or _unknown_key(
        path, last if is_known else name, section if is_known else None
    )


def _alias_named(name: str, path: str) -> tuple[str, str]:
    """Return the section and the key: what names no key is the alias itself."""
    alias, _, last = name.partition(".")[2].rpartition(".")
    if not alias or last not in _names_in(ALIASES):
        alias, last = name.partition(".")[2], SECTIONS[ALIASES][0].name
    alias = alias.strip("\"'")  # as TOML has one with a dot
    _check_name(ALIASES, alias, path)
    return f"{ALIASES}.{alias}", last


def _no_key(name: str, path: str) -> ConfigError | None:
    """Return the error about the name of a table, or of a part of a value, if it is."""
    top, *others = name.split(".")
    if top not in SECTIONS:
        return None
    names = _names_in(top)
    if len(others) == (top in NAMED) or not others:
        known = ", ".join(names if others or top not in NAMED else _in_group(top))
        return ConfigError(
            f"'{printable(path)}': {quoted(name)} is a table, not a value",
            hint=f"its keys are {known}",
        )
    within = others[1:] if top in NAMED else others
    if len(within) < 2 or within[0] not in names:
        return None
    whole = name.removesuffix("." + ".".join(within[1:]))
    hint = f"'{whole}' is one value; lists and tables are JSON"
    return ConfigError(f"'{printable(path)}': unknown key {quoted(name)}", hint=hint)


def _in_group(group: str) -> list[str]:
    if group == ALIASES:
        return [f"{ALIASES}.NAME = MODEL"]
    return [f"{group}.NAME.{name}" for name in _names_in(group)]


def _no_table(path: str, section: str) -> ConfigError:
    return ConfigError(
        f"'{printable(path)}': '{section}' is no table", hint=f"write [{section}]"
    )


def _unknown_key(path: str, name: str, section: str | None) -> ConfigError:
    dotted = name if section is None else f"{section}.{name}"
    siblings = _names_in(section)
    best = None if section is None else nearest(name, siblings)
    best = best or _elsewhere(name) or nearest(name, siblings)
    hint = f"did you mean '{best}'?" if best else f"known are {', '.join(siblings)}"
    return ConfigError(f"'{printable(path)}': unknown key {quoted(dotted)}", hint=hint)


def _elsewhere(name: str) -> str | None:
    for section in SECTIONS:
        if name in _names_in(section):
            return f"{section}{'.NAME' if section in NAMED else ''}.{name}"
    return None


def _names_in(section: str | None) -> list[str]:
    if section is None:
        return list(SECTIONS)
    return [key.name for key in _keys_of(section)]


def _keys_of(section: str) -> tuple[Key, ...]:
    return SECTIONS[section.partition(".")[0]]


def variable_of(section: str, name: str) -> str:
    """Return the variable of a key: `LLMWRAP_CACHE_TTL`, `..._BACKENDS_BOX_PROXY`."""
    return f"{PREFIX}{section}_{name}".upper().translate(_PLAIN)


def take_variables(
    settings: Collected, environ: Mapping[str, str], place: PathBase
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
        elif variable.startswith(_ALIASES_PREFIX):
            found = _alias_key(variable, settings)
        if found is None:
            warnings.append(_unknown_variable(variable, settings))
        else:
            section, key = found
            settings.put_text(section, key, text, variable, place)
    return tuple(warnings)


def _plain_key(variable: str) -> tuple[str, Key] | None:
    for section, keys in SECTIONS.items():
        for key in keys if section not in NAMED else ():
            names = (key.name, key.alias) if key.alias else (key.name,)
            if variable in [variable_of(section, name) for name in names]:
                return section, key
    return None


def _backend_key(
    variable: str, settings: Collected, environ: Mapping[str, str]
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
            return settings.add_table(BACKENDS, name.lower(), variable), key
    return None


def _alias_key(variable: str, settings: Collected) -> tuple[str, Key] | None:
    # What names no key is the alias itself, in the short form.
    whole = (variable.removeprefix(_ALIASES_PREFIX), SECTIONS[ALIASES][0])
    readings = [*_readings(variable, ALIASES), whole]
    for name, key in readings:
        for alias in settings.tables[ALIASES]:
            if _mangled(alias) == name:
                return f"{ALIASES}.{alias}", key
    for name, key in readings:
        if is_backend_name(name):
            return settings.add_table(ALIASES, name.lower(), variable), key
    return None


def _readings(variable: str, group: str = BACKENDS) -> list[tuple[str, Key]]:
    rest = variable.removeprefix(f"{PREFIX}{group.upper()}_")
    longest_first = sorted(SECTIONS[group], key=lambda key: -len(key.name))
    found = []
    for key in longest_first:
        name = rest.removesuffix("_" + key.name.upper())
        if name and name != rest:
            found.append((name, key))
    return found


def _mangled(name: str) -> str:
    return name.upper().translate(_PLAIN)


def _unknown_variable(variable: str, settings: Collected) -> str:
    known = list(OWN_VARIABLES)
    for section, keys in SECTIONS.items():
        if section not in NAMED:
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
