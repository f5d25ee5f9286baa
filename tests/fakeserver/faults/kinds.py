"""Say what a kind of fault is, and give the parts that many kinds are made of.

A kind is a value: a name, what a client should make of it, and a function that builds
the reply in the words of a `Speech`. The other modules of this package list kinds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..received import ReceivedRequest
from ..speech import Answer, Dialect, Speech
from ..steps import Body, EndBody, Over, Reply

Outcome = Literal[
    "whole",
    "cut",
    "lost",
    "silent",
    "endless",
    "error",
    "refused",
    "failed",
    "redirect",
    "malformed",
    "limit",
]
"""What a user must see of it, whichever the dialect.

whole: the answer is complete and right, in spite of it (if need be after a retry).
cut: the answer broke off after the response headers; what came is kept.
lost: the connection was refused or ended before the response headers.
silent: nothing more comes, for ever; a time-out has to decide.
endless: bytes come for ever without an end; a time-out has to decide.
error: the server reports an error in a 200 reply, after text.
refused: the server will not answer, and would not if it were asked again.
failed: the server could not answer, as its HTTP status says.
redirect: the server points elsewhere; a prompt must not follow.
malformed: the reply is not what the protocol says.
limit: the reply is well formed and too large, whether it ends or not.
"""

Place = Literal["reply", "connection", "address"]
"""Where a fault strikes: in a reply, before a request is read, or at the port."""

Tokens = Sequence[str]
Build = Callable[[Speech, Tokens], Reply]

BOTH: tuple[Dialect, ...] = ("ollama", "openai")
OLLAMA: tuple[Dialect, ...] = ("ollama",)
OPENAI: tuple[Dialect, ...] = ("openai",)


def all_of(tokens: Tokens) -> str:
    """Return the whole text of the tokens: all of it is kept."""
    return "".join(tokens)


def none_of(tokens: Tokens) -> str:
    """Return nothing: no text was sent."""
    return ""


def all_and(extra: str) -> Callable[[Tokens], str]:
    """Return a function for faults that send text of their own after the tokens."""
    return lambda tokens: "".join(tokens) + extra


def nothing(speech: Speech, tokens: Tokens) -> Reply:
    """Build no steps, for faults of an address."""
    return ()


@dataclass(frozen=True, slots=True)
class Kind:
    """Describe one kind of fault for all dialects that can have it."""

    name: str
    outcome: Outcome
    about: str
    """What happens on the wire, in one sentence."""
    build: Build
    kept: Callable[[Tokens], str] = all_of
    """The text a client has in the end, from the tokens it was given."""
    dialects: tuple[Dialect, ...] = BOTH
    place: Place = "reply"
    strikes: int | None = None
    """How many requests it strikes when armed; None strikes all."""
    is_listing: bool = False
    """Whether it strikes the list of models instead of the chat."""
    also: Outcome | None = None
    """What is just as right; the comment beside it says why."""
    echo: Callable[[ReceivedRequest], str] | None = None
    """What the model says of the request, behind the text that is kept."""


def bodies(frames: Sequence[bytes]) -> Reply:
    """Return a body step for each frame."""
    return tuple(Body(frame) for frame in frames)


def spoken(speech: Speech, tokens: Tokens) -> Reply:
    """Return head and tokens, each in its own write, without any end."""
    return (speech.head(), *bodies(speech.start(tokens)))


def marked(speech: Speech, tokens: Tokens) -> Reply:
    """Return the frames of the end: finish reason, usage, end marker."""
    return (Over(), *bodies(speech.ending(Answer(tokens))))


def ended(speech: Speech, tokens: Tokens) -> Reply:
    """Return the frames of the end and the end of the body."""
    return (*marked(speech, tokens), EndBody())


def whole_body(speech: Speech, tokens: Tokens) -> Reply:
    """Return all frames of a good answer, without the end of the body."""
    return (*bodies(speech.start(tokens)), *marked(speech, tokens))


def spoken_whole(speech: Speech, tokens: Tokens) -> Reply:
    """Return a reply with nothing wrong, each frame in its own write."""
    return (*spoken(speech, tokens), *ended(speech, tokens))


def frames_of(speech: Speech, tokens: Tokens) -> list[bytes]:
    """Return all frames of a good answer."""
    return [*speech.start(tokens), *speech.ending(Answer(tokens))]
