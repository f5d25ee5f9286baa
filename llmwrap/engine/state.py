"""What was found out about servers, kept between runs.

Two small JSON files in the state directory. One has the backend found last, and for
each address the model that was taken without being named. The other has, for each
address, those names of its models that could be taken for something else. They are a
memory and no truth: damaged or unwritable, it is as if nothing had been found.
"""

import json
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import ConfigError
from ..files import read, write_private
from ..messages import Json
from ..paths import ensure_private_dir, state_dir

_FOUND = "discovered.json"
_NAMES = "names.json"
_VERSION = 1
_LARGEST_BYTES = 256 * 1024
_MOST_NAMES = 1000


class Discovered(NamedTuple):
    """The backend found last (its kind and address), and models by address."""

    kind: str | None = None
    address: str | None = None
    models: Mapping[str, str] = {}


def read_discovered(environ: Mapping[str, str]) -> Discovered:
    """Return what was kept; nothing where the file cannot be used."""
    document = _read(_FOUND, environ)
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
    found: dict[str, Json] = {
        "kind": discovered.kind,
        "address": discovered.address,
        "models": dict(discovered.models),
    }
    _keep(_FOUND, found, environ)


def is_known_name(address: str, name: str, environ: Mapping[str, str]) -> bool:
    """Tell whether the list that a server last gave has a model of that name.

    Only for names that are kept: with a slash, or those of files.
    """
    if read_discovered(environ).models.get(address) == name:
        return True
    names = _read(_NAMES, environ).get(address)
    return isinstance(names, list) and name in names


def keep_names(address: str, names: Iterable[str], environ: Mapping[str, str]) -> None:
    """Keep those names of a server's list that could be taken for something else."""
    kept: list[Json] = [n for n in names if "/" in n or n.lower().endswith(".gguf")]
    document = _read(_NAMES, environ)
    before = document.pop(address, [])
    if before != kept[:_MOST_NAMES]:
        # The newest last: the oldest go when there is no more room.
        _keep(_NAMES, {**document, address: kept[:_MOST_NAMES]}, environ)


def _read(name: str, environ: Mapping[str, str]) -> dict[str, Json]:
    path = os.path.join(state_dir(environ), name)
    try:
        document = json.loads(read(path, _LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        return {}
    return document


def _keep(name: str, document: dict[str, Json], environ: Mapping[str, str]) -> None:
    """Write a file; gives up silently."""
    data = _bounded({**document, "version": _VERSION})
    try:
        directory = ensure_private_dir(state_dir(environ))
        write_private(os.path.join(directory, name), data, is_synced=False)
    except (OSError, ConfigError):
        return


def _bounded(document: dict[str, Json]) -> bytes:
    while len(data := json.dumps(document).encode()) > _LARGEST_BYTES:
        document.pop(next(iter(document)))
    return data


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
