"""Where llmwrap keeps its files: the XDG places.

Not platformdirs: it agrees with this module on Linux, costs 11 ms to import, and
puts everything elsewhere on macOS, where users of such tools look in the same
places. See: XDG Base Directory Specification 0.8.
"""

from __future__ import annotations

import os

from .errors import ConfigError

TYPE_CHECKING = False  # the fast way of a hit needs the places, and no typing
if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "llmwrap"


def process_environ() -> Mapping[str, str]:
    """Return the environment of the process."""
    return os.environ


def _base(environ: Mapping[str, str], variable: str, *fallback: str) -> str:
    # The specification: a relative path in such a variable is invalid, ignore it.
    configured = environ.get(variable, "")
    if os.path.isabs(configured):
        return os.path.join(configured, PROGRAM)
    return os.path.join(_home(environ), *fallback, PROGRAM)


def _home(environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "")
    if os.path.isabs(home):
        return home
    # Cron jobs and containers may have no HOME; the user database still knows it.
    expanded = os.path.expanduser("~")
    return expanded if os.path.isabs(expanded) else "/"


def config_dir(environ: Mapping[str, str]) -> str:
    """Return the directory of `config.toml` and of the user's templates."""
    return _base(environ, "XDG_CONFIG_HOME", ".config")


def cache_dir(environ: Mapping[str, str]) -> str:
    """Return the directory of the response cache."""
    return _base(environ, "XDG_CACHE_HOME", ".cache")


def state_dir(environ: Mapping[str, str]) -> str:
    """Return the directory of metrics, history, logs and of what was discovered."""
    return _base(environ, "XDG_STATE_HOME", ".local", "state")


def data_dir(environ: Mapping[str, str]) -> str:
    """Return the directory of installed models."""
    return _base(environ, "XDG_DATA_HOME", ".local", "share")


def ensure_private_dir(path: str) -> str:
    """Create a directory only its owner may enter (0700) and return its path.

    One that exists must belong to the user. Parents that are missing are created
    0700 too. Raises: ConfigError.
    """
    try:
        _make_private(path)
        status = os.stat(path)
    except OSError as error:
        raise ConfigError(
            f"cannot create '{path}': {error.strerror}",
            hint="set the XDG_* variables to a writable place",
        ) from error
    if hasattr(os, "getuid") and status.st_uid not in (os.getuid(), os.geteuid()):
        raise ConfigError(f"'{path}' belongs to another user")
    return path


def _make_private(path: str) -> None:
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent != path:
        _make_private(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
