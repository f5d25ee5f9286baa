"""A question of a batch, and what became of it, as values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from ..errors import LLMWrapError
from ..messages import Completion, Json, Rendered, Request

_KEY_BYTES = 8


class Task(NamedTuple):
    """One item of the input, ready to be asked.

    `line` is where its record begins, `columns` what the output repeats of it. `error`
    says why there is no request. `rendered` tells of the template that made the prompt.
    `model` is the one that answers where the request names none, as it was given.
    """

    id: str
    line: int
    request: Request | None
    error: LLMWrapError | None = None
    columns: tuple[str, ...] = ()
    rendered: Rendered | None = None
    model: str = ""

    @property
    def key(self) -> str:
        """Return the digest of what is asked: 16 hexadecimal digits."""
        if self.request is None:
            return "0" * 2 * _KEY_BYTES
        return key_of(self.request, self.model)


class Done(NamedTuple):
    """A task and its answer; `error` says what ended it, `text` what came until then.

    `key` is the digest of what was asked, `value` what the answer says as JSON, where
    a schema was asked for, `code` what stands in its blocks of code, where only that
    was.
    """

    task: Task
    key: str
    completion: Completion | None
    error: LLMWrapError | None = None
    text: str = ""
    value: Json = None
    code: str | None = None


def key_of(request: Request, model: str = "") -> str:
    """Return what tells one question from another, whoever is asked.

    The messages, the model's name as it was given, the options: what can change the
    answer. The server is no part of it, as a batch may go on at another one.
    """
    digest = blake2b(digest_size=_KEY_BYTES)
    sampling = request.sampling._asdict() | {"options": dict(request.sampling.options)}
    known: list[Json] = [request.model or model, sampling, request.think]
    if request.schema:
        known.append(request.schema.text)
    for message in request.messages:
        known += [message.role, message.content, len(message.images)]
    digest.update(json.dumps(known, sort_keys=True).encode())
    for message in request.messages:
        for image in message.images:
            digest.update(blake2b(image.data, digest_size=32).digest())
    return digest.hexdigest()


def row_digest(columns: Sequence[str], key: str) -> int:
    """Return 64 bits that tell one row of a table with its key from another."""
    whole = json.dumps([*columns, key]).encode()
    return int.from_bytes(blake2b(whole, digest_size=8).digest(), "big")
