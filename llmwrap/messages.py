"""The values that walk through the house: requests, chunks, completions.

They are the field's terms (prompt tokens, completion tokens, finish reason, chunk).
A backend translates them to and from its server's names; nothing above it sees those.
Nothing here does anything: no I/O, no clock.

NamedTuple and not frozen dataclasses: a class costs 0.12 ms to create instead of
0.89, and `dataclasses` itself 6 ms to import, on the way of every short run.

No `from __future__ import annotations` here, nor where others are made: annotations
that are text are compiled by `typing`, for more than the rest of a class takes.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What a JSON document can hold."""

NO_OPTIONS: Mapping[str, Json] = MappingProxyType({})

Role: TypeAlias = Literal["system", "user", "assistant"]

FinishReason: TypeAlias = str
"""Why an answer ended, in the server's own word; ends.py knows what they mean."""

End: TypeAlias = Literal[
    "good", "cut", "withheld", "broken", "called", "unknown", "assumed", "invalid"
]
"""How an answer ended: at its own end, at a limit, because the rest is withheld, broken
off, to call a tool, by a word that nobody knows, by silence behind its marker, or whole
but not of the schema that was asked for."""


class Image(NamedTuple):
    """An image that goes with a message: its bytes as they are in the file."""

    data: bytes
    media_type: str

    @property
    def base64(self) -> str:
        """Return the bytes as text, for JSON."""
        from base64 import b64encode  # late: few questions have an image

        return b64encode(self.data).decode()


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Role
    content: str
    images: tuple[Image, ...] = ()


class Sampling(NamedTuple):
    """How the answer is drawn; None leaves a setting to the server.

    `options` are passed on under the server's own names (`num_ctx`, `top_k`) and win
    over the named settings.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    options: Mapping[str, Json] = NO_OPTIONS


class Schema(NamedTuple):
    """What an answer must be: JSON that is valid against a JSON Schema.

    `text` is the schema, as JSON. An answer that is not valid is asked for again
    `retries` times at most. `is_bare` leaves out of what a server is sent whatever it
    may choke on.
    """

    text: str
    retries: int = 1
    is_bare: bool = False


class Earlier(NamedTuple):
    """A prompt that was answered before, by whom, and the tokens counted in it."""

    messages: tuple[Message, ...]
    model: str
    backend: str
    options: Mapping[str, Json]
    prompt_tokens: int


THINKING_LEVELS = ("low", "medium", "high")
"""How much a reasoning model may be asked to reason."""


class Request(NamedTuple):
    """What is asked of a backend.

    `think` asks for (True or a level such as `high`) or forbids (False) reasoning.
    `is_streamed` False asks the server for the whole answer in one piece. `schema` is
    what the answer must be, None for any text. `earlier` is the last prompt of the same
    conversation; no server sees it.
    """

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    think: bool | str | None = None
    is_streamed: bool = True
    schema: Schema | None = None
    earlier: Earlier | None = None

    @property
    def prompt_bytes(self) -> int:
        """Return the size of all messages, images not counted."""
        return sum(len(m.content.encode("utf-8", "replace")) for m in self.messages)


class Usage(NamedTuple):
    """Token counts by the server; None when it did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class ServerTimings(NamedTuple):
    """Durations by the server's own clock, in seconds; None when it did not say."""

    load_s: float | None = None
    prompt_s: float | None = None
    generation_s: float | None = None
    total_s: float | None = None


class Chunk(NamedTuple):
    """A piece of an answer: what one read of the socket brought.

    Several deltas of the server may share one chunk; `deltas` counts those that held
    text or reasoning. The last `finish_reason` counts, unless text or reasoning came
    after it; `usage` and `server` may come with it or in a later chunk. `tool` names a
    tool that the model calls; `is_refusal` says that the text is the words in which the
    model refuses to answer. `cached_tokens` are those of the prompt that the server had
    in its cache, `is_ollama` says that it gave itself away as Ollama, `is_whole` that
    it came in one piece, whatever was asked for: nobody saw when it began.
    """

    text: str = ""
    thinking: str = ""
    deltas: int = 1
    model: str | None = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    server: ServerTimings | None = None
    tool: str = ""
    is_refusal: bool = False
    cached_tokens: int = 0
    is_ollama: bool = False
    is_whole: bool = False

    @property
    def content(self) -> str:
        """Return the text (the specification's name for it)."""
        return self.text

    @property
    def is_complete(self) -> bool:
        """Tell whether this chunk carries the end marker of the answer."""
        return self.finish_reason is not None


class Timing(NamedTuple):
    """How long one answer took, in seconds; metrics/timing.py defines each figure."""

    ttft_s: float | None = None
    e2e_s: float | None = None
    tpot_s: float | None = None
    queued_s: float | None = None


class Rendered(NamedTuple):
    """Which template a prompt was rendered from, and how long that took."""

    template: str
    rendering_s: float


class Completion(NamedTuple):
    """A whole answer, folded from its chunks.

    `attempts` counts the requests sent for it (0 for a cache hit), `asked_again` those
    that were sent because the answer was not of the schema. `gaps_s` are the
    seconds between its pieces (ITL), of a very long answer a sample. `end` is what the
    finish reason means, None while it has not ended; `is_doubtful` says that a warning
    came with it, so that it is shown and not kept in the cache.
    """

    text: str
    thinking: str
    model: str
    backend: str
    finish_reason: FinishReason | None
    usage: Usage
    timing: Timing
    server: ServerTimings | None = None
    attempts: int = 1
    is_cached: bool = False
    gaps_s: tuple[float, ...] = ()
    end: End | None = None
    is_doubtful: bool = False
    asked_again: int = 0
