"""What the journal of a conversation holds: turns, and turns taken back. No I/O.

    turn   [1, exchange, at, role, content, images, model, backend,
            is_interrupted, is_cached, prompt_tokens, completion_tokens, options]
    undo   [2, exchange]
    title  [3, title]

An exchange is a question and its answer. Its number is random, so that an answer finds
its question whatever other processes wrote in between. Records of other kinds and
fields beyond these are a newer llmwrap's: they are passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..journal.packing import Packable, pack, unpack
from ..journal.records import RecordFormat
from ..messages import Image, Json, Message, Role, Usage

HISTORY = RecordFormat("llmwrap history")

_TURN, _UNDO, _TITLE = 1, 2, 3
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
_NUMBER_BYTES = 8


class Turn(NamedTuple):
    """One message of a conversation and how it came about.

    `at` is the wall clock, in seconds since 1970. `is_interrupted` marks an answer
    that is not whole: cut, broken off or stopped. `model`, `backend`, `is_cached` and
    `usage` are those of an answer, and so are the `options` of the backend that it was
    asked with, None where they are not known.
    """

    message: Message
    model: str
    backend: str
    at: float
    is_interrupted: bool = False
    is_cached: bool = False
    usage: Usage = Usage()
    options: Mapping[str, Json] | None = None

    @property
    def is_said(self) -> bool:
        """Tell whether it is a question or an answer, not a system prompt."""
        return self.message.role != "system"


class KeptTurn(NamedTuple):
    """A turn and its exchange; without a turn, the exchange no longer counts."""

    exchange: bytes
    turn: Turn | None


def new_exchange() -> bytes:
    """Return the number of an exchange that nobody else has."""
    return os.urandom(_NUMBER_BYTES)


def exchanges(entries: Iterable[KeptTurn]) -> dict[bytes, list[Turn]]:
    """Return the turns that count by exchange, in the order they began."""
    found: dict[bytes, list[Turn]] = {}
    gone = set()
    for exchange, turn in entries:
        if turn is None:
            gone.add(exchange)
            found.pop(exchange, None)
        elif exchange not in gone:
            found.setdefault(exchange, []).append(turn)
    return found


def last_system(turns: Iterable[Turn]) -> str:
    """Return the system prompt that was set last, empty for none."""
    systems = [turn.message.content for turn in turns if not turn.is_said]
    return systems[-1] if systems else ""


def spoken(turns: Iterable[Turn]) -> list[Message]:
    """Return what goes before a new question: each that has an answer, with it.

    An answer without text is none: llama.cpp and Mistral refuse a conversation with
    such a turn for ever.
    """
    messages: list[Message] = []
    question: list[Message] = []
    for turn in turns:
        message = turn.message
        if message.role == "user":
            question = [message]
        elif message.role == "assistant":
            if message.content.strip():
                messages += [*question, message]
            question = []
    return messages


def pack_entry(entry: KeptTurn) -> bytes:
    """Return an entry as the payload of a record."""
    turn = entry.turn
    if turn is None:
        return pack([_UNDO, entry.exchange])
    message, usage = turn.message, turn.usage
    images: list[Packable] = [[one.data, one.media_type] for one in message.images]
    return pack(
        [
            _TURN,
            entry.exchange,
            float(turn.at),
            message.role,
            message.content,
            images,
            turn.model,
            turn.backend,
            turn.is_interrupted,
            turn.is_cached,
            usage.prompt_tokens,
            usage.completion_tokens,
            None if turn.options is None else json.dumps(dict(turn.options)),
        ]
    )


def pack_title(title: str) -> bytes:
    """Return the payload of a record that gives a conversation its title."""
    return pack([_TITLE, title])


def unpack_title(payload: bytes) -> str | None:
    """Return the title in a payload, None where it is something else."""
    try:
        fields = unpack(payload)
    except ValueError:
        return None
    match fields:
        case [3, str(title), *_]:
            return title
    return None


def unpack_entry(payload: bytes) -> KeptTurn | None:
    """Return the entry of a payload, None for one that is none of ours."""
    try:
        fields = unpack(payload)
    except ValueError:
        return None
    match fields:
        case [2, bytes(exchange), *_]:
            return KeptTurn(exchange, None)
        case [1, bytes(exchange), float(at), str(role), str(content), list(images),
              str(model), str(backend), bool(is_interrupted), bool(is_cached),
              prompt_tokens, completion_tokens, *rest] if role in _ROLES:  # fmt: skip
            message = Message(_ROLES[role], content, _images(images))
            usage = Usage(_count(prompt_tokens), _count(completion_tokens))
            turn = Turn(message, model, backend, at, is_interrupted, is_cached, usage)
            return KeptTurn(exchange, turn._replace(options=_options(rest)))
    return None


def _images(fields: list[Packable]) -> tuple[Image, ...]:
    images = []
    for field in fields:
        match field:
            case [bytes(data), str(media_type)]:
                images.append(Image(data, media_type))
    return tuple(images)


def _options(rest: list[Packable]) -> Mapping[str, Json] | None:
    match rest:
        case [str(text), *_]:
            try:
                options: Json = json.loads(text)
            except (ValueError, RecursionError):
                return None
            return options if isinstance(options, dict) else None
    return None


def _count(value: Packable) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return int(value) if is_count else None  # type: ignore[arg-type]  # it is one
