"""Speak OpenAI's chat completions: what all servers share, and Ollama's /v1.

A sample of Ollama's wire, one chunk an event, the head in the same write as the first:

    data: {"id":"chatcmpl-684",…,"choices":[{"index":0,"delta":{"role":"assistant",
    "content":"Hi"},"finish_reason":null}]}
    data: {"id":"chatcmpl-684",…,"choices":[{"index":0,"delta":{},
    "finish_reason":"stop"}]}
    data: {"id":"chatcmpl-684",…,"choices":[],"usage":{"prompt_tokens":13,…}}
    data: [DONE]

See: OpenAI API reference, "Chat completions, streaming"; `llamacpp_speech`.
"""

import abc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .speech import Answer, Dialect, Speech, whole_reply
from .steps import Reply
from .wire import DATE, Header, event, go_json_bytes

CREATED = 1795450102
DONE = b"[DONE]"
_OLLAMA_ERROR_TYPES = {400: "invalid_request_error", 404: "not_found_error"}


class OpenAISpeech(Speech):
    """Answer in OpenAI's words, whatever the server."""

    dialect: ClassVar[Dialect] = "openai"
    chat_path: ClassVar[str] = "/v1/chat/completions"
    list_path: ClassVar[str] = "/v1/models"
    stream_type: ClassVar[str] = "text/event-stream"

    def frame(self, payload: bytes) -> bytes:
        """Return one `data:` event."""
        return event(payload)

    def piece(self, content: object) -> dict[str, object]:
        """Return the object of one piece of text."""
        return self.chunk({"content": content})

    def chunk(
        self, delta: Mapping[str, object], finish_reason: str | None = None
    ) -> dict[str, object]:
        """Return a `chat.completion.chunk` of one choice."""
        choice = self._choice("delta", delta, finish_reason)
        return self.outer([choice], "chat.completion.chunk")

    def ending(self, answer: Answer) -> list[bytes]:
        """Return the finish chunk, the usage chunk and `[DONE]`."""
        values: list[object] = []
        if answer.finish_reason is not None:
            values.append(self._finish_chunk(answer))
        if answer.usage is not None:
            values.append(self._usage_chunk(answer))
        return [*(self.say(value) for value in values), self.frame(DONE)]

    def whole(self, answer: Answer) -> dict[str, object]:
        """Return a `chat.completion`."""
        message: dict[str, object] = {"role": "assistant", "content": answer.text}
        if answer.thinking:
            message |= {self.reasoning_field: "".join(answer.thinking)}
        choice = self._choice("message", message, answer.finish_reason)
        value = self.outer([choice], "chat.completion")
        return value | ({"usage": self.usage(answer)} if answer.usage else {})

    @property
    @abc.abstractmethod
    def reasoning_field(self) -> str:
        """Return what this server calls the model's thinking."""

    @abc.abstractmethod
    def outer(self, choices: list[object], kind: str) -> dict[str, object]:
        """Return a completion or chunk object around `choices`."""

    def usage(self, answer: Answer) -> dict[str, object]:
        """Return the `usage` object of an answer."""
        return {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        }

    @abc.abstractmethod
    def _choice(
        self, kind: str, said: Mapping[str, object], finish_reason: str | None
    ) -> dict[str, object]: ...

    def _finish_chunk(self, answer: Answer) -> dict[str, object]:
        return self.chunk({}, answer.finish_reason)

    def _usage_chunk(self, answer: Answer) -> dict[str, object]:
        usage = {"usage": self.usage(answer)}
        return self.outer([], "chat.completion.chunk") | usage


@dataclass(frozen=True, slots=True)
class OllamaV1Speech(OpenAISpeech):
    """Answer as `model` the way Ollama's /v1 does."""

    model: str = "alpha:latest"

    server_headers: ClassVar[tuple[Header, ...]] = (DATE,)
    whole_type: ClassVar[str] = "application/json"

    def encode(self, value: object) -> bytes:
        """Write a value as Go does."""
        return go_json_bytes(value)

    def start(self, tokens: Sequence[str], thinking: Sequence[str] = ()) -> list[bytes]:
        """Return a chunk for each piece; the role comes with the first."""
        deltas = [{"content": "", "reasoning": one} for one in thinking]
        deltas += [{"content": token} for token in tokens]
        if deltas:
            deltas[0] = {"role": "assistant", **deltas[0]}
        return [self.say(self.chunk(delta)) for delta in deltas]

    def listing(self, names: Iterable[str]) -> dict[str, object]:
        """Return what /v1/models says; no model at all is null."""
        return {"object": "list", "data": [model_entry(one) for one in names] or None}

    def error(self, message: str, status: int = 500) -> dict[str, object]:
        """Return `{"error": {message, type, param, code}}`."""
        kind = _OLLAMA_ERROR_TYPES.get(status, "api_error")
        return {
            "error": {"message": message, "type": kind, "param": None, "code": None}
        }

    def reply(self, value: object, status: int = 200) -> Reply:
        """Return a whole reply: with a newline, unless a check refused the request."""
        body = self.encode(value)
        if status == 400:
            content_type = f"{self.whole_type}; charset=utf-8"
            return whole_reply(body, content_type, status, self.server_headers)
        return whole_reply(body + b"\n", self.whole_type, status, self.server_headers)

    @property
    def reasoning_field(self) -> str:
        """Return `reasoning`."""
        return "reasoning"

    def outer(self, choices: list[object], kind: str) -> dict[str, object]:
        """Return a completion or chunk object around `choices`."""
        return {
            "id": "chatcmpl-684",
            "object": kind,
            "created": CREATED,
            "model": self.model,
            "system_fingerprint": "fp_ollama",
            "choices": choices,
        }

    def _choice(
        self, kind: str, said: Mapping[str, object], finish_reason: str | None
    ) -> dict[str, object]:
        return {"index": 0, kind: said, "finish_reason": finish_reason}


def model_entry(name: str) -> dict[str, object]:
    """Return one model as Ollama's /v1 describes it."""
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "library"}
