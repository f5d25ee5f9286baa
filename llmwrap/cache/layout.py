"""Where things are in the cache directory, and when an answer was last used.

    answers/00 ... ff   journals of answers, by the first byte of the key
    used/00 ... ff      for each of them 4096 moments of use, 4 bytes each
    models/             what an answer depends on besides its request: digests
    in-flight           which answers are under way, see flights.py
    direct/00 ... ff    invocations that can be answered at once (direct.py)

A hit is noted in `used` by one small write to a place that the key decides, without a
lock: keys that share a place share their moment, which does no harm to an order that
only says what goes first when room is wanted. Nothing is ever written to a journal on
a hit. Needs next to nothing: the fast way of a hit uses it.
"""

from __future__ import annotations

import errno
import os
from struct import pack

from ..files import SAFE
from ..journal.records import RecordFormat

ANSWERS = RecordFormat("llmwrap answers", 32)
SHARDS = tuple(f"{number:02x}" for number in range(256))

STAMP_BYTES = 24
SALT_BYTES = 32

_PLACES = 4096
_PLACE_BYTES = 4


def check_owner(root: str) -> None:
    """Raise OSError unless the cache directory is the user's, or is still missing."""
    try:
        status = os.stat(root)
    except FileNotFoundError:
        return
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user", root)


def shard_path(root: str, key: bytes) -> str:
    """Return the journal that holds the answer of a key."""
    return f"{root}/answers/{key[:1].hex()}"


def stamp(root: str, key: bytes) -> bytes | None:
    """Return what changes when the journal of a key does, `STAMP_BYTES` long.

    None where nobody can tell: the directory is gone, or may not be read.
    """
    try:
        status = os.stat(shard_path(root, key), follow_symlinks=False)
    except FileNotFoundError:
        return bytes(STAMP_BYTES) if os.path.isdir(root) else None
    except OSError:
        return None
    return pack("<QQq", status.st_ino, status.st_size, status.st_mtime_ns)


def model_path(root: str, name: bytes) -> str:
    """Return the file with the digest of a model; `name` is from fingerprint.py."""
    return f"{root}/models/{name.hex()}"


def flights_path(root: str) -> str:
    """Return the file of which whoever asks for a key's answer holds a byte locked."""
    return f"{root}/in-flight"


def salt_path(state_dir: str) -> str:
    """Return the file of the random bytes that tell whose an answer is (owner.py)."""
    return f"{state_dir}/answers.salt"


def note_use(root: str, key: bytes, now_s: int) -> None:
    """Note that the answer of a key was used; gives up silently."""
    flags = os.O_WRONLY | os.O_CREAT | SAFE
    try:
        descriptor = os.open(f"{root}/used/{key[:1].hex()}", flags, 0o600)
        try:
            moment = now_s.to_bytes(_PLACE_BYTES, "little")
            os.pwrite(descriptor, moment, _place(key) * _PLACE_BYTES)
        finally:
            os.close(descriptor)
    except (OSError, OverflowError):
        return  # It will be thought older than it is.


def moments_of_use(root: str, shard: str) -> bytes:
    """Return what was noted for a shard; nothing where it cannot be read."""
    try:
        descriptor = os.open(f"{root}/used/{shard}", os.O_RDONLY | SAFE)
        try:
            return os.read(descriptor, _PLACES * _PLACE_BYTES)
        finally:
            os.close(descriptor)
    except OSError:
        return b""


def used_at_s(moments: bytes, key: bytes) -> int:
    """Return when the answer of a key was last used, 0 when nothing was noted."""
    at = _place(key) * _PLACE_BYTES
    return int.from_bytes(moments[at : at + _PLACE_BYTES], "little")


def _place(key: bytes) -> int:
    return int.from_bytes(key[1:3], "little") % _PLACES
