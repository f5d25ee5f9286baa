"""Ollama's words for requests, models and ends of answers, and ours. No I/O.

See: github.com/ollama/ollama docs/api.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..ends import is_no_answer, marker
from ..errors import ProtocolError
from ..messages import Chunk, Json, Message, Request, ServerTimings, Usage
from .base import Model
from .deltas import count_at, number_at, word_at
from .entries import is_embedder, name_of, strings_at
from .http import JsonObject
from .options import OLLAMA

_NS = 1e-9


def message_body(message: Message) -> JsonObject:
    """Return a message of a request."""
    body: JsonObject = {"role": message.role, "content": message.content}
    if message.images:
        body["images"] = [image.base64 for image in message.images]
    return body


def options_of(request: Request) -> JsonObject:
    """Return how the answer is drawn; options win over the named settings."""
    sampling = request.sampling
    named: dict[str, Json] = {
        "temperature": sampling.temperature,
        "num_predict": sampling.max_tokens,
        "seed": sampling.seed,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop) or None,
    }
    options: JsonObject = {k: value for k, value in named.items() if value is not None}
    options.update(OLLAMA.translated(sampling.options))
    return options


def keep_alive(text: str) -> Json:
    """Return how long a model stays loaded, as the server takes it."""
    # The server refuses "300" and "-1" as strings: they lack a unit.
    try:
        return int(text)
    except ValueError:
        return text


def is_same_model(name: str, asked: str) -> bool:
    """Tell whether two names mean one model: `x` is `x:latest`."""
    return name.removesuffix(":latest") == asked.removesuffix(":latest")


def moment(text: str) -> float:
    """Return a time as seconds; one that cannot be read is before all others.

    Not compared as text: the offset changes with the season.
    """
    from datetime import datetime  # late: only who chooses a model needs it

    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return -math.inf


def plain_text(document: Json) -> str:
    """Return the text of a line that holds nothing else, `""` for any other.

    In a flood these are all but the last, and looking closely at each would take as
    long as parsing it.
    """
    line: Any = document
    try:
        message = line["message"]
        text = message["content"]
        is_plain = (
            type(text) is str
            and line["done"] is False
            and len(message) == 2
            and "role" in message
            and "error" not in line
        )
    except (KeyError, TypeError):
        return ""
    return text if is_plain else ""


def final_chunk(document: JsonObject) -> Chunk:
    """Return the chunk of the line with `done: true`. Raises: ProtocolError."""
    # Older versions say `done` alone, at its own end.
    reason = marker(document.get("done_reason")) or "stop"
    if is_no_answer(reason):
        raise ProtocolError(f"answered '{reason}' where an answer belongs")
    return Chunk(
        deltas=0,
        model=word_at(document, "model") or None,
        finish_reason=reason,
        usage=Usage(
            prompt_tokens=count_at(document, "prompt_eval_count"),
            completion_tokens=count_at(document, "eval_count"),
        ),
        server=ServerTimings(
            load_s=_seconds(document, "load_duration"),
            prompt_s=_seconds(document, "prompt_eval_duration"),
            generation_s=_seconds(document, "eval_duration"),
            total_s=_seconds(document, "total_duration"),
        ),
    )


def _seconds(document: JsonObject, key: str) -> float | None:
    nanoseconds = number_at(document, key)
    return None if nanoseconds is None else nanoseconds * _NS


def model_of(entry: JsonObject, running: JsonObject | None) -> Model:
    """Return a model of /api/tags, with its entry of /api/ps if it is loaded.

    Raises: ProtocolError for an entry without a name.
    """
    details = entry.get("details")
    details = details if isinstance(details, dict) else {}
    name = name_of(entry, "name", "model")
    family = word_at(details, "family")
    capabilities = strings_at(entry, "capabilities")
    return Model(
        name=name,
        is_loaded=running is not None,
        size_bytes=count_at(entry, "size"),
        modified=word_at(entry, "modified_at") or None,
        digest=word_at(entry, "digest") or None,
        family=family or None,
        parameters=word_at(details, "parameter_size") or None,
        quantization=word_at(details, "quantization_level") or None,
        context_tokens=count_at(running or {}, "context_length"),
        trained_tokens=count_at(details, "context_length"),
        capabilities=capabilities,
        is_embedding=is_embedder(name, family, capabilities),
        remote=_remote(name, entry),
    )


def _remote(name: str, entry: JsonObject) -> str | None:
    """Return where a model runs if that is not the server itself."""
    if host := word_at(entry, "remote_host"):
        return host
    tag = name.rpartition("/")[2].partition(":")[2]
    is_cloud = tag == "cloud" or tag.endswith("-cloud")
    return "ollama.com" if is_cloud or word_at(entry, "remote_model") else None


def trained_context_tokens(details: Mapping[str, Json]) -> int | None:
    """Return the context length a model was trained for, from what /api/show tells.

    It stands among `model_info`, under a name that begins with the architecture.
    """
    found = details.get("model_info")
    if not isinstance(found, dict):
        return None
    for name, value in found.items():
        if name.endswith(".context_length") and isinstance(value, int):
            return value
    return None
