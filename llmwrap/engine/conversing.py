"""Conversations that are kept: which one it is, what goes before a question, keeping.

Earlier turns go before the new question as messages, so the key of the cache follows
from them. Question and answer are kept together when it is known how the answer ended:
what a process that was killed leaves behind is the conversation before its turn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from .. import lives
from ..config.schema import HistoryConfig
from ..errors import CacheError
from ..history import Conversation, Conversations, KeptTurn, Turn, last_system, spoken
from ..log import Log
from ..messages import Completion, Earlier, Json, Message, Request
from .choice import ConversationChoice


class Keeper:
    """Adds to a conversation, as long as that can be kept.

    Once it cannot, `on_loss` is told, which may raise; else it goes on in memory. Any
    thread may call it.
    """

    def __init__(
        self, conversation: Conversation, on_loss: Callable[[CacheError], object]
    ) -> None:
        self.conversation = conversation
        self._on_loss = on_loss
        self._known: list[Turn] = []
        self._told = 0
        self._lock = threading.Lock()
        lives.enter(self)

    def start_anew(self) -> None:
        """Wait for none of the parent's threads, in a forked child."""
        self._lock = threading.Lock()

    def turns(self) -> list[Turn]:
        """Return what counts of it."""
        with self._lock:
            try:
                self._known = self.conversation.turns()
            except CacheError as error:
                self._give_up(error)
            return list(self._known)

    def keep(self, turns: Sequence[Turn]) -> None:
        """Add turns, all of them or none."""
        with self._lock:
            try:
                self.conversation.extend(turns)
            except CacheError as error:
                self._give_up(error)
                self.conversation.extend(turns)

    def keep_exchange(self, system: str, question: Turn, answer: Turn) -> None:
        """Add a question and its answer, and the system prompt if it is another."""
        turns = [question, answer]
        if system != last_system(self.turns()):
            turns.insert(0, Turn(Message("system", system), "", "", question.at))
        self.keep(turns)

    def last_question(self) -> KeptTurn | None:
        """Return the last question that is not another process's, None without any."""
        with self._lock:
            try:
                return self.conversation.last_question()
            except CacheError as error:
                self._give_up(error)
                return self.conversation.last_question()

    def take_back(self, exchange: bytes) -> None:
        """Let a question and its answer no longer count."""
        with self._lock:
            try:
                self.conversation.take_back(exchange)
            except CacheError as error:
                self._give_up(error)
                if last := self.conversation.last_question():
                    self.conversation.take_back(last.exchange)

    def undo(self) -> Message | None:
        """Take back the last question and its answer; return the question."""
        last = self.last_question()
        if last is None or last.turn is None:
            return None
        self.take_back(last.exchange)
        return last.turn.message

    def questions_of_others(self) -> list[Turn]:
        """Return what other processes asked in it since the last call."""
        with self._lock:
            others = self.conversation.questions_of_others()[self._told :]
            self._told += len(others)
        return others

    def _give_up(self, error: CacheError) -> None:
        self._on_loss(error)
        self.conversation = Conversation()
        self.conversation.extend(self._known)


