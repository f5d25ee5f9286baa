"""Which weights stand behind a model's name, as far as this machine knows. Floor F3.

A model that is pulled anew keeps its name and answers otherwise. So the digest that a
server names at a miss is kept here, in a small file for each model, and is part of
every key: the answers of the old weights are out of reach from the moment the file is
replaced, in every process at once. What the file holds is taken as it is; damaged, it
makes keys that nothing has, which is a miss, and the next answer mends it.
"""

from __future__ import annotations

import os
import time

from ..journal.files import read, sweep, write_private
from .fingerprint import Place, model_name
from .layout import model_path

_LARGEST_BYTES = 512


class Generations:
    """The digests of models, kept in the cache directory `root`.

    `root` None keeps them in this process. Any thread and any process may call
    everything at any time.
    """

    def __init__(self, root: str | None) -> None:
        self._root = root
        self._known: dict[bytes, bytes] = {}

    def path(self, place: Place, model: str) -> str:
        """Return the file of a model, empty where there are no files."""
        if self._root is None:
            return ""
        return model_path(self._root, model_name(place, model))

    def current(self, place: Place, model: str) -> bytes:
        """Return what is known of a model, nothing if nothing is. Raises: OSError."""
        name = model_name(place, model)
        if self._root is None:
            return self._known.get(name, b"")
        return read(model_path(self._root, name), _LARGEST_BYTES)

    def learn(self, place: Place, model: str, digest: str) -> None:
        """Keep the digest that a server named. Raises: OSError."""
        name = model_name(place, model)
        generation = digest.encode("utf-8", "replace")[:_LARGEST_BYTES]
        if self._root is None:
            self._known[name] = generation
            return
        path = model_path(self._root, name)
        if generation != _readable(path):
            directory = os.path.dirname(path)
            os.makedirs(directory, 0o700, exist_ok=True)
            write_private(path, generation, is_synced=False)
            sweep(directory, time.time())


def _readable(path: str) -> bytes | None:
    """Return what a file holds, None for one that has to be replaced."""
    try:
        return read(path, _LARGEST_BYTES)
    except OSError:
        return None
