"""Speak Ollama's native API: NDJSON lines, statistics in nanoseconds.

A sample of the wire, one chunk a line, the head in the same write as the first:

    {"model":"a","created_at":"…Z","message":{"role":"assistant","content":"Hi"},
     "done":false}
    {"model":"a","created_at":"…Z","message":{"role":"assistant","content":""},
     "done":true,"done_reason":"stop","total_duration":…,…}

See: Ollama docs/api.md, "Generate a chat completion" and "List local models".
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .speech import Answer, Dialect, Speech
from .wire import DATE, Header, go_json_bytes, line

CREATED_AT = "2026-11-23T16:07:31.46916827Z"
CONTEXT_LENGTH = 8192
LOADED_CONTEXT_LENGTH = 4096
_TOKEN_NS = 25_000_000


@dataclass(frozen=True, slots=True)
class OllamaSpeech(Speech):
    """Answer as `model` in Ollama's words."""

    model: str = "alpha:latest"

    dialect: ClassVar[Dialect] = "ollama"
    chat_path: ClassVar[str] = "/api/chat"
    list_path: ClassVar[str] = "/api/tags"
    server_headers: ClassVar[tuple[Header, ...]] = (DATE,)
    stream_type: ClassVar[str] = "application/x-ndjson"
    whole_type: ClassVar[str] = "application/json; charset=utf-8"

    def encode(self, value: object) -> bytes:
        """Write a value as Go does."""
        return go_json_bytes(value)

    def frame(self, payload: bytes) -> bytes:
        """Return one NDJSON line."""
        return line(payload)

    def start(self, tokens: Sequence[str], thinking: Sequence[str] = ()) -> list[bytes]:
        """Return a line for each piece of thinking, then of text."""
        messages = [{"content": "", "thinking": one} for one in thinking]
        messages += [{"content": token} for token in tokens]
        return [self.say(self._line(message)) for message in messages]

    def piece(self, content: object) -> dict[str, object]:
        """Return the object of one piece of text."""
        return self._line({"content": content})

    def ending(self, answer: Answer) -> list[bytes]:
        """Return the last line: `done`, the reason, the statistics."""
        if answer.finish_reason is None:
            return []
        return [self.say(self._done({"content": ""}, answer))]

    def whole(self, answer: Answer) -> dict[str, object]:
        """Return the last line with all the text in it."""
        message: dict[str, object] = {"content": answer.text}
        if answer.thinking:
            message["thinking"] = "".join(answer.thinking)
        return self._done(message, answer)

    def listing(self, names: Iterable[str]) -> dict[str, object]:
        """Return what /api/tags says."""
        return {"models": [_tag(name, place) for place, name in enumerate(names)]}

    def error(self, message: str, status: int = 500) -> dict[str, object]:
        """Return `{"error": "text"}`."""
        return {"error": message}

    def _line(self, message: Mapping[str, object]) -> dict[str, object]:
        return {
            "model": self.model,
            "created_at": CREATED_AT,
            "message": {"role": "assistant", **message},
            "done": False,
        }

    def _done(self, message: Mapping[str, object], answer: Answer) -> dict[str, object]:
        value = self._line(message) | {"done": answer.finish_reason is not None}
        if answer.finish_reason:
            value["done_reason"] = answer.finish_reason
        return value | (_statistics(answer) if answer.usage else {})


def _statistics(answer: Answer) -> dict[str, int]:
    prompt_ns = answer.prompt_tokens * _TOKEN_NS // 10
    answer_ns = answer.completion_tokens * _TOKEN_NS
    counts = {
        "total_duration": prompt_ns + answer_ns + 2_385_295,
        "load_duration": 1_385_295,
        "prompt_eval_count": answer.prompt_tokens,
        "prompt_eval_duration": prompt_ns,
        "eval_count": answer.completion_tokens,
        "eval_duration": answer_ns,
    }
    # Go leaves zeros out ("omitempty").
    return {name: count for name, count in counts.items() if count}


def _tag(name: str, place: int) -> dict[str, object]:
    details = model_details() | {
        "context_length": CONTEXT_LENGTH,
        "embedding_length": 576,
    }
    return {
        "name": name,
        "model": name,
        # The first model is the newest.
        "modified_at": f"2026-11-{max(1, 23 - place):02d}T16:07:14.319173205Z",
        "size": model_size_bytes(),
        "digest": digest(name),
        "details": details,
        "capabilities": ["completion"],
    }


def model_details() -> dict[str, object]:
    """Return the `details` of every model of the fake."""
    return {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "134.52M",
        "quantization_level": "Q4_1",
    }


def model_size_bytes() -> int:
    """Return the size of every model of the fake."""
    return 98_362_745


def digest(name: str) -> str:
    """Return a digest that belongs to a name."""
    return hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()
