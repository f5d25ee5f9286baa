"""The conversation a talk adds to; one that cannot be kept costs no turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from ..errors import CacheError
from ..history import Conversation, KeptTurn, Turn
from ..messages import Message
from .mailbox import Facts, Mailbox

_EXCERPT = 60
_LONG_CHARACTERS = 2000
RECENT_TURNS = 4
"""What a summary leaves as it is, if that is not long."""


class Keeper:
    """Adds to a conversation.

    Where it cannot be kept any more, the chat goes on in memory, with one warning in
    the mailbox. Any thread may call it.
    """

    def __init__(self, conversation: Conversation, mailbox: Mailbox) -> None:
        self.conversation = conversation
        self._mailbox = mailbox
        self._known: list[Turn] = []
        self._told = 0
        self._lock = threading.Lock()

    def turns(self) -> list[Turn]:
        """Return what counts of it."""
        with self._lock:
            try:
                self._known = self.conversation.turns()
            except CacheError as error:
                self._give_up(error)
            return list(self._known)

    @property
    def said(self) -> list[Turn]:
        """Return questions and answers, without system prompts."""
        return [turn for turn in self.turns() if is_said(turn)]

    @property
    def older(self) -> list[Turn]:
        """Return what a summary would stand for: all but the last few turns.

        Of a long conversation these are at most a third, so that there is always
        something older as long as there is much.
        """
        said = self.said
        sizes = [len(turn.message.content) for turn in said]
        is_long = sum(sizes) >= _LONG_CHARACTERS
        most = sum(sizes) // 3 if is_long else _LONG_CHARACTERS
        count = RECENT_TURNS
        while count > 0 and sum(sizes[-count:]) > most:
            count -= 2  # a question goes with its answer
        return said[: max(0, len(said) - count)]

    @property
    def system(self) -> str:
        """Return the system prompt that was set last, empty for none."""
        systems = [turn.message.content for turn in self.turns() if not is_said(turn)]
        return systems[-1] if systems else ""

    def keep_exchange(self, system: str, question: Turn, answer: Turn) -> None:
        """Add a question and its answer, and the system prompt if it is another."""
        turns = [question, answer]
        if system != self.system:
            turns.insert(0, turn_of(Message("system", system)))
        self.keep_turns(turns)

    def keep_turns(self, turns: Sequence[Turn]) -> None:
        """Add turns, of another conversation for example."""
        with self._lock:
            try:
                self.conversation.extend(turns)
            except CacheError as error:
                self._give_up(error)
                self.conversation.extend(turns)

    def last_question(self) -> KeptTurn | None:
        """Return the last question of this chat, None without any."""
        with self._lock:
            try:
                return self.conversation.last_question()
            except CacheError as error:
                self._give_up(error)
                return self.conversation.last_question()

    def undo(self) -> Message | None:
        """Take back the last question and its answer; return the question."""
        last = self.last_question()
        if last is None or last.turn is None:
            return None
        self.take_back(last.exchange)
        return last.turn.message

    def take_back(self, exchange: bytes) -> None:
        """Let a question and its answer no longer count."""
        with self._lock:
            try:
                self.conversation.take_back(exchange)
            except CacheError as error:
                self._give_up(error)
                if last := self.conversation.last_question():
                    self.conversation.take_back(last.exchange)

    def tell_of_others(self) -> None:
        """Say what others added to the conversation since the last call."""
        with self._lock:
            others = self.conversation.questions_of_others()[self._told :]
            self._told += len(others)
        for turn in others:
            text = " ".join(turn.message.content.split())
            shown = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
            self._mailbox.note("note", f"another chat asked here: {shown}")

    def _give_up(self, error: CacheError) -> None:
        """Go on in memory with what is known."""
        self.conversation = Conversation()
        self.conversation.extend(self._known)
        self._mailbox.note("warning", f"the conversation is kept no more: {error}")


def turn_of(message: Message, facts: Facts = Facts()) -> Turn:
    """Return a message as a turn of this moment."""
    return Turn(
        message=message,
        model=facts.model,
        backend=facts.backend,
        at=time.time(),
        is_interrupted=facts.is_interrupted,
        is_cached=facts.is_cached,
        usage=facts.usage,
    )


def is_said(turn: Turn) -> bool:
    """Tell whether a turn is a question or an answer, not a system prompt."""
    return turn.message.role != "system"


def messages_of(system: str | None, turns: Sequence[Turn]) -> list[Message]:
    """Return what is sent for turns, under a system prompt.

    An answer without text is none: llama.cpp and Mistral refuse such a turn for ever.
    """
    messages = [Message("system", system)] if system else []
    for turn in turns:
        is_empty = turn.message.role == "assistant" and not turn.message.content.strip()
        if is_empty or not is_said(turn):
            continue
        if messages and messages[-1].role == "user" == turn.message.role:
            messages.pop()  # It has no answer, and many models want turns in turn.
        messages.append(turn.message)
    return messages
