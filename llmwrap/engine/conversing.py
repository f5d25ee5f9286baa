"""One question as part of a conversation that is kept.

Earlier turns go before the new question as messages, so the key of the cache follows
from them. Question and answer are kept together when it is known how the answer ended:
what a process that was killed leaves behind is the conversation before its turn.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ..config.schema import HistoryConfig
from ..errors import CacheError
from ..history import Conversation, Conversations, Turn
from ..log import Log
from ..messages import Completion, Earlier, Json, Message, Request
from .choice import ConversationChoice


class Conversing:
    """A question, the conversation it belongs to, and what is kept of it.

    Belongs to one thread.
    """

    def __init__(
        self, conversation: Conversation, *, is_kept: bool, is_required: bool, log: Log
    ) -> None:
        self._conversation = conversation
        self._is_kept = is_kept
        self._is_required = is_required
        self._log = log
        self._asked: list[Turn] = []
        self._options: Mapping[str, Json] = {}

    @property
    def id(self) -> str:
        """Return the id under which it is kept, nothing if it is not."""
        return self._conversation.id if self._is_kept else ""

    def continued(self, request: Request, *, has_own_system: bool) -> Request:
        """Return a request with the earlier turns in it.

        Its messages are a system prompt, if any, and the question. That system prompt
        goes before the conversation's own if `has_own_system`. Raises: CacheError.
        """
        *systems, question = request.messages
        earlier = self._conversation.messages()
        known = earlier.pop(0) if earlier and earlier[0].role == "system" else None
        system = systems[0] if systems else None
        if known and not has_own_system:
            system = known
        now = time.time()
        if system != known:
            self._asked.append(Turn(system or Message("system", ""), "", "", now))
        self._asked.append(Turn(question, "", "", now))
        self._options = request.sampling.options
        first = [system] if system else []
        messages = (*first, *earlier, question)
        before = self._last_prompt(messages) if system == known else None
        return request._replace(messages=messages, earlier=before)

    def _last_prompt(self, messages: Sequence[Message]) -> Earlier | None:
        """Return what the last answer was asked with, if that is known for certain.

        It is none of a conversation whose system prompt has changed since.
        """
        turns = self._conversation.turns()
        systems = [turn for turn in turns if turn.message.role == "system"]
        if not turns or len(systems) > 1:
            return None
        last = turns[-1]
        tokens = last.usage.prompt_tokens
        if not tokens or last.options is None or last.message != messages[-2]:
            return None
        return Earlier(
            tuple(messages[:-2]), last.model, last.backend, last.options, tokens
        )

    def keep(self, completion: Completion) -> None:
        """Keep the question with its answer, which is complete.

        Raises: CacheError if the user asked for a conversation; else it is a warning.
        """
        self._keep(completion, is_interrupted=False, is_required=self._is_required)

    def keep_partial(self, partial: Completion) -> None:
        """Keep the question with what came of an answer, if text came.

        Does nothing once the answer was kept.
        """
        if partial.text:
            self._keep(partial, is_interrupted=True, is_required=False)

    def _keep(
        self, completion: Completion, *, is_interrupted: bool, is_required: bool
    ) -> None:
        asked, self._asked = self._asked, []
        if not (self._is_kept and asked):
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
        try:
            self._conversation.extend([*asked, answer])
        except CacheError as error:
            if is_required:
                raise
            self._log.warning(str(error))
            return
        self._log.info(f"kept as a turn of the conversation '{self._conversation.id}'")


def conversing(
    choice: ConversationChoice,
    config: HistoryConfig,
    environ: Mapping[str, str],
    log: Log,
) -> Conversing | None:
    """Return the conversation that a question belongs to, None if it is kept nowhere.

    Raises: ConfigError for an id that is none, CacheError when a conversation that the
    user asked for cannot be used; one that is only kept by itself is a warning then.
    """
    is_kept = choice.is_keeping(config)
    if not (is_kept or choice.is_required):
        return None
    conversations = Conversations(environ, log)
    try:
        conversation = _conversation(conversations, choice)
        if is_kept:
            conversation.check()
    except CacheError as error:
        if choice.is_required:
            raise
        log.warning(str(error))
        return None
    if choice.is_required and not config.enabled and not choice.is_forbidden:
        log.note("nothing of this is kept: [history] enabled is false")
    return Conversing(
        conversation, is_kept=is_kept, is_required=choice.is_required, log=log
    )


def _conversation(
    conversations: Conversations, choice: ConversationChoice
) -> Conversation:
    if choice.name is not None:
        return conversations.open(choice.name)
    last = conversations.last() if choice.is_continued else None
    return last or conversations.new()
