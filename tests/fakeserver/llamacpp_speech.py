"""Speak OpenAI's chat completions as llama.cpp's server does.

A sample of the wire; the role comes first, alone, with a null content, and shares its
HTTP chunk with the first piece:

    data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant",
    "content":null}}],…}
    data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"Hi"}}],…}
    data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}],…}
    data: {"choices":[],…,"usage":{…},"timings":{…}}
    data: [DONE]

See: llama.cpp tools/server/README.md, "POST /v1/chat/completions".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .openai_speech import CREATED, OpenAISpeech
from .speech import Answer, whole_reply
from .steps import Reply
from .wire import Header, json_bytes

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    501: "not_supported_error",
    503: "unavailable_error",
}
_SERVER: tuple[Header, ...] = (
    ("Server", "llama.cpp"),
    ("Access-Control-Allow-Origin", ""),
)
_KEEP_ALIVE: Header = ("Keep-Alive", "timeout=5, max=100")
_CLOSE: Header = ("Connection", "close")


@dataclass(frozen=True, slots=True)
class LlamaCppSpeech(OpenAISpeech):
    """Answer as `model` the way llama.cpp does."""

    model: str = "alpha:latest"

    whole_type: ClassVar[str] = "application/json; charset=utf-8"
    is_head_early: ClassVar[bool] = True
    server_headers: ClassVar[tuple[Header, ...]] = (*_SERVER, _KEEP_ALIVE)
    stream_headers: ClassVar[tuple[Header, ...]] = (("X-Accel-Buffering", "no"),)

    def encode(self, value: object) -> bytes:
        """Write a value as llama.cpp does: U+2028 and its like stay raw."""
        return json_bytes(value)

    def start(self, tokens: Sequence[str], thinking: Sequence[str] = ()) -> list[bytes]:
        """Return the role and a chunk for each piece of thinking, then of text."""
        deltas: list[dict[str, object]] = [{"role": "assistant", "content": None}]
        deltas += [{self.reasoning_field: one} for one in thinking]
        deltas += [{"content": token} for token in tokens]
        frames = [self.say(self.chunk(delta)) for delta in deltas]
        return [b"".join(frames[:2]), *frames[2:]]

    def whole(self, answer: Answer) -> dict[str, object]:
        """Return a `chat.completion` with timings."""
        # Not super(): a dataclass with slots is a new class, which super() cannot see.
        return OpenAISpeech.whole(self, answer) | {"timings": _timings(answer)}

    def listing(self, names: Iterable[str]) -> dict[str, object]:
        """Return what /v1/models says: the models twice, in two shapes."""
        names = list(names)
        return {
            "models": [_ollama_like(name) for name in names],
            "object": "list",
            "data": [_model(name) for name in names],
        }

    def reply(self, value: object, status: int = 200) -> Reply:
        """Return a whole reply; one that is an error closes the connection."""
        last = _CLOSE if status >= 400 else _KEEP_ALIVE
        return whole_reply(
            self.encode(value), self.whole_type, status, (*_SERVER, last)
        )

    def error(self, message: str, status: int = 500) -> dict[str, object]:
        """Return `{"error": {code, message, type}}` with the status as code."""
        kind = _ERROR_TYPES.get(status, "server_error")
        return {"error": {"code": status, "message": message, "type": kind}}

    def usage(self, answer: Answer) -> dict[str, object]:
        """Return the `usage` object of an answer, the cached tokens among it."""
        cached: dict[str, object] = {"prompt_tokens_details": {"cached_tokens": 0}}
        return OpenAISpeech.usage(self, answer) | cached

    @property
    def reasoning_field(self) -> str:
        """Return `reasoning_content`."""
        return "reasoning_content"

    def outer(self, choices: list[object], kind: str) -> dict[str, object]:
        """Return a completion or chunk object around `choices`."""
        return {
            "choices": choices,
            "created": CREATED,
            "id": "chatcmpl-5ECac8AQe0XcMcidRxx4ft9xVnLKeUuW",
            "model": self.model,
            "system_fingerprint": "b0-unknown",
            "object": kind,
        }

    def _choice(
        self, kind: str, said: Mapping[str, object], finish_reason: str | None
    ) -> dict[str, object]:
        return {"finish_reason": finish_reason, "index": 0, kind: said}

    def _finish_chunk(self, answer: Answer) -> dict[str, object]:
        timings = {} if answer.usage else {"timings": _timings(answer)}
        return self.chunk({}, answer.finish_reason) | timings

    def _usage_chunk(self, answer: Answer) -> dict[str, object]:
        return self.outer([], "chat.completion.chunk") | {
            "usage": self.usage(answer),
            "timings": _timings(answer),
        }


def _timings(answer: Answer) -> dict[str, float]:
    prompt_ms, predicted_ms = 17.22, 69.803
    return {
        "cache_n": 0,
        "prompt_n": answer.prompt_tokens,
        "prompt_ms": prompt_ms,
        "prompt_per_token_ms": prompt_ms / max(1, answer.prompt_tokens),
        "prompt_per_second": answer.prompt_tokens * 1000 / prompt_ms,
        "predicted_n": answer.completion_tokens,
        "predicted_ms": predicted_ms,
        "predicted_per_token_ms": predicted_ms / max(1, answer.completion_tokens),
        "predicted_per_second": answer.completion_tokens * 1000 / predicted_ms,
    }


def _ollama_like(name: str) -> dict[str, object]:
    empty = ("modified_at", "size", "digest", "description", "parameters")
    details = {
        "parent_model": "",
        "format": "gguf",
        "family": "",
        "families": [""],
        "parameter_size": "",
        "quantization_level": "",
    }
    return {
        "name": name,
        "model": name,
        **dict.fromkeys(empty, ""),
        "type": "model",
        "tags": [""],
        "capabilities": ["completion"],
        "details": details,
    }


def _model(name: str) -> dict[str, object]:
    return {
        "id": name,
        "aliases": [name],
        "tags": [],
        "object": "model",
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
        "created": CREATED,
        "owned_by": "llamacpp",
        "meta": {
            "vocab_type": 1,
            "n_vocab": 262144,
            "n_ctx": 2048,
            "n_ctx_train": 32768,
            "n_embd": 640,
            "n_params": 268098176,
            "size": 246587904,
            "ftype": "Q4_K - Medium",
        },
    }
