"""Which weights stand behind a model's name, as far as this machine knows.

A model that is pulled anew keeps its name and answers otherwise. So the digest that a
server names at a miss is kept here, in a small file for each model, and is part of
every key: the answers of the old weights are out of reach from the moment the file is
replaced, in every process at once. What the file holds is taken as it is; damaged, it
makes keys that nothing has, which is a miss, and the next answer mends it.
"""

import os
import time
from typing import NamedTuple

from ..files import read, sweep, write_private
from .fingerprint import GGUF, Place, model_name
from .layout import model_path

_LARGEST_BYTES = 512


class Generation(NamedTuple):
    """What was known of a model's weights when it was looked at.

    `digest` is empty when nothing was. `name` is what it is kept under, nothing where
    nothing is kept; `path` is its file, empty where there is none; `stamp` changes
    when the file does, and is all zeros without one.
    """

    digest: bytes = b""
    name: bytes = b""
    path: str = ""
    stamp: tuple[int, int] = (0, 0)


UNKNOWN = Generation()


class Generations:
    """The digests of models, kept in the cache directory `root`.

    `root` None keeps them in this process. `look_s` is how long what was read counts
    without another look, for those who look hundreds of times a second. Any thread and
    any process may call everything at any time.
    """

    def __init__(self, root: str | None, *, look_s: float = 0.0) -> None:
        self._root = root
        self._look_s = look_s
        self._known: dict[bytes, bytes] = {}
        self._unread: dict[tuple[Place, str], Generation] = {}
        self._last: dict[bytes, tuple[float, Generation]] = {}

    def unread(self, place: Place, model: str) -> Generation:
        """Return where the digest of a model is; a model file is its own digest."""
        if place.kind == GGUF:
            return UNKNOWN
        if found := self._unread.get((place, model)):
            return found
        name = model_name(place, model)
        path = model_path(self._root, name) if self._root is not None else ""
        made = self._unread[place, model] = Generation(name=name, path=path)
        return made

    def read(self, generation: Generation) -> Generation:
        """Return what is known now. Raises: OSError.

        The file is read only if it is another one than before.
        """
        if not generation.path:
            digest = self._known.get(generation.name, b"")
            return generation._replace(digest=digest)
        now = time.monotonic()
        looked_at, last = self._last.get(generation.name, (0.0, generation))
        if looked_at and now - looked_at < self._look_s:
            return last
        # Before it is read: what is written meanwhile then makes it another one.
        stamp = _stamp(generation.path)
        if stamp != last.stamp:
            digest = read(generation.path, _LARGEST_BYTES)
            last = generation._replace(digest=digest, stamp=stamp)
        self._last[generation.name] = now, last
        return last

    def learn(self, generation: Generation, digest: str) -> Generation:
        """Keep the digest that a server named. Raises: OSError."""
        learned = digest.encode("utf-8", "replace")[:_LARGEST_BYTES]
        if learned == generation.digest or not generation.name:
            return generation
        if generation.path:
            directory = os.path.dirname(generation.path)
            os.makedirs(directory, 0o700, exist_ok=True)
            write_private(generation.path, learned, is_synced=False)
            self._last.pop(generation.name, None)
            sweep(directory, time.time())
        else:
            self._known[generation.name] = learned
        return generation._replace(digest=learned)


def _stamp(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns
