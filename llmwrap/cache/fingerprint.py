"""A request to the key of its answer. Floor F3; no I/O.

The key is BLAKE2b-256 over everything that can change the answer, in this order:

    version      of this list, 1
    place        kind and address of the backend, or the digest of a model file
    generation   what is known of the model's weights (models.py)
    model, messages (role, content, images by their bytes), sampling, options, think

Not in it: whether the answer is streamed, time-outs, keys, proxies, names of
backends. Each value is written with its type and its length, and tables in the order
of their names, so that two requests have the same bytes only if they are the same:
1, 1.0, true and "1" differ, as they do for a server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ..journal.records import blake2b
from ..messages import Json, Message, Request

GGUF = "gguf"
"""The kind of a place that is a model file."""

VERSION = 1
"""Raised when what counts as a good answer changes: older answers are then misses."""
_DIGEST_BYTES = 32
_NAME_BYTES = 16

_Value: TypeAlias = "Json | bytes | Mapping[str, Json] | Sequence[Json]"


class Place(NamedTuple):
    """Where an answer comes from.

    `kind` and `address` are those of the backend, or `gguf` and the digest of a
    model file, whose server has another port each time.
    """

    kind: str
    address: str


def fingerprint(request: Request, place: Place, generation: bytes) -> bytes:
    """Return the key of a request's answer, 32 bytes."""
    sampling = request.sampling
    # A file is what it is, whatever it is called.
    model = "" if place.kind == GGUF else request.model
    values: list[_Value] = [
        VERSION,
        place.kind,
        place.address,
        generation,
        model,
        len(request.messages),
        *_messages(request.messages),
        sampling.temperature,
        sampling.max_tokens,
        sampling.seed,
        sampling.top_p,
        list(sampling.stop),
        sampling.options,
        request.think,
    ]
    hashed = blake2b(digest_size=_DIGEST_BYTES)
    for value in values:
        for piece in _encoded(value):
            hashed.update(piece)
    return hashed.digest()


def model_name(place: Place, model: str) -> bytes:
    """Return the name under which a model's generation is kept, 16 bytes.

    `x` and `x:latest` are one model.
    """
    hashed = blake2b(digest_size=_NAME_BYTES)
    for part in (place.kind, place.address, model.removesuffix(":latest")):
        for piece in _encoded(part):
            hashed.update(piece)
    return hashed.digest()


def _messages(messages: Sequence[Message]) -> Iterator[_Value]:
    for message in messages:
        yield message.role
        yield message.content
        yield len(message.images)
        for image in message.images:
            yield image.media_type
            yield image.data


def _encoded(value: _Value) -> Iterator[bytes]:
    """Yield the bytes of a value: a letter for its type, its length, the rest."""
    if value is None or isinstance(value, bool | int | float):
        yield f"{type(value).__name__}:{value!r};".encode()
    elif isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        yield b"s%d:" % len(text)
        yield text
    elif isinstance(value, bytes):
        yield b"b%d:" % len(value)
        yield value
    elif isinstance(value, Mapping):
        yield b"m%d:" % len(value)
        for name in sorted(value):
            yield from _encoded(name)
            yield from _encoded(value[name])
    else:
        yield b"l%d:" % len(value)
        for item in value:
            yield from _encoded(item)
