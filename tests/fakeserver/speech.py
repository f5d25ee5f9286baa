"""Say an answer in the words of one server: what is common to all of them.

A `Speech` turns tokens into frames (NDJSON lines or server-sent events) and frames
into a reply. It knows nothing of requests; `ollama_api` and `openai_api` do.
"""

import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from .steps import Body, EndBody, Head, Over, Pause, Reply, Step, Together
from .wire import Header

Dialect = Literal["ollama", "openai", "lmstudio"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Hold the token counts that a server reports."""

    prompt_tokens: int = 13
    completion_tokens: int | None = None
    """None: as many as pieces of text and thinking were sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what is to be said."""

    tokens: Sequence[str]
    thinking: Sequence[str] = ()
    finish_reason: str | None = "stop"
    """None: the end marker is left out (a stream) or null (a whole answer)."""
    usage: Usage | None = Usage()
    """None: no statistics are sent."""

    @property
    def completion_tokens(self) -> int:
        """Return the count to report."""
        if self.usage is not None and self.usage.completion_tokens is not None:
            return self.usage.completion_tokens
        return len(self.tokens) + len(self.thinking)

    @property
    def prompt_tokens(self) -> int:
        """Return the count to report."""
        return self.usage.prompt_tokens if self.usage else 0

    @property
    def text(self) -> str:
        """Return the whole text."""
        return "".join(self.tokens)


@dataclass(frozen=True, slots=True)
class Pace:
    """Hold the pauses before the first and before each further token, in seconds."""

    first_token_s: float = 0.0
    token_s: float = 0.0


AT_ONCE = Pace()


class Speech(abc.ABC):
    """Write as one kind of server does. A value: safe to share between threads."""

    dialect: ClassVar[Dialect]
    chat_path: ClassVar[str]
    list_path: ClassVar[str]
    stream_type: ClassVar[str]
    """The content type of a stream."""
    whole_type: ClassVar[str]
    """The content type of a body that is one JSON value."""
    server_headers: ClassVar[tuple[Header, ...]] = ()
    """What this server sends with every reply."""
    stream_headers: ClassVar[tuple[Header, ...]] = ()
    """What this server sends with every stream besides."""
    is_head_early: ClassVar[bool] = False
    """Whether headers come at once; otherwise they come with the first token."""

    @abc.abstractmethod
    def encode(self, value: object) -> bytes:
        """Write a value as this server's JSON."""

    @abc.abstractmethod
    def frame(self, payload: bytes) -> bytes:
        """Frame JSON text, or what pretends to be, as one line or event."""

    @abc.abstractmethod
    def start(self, tokens: Sequence[str], thinking: Sequence[str] = ()) -> list[bytes]:
        """Return the frames up to and including the last token, without any end."""

    @abc.abstractmethod
    def piece(self, content: object) -> dict[str, object]:
        """Return the object of one piece of text; `content` need not be a string."""

    @abc.abstractmethod
    def ending(self, answer: Answer) -> list[bytes]:
        """Return the frames that end the stream after the last token."""

    @abc.abstractmethod
    def whole(self, answer: Answer) -> dict[str, object]:
        """Return the object of an answer that is not streamed."""

    @abc.abstractmethod
    def listing(self, names: Iterable[str]) -> dict[str, object]:
        """Return the object that lists models of these names."""

    @abc.abstractmethod
    def error(self, message: str, status: int = 500) -> dict[str, object]:
        """Return an error object in this server's own shape."""

    def say(self, value: object) -> bytes:
        """Return `value` as one frame."""
        return self.frame(self.encode(value))

    def text(self, token: str) -> bytes:
        """Return the frame of one piece of text in the middle of a stream."""
        return self.say(self.piece(token))

    def head(self, *extra: Header) -> Head:
        """Return the head of a chunked stream."""
        own = (*self.server_headers, *self.stream_headers)
        return Head(headers=(("Content-Type", self.stream_type), *own, *extra))

    def stream(self, answer: Answer, pace: Pace = AT_ONCE) -> Reply:
        """Return the reply that streams `answer` as this server does."""
        first, *rest = self.start(answer.tokens, answer.thinking) or [b""]
        opening: list[Step] = [self.head(), Body(first)]
        if self.is_head_early:
            opening.insert(1, Pause(pace.first_token_s))
        else:
            opening = [Pause(pace.first_token_s), Together(tuple(opening))]
        steps: list[Step] = []
        for frame in rest:
            steps += [Pause(pace.token_s), Body(frame)]
        steps += [Over(), *(Body(frame) for frame in self.ending(answer))]
        return tuple(
            step
            for step in (*opening, *steps, EndBody())
            if not (isinstance(step, Pause) and not step.seconds)
        )

    def reply(self, value: object, status: int = 200) -> Reply:
        """Return the reply whose whole body is `value` as JSON."""
        return whole_reply(
            self.encode(value), self.whole_type, status, self.server_headers
        )

    def refusal(self, message: str, status: int) -> Reply:
        """Return the reply that refuses a request."""
        return self.reply(self.error(message, status), status)


def whole_reply(
    body: bytes,
    content_type: str | None = None,
    status: int = 200,
    headers: tuple[Header, ...] = (),
) -> Reply:
    """Return a reply with a `Content-Length` and all of its body in one write."""
    typed = (("Content-Type", content_type),) if content_type else ()
    head = Head(status, (*typed, *headers), "length", len(body))
    return (Together((head, Body(body))),)
