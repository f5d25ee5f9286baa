"""The files by which invocations share the embedded servers.

One server process serves one model file, and leaves under the state directory

    embedded/               0700
      start.lock            locked while somebody decides to start a server
      NAME-9c1e7a52.lock    locked by the server, from its birth to its death
      NAME-9c1e7a52.json    0600: what it is doing, its address and its key
      NAME-9c1e7a52.log     0600: what llama.cpp said, truncated at each start

**Who is alive** is asked of the kernel: the server holds an flock on its `.lock` for
as long as it exists. Not the pid and its start time, because only Linux tells that
one, and not a probe of the port, because whoever took the port over would be asked to
prove itself with nothing but the key. A living holder still has its listening socket,
so its port cannot have become anybody else's: only then is the key used.

What makes that sound: a starter removes the stale state *before* it locks `.lock`
(both under `start.lock`); so whoever reads a state, then finds `.lock` held, then
finds the state still in its place, has read what the holder wrote. Files that are not
ours, not private or not regular are never believed. The digits in the names hold what
tells the model file from an earlier one at its path, the machine, and its network and
process namespaces, so containers and hosts that share a home directory each have
servers of their own. What is left is the moment between the
check and the connection, in which a server may die: ports are picked at random, and
no check of any kind closes that gap.

State is written by rename, but without fsync: after a power cut it is worthless.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
import zlib
from contextlib import suppress
from typing import Literal, NamedTuple, TypeAlias

from ... import files
from ...errors import ConfigError

_LARGEST_STATE_BYTES = 64 * 1024
_BASE_URL_START = "http://127.0.0.1:"

Status: TypeAlias = Literal["loading", "ready", "failed"]
FailureKind: TypeAlias = Literal["config", "backend_failed"]


class ModelFile(NamedTuple):
    """A model file and what tells it from an earlier file at the same path."""

    path: str
    size_bytes: int
    mtime_ns: int
    inode: int


class Failure(NamedTuple):
    """Why a server did not start; `kind` names the error of errors.py."""

    kind: FailureKind
    message: str
    hint: str = ""


class ServerState(NamedTuple):
    """What one server process says of itself; `start_id` is drawn at each start.

    `started_s` counts from the epoch. Address and key are there once it is ready.
    """

    start_id: str
    status: Status
    pid: int
    started_s: float
    model: ModelFile
    base_url: str = ""
    key: str = ""
    failure: Failure | None = None

    def __repr__(self) -> str:
        # Never the key: a repr ends up in logs and tracebacks.
        return f"ServerState({self.start_id!r}, {self.status!r}, {self.pid})"


class ServerFiles(NamedTuple):
    """The paths of one server's files.

    `hidden` is where the state is for a moment when the server is about to end.
    """

    state: str
    lock: str
    log: str
    hidden: str


def servers_dir(state_dir: str) -> str:
    """Return the directory of all servers' files."""
    return os.path.join(state_dir, "embedded")


def start_lock_path(state_dir: str) -> str:
    """Return the path of the lock under which servers are started and swept up."""
    return os.path.join(servers_dir(state_dir), "start.lock")


def place_of(state_dir: str, model: ModelFile) -> ServerFiles:
    """Return where the server of a model file keeps its files.

    Another one for each content at the same path: a server that still answers about
    the older one is left in peace.
    """
    name = os.path.basename(model.path).removesuffix(".gguf")[:40]
    readable = "".join(c if c.isascii() and c.isalnum() else "-" for c in name)
    identity = "\0".join(map(str, (_scope(), *model)))
    digits = zlib.crc32(identity.encode(errors="surrogateescape"))
    return _place(os.path.join(servers_dir(state_dir), f"{readable}-{digits:08x}"))


def _place(base: str) -> ServerFiles:
    return ServerFiles(*(base + end for end in (".json", ".lock", ".log", ".ending")))


def _scope() -> str:
    # A pid and a loopback port mean nothing outside of these.
    namespaces = []
    for kind in ("net", "pid"):
        try:
            namespaces.append(os.readlink(f"/proc/self/ns/{kind}"))
        except OSError:
            namespaces.append("")  # Not Linux, or no /proc.
    return "\0".join([os.uname().nodename, *namespaces])


def _open_private(path: str, flags: int) -> int | None:
    """Open a file only its owner may have written; None when there is no such file."""
    try:
        fd = os.open(path, flags | files.SAFE, 0o600)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EISDIR):
            return None
        raise
    status = os.fstat(fd)
    mine = status.st_uid in (os.getuid(), os.geteuid())
    if stat.S_ISREG(status.st_mode) and mine and not status.st_mode & 0o077:
        return fd
    os.close(fd)
    return None


