"""One conversation under way: questions asked on a thread, answers kept.

Knows no screen: what happens goes to a mailbox, and a front shows it. Stopping takes
effect at once, whatever the backend does meanwhile (a connect cannot be cancelled):
what came by then is the answer, marked as interrupted, and whatever follows is dropped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from ..engine import Answer, Engine
from ..engine.conversing import Keeper
from ..errors import CacheError, ExhaustedError, LLMWrapError, RefusedError
from ..history import Conversation, Turn, spoken
from ..messages import Chunk, Completion, Earlier, Message, Request, Usage
from ..threads import start_thread
from .asked import Asked, Refused, Settings, facts_of, older_of, turn_of
from .conversations import AnyConversations
from .mailbox import Event, Facts, Mailbox

INTERRUPTED = "(interrupted)"
_EXCERPT = 60
SUMMARISE = (
    "Summarise our conversation so far, so that we can go on from the summary alone:"
    " facts, decisions, names, numbers and open questions."
)


class Talk:
    """A conversation with a model.

    Its methods are for one thread, the front's; answers are read on another, and one
    lock guards what both touch. Questions are asked one at a time.
    """

    def __init__(
        self,
        engine: Engine,
        conversations: AnyConversations,
        conversation: Conversation,
        settings: Settings,
        mailbox: Mailbox,
    ) -> None:
        self.engine = engine
        self.mailbox = mailbox
        self.settings = settings
        self.facts = Facts()
        """What is known of the last answer that ended."""
        self.answers: list[Facts] = []
        """The same of all that ended whole, since the chat began."""
        self.default_model: Callable[[], str] = str
        """Returns the model to ask where the settings name none, empty for unknown."""
        self.on_end: Callable[[], object] = lambda: None
        """Called when an answer is over, on whatever thread that is."""
        self.failures = 0
        """How many questions got no whole answer, through no wish of the user."""
        self._conversations = conversations
        self._keeper = self._keeper_of(conversation)
        self._lock = threading.Lock()
        self._asked: Asked | None = None
        self._unanswered: Message | None = None
        self._last_prompt: Earlier | None = None
        self._edited = b""
        self._refused: Refused | None = None
        self._bug: BaseException | None = None

    @property
    def conversation(self) -> Conversation:
        """Return the conversation that questions belong to."""
        return self._keeper.conversation

    def turns(self) -> list[Turn]:
        """Return what counts of the conversation."""
        return self._keeper.turns()

    @property
    def is_busy(self) -> bool:
        """Tell whether an answer is under way."""
        with self._lock:
            return self._asked is not None

    @property
    def is_waiting(self) -> bool:
        """Tell whether an answer is under way of which nothing has come."""
        with self._lock:
            return self._asked is not None and self._asked.first_at is None

    @property
    def waited_s(self) -> float:
        """Return how long ago the question under way was asked, in seconds."""
        with self._lock:
            return time.monotonic() - self._asked.asked_at if self._asked else 0.0

    @property
    def rate(self) -> float | None:
        """Return the deltas a second of the answer under way, None before two."""
        with self._lock:
            asked = self._asked
            if asked is None or asked.first_at is None or asked.deltas < 2:
                return None
            elapsed_s = time.monotonic() - asked.first_at
        return (asked.deltas - 1) / elapsed_s if elapsed_s else None

    @property
    def has_bug(self) -> bool:
        """Tell whether `check` would raise."""
        return self._bug is not None

    def check(self) -> None:
        """Raise what ended the answering thread if that was a bug of ours."""
        if self._bug:
            raise self._bug

    def ask(self, question: Message, *, is_fresh: bool = False) -> None:
        """Ask a question; `is_fresh` leaves a kept answer alone.

        Nothing is done while an answer is under way.
        """
        if self.is_busy:
            return
        self._unanswered = None
        self.drop_edited()
        before = self.turns()
        self._tell_of_others()
        self._start(question, before, is_fresh=is_fresh)

    def retry(self) -> bool:
        """Ask the last question anew; tell whether there is one."""
        question = self._take_back()
        if question is None:
            return False
        self.mailbox.post(Event("question", question.content))
        self.ask(question, is_fresh=True)
        return True

    def undo(self) -> Message | None:
        """Take back the last question and its answer; return the question."""
        question = self._take_back()
        self._unanswered = None
        self._edited = b""
        return question

    def edit(self) -> Message | None:
        """Return the last question: it goes, with its answer, when the next is asked.

        Unless `keep_edited` is called before.
        """
        if self.is_busy:
            return None
        if self._unanswered:
            return self._unanswered
        last = self._keeper.last_question()
        if last is None or last.turn is None:
            return None
        self._edited = last.exchange
        return last.turn.message

    def drop_edited(self) -> bool:
        """Take back the question that was to be edited; tell whether there is one."""
        edited, self._edited = self._edited, b""
        if edited:
            self._keeper.take_back(edited)
        return bool(edited)

    def keep_edited(self) -> None:
        """Leave the question that was to be edited where it is."""
        self._edited = b""

    def set_system(self, text: str | None) -> None:
        """Set the system prompt from the next question on."""
        self.settings = self.settings._replace(system=text)

    def compact(self, most: int | None = None) -> bool:
        """Put a summary in place of the older turns, in a conversation of its own.

        The one so far stays as it is. `most` bounds how many turns are summarised.
        Tells whether there is anything to summarise.
        """
        older = self._older[:most]
        if self.is_busy or len(older) < 2:
            return False
        self.mailbox.post(Event("question", SUMMARISE))
        self._start(Message("user", SUMMARISE), older, covers=len(older))
        return True

    @property
    def can_compact(self) -> bool:
        """Tell whether there is anything to summarise."""
        return len(self._older) >= 2

    def take_refused(self) -> Refused | None:
        """Return the last question if nothing came of it, once."""
        refused, self._refused = self._refused, None
        return refused

    def begin(self, conversation: Conversation | None = None) -> None:
        """Go on with another conversation, a new one unless it is given.

        How it is asked stays as it is.
        """
        self.stop()
        keeper = self._keeper_of(conversation or self._conversations.new())
        with self._lock:
            self._keeper = keeper
        self._unanswered = None
        self._edited = b""
        self.facts = Facts()

    def stop(self) -> bool:
        """Stop the answer under way and keep what came; tell whether there was one."""
        asked = self._over(None)
        if asked is None:
            return False
        asked.cancel.cancel()
        self._conclude(asked, asked.facts._replace(is_interrupted=True))
        return True

    def _start(
        self,
        question: Message,
        before: Sequence[Turn],
        *,
        is_fresh: bool = False,
        covers: int = 0,
    ) -> None:
        settings = self.settings
        system = [Message("system", settings.system)] if settings.system else []
        request = Request(
            model=settings.model or self.default_model(),
            messages=(*system, *spoken(before), question),
            sampling=settings.sampling,
            think=settings.think,
            schema=None if covers else settings.schema,  # a summary is prose
            earlier=self._last_prompt,
        )
        turn = turn_of(question)
        asked = Asked(self._keeper, turn, settings, covers=covers)
        with self._lock:
            self._asked = asked
        try:
            start_thread(lambda: self._run(asked, request, is_fresh=is_fresh), "answer")
        except ExhaustedError as error:
            self._fail(asked, error)

    def _run(self, asked: Asked, request: Request, *, is_fresh: bool) -> None:
        """Read one answer to its end; runs on a thread of its own."""
        try:
            self._read(asked, request, is_fresh=is_fresh)
        except LLMWrapError as error:
            self._fail(asked, error)
        except BaseException as error:
            self._bug = error
            self.mailbox.note("error", repr(error))
            raise

    def _fail(self, asked: Asked, error: LLMWrapError) -> None:
        """End a question that failed, unless it is over already."""
        if self._over(asked):
            self.failures += 1
            self._tell(asked, error)
            self._conclude(asked, asked.facts._replace(is_interrupted=True), "")

    def _tell(self, asked: Asked, error: LLMWrapError) -> None:
        is_too_long = isinstance(error, RefusedError) and error.is_too_long
        if not is_too_long:
            self.mailbox.note("error", str(error))
        if not any(asked.pieces):
            too_long = error.message if is_too_long else ""
            self._refused = Refused(asked.question.message, too_long, asked.covers)

    def _read(self, asked: Asked, request: Request, *, is_fresh: bool) -> None:
        answer = self.engine.ask(request, is_fresh=is_fresh, cancel=asked.cancel)
        with answer:
            for chunk in answer:
                if not self._take(asked, answer, chunk):
                    return
            completion = answer.completion
        self._last_prompt = _prompt_of(request, completion)
        if self._over(asked):
            self._conclude(asked, facts_of(completion))

    def _take(self, asked: Asked, answer: Answer, chunk: Chunk) -> bool:
        """Hand a piece on; tell whether somebody still waits for it."""
        with self._lock:
            if asked.is_over:
                return False
            is_first = asked.first_at is None
            if is_first:
                asked.first_at = time.monotonic()
                asked.facts = Facts(answer.model, answer.backend, answer.is_cached)
            asked.deltas += chunk.deltas
            asked.pieces.append(chunk.text)
            # Under the lock: what a stop ends must not speak once more after it.
            if is_first:
                self.mailbox.post(Event("start", facts=asked.facts))
            if chunk.thinking:
                self.mailbox.post(Event("thinking", chunk.thinking))
            if chunk.text:
                self.mailbox.post(Event("text", chunk.text))
        return True

    def _over(self, asked: Asked | None) -> Asked | None:
        """End a question, that under way for None; None if it is over already."""
        with self._lock:
            asked = asked or self._asked
            if asked is None or asked.is_over:
                return None
            asked.is_over = True
        return asked

    def _conclude(self, asked: Asked, facts: Facts, mark: str = INTERRUPTED) -> None:
        """Keep what came; `mark` is how a front shows that it is not whole."""
        text = "".join(asked.pieces)
        if asked.covers:
            if not facts.is_interrupted:
                self._replace_older(asked, text, facts)
        elif text or not facts.is_interrupted:
            self._keep(asked, asked.keeper, text, facts)
        else:
            # Without an answer it is no part of the conversation; `retry` knows it.
            self._unanswered = asked.question.message
        if not text and facts.is_interrupted:
            # The context is as full as it was.
            self.facts = self.facts._replace(is_interrupted=True)
        else:
            self.facts = facts
        if not facts.is_interrupted:
            self.answers.append(facts)
        mark = mark if facts.is_interrupted else ""
        with self._lock:
            if self._asked is asked:
                self._asked = None
            # Under the lock: who may ask again has this end before the next answer.
            self.mailbox.post(Event("end", mark, facts=facts))
        self.on_end()

    def _keep(self, asked: Asked, keeper: Keeper, text: str, facts: Facts) -> None:
        answer = turn_of(Message("assistant", text), facts)
        answer = answer._replace(options=asked.settings.sampling.options)
        keeper.keep_exchange(asked.settings.system or "", asked.question, answer)

    def _replace_older(self, asked: Asked, summary: str, facts: Facts) -> None:
        if self._keeper is not asked.keeper:
            return  # Another conversation was begun meanwhile.
        # What was counted was counted in prompts that this conversation never had.
        turns = asked.keeper.turns()
        said = [turn._replace(usage=Usage()) for turn in turns if turn.is_said]
        keeper = self._keeper_of(self._conversations.new())
        self._keep(asked, keeper, summary, facts._replace(usage=Usage()))
        keeper.keep(said[asked.covers :])
        with self._lock:
            if self._keeper is asked.keeper:  # Still: a disk may be slow.
                self._keeper = keeper

    @property
    def _older(self) -> Sequence[Turn]:
        return older_of([turn for turn in self.turns() if turn.is_said])

    def _keeper_of(self, conversation: Conversation) -> Keeper:
        def warn(error: CacheError) -> None:
            text = f"the conversation is kept no more: {error}"
            self.mailbox.note("warning", text)

        return Keeper(conversation, warn)

    def _tell_of_others(self) -> None:
        for turn in self._keeper.questions_of_others():
            text = " ".join(turn.message.content.split())
            shown = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
            self.mailbox.note("note", f"another chat asked here: {shown}")

    def _take_back(self) -> Message | None:
        if self.is_busy:
            return None
        if self._unanswered:
            return self._unanswered
        return self._keeper.undo()


def _prompt_of(request: Request, completion: Completion) -> Earlier | None:
    """Return a prompt with what was counted in it, None where nobody counted."""
    tokens, options = completion.usage.prompt_tokens, request.sampling.options
    if not tokens:
        return None
    model, backend = completion.model, completion.backend
    return Earlier(request.messages, model, backend, options, tokens)
