"""A request to the key of its answer. No I/O.

The key is BLAKE2b-256 over everything that can change the answer, in this order:

    version      what counts as a good answer, and this list
    place        kind and address of the backend, or the digest of a model file; and
                 whose it is, where something of the user's own goes with the request
    generation   what is known of the model's weights (generations.py)
    model, messages (role, content, images by their bytes), sampling, options, think,
    schema (behind the others, and only where there is one: older keys stay as they are)

Not in it: whether the answer is streamed, time-outs, keys as they are, proxies, names
of backends, options that only say how fast the answer comes. Each value is written
with its type and its length, and tables in the order of their names, so that two
requests have the same bytes only if they are the same: 1, 1.0, true and "1" differ, as
they do for a server.

The request, which may be long, is written once; the keys of one question are made of
those bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ..journal.records import blake2b
from ..messages import Json, Message, Request

GGUF = "gguf"
"""The kind of a place that is a model file."""

VERSION = 2
"""Raised when what counts as a good answer changes: older answers are then misses."""

_DIGEST_BYTES = 32
_NAME_BYTES = 16
_LATEST = ":latest"
_LOOPBACK = {"localhost": "127.0.0.1"}
_WITHOUT_EFFECT = frozenset(
    (
        # Ollama's: how long the model stays, and on what it is computed
        "keep_alive",
        "low_vram",
        "main_gpu",
        "num_batch",
        "num_gpu",
        "num_thread",
        "numa",
        "use_mlock",
        "use_mmap",
        # llama.cpp's: where the prompt is kept for the next one, and what is told
        "cache_prompt",
        "id_slot",
        "timings_per_token",
    )
)
"""Options that change how fast an answer comes, and not what it is."""

_Value: TypeAlias = "Json | bytes | Mapping[str, Json] | Sequence[Json]"


class Place(NamedTuple):
    """Where an answer comes from, and to whom it may be given.

    `kind` and `address` are those of the backend, or `gguf` and the digest of a
    model file, whose server has another port each time. `owner` is a digest of what
    of the user's own goes with the request (owner.py), empty where nothing does.
    """

    kind: str
    address: str
    owner: bytes = b""


def server_place(kind: str, address: str, owner: bytes = b"") -> Place:
    """Return the place of a server; `localhost` and 127.0.0.1 are one."""
    scheme, separator, rest = address.partition("://")
    end = min(at for at in (rest.find(":"), rest.find("/"), len(rest)) if at >= 0)
    host = _LOOPBACK.get(rest[:end], rest[:end])
    return Place(kind, scheme + separator + host + rest[end:], owner)


def asked(request: Request, place: Place) -> bytes:
    """Return what of a request can change its answer, as bytes for `key_of`."""
    sampling = request.sampling
    options = {
        name: value
        for name, value in sampling.options.items()
        if name not in _WITHOUT_EFFECT
    }
    values: list[_Value] = [
        _model(place, request.model),
        len(request.messages),
        *_messages(request.messages),
        sampling.temperature,
        sampling.max_tokens,
        sampling.seed,
        sampling.top_p,
        list(sampling.stop),
        options,
        request.think,
    ]
    if request.schema:
        values.append(request.schema.text)  # the order of its keys counts for models
    return _joined(values)


def key_of(asked: bytes, place: Place, generation: bytes) -> bytes:
    """Return the key of the answer to what was asked, 32 bytes."""
    owner = (place.owner,) if place.owner else ()
    head = _joined((VERSION, place.kind, place.address, *owner, generation))
    hashed = blake2b(head, digest_size=_DIGEST_BYTES)
    hashed.update(asked)
    return hashed.digest()


def model_name(place: Place, model: str) -> bytes:
    """Return the name under which a model's generation is kept, 16 bytes.

    `x` and `x:latest` are one model.
    """
    owner = (place.owner,) if place.owner else ()
    parts = (place.kind, place.address, *owner, model.removesuffix(_LATEST))
    return blake2b(_joined(parts), digest_size=_NAME_BYTES).digest()


def _model(place: Place, model: str) -> str:
    if place.kind == GGUF:
        return ""  # A file is what it is, whatever it is called.
    return model.removesuffix(_LATEST) if place.kind == "ollama" else model


def _joined(values: Sequence[_Value]) -> bytes:
    pieces: list[bytes] = []
    for value in values:
        _encode(value, pieces)
    return b"".join(pieces)


def _messages(messages: Sequence[Message]) -> Iterator[_Value]:
    for message in messages:
        yield message.role
        yield message.content
        yield len(message.images)
        for image in message.images:
            yield image.media_type
            yield image.data


def _encode(value: _Value, pieces: list[bytes]) -> None:
    """Add the bytes of a value: a letter for its type, its length, the rest."""
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        pieces += (b"s%d:" % len(text), text)
    elif value is None or isinstance(value, bool | int | float):
        pieces.append(f"{type(value).__name__}:{value!r};".encode())
    elif isinstance(value, bytes):
        pieces += (b"b%d:" % len(value), value)
    elif isinstance(value, Mapping):
        pieces.append(b"m%d:" % len(value))
        for name in sorted(value):
            _encode(name, pieces)
            _encode(value[name], pieces)
    else:
        pieces.append(b"l%d:" % len(value))
        for item in value:
            _encode(item, pieces)
