"""Writing the first configuration file."""

from __future__ import annotations

import os

from ..config.sample import sample
from ..files import write_whole


def write_first_config(path: str, *, is_replaced: bool = False) -> None:
    """Write the commented sample, whole or not at all, for its owner's eyes only.

    A link is followed, so that it stays one. Missing directories are made 0700.
    Raises: UsageError for a file that exists (unless `is_replaced`), OutputError,
    ConfigError when a directory cannot be made.
    """
    write_whole(os.path.realpath(path), sample().encode(), is_replaced=is_replaced)