class Conversing:
    """One question, the conversation it belongs to, and what is kept of it.

    Belongs to one thread. `is_required`: what cannot be kept is an error.
    """

    def __init__(
        self, conversation: Conversation, *, is_required: bool, log: Log
    ) -> None:
        self._keeper = Keeper(conversation, self._lose)
        self._is_required = is_required
        self._log = log
        self._asked: list[Turn] = []
        self._options: Mapping[str, Json] = {}

    @property
    def id(self) -> str:
        """Return the id under which it is kept, nothing if it is not."""
        return self._keeper.conversation.id

    def continued(self, request: Request, *, has_own_system: bool) -> Request:
        """Return a request with the earlier turns in it.

        Its messages are a system prompt, if any, and the question. That system prompt
        goes before the conversation's own if `has_own_system`. Raises: CacheError.
        """
        *systems, question = request.messages
        turns = self._keeper.turns()
        known = last_system(turns)
        system = systems[0].content if systems else ""
        if known and not has_own_system:
            system = known
        now = time.time()
        if system != known:
            self._asked.append(Turn(Message("system", system), "", "", now))
        self._asked.append(Turn(question, "", "", now))
        self._options = request.sampling.options
        first = [Message("system", system)] if system else []
        messages = (*first, *spoken(turns), question)
        before = _last_prompt(turns, messages) if system == known else None
        return request._replace(messages=messages, earlier=before)

    def keep(self, completion: Completion) -> None:
        """Keep the question with its answer, which is complete.

        Raises: CacheError if the user asked for a conversation; else it is a warning.
        """
        self._keep(completion, is_interrupted=False)

    def keep_partial(self, partial: Completion) -> None:
        """Keep the question with what came of an answer, if text came.

        Does nothing once the answer was kept.
        """
        if partial.text:
            try:
                self._keep(partial, is_interrupted=True)
            except CacheError as error:
                self._log.warning(str(error))

    def _keep(self, completion: Completion, *, is_interrupted: bool) -> None:
        asked, self._asked = self._asked, []
        if not asked:
            return
        answer = Turn(
            Message("assistant", completion.text),
            completion.model,
            completion.backend,
            time.time(),
            is_interrupted,
            completion.is_cached,
            completion.usage,
            self._options,
        )
        self._keeper.keep([*asked, answer])
        if self.id:
            self._log.info(f"kept as a turn of the conversation '{self.id}'")

    def _lose(self, error: CacheError) -> None:
        if self._is_required:
            raise error
        self._log.warning(str(error))


def conversing(
    choice: ConversationChoice,
    config: HistoryConfig,
    environ: Mapping[str, str],
    log: Log,
) -> Conversing | None:
    """Return the conversation that a question belongs to, None if it is kept nowhere.

    Raises: as `chosen`.
    """
    conversation = chosen(choice, config, environ, log)
    if conversation is None:
        return None
    if choice.is_required and not config.enabled and not choice.is_forbidden:
        log.note("nothing of this is kept: [history] enabled is false")
    return Conversing(conversation, is_required=choice.is_required, log=log)


def chosen(
    choice: ConversationChoice,
    config: HistoryConfig,
    environ: Mapping[str, str],
    log: Log,
) -> Conversation | None:
    """Return the conversation that the options ask for, None if there is none to keep.

    One that is to be left alone is a copy in memory. Raises: ConfigError for an id
    that is none, CacheError when a conversation that the user asked for cannot be
    used; one that is only kept by itself is a warning then.
    """
    is_kept = choice.is_keeping(config)
    if not (is_kept or choice.is_required):
        return None
    try:
        conversation = _found(Conversations(environ, log), choice)
        if is_kept:
            conversation.check()
            return conversation
        copy = Conversation()
        copy.extend(conversation.turns())
        return copy
    except CacheError as error:
        if choice.is_required:
            raise
        log.warning(str(error))
        return None


def _found(conversations: Conversations, choice: ConversationChoice) -> Conversation:
    if choice.name is not None:
        return conversations.open(choice.name)
    last = conversations.last() if choice.is_continued else None
    return last or conversations.new()


def _last_prompt(turns: Sequence[Turn], messages: Sequence[Message]) -> Earlier | None:
    """Return what the last answer was asked with, if that is known for certain.

    It is none of a conversation whose system prompt has changed since.
    """
    systems = [turn for turn in turns if not turn.is_said]
    if not turns or len(systems) > 1:
        return None
    last = turns[-1]
    tokens = last.usage.prompt_tokens
    if not tokens or last.options is None or last.message != messages[-2]:
        return None
    return Earlier(tuple(messages[:-2]), last.model, last.backend, last.options, tokens)
