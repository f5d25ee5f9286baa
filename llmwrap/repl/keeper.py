"""The conversation a talk adds to; one that cannot be kept costs no answer. F6."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from ..errors import CacheError
from ..messages import Message
from .conversations import Conversation, Turn
from .mailbox import Facts, Mailbox

RECENT_TURNS = 4
"""What a summary leaves as it is."""


class Keeper:
    """Adds to a conversation; what cannot be kept is one warning in the mailbox.

    Any thread may call it.
    """

    def __init__(self, conversation: Conversation, mailbox: Mailbox) -> None:
        self.conversation = conversation
        self._mailbox = mailbox
        self._is_usable = True
        self._lock = threading.Lock()

    def turns(self) -> list[Turn]:
        """Return what counts of it."""
        with self._lock:
            return list(self.conversation.turns())

    @property
    def said(self) -> list[Turn]:
        """Return questions and answers, without system prompts."""
        return [turn for turn in self.turns() if is_said(turn)]

    @property
    def older(self) -> list[Turn]:
        """Return what a summary would stand for."""
        said = self.said
        return said[: max(0, len(said) - RECENT_TURNS)]

    @property
    def system(self) -> str:
        """Return the system prompt that was set last, empty for none."""
        systems = [turn.message.content for turn in self.turns() if not is_said(turn)]
        return systems[-1] if systems else ""

    def keep_system(self, text: str) -> None:
        """Add a system prompt unless it is the one already."""
        if text != self.system:
            self.keep(Message("system", text))

    def keep(self, message: Message, facts: Facts = Facts()) -> None:
        """Add a message."""
        try:
            with self._lock:
                self.conversation.add(
                    message,
                    model=facts.model,
                    backend=facts.backend,
                    is_interrupted=facts.is_interrupted,
                    is_cached=facts.is_cached,
                    usage=facts.usage,
                )
        except CacheError as error:
            self._give_up(error)

    def keep_turns(self, turns: Iterable[Turn]) -> None:
        """Add turns of another conversation."""
        for turn in turns:
            facts = Facts(turn.model, turn.backend, turn.is_cached, turn.is_interrupted)
            self.keep(turn.message, facts._replace(usage=turn.usage))

    def undo(self) -> Message | None:
        """Take back the last question and its answer; return the question."""
        try:
            with self._lock:
                turn = self.conversation.undo()
        except CacheError as error:
            self._give_up(error)
            return None
        return turn.message if turn else None

    def _give_up(self, error: CacheError) -> None:
        if self._is_usable:
            self._is_usable = False
            self._mailbox.note("warning", f"the conversation is not kept: {error}")


def is_said(turn: Turn) -> bool:
    """Tell whether a turn is a question or an answer, not a system prompt."""
    return turn.message.role != "system"


def messages_of(system: str | None, turns: Sequence[Turn]) -> list[Message]:
    """Return what is sent for turns, under a system prompt."""
    messages = [Message("system", system)] if system else []
    for turn in turns:
        if not is_said(turn):
            continue
        if messages and messages[-1].role == "user" == turn.message.role:
            messages.pop()  # It has no answer, and many models want turns in turn.
        messages.append(turn.message)
    return messages
