"""What is looked at while a model file is hashed: clock, cancelling, people.

A file of some GiB takes a minute, before anything is asked. Imports nothing that a hit
in the cache has no need of.
"""

from __future__ import annotations

import time

from ..errors import DeadlineError
from ..log import Log

TYPE_CHECKING = False  # a hit needs no sockets
if TYPE_CHECKING:
    from ..transport.cancel import CancelToken

_SILENT_S = 1.0


class Hashing:
    """Be called after each block; raises when it is enough, says once that it lasts.

    `until` is on the monotonic clock.
    """

    def __init__(
        self,
        log: Log,
        until: float,
        cancel: CancelToken | None,
        *,
        silent_s: float = _SILENT_S,
    ) -> None:
        self._log = log
        self._until = until
        self._cancel = cancel
        self._noted_at = time.monotonic() + silent_s

    def __call__(self) -> None:
        """Look at all three. Raises: DeadlineError, CancelledError."""
        if self._cancel:
            self._cancel.check()
        now = time.monotonic()
        if now >= self._until:
            raise DeadlineError(
                "the model file was not read before the deadline",
                hint="--timeout sets it; its digest is needed once for each file",
            )
        if now >= self._noted_at:
            self._noted_at = float("inf")
            self._log.note("reading the whole model file, once, to know it again")
