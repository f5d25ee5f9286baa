"""What was discovered last, kept between runs.

One small JSON file in the state directory: the backend found last, and for each
address the model that was taken without being named. It is a memory and no truth:
damaged or unwritable, it is as if nothing had been found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import ConfigError
from ..paths import ensure_private_dir, state_dir

_FILE_NAME = "discovered.json"
_VERSION = 1
_LARGEST_BYTES = 64 * 1024


class Discovered(NamedTuple):
    """The backend found last (its kind and address), and models by address."""

    kind: str | None = None
    address: str | None = None
    models: Mapping[str, str] = {}


def read_discovered(environ: Mapping[str, str]) -> Discovered:
    """Return what was kept; nothing where the file cannot be used."""
    path = os.path.join(state_dir(environ), _FILE_NAME)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(path, flags), "rb") as file:
            document = json.loads(file.read(_LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return Discovered()
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        return Discovered()
    models = document.get("models")
    return Discovered(
        _string(document.get("kind")),
        _string(document.get("address")),
        {k: v for k, v in models.items() if isinstance(v, str)}
        if isinstance(models, dict)
        else {},
    )


def keep_discovered(discovered: Discovered, environ: Mapping[str, str]) -> None:
    """Keep what was found; gives up silently, as it is only a memory."""
    try:
        directory = ensure_private_dir(state_dir(environ))
        document = {"version": _VERSION, **discovered._asdict()}
        _replace(os.path.join(directory, _FILE_NAME), json.dumps(document).encode())
    except (OSError, ConfigError):
        return


def _replace(path: str, data: bytes) -> None:
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{os.urandom(4).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(temporary, flags, 0o600), "wb") as file:
        try:
            file.write(data)
            file.flush()
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
