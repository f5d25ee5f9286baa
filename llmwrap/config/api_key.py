"""The API key of a backend: from its variable or its file.

Not for LLMWRAP_API_KEY (`Config.api_key`), which goes to the backend of first choice
only and so is the business of whoever chooses, nor for the rule that no key of a table
goes to another address.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import ConfigError
from ..files import read_named
from .schema import BackendConfig, Secret
from .sources import read_until

_LARGEST_BYTES = 16384
_OTHERS = 0o077


class ApiKey(NamedTuple):
    """What was found: the key, None when there is none, and lines to warn with."""

    key: Secret | None
    warnings: tuple[str, ...] = ()


def read_api_key(
    backend: BackendConfig, environ: Mapping[str, str], until: float | None = None
) -> ApiKey:
    """Return the key that `api_key_env`, else `api_key_file`, leads to.

    A variable that is not set falls through to the file, and is a warning without
    one. A file that others may read is a warning; a pipe is waited for as the whole
    configuration is. Raises: ConfigError, never with the key in it, for a file that is
    missing and for a key that no header can hold; DeadlineError.
    """
    if backend.api_key_env and environ.get(backend.api_key_env):
        text = environ[backend.api_key_env]
        return ApiKey(_checked(text, f"the variable '{backend.api_key_env}'"))
    if backend.api_key_file:
        return _from_file(backend.api_key_file, until)
    if backend.api_key_env:
        warning = (
            f"the variable '{backend.api_key_env}' is not set; "
            f"'{backend.name}' is asked without a key"
        )
        return ApiKey(None, (warning,))
    return ApiKey(None)


def _from_file(path: str, until: float | None) -> ApiKey:
    try:
        content, mode = read_named(path, _LARGEST_BYTES, read_until(until))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot read the API key file '{path}': {why}") from error
    if len(content) > _LARGEST_BYTES:
        raise ConfigError(f"cannot read the API key file '{path}': it is too large")
    # Latin-1 never fails; what is not ASCII is refused with the rest.
    key = _checked(content.decode("latin-1"), f"the API key file '{path}'")
    if os.name == "posix" and mode & _OTHERS:
        return ApiKey(key, (f"others may open '{path}'; run 'chmod 600' on it",))
    return ApiKey(key)


def _checked(text: str, where: str) -> Secret:
    try:
        return Secret(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