def is_alive(place: ServerFiles) -> bool:
    """Tell whether a server, ready or not, holds this place."""
    fd = _open_private(place.lock, os.O_RDWR)
    if fd is None:
        return False
    try:
        # Shared, so that those who only look never get in each other's way.
        return not files.lock(fd, is_shared=True)
    finally:
        os.close(fd)


def hold(lock_path: str) -> int | None:
    """Lock a file and return its descriptor, None when somebody else has it locked.

    The lock lasts until the last copy of the descriptor is closed, so it passes to a
    child that inherits it. Raises: ConfigError when such a file cannot be made.
    """
    fd = _open_private(lock_path, os.O_RDWR | os.O_CREAT)
    if fd is None:
        raise ConfigError(f"'{lock_path}' is no private file", hint="remove it")
    try:
        # Never 0 to 2: the child has its standard streams there.
        is_ours = files.lock(fd)
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) if is_ours else None
    finally:
        os.close(fd)


def read_state(place: ServerFiles) -> ServerState | None:
    """Return what is written there, None for nothing or for what is not believed.

    It says nothing about who is alive; `living_state` does.
    """
    fd = _open_private(place.state, os.O_RDONLY)
    if fd is None:
        return None
    try:
        return _decode(os.read(fd, _LARGEST_STATE_BYTES))
    finally:
        os.close(fd)


def living_state(place: ServerFiles, *, touch: bool = False) -> ServerState | None:
    """Return the state of the server that is alive there, None if there is none.

    `touch` tells the server that it is wanted, so that it does not end of idleness
    within its idle time; one that was about to end is not returned.
    """
    fd = _open_private(place.state, os.O_RDONLY)
    if fd is None:
        return None
    try:
        state = _decode(os.read(fd, _LARGEST_STATE_BYTES))
        if touch:
            os.utime(fd)
        alive = is_alive(place) and os.path.samestat(os.fstat(fd), os.stat(place.state))
    except FileNotFoundError:
        return None
    finally:
        os.close(fd)
    return state if alive else None


def write_state(place: ServerFiles, state: ServerState) -> None:
    """Put a state in its place, whole or not at all, for its owner's eyes only."""
    record = state._asdict() | {"format": 1, "model": state.model._asdict()}
    record["failure"] = state.failure and state.failure._asdict()
    files.write_private(place.state, json.dumps(record).encode(), is_synced=False)


def remove_state(place: ServerFiles) -> None:
    """Take a state away: nobody finds that server any more, and it ends."""
    with suppress(FileNotFoundError):
        os.unlink(place.state)


def places(state_dir: str) -> list[ServerFiles]:
    """Return the places of all servers there ever were, alive or not, sorted."""
    try:
        names = sorted(os.listdir(servers_dir(state_dir)))
    except FileNotFoundError:
        return []
    return [
        _place(os.path.join(servers_dir(state_dir), name.removesuffix(".lock")))
        for name in names
        if name.endswith(".lock") and name != "start.lock"
    ]


def sweep(state_dir: str, *, keep: ServerFiles | None = None) -> None:
    """Remove what dead servers left. Call it only with `start.lock` held."""
    files.sweep(servers_dir(state_dir), time.time())
    for place in places(state_dir):
        if place == keep or is_alive(place):
            continue
        for path in place:
            with suppress(FileNotFoundError):
                os.unlink(path)


def _decode(raw: bytes) -> ServerState | None:
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    match record:
        case {
            "format": 1,
            "start_id": str(start_id),
            "status": "loading" | "ready" | "failed" as status,
            "pid": int(pid),
            "started_s": int(started_s) | float(started_s),
            "model": {
                "path": str(path),
                "size_bytes": int(size_bytes),
                "mtime_ns": int(mtime_ns),
                "inode": int(inode),
            },
            "base_url": str(base_url),
            "key": str(key),
            "failure": failure,
        } if pid > 1 and (status != "ready" or base_url.startswith(_BASE_URL_START)):
            model = ModelFile(path, size_bytes, mtime_ns, inode)
            why = _decode_failure(failure)
            return ServerState(
                start_id, status, pid, started_s, model, base_url, key, why
            )
    return None


def _decode_failure(record: object) -> Failure | None:
    match record:
        case {
            "kind": "config" | "backend_failed" as kind,
            "message": str(message),
            "hint": str(hint),
        }:
            return Failure(kind, message, hint)
    return None
