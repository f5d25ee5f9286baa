"""What of the user's own goes to a backend: keys, passwords, headers, a query.

Every one is read here, from its variable or file, and none is ever shown. Not for the
rule who gets which (engine/access.py), nor that nothing of a table goes to another
address.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import ConfigError
from ..named_files import read_named
from .schema import BackendConfig, Secret
from .sources import read_until

_LARGEST_BYTES = 16384
_OTHERS = 0o077
_SECRET_NAMES = ("authorization", "cookie", "key", "token", "secret", "password")
_SHORTEST = 6

Pairs = tuple[tuple[str, str], ...]


class ApiKey(NamedTuple):
    """What was found: the key, None when there is none, and lines to warn with."""

    key: Secret | None
    warnings: tuple[str, ...] = ()


class OwnThings(NamedTuple):
    """What a table says that goes with each request, and lines to warn with.

    `secrets` are those texts that are to be shown nowhere.
    """

    key: str | None
    password: str | None
    headers: Pairs
    query: Pairs
    secrets: tuple[str, ...]
    warnings: tuple[str, ...]


class _Read(NamedTuple):
    text: str
    where: str
    warnings: tuple[str, ...] = ()


class _Sent(NamedTuple):
    name: str
    text: str
    warnings: tuple[str, ...] = ()
    is_read: bool = False


def read_own(
    backend: BackendConfig, environ: Mapping[str, str], until: float | None = None
) -> OwnThings:
    """Return what of the user's own a table names.

    Raises: ConfigError, never with a secret in it; DeadlineError.
    """
    found = read_api_key(backend, environ, until)
    key = found.key.reveal() if found.key else None
    password, warnings = _password(backend, environ, until)
    headers = _pairs(backend, backend.headers, environ, until)
    query = _pairs(backend, backend.query, environ, until)
    secrets = [text for text in (key, password) if text]
    secrets += [one.text for one in headers if one.is_read or is_secret_name(one.name)]
    secrets += [one.text for one in query]
    told = [line for one in (*headers, *query) for line in one.warnings]
    return OwnThings(
        key,
        password,
        tuple((one.name, one.text) for one in headers),
        tuple((one.name, one.text) for one in query),
        tuple(secrets),
        (*found.warnings, *warnings, *told),
    )


def _pairs(
    backend: BackendConfig,
    table: Mapping[str, str | Mapping[str, str]],
    environ: Mapping[str, str],
    until: float | None,
) -> list[_Sent]:
    pairs = []
    for name, value in table.items():
        if isinstance(value, str):
            pairs.append(_Sent(name, value))
            continue
        source = _sourced(value.get("env"), value.get("file"), environ, until)
        if source is None:
            raise ConfigError(
                f"the variable '{value['env']}' is not set; '{backend.name}' needs it"
            )
        pairs.append(_Sent(name, _value(source), source.warnings, is_read=True))
    return pairs


def read_api_key(
    backend: BackendConfig, environ: Mapping[str, str], until: float | None = None
) -> ApiKey:
    """Return the key that `api_key_env`, else `api_key_file`, leads to.

    A variable that is not set falls through to the file, and is a warning without
    one. A file that others may read is a warning; a pipe is waited for as the whole
    configuration is. Raises: ConfigError, never with the key in it, for a file that is
    missing and for a key that no header can hold; DeadlineError.
    """
    env = backend.api_key_env
    found = _sourced(env, backend.api_key_file, environ, until)
    if found:
        return ApiKey(checked_key(found.text, found.where), found.warnings)
    if env:
        warning = f"the variable '{env}' is not set; '{backend.name}' is asked without"
        return ApiKey(None, (f"{warning} a key",))
    return ApiKey(None)


def key_in(environ: Mapping[str, str], variable: str) -> Secret | None:
    """Return the key that a variable holds, None where it is empty or not set.

    Raises: ConfigError without the key.
    """
    text = environ.get(variable)
    return checked_key(text, f"'{variable}'") if text else None


def checked_key(text: str, where: str) -> Secret:
    """Return a key, white space at its ends dropped.

    Raises: ConfigError, without the key, for what cannot stand in a header.
    """
    try:
        return Secret(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def is_secret_name(header: str) -> bool:
    """Tell whether the value of a header is shown to nobody."""
    return any(word in header.lower() for word in _SECRET_NAMES)


def without_secrets(text: str, environ: Mapping[str, str]) -> str:
    """Return a text of somebody else's with nothing that may be a secret in it.

    What stands behind a scheme of authorization, and the values of variables that are
    named as secrets are.
    """
    import re  # late: only on the way to a bug's report

    text = re.sub(r"(?i)\b(bearer|basic)(\s+)[^\s'\"\\]+", r"\1\2***", text)
    for name, value in environ.items():
        if is_secret_name(name) and len(value.strip()) >= _SHORTEST:
            text = text.replace(value.strip(), "***")
    return text


def _password(
    backend: BackendConfig, environ: Mapping[str, str], until: float | None
) -> tuple[str | None, tuple[str, ...]]:
    if not backend.user:
        return None, ()
    env = backend.password_env
    found = _sourced(env, backend.password_file, environ, until)
    if found is None:
        if env:
            raise ConfigError(f"the variable '{env}' is not set; '{backend.name}' has"
                              " no password")  # fmt: skip
        return "", ()
    text = found.text.strip("\r\n")
    if not text or not text.isprintable():
        raise ConfigError(f"{found.where}: the password is empty or unprintable")
    return text, found.warnings


def _value(source: _Read) -> str:
    text = source.text.strip()
    if not text or not (text.isascii() and text.isprintable()):
        raise ConfigError(f"{source.where}: what it holds cannot stand in a header")
    return text


def _sourced(
    env: str | None, file: str | None, environ: Mapping[str, str], until: float | None
) -> _Read | None:
    """Return what a variable holds, else what a file does; None without either."""
    if env and environ.get(env):
        return _Read(environ[env], f"the variable '{env}'")
    return _from_file(file, until) if file else None


def _from_file(path: str, until: float | None) -> _Read:
    try:
        content, mode = read_named(path, _LARGEST_BYTES, read_until(until))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot read the API key file '{path}': {why}") from error
    if len(content) > _LARGEST_BYTES:
        raise ConfigError(f"cannot read the API key file '{path}': it is too large")
    where = f"the API key file '{path}'"
    # Latin-1 never fails; what is not ASCII is refused with the rest.
    text = content.decode("latin-1")
    if os.name == "posix" and mode & _OTHERS:
        return _Read(text, where, (f"others may open '{path}'; run 'chmod 600' on it",))
    return _Read(text, where)
