"""A stored answer as a value, and as the bytes of a record."""

from typing import NamedTuple

from ..ends import is_cut
from ..journal.packing import Packable, pack, unpack
from ..messages import Usage
from .payload import Payload, parse


class Entry(NamedTuple):
    """One stored answer.

    `stored_ns` is the wall clock, in nanoseconds since 1970. `asked_model` is the
    model that was asked for, `model` as the reply named it. `digest` is that of the
    model's weights, empty where the server names none. `expires_ns` is on the clock of
    `stored_ns`, None for never: whoever stored it set it. Never the prompt: the key
    alone tells what was asked.
    """

    stored_ns: int
    text: str
    thinking: str
    asked_model: str
    model: str
    backend: str
    kind: str
    digest: str
    finish_reason: str
    usage: Usage
    expires_ns: int | None = None

    @property
    def stored_at(self) -> float:
        """Return when it was stored, in seconds since 1970."""
        return self.stored_ns / 1e9

    def is_of_model(self, name: str) -> bool:
        """Tell whether a model of that name gave it; `x` and `x:latest` are one."""
        wanted = name.removesuffix(":latest")
        names = (self.asked_model, self.model)
        return wanted in [known.removesuffix(":latest") for known in names]


def pack_entry(entry: Entry) -> bytes:
    """Return an entry as the payload of a record."""
    rest: Packable = [
        entry.thinking,
        entry.asked_model,
        entry.model,
        entry.backend,
        entry.kind,
        entry.digest,
        entry.finish_reason,
        entry.usage.prompt_tokens,
        entry.usage.completion_tokens,
    ]
    text = entry.text.encode("utf-8", "replace")
    is_plain = not entry.thinking and not is_cut(entry.finish_reason)
    return Payload(
        entry.stored_ns,
        text,
        pack(rest),
        is_plain=is_plain,
        expires_ns=entry.expires_ns,
    ).packed()


def unpack_entry(data: bytes) -> Entry | None:
    """Return the entry of a payload, None for one that is not of this format."""
    payload = parse(data)
    if payload is None:
        return None
    try:
        text = payload.text.decode()
        rest = unpack(payload.rest)
    except ValueError:
        return None
    if not isinstance(rest, list) or len(rest) != 9:
        return None
    *names, prompt_tokens, completion_tokens = rest
    if {*map(type, names)} != {str}:
        return None
    thinking, asked_model, model, backend, kind, digest, reason = map(str, names)
    usage = Usage(_count(prompt_tokens), _count(completion_tokens))
    return Entry(
        payload.stored_ns,
        text,
        thinking,
        asked_model,
        model,
        backend,
        kind,
        digest,
        reason,
        usage,
        payload.expires_ns,
    )


def _count(value: Packable) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return int(value) if is_count else None  # type: ignore[arg-type]  # it is one
