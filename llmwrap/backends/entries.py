"""Lists of models, read entry by entry. No I/O.

A list is a convenience and no condition: what cannot be read of it costs that entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..errors import ProtocolError
from ..messages import Json
from .base import Model
from .deltas import string_at

# As far as names tell; families are Ollama's. Where a server says what a model can
# do, that counts.
_EMBEDDERS = r"embed|rerank|minilm|(?:^|[/:_-])(?:bge|gte|e5)[-_]|(?:^|-)bert$"


def objects_of(document: Json, *keys: str) -> tuple[list[dict[str, Json]], int]:
    """Return the objects of a list, and how many of its entries are none.

    The list stands alone, or under one of the keys; missing and null are empty.
    Raises: ProtocolError for what is no list.
    """
    found: Json = document
    if isinstance(document, dict):
        given = [document[key] for key in keys if document.get(key) is not None]
        found = given[0] if given else []
    if not isinstance(found, list):
        raise ProtocolError(f"the reply has no list where '{keys[0]}' belongs")
    objects = [item for item in found if isinstance(item, dict)]
    return objects, len(found) - len(objects)


def models_of(
    document: Json, keys: tuple[str, ...], make: Callable[[dict[str, Json]], Model]
) -> tuple[list[Model], int]:
    """Return the models of a list, and how many entries could not be read.

    Raises: ProtocolError for what is no list.
    """
    objects, odd = objects_of(document, *keys)
    models = []
    for entry in objects:
        try:
            model = make(entry)
        except ProtocolError:
            model = Model("")
        if model.name:
            models.append(model)
    return models, odd + len(objects) - len(models)


def name_of(entry: dict[str, Json], *keys: str) -> str:
    """Return the first name that an entry has. Raises: ProtocolError."""
    return next(filter(None, (string_at(entry, key) for key in keys)), "")


def strings_at(entry: dict[str, Json], key: str) -> tuple[str, ...]:
    """Return the texts of a list that nobody needs."""
    found = entry.get(key)
    items = found if isinstance(found, list) else []
    return tuple(item for item in items if isinstance(item, str))


def is_embedder(name: str, family: str = "", capabilities: Iterable[str] = ()) -> bool:
    """Tell whether a model only embeds, as far as that can be told."""
    able = {word.lower() for word in capabilities}
    if able & {"completion", "chat", "text-generation", "generate"}:
        return False
    if any("embed" in word or "rerank" in word for word in able):
        return True
    words = (name.lower(), family.lower())
    return any(re.search(_EMBEDDERS, word) for word in words)
