"""What a chat's lines work on, and what they bring about. Floor F6."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..config import Config
from ..config.kinds import expand_home
from ..engine.prompting import checked_image, decoded, joined_prompt, read_input
from ..history import Conversation
from ..messages import Image, Message
from .asked import settings_of
from .conversations import AnyConversations
from .offers import Offers
from .talk import Talk

_LONGEST_READ_S = 10.0


class Effect(NamedTuple):
    """What a line brought about, for the front to show.

    `says` is for people, `error` is why nothing came of it. `fills` goes into the
    input, `copies` to the clipboard. `is_asked`: a question goes out. `is_new`: the
    conversation is another one, to be shown from its beginning.
    """

    says: str = ""
    error: str = ""
    fills: str | None = None
    copies: str | None = None
    theme: str | None = None
    is_asked: bool = False
    is_new: bool = False
    is_leaving: bool = False


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

    def edit(self) -> str | None:
        """Put what belongs to the last question to the next; return its text.

        The last one goes when the next is asked; None if there is none.
        """
        question = self.talk.edit()
        if question is None:
            return None
        self._before_edit = self._before_edit or Attached(self._files, self._images)
        self._files = []
        self._images = [
            (f"image {number}", image)
            for number, image in enumerate(question.images, 1)
        ]
        return question.content

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
        limit = self.config.limits.prompt_bytes
        data = read_input(self.path(name), limit, _read_until())
        return decoded(data)[0]

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
