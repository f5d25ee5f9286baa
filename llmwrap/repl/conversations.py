"""Which conversation a chat goes on with, and where others are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from ..config.schema import HistoryConfig
from ..engine.choice import ConversationChoice
from ..errors import CacheError, ConfigError
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

    Raises: ConfigError for an id that is none, CacheError when a conversation that the
    user asked for cannot be used; one that is only kept by itself is a warning then.
    """
    is_kept = choice.is_keeping(config)
    if not (is_kept or choice.is_required):
        return _unkept()
    kept = Conversations(environ, log)
    try:
        conversation = _chosen(kept, choice)
        if not is_kept:
            return _copied(conversation)
        conversation.check()
    except CacheError as error:
        if choice.is_required:
            raise
        log.warning(str(error))
        return _unkept()
    return Begun(kept, conversation)


def _chosen(kept: Conversations, choice: ConversationChoice) -> Conversation:
    if choice.name is not None:
        return kept.open(choice.name)
    last = kept.last() if choice.is_continued else None
    return last or kept.new()


def _unkept() -> Begun:
    unkept = Unkept()
    return Begun(unkept, unkept.new())


def _copied(conversation: Conversation) -> Begun:
    """Return a conversation to go on with that is itself left alone."""
    unkept = _unkept()
    unkept.conversation.extend(conversation.turns())
    return unkept
