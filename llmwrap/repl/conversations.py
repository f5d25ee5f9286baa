"""What a chat needs of conversations, and one that is kept nowhere. Floor F6."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from ..errors import ConfigError
from ..messages import Message, Usage


class Turn(Protocol):
    """One message of a conversation; `at` is the wall clock, in seconds since 1970."""

    @property
    def message(self) -> Message:
        """Return who said what."""
        ...

    @property
    def model(self) -> str:
        """Return the model that said it, empty for a person."""
        ...

    @property
    def backend(self) -> str:
        """Return the backend that was asked."""
        ...

    @property
    def at(self) -> float:
        """Return when it was said."""
        ...

    @property
    def is_interrupted(self) -> bool:
        """Tell whether the answer is not whole."""
        ...

    @property
    def is_cached(self) -> bool:
        """Tell whether the answer came from the cache."""
        ...

    @property
    def usage(self) -> Usage:
        """Return the server's token counts."""
        ...


class Conversation(Protocol):
    """One conversation; what is added is kept at once."""

    @property
    def id(self) -> str:
        """Return its name, empty where it is kept nowhere."""
        ...

    def turns(self) -> Sequence[Turn]:
        """Return what counts of it, in order."""
        ...

    def add(
        self,
        message: Message,
        *,
        model: str = "",
        backend: str = "",
        is_interrupted: bool = False,
        is_cached: bool = False,
        usage: Usage = Usage(),
    ) -> None:
        """Add a turn."""
        ...

    def undo(self) -> Turn | None:
        """Let the last question and its answer count no more; return the question."""
        ...


class Summary(Protocol):
    """A conversation in a list."""

    @property
    def id(self) -> str:
        """Return its name."""
        ...

    @property
    def title(self) -> str:
        """Return the first line of its first question."""
        ...

    @property
    def turn_count(self) -> int:
        """Return the number of its turns."""
        ...

    @property
    def last_at(self) -> float:
        """Return when it was used last, by the wall clock."""
        ...


class Match(Protocol):
    """A turn that was looked for; `number` is its place, from 1."""

    @property
    def summary(self) -> Summary:
        """Return the conversation."""
        ...

    @property
    def number(self) -> int:
        """Return the place of the turn."""
        ...

    @property
    def turn(self) -> Turn:
        """Return the turn."""
        ...


class Conversations(Protocol):
    """All conversations of one user; everything may raise CacheError."""

    def new(self) -> Conversation:
        """Return an empty one."""
        ...

    def open(self, name: str, /) -> Conversation:
        """Return that of an id, or of the beginning of one. Raises: ConfigError."""
        ...

    def list(self) -> Sequence[Summary]:
        """Return all, the one used last first."""
        ...

    def search(self, text: str, /) -> Iterable[Match]:
        """Yield the turns that hold a text, whatever its case."""
        ...


class LooseTurn(NamedTuple):
    """A turn in memory."""

    message: Message
    model: str = ""
    backend: str = ""
    at: float = 0.0
    is_interrupted: bool = False
    is_cached: bool = False
    usage: Usage = Usage()


class LooseConversation:
    """A conversation in memory, gone with the program; for one thread at a time."""

    id = ""

    def __init__(self) -> None:
        self._turns: list[LooseTurn] = []

    def turns(self) -> Sequence[LooseTurn]:
        """Return its turns."""
        return tuple(self._turns)

    def add(
        self,
        message: Message,
        *,
        model: str = "",
        backend: str = "",
        is_interrupted: bool = False,
        is_cached: bool = False,
        usage: Usage = Usage(),
    ) -> None:
        """Add a turn."""
        now = time.time()
        turn = LooseTurn(message, model, backend, now, is_interrupted, is_cached, usage)
        self._turns.append(turn)

    def undo(self) -> LooseTurn | None:
        """Drop the last question and what followed; return the question."""
        for index in range(len(self._turns) - 1, -1, -1):
            if self._turns[index].message.role == "user":
                question = self._turns[index]
                del self._turns[index:]
                return question
        return None


class LooseConversations:
    """Conversations that are kept nowhere."""

    def new(self) -> LooseConversation:
        """Return an empty one."""
        return LooseConversation()

    def open(self, name: str, /) -> LooseConversation:
        """Raise ConfigError: there is none."""
        raise ConfigError(f"there is no conversation '{name}'; none is kept")

    def list(self) -> Sequence[Summary]:
        """Return nothing."""
        return ()

    def search(self, text: str, /) -> Iterable[Match]:
        """Return nothing."""
        return ()
