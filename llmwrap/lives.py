"""What lives in this process, so that a fork and the end find it.

Everything with a thread, a lock, a socket or a held file enters here, weakly: being
known keeps nothing alive. A forked child has a copy of all of it, but none of the
threads, and shares each socket and file with its parent; so there each one starts anew:
it makes its locks anew and forgets what is the parent's, without a word to anybody
else. One handler does it for all.

Not the module weakref: a hit in the cache would pay for its import.
"""

from __future__ import annotations

import atexit
import os
from _weakref import ref

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    class Mortal(Protocol):
        """What may be copied into a forked child."""

        def start_anew(self) -> None:
            """Forget what is the parent's; in the child, before anything else runs.

            Takes no lock (whoever held one is not there), shuts no socket down (the
            parent reads from it) and closes only descriptors of its own.
            """

    T = TypeVar("T")

Weak = ref
"""A weak reference: returns what it refers to, None once that is dead."""


class _Entry(ref):  # type: ignore[type-arg]  # generic for type checkers only
    """A weak reference that knows its place in the registry."""

    __slots__ = ("number",)
    number: int


class _Death(ref):  # type: ignore[type-arg]  # as above
    """A weak reference that knows what follows the death of what it refers to."""

    __slots__ = ("birthplace", "call")
    birthplace: int
    call: Callable[[], object]


_living: dict[int, _Entry] = {}
_deaths: dict[int, _Death] = {}


def enter(thing: Mortal) -> None:
    """Know something until it dies; any thread may call it."""
    entry = _Entry(thing, _leave)
    entry.number = id(thing)
    _living[entry.number] = entry


def living(kind: type[T]) -> list[T]:
    """Return all of a kind that are alive now."""
    # Copied in one step of the interpreter, so that no lock is needed, which a
    # finalizer might have to wait for and a fork might leave locked.
    things = [entry() for entry in _living.copy().values()]
    return [thing for thing in things if isinstance(thing, kind)]


def on_death(thing: object, call: Callable[[], object]) -> None:
    """Call something when `thing` has died, or when the interpreter ends before.

    Not in a forked child. `call` must not hold on to `thing`, and it waits for no
    lock: any thread may find itself calling it, in the middle of anything.
    """
    death = _Death(thing, _die)
    death.call = call
    death.birthplace = os.getpid()
    if not _deaths:
        atexit.unregister(_end)
        atexit.register(_end)
    _deaths[id(death)] = death


def _leave(entry: _Entry) -> None:
    _living.pop(entry.number, None)


def _die(death: _Death) -> None:
    if _deaths.pop(id(death), None) and os.getpid() == death.birthplace:
        death.call()


def _end() -> None:
    while _deaths:
        _die(_deaths[next(iter(_deaths))])


def _start_anew() -> None:
    _deaths.clear()
    for entry in _living.copy().values():
        thing: Mortal | None = entry()
        if thing is not None:
            thing.start_anew()


os.register_at_fork(after_in_child=_start_anew)
