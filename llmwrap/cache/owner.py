"""Whose an answer is: a digest of what went with the request, under a key.

An answer that a server gave for one key, password or header belongs to who has them.
What is kept of them is a keyed digest: it tells two apart, and whoever reads the cache
cannot try passwords against it without the random bytes that it is keyed with. Those
lie in a file of the state directory, made when they are needed first, for its owner's
eyes only. Direct mode reads the same file (direct.py).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence

from ..errors import ConfigError
from ..files import read, write_private
from ..journal.records import blake2b
from ..paths import ensure_private_dir, state_dir
from .layout import SALT_BYTES, salt_path

_DIGEST_BYTES = 16


def owner_of(parts: Sequence[str], environ: Mapping[str, str]) -> bytes:
    """Return the digest of what goes with a request, nothing when nothing does.

    Raises: OSError where the random bytes can be neither read nor kept.
    """
    if not parts:
        return b""
    hashed = blake2b(digest_size=_DIGEST_BYTES, key=salt(environ))
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(8, "little") + data)
    return hashed.digest()


def salt(environ: Mapping[str, str]) -> bytes:
    """Return the random bytes of this user, made if need be. Raises: OSError."""
    path = salt_path(state_dir(environ))
    found = _readable(path)
    if len(found) == SALT_BYTES:
        return found
    try:
        ensure_private_dir(os.path.dirname(path))
    except ConfigError as error:
        raise OSError(errno.EPERM, error.message) from error
    write_private(path, os.urandom(SALT_BYTES), is_synced=False)
    # Not what we wrote: of two that make it at once, the later one stays.
    return read(path, SALT_BYTES)


def _readable(path: str) -> bytes:
    """Return what is there, nothing for what has to be replaced."""
    try:
        return read(path, SALT_BYTES)
    except OSError:
        return b""
