"""Writing the first configuration file. Floor F5."""

from __future__ import annotations

import os

from ..config.sample import sample
from ..errors import OutputError, UsageError
from ..paths import ensure_private_dir


def write_first_config(path: str, *, is_replaced: bool = False) -> None:
    """Write the commented sample, whole or not at all, for its owner's eyes only.

    A link is followed, so that it stays one. Missing directories are made 0700.
    Raises: UsageError for a file that exists (unless `is_replaced`), OutputError,
    ConfigError when a directory cannot be made.
    """
    target = os.path.realpath(path)
    directory, name = os.path.split(target)
    if not os.path.isdir(directory):
        ensure_private_dir(directory)
    temporary = os.path.join(directory, f".{name[:200]}.{os.urandom(4).hex()}")
    try:
        _write(temporary, sample().encode())
        try:
            if is_replaced:
                os.replace(temporary, target)
            else:
                # Unlike rename, link never takes the place of what is there.
                os.link(temporary, target)
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)
    except FileExistsError as error:
        raise UsageError(
            f"'{path}' exists already", hint="--force replaces it"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error.strerror}") from error


def _write(path: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
