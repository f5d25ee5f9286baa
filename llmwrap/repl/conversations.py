"""Which conversation a chat goes on with, and where others are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from ..config.schema import HistoryConfig
from ..engine.choice import ConversationChoice
from ..engine.conversing import chosen
from ..errors import ConfigError
from ..history import Conversation, Conversations, Match, Summary
from ..log import Log


class Unkept:
    """Conversations that are gone with the program; looks like those that are kept."""

    def new(self) -> Conversation:
        """Return an empty one."""
        return Conversation()

    def open(self, name: str) -> Conversation:
        """Raise ConfigError: there is none."""
        raise ConfigError(f"there is no conversation '{name}': none is kept")

    def list(self) -> list[Summary]:
        """Return nothing."""
        return []

    def search(self, text: str) -> Iterator[Match]:
        """Return nothing."""
        return iter(())


AnyConversations: TypeAlias = Conversations | Unkept


class Begun(NamedTuple):
    """The conversation of a chat, and where a new one comes from."""

    conversations: AnyConversations
    conversation: Conversation


def begun(
    choice: ConversationChoice,
    config: HistoryConfig,
    environ: Mapping[str, str],
    log: Log,
) -> Begun:
    """Return the conversation that the options ask for, a new one without any.

    Raises: as `chosen`.
    """
    conversation = chosen(choice, config, environ, log)
    if conversation and conversation.is_kept:
        return Begun(Conversations(environ, log), conversation)
    return Begun(Unkept(), conversation or Conversation())
