"""The configuration file: which one it is, what stands in it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from .. import paths
from ..errors import ConfigError
from ..files import read_named
from .complaints import file_origin, nearest, printable, quoted
from .kinds import Place, expand_home
from .schema import BACKENDS, SECTIONS, Key
from .settings import Settings, is_backend_name
from .toml_text import parse_toml

FILE_VARIABLE = "LLMWRAP_CONFIG"
_LARGEST_BYTES = 1 << 20
_LONGEST_S = 30.0


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
        content = read_named(path, _LARGEST_BYTES, read_until(until)).data
    except (FileNotFoundError, NotADirectoryError) as error:
        if not must_exist:
            return None
        hint = "run 'llmwrap config init' to write one"
        raise _cannot_read(path, "there is no such file", hint) from error
    except OSError as error:
        raise _cannot_read(path, (error.strerror or str(error)).lower()) from error
    except ValueError as error:
        raise _cannot_read(path, "a path holds no null character") from error
    if len(content) > _LARGEST_BYTES:
        raise _cannot_read(path, "it is larger than 1 MiB")
    return parse_toml(content, path) if content else {}


def _cannot_read(path: str, why: str, hint: str = "") -> ConfigError:
    return ConfigError(
        f"cannot read the configuration '{printable(path)}': {why}", hint=hint
    )


def take_document(
    settings: Settings, document: Mapping[str, object], path: str, place: Place
) -> None:
    """Check every key and value of the file and set them. Raises: ConfigError."""
    for section, table in document.items():
        if section not in SECTIONS:
            raise _unknown(path, section, None)
        if not isinstance(table, dict):
            raise _no_table(path, section)
        if section != BACKENDS:
            _take_table(settings, section, table, path, place)
            continue
        for name, keys in table.items():
            if not is_backend_name(name):
                hint = "use letters, digits, '-' and '_'"
                raise ConfigError(
                    f"'{printable(path)}': bad name {quoted(name)} of a backend",
                    hint=hint,
                )
            if not isinstance(keys, dict):
                raise _no_table(path, f"{BACKENDS}.{name}")
            inner = settings.add_backend(name, file_origin(path))
            _take_table(settings, inner, keys, path, place)


def _take_table(
    settings: Settings,
    section: str,
    table: Mapping[str, object],
    path: str,
    place: Place,
) -> None:
    keys = _keys_of(section)
    by_name = {key.name: key for key in keys}
    by_name.update((key.alias, key) for key in keys if key.alias)
    for name, raw in table.items():
        key = by_name.get(name)
        if key is None:
            raise _unknown(path, name, section)
        if key.alias and key.alias in table and key.name in table:
            raise ConfigError(
                f"'{printable(path)}': '{section}.{key.name}' is given twice",
                hint=f"'{key.alias}' is the same",
            )
        settings.put(section, key, raw, file_origin(path), place)


def _no_table(path: str, section: str) -> ConfigError:
    return ConfigError(
        f"'{printable(path)}': '{section}' is no table", hint=f"write [{section}]"
    )


def _unknown(path: str, name: str, section: str | None) -> ConfigError:
    dotted = name if section is None else f"{section}.{name}"
    siblings = _names_in(section)
    best = None if section is None else nearest(name, siblings)
    best = best or _elsewhere(name) or nearest(name, siblings)
    hint = f"did you mean '{best}'?" if best else f"known are {', '.join(siblings)}"
    return ConfigError(f"'{printable(path)}': unknown key {quoted(dotted)}", hint=hint)


def _elsewhere(name: str) -> str | None:
    for section in SECTIONS:
        if name in _names_in(section):
            return f"{section}{'.NAME' if section == BACKENDS else ''}.{name}"
    return None


def _names_in(section: str | None) -> list[str]:
    if section is None:
        return list(SECTIONS)
    return [key.name for key in _keys_of(section)]


def _keys_of(section: str) -> tuple[Key, ...]:
    return SECTIONS[section.partition(".")[0]]
