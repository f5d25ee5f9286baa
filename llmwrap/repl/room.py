"""What a chat's lines work on, and what they bring about."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..config import Config
from ..config.kinds import expand_home
from ..history import Conversation
from ..messages import Image, Message
from ..prompting.prompt import checked_image, joined_prompt, read_input
from ..prompting.text import decoded
from .asked import Refused, context_used, settings_of
from .conversations import AnyConversations
from .mailbox import Event
from .offers import Offers
from .talk import Talk

_LONGEST_READ_S = 10.0
WARNING_LEVELS = (0.75, 0.9)
"""How full the context is when that is shown."""
_MOST_ROUNDS = 3  # of summarising for one question


class Effect(NamedTuple):
    """What a line brought about, for the front to show.

    `says` is for people, `error` is why nothing came of it. `fills` goes into the
    input, and so does the question that it `gives_back`, unless somebody has typed
    something else; `copies` goes to the clipboard. `is_asked`: a question goes out.
    `is_new`: the conversation is another one, to be shown from its beginning. `then`
    is done once it was looked up which models there are.
    """

    says: str = ""
    error: str = ""
    fills: str | None = None
    gives_back: Message | None = None
    copies: str | None = None
    theme: str | None = None
    is_asked: bool = False
    is_new: bool = False
    is_leaving: bool = False
    then: Callable[[], Effect] | None = None


class Attached(NamedTuple):
    """What goes out with the next question: named texts and named images."""

    files: list[tuple[str, str]]
    images: list[tuple[str, Image]]


class Room:
    """One chat and what it may use; for the front's thread."""

    def __init__(
        self,
        talk: Talk,
        conversations: AnyConversations,
        offers: Offers,
        config: Config,
        environ: Mapping[str, str],
    ) -> None:
        self.talk = talk
        self.conversations = conversations
        self.offers = offers
        self.config = config
        self.environ = environ
        self.shows_thinking = True
        self._files: list[tuple[str, str]] = []
        self._images: list[tuple[str, Image]] = []
        self._before_edit: Attached | None = None
        self._base = self._own = talk.settings
        self._waiting: Message | None = None  # until older turns are summarised
        self._rounds = 0
        self._step = 0
        self._is_guest = False  # in a conversation that was not begun here

    def carry_on(self, *, has_model: bool, has_system: bool) -> None:
        """Ask as the conversation was asked so far, where the options say nothing.

        `has_model` and `has_system` tell whether they name a model, a system prompt.
        """
        given = self._base
        kept = settings_of(self.talk.turns(), given, self.offers.name_of)
        options = {**kept.sampling.options, **given.sampling.options}
        self.talk.settings = given._replace(
            system=given.system if has_system else kept.system,
            model=given.model if has_model else kept.model,
            sampling=given.sampling._replace(options=options),
        )

    def begin(self, conversation: Conversation | None = None) -> None:
        """Go on with another conversation, asked as it was so far, or begin a new one.

        What was put to the next question belongs to the one that is left.
        """
        self.detach()
        talk = self.talk
        if not self._is_guest:
            self._own = talk.settings
        self._is_guest = conversation is not None
        talk.begin(conversation)
        if conversation is None:
            talk.settings = self._own
            return
        turns = talk.turns()
        talk.settings = settings_of(turns, self._base, self.offers.name_of)
        self.offers.look(talk.settings.model)

    @property
    def fullness(self) -> float:
        """Return how full the context is, from 0 to 1; 0 where that is not known."""
        facts, options = self.talk.facts, self.talk.settings.sampling.options
        used = context_used(facts.usage)
        length = self.offers.context_tokens(facts.model, options)
        return used / length if used and length else 0.0

    def after_answer(self) -> Effect:
        """Do what follows from the end of an answer; for the front's thread."""
        if self.talk.is_busy:
            return Effect()
        if self.talk.facts.model:
            self.offers.learn(self.talk.facts.model)
        refused = self.talk.take_refused()
        if refused and refused.too_long:
            return self._at_wall(refused)
        waiting, self._waiting = self._waiting, None
        if refused and not refused.covers:
            self.offers.forget()
            return self._gives_back(refused.question)
        if waiting and self.talk.facts.is_interrupted:
            return self._gives_back(waiting)
        if waiting:
            self.talk.mailbox.post(Event("question", waiting.content))
            self.talk.ask(waiting)
            return Effect(is_asked=True)
        self._rounds = 0
        return Effect(says=self._warning())

    def _at_wall(self, refused: Refused) -> Effect:
        """Say how to go on when the context is full, or do it."""
        question, mode = refused.question, self.config.ui.compact
        why = refused.too_long
        if refused.covers:
            # Half of them, in whole exchanges.
            if self.talk.compact(refused.covers // 4 * 2):
                return Effect(is_asked=True)
            waiting, self._waiting = self._waiting, None
            error = f"no turn is short enough to be summarised: {why}"
            return self._gives_back(waiting, error)
        if mode == "auto" and self._rounds < _MOST_ROUNDS and self.talk.compact():
            self._rounds += 1
            self._waiting = question
            return Effect(says="the context is full: older turns are summarised first")
        ways = ["/clear begins anew"]
        if self.talk.can_compact and mode != "off":
            ways.insert(0, "/compact summarises older turns")
        if self.offers.found.kind == "ollama":
            ways.append("/option num_ctx=N asks for a longer context")
        return self._gives_back(question, f"{why}; {', '.join(ways)}")

    def _gives_back(self, question: Message | None, error: str = "") -> Effect:
        self._rounds = 0
        return Effect(error=error, gives_back=question)

    def take(self, question: Message) -> str:
        """Put what belongs to a question to the next one; return its text."""
        self._images = [
            (f"image {number}", image)
            for number, image in enumerate(question.images, 1)
        ]
        return question.content

    def _warning(self) -> str:
        """Return a warning when another step towards a full context was taken."""
        fullness = self.fullness
        step = sum(fullness >= level for level in WARNING_LEVELS)
        is_news, self._step = step > self._step, step
        if not is_news:
            return ""
        hint = "" if self.config.ui.compact == "off" else "; /compact frees room"
        return f"the context is {fullness:.0%} full{hint}"

    def edit(self) -> str | None:
        """Put what belongs to the last question to the next; return its text.

        The last one goes when the next is asked; None if there is none.
        """
        question = self.talk.edit()
        if question is None:
            return None
        self._before_edit = self._before_edit or Attached(self._files, self._images)
        self._files = []
        return self.take(question)

    def keep_edited(self) -> None:
        """Leave the question that was to be edited as it is, and what was attached."""
        self.talk.keep_edited()
        if self._before_edit:
            self._files, self._images = self._before_edit
            self._before_edit = None

    @property
    def attached(self) -> tuple[str, ...]:
        """Return the names of what goes out with the next question."""
        return tuple(name for name, _ in [*self._files, *self._images])

    def attach_file(self, name: str) -> None:
        """Put a text file to the next question. Raises: ConfigError, LimitError."""
        self.attach_text(name, self.read_text(name))

    def attach_text(self, name: str, text: str) -> None:
        """Put a text to the next question, under a name."""
        self._files.append((name, text))

    def attach_image(self, name: str) -> None:
        """Put an image to the next question. Raises: ConfigError, LimitError."""
        data = read_input(name, self.config.limits.body_bytes, _read_until())
        self.attach_image_data(name, data)

    def attach_image_data(self, name: str, data: bytes) -> None:
        """Put the bytes of an image to the next question. Raises: ConfigError."""
        self._images.append((name, checked_image(data, name)))

    def detach(self) -> None:
        """Leave out what was put to the next question."""
        self._files, self._images = [], []

    def path(self, name: str) -> str:
        """Return the path that somebody typed, `~` replaced."""
        return expand_home(name, self.environ)

    def read_text(self, name: str) -> str:
        """Return the text of a file. Raises: ConfigError, LimitError."""
        return decoded(self.read_file(name), name).text

    def read_file(self, name: str) -> bytes:
        """Return what a file holds. Raises: as `read_text`."""
        limit = self.config.limits.prompt_bytes
        return read_input(self.path(name), limit, _read_until())

    def question(self, text: str) -> Message:
        """Return a question with all that was put to it, which is used up by that."""
        prompt = joined_prompt([text], self._files, "")
        question = Message("user", prompt, tuple(image for _, image in self._images))
        self.detach()
        self._before_edit = None
        return question

    def ask(self, text: str) -> Effect:
        """Ask a question."""
        if self.talk.is_busy:
            return Effect(error="an answer is under way; Ctrl-C stops it")
        self.talk.ask(self.question(text))
        return Effect(is_asked=True)


Run = Callable[[Room, str], Effect]


class Slash(NamedTuple):
    """A command of the chat: `/name argument`.

    `completes` says what its argument is: models, files, themes or conversations.
    """

    name: str
    argument: str
    help: str
    run: Run
    completes: str = ""


def _read_until() -> float:
    # The front waits meanwhile, and takes no keys.
    return time.monotonic() + _LONGEST_READ_S
