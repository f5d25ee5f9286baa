"""All that one answer of a server needs to come about. Floor F5."""

from __future__ import annotations

from typing import NamedTuple

from ..backends.base import Backend
from ..log import Log
from ..messages import Request
from ..streams import StreamPool
from .answer import Record
from .choice import Patience
from .keeping import Keeping


class Asking(NamedTuple):
    """One question to one backend.

    `called_at` is when it was asked, on the monotonic clock; `record` takes what
    became of it; `keeping` None leaves the cache alone.
    """

    backend: Backend
    request: Request
    pool: StreamPool
    patience: Patience
    answer_limit_bytes: int
    log: Log
    called_at: float
    record: Record
    keeping: Keeping | None

    @property
    def where(self) -> str:
        """Return what to call the server in a message."""
        backend = self.backend
        return f"{backend.name} at {backend.address}" if backend.address else "it"
