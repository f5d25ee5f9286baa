"""Files of the user's that are written whole or not at all. Floor F1.

Not for the answer of `ask`, which follows the file it replaces: see
cli/output_file.py.
"""

from __future__ import annotations

import os

from .errors import OutputError, UsageError
from .paths import ensure_private_dir


def write_whole(path: str, content: bytes, *, is_replaced: bool) -> None:
    """Write a file for its owner's eyes only (0600), whole or not at all.

    Missing directories are made 0700. A link at `path` is replaced, not followed.
    Raises: UsageError for a file that exists (unless `is_replaced`), OutputError,
    ConfigError when a directory cannot be made.
    """
    directory, name = os.path.split(path)
    if not os.path.isdir(directory):
        ensure_private_dir(directory)
    temporary = os.path.join(directory, f".{name[:200]}.{os.urandom(4).hex()}")
    try:
        try:
            _write(temporary, content)
            if is_replaced:
                os.replace(temporary, path)
            else:
                # Unlike rename, link never takes the place of what is there.
                os.link(temporary, path)
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
