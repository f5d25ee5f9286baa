"""Keep the scripted replies until the requests they are for come.

Not for running them: that is `steps` and `link`.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from .steps import Reply, Step

FOREVER = None
"""For `times`: the script never runs out."""


@dataclass(slots=True)
class _Script:
    path: str | None
    reply: Reply
    times: int | None


class ScriptQueue:
    """Hand out scripted replies in the order they were added.

    Each method is atomic; the n-th taker of a path gets the n-th reply for it.
    """

    def __init__(self) -> None:
        """Start with nothing scripted."""
        self._lock = threading.Lock()
        self._scripts: list[_Script] = []

    def add(self, path: str | None, reply: Reply, times: int | None) -> None:
        """Add a reply for the next `times` requests of `path` (None: of any path)."""
        if times is not None and times < 1:
            raise ValueError(f"times must be at least 1, not {times}")
        with self._lock:
            self._scripts.append(_Script(path, reply, times))

    def take(self, path: str | None) -> Reply | None:
        """Take the reply for a request of `path`; None when nothing is scripted."""
        with self._lock:
            for script in self._scripts:
                if script.path in (None, path):
                    if script.times is not None:
                        script.times -= 1
                        if not script.times:
                            self._scripts.remove(script)
                    return script.reply
        return None

    def pending(self) -> int:
        """Count the replies that nobody has taken yet; those for ever do not count."""
        with self._lock:
            return sum(one.times for one in self._scripts if one.times is not None)


def flattened(parts: Iterable[Step | Iterable[Step]]) -> Reply:
    """Join single steps and whole replies to one reply."""
    steps: list[Step] = []
    for part in parts:
        if isinstance(part, Iterable):
            steps.extend(part)
        else:
            steps.append(part)
    return tuple(steps)
