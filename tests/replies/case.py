"""One reply and what a user must see of it; words to write replies with."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

SSE, NDJSON, JSON = "text/event-stream", "application/x-ndjson", "application/json"
DONE = b"data: [DONE]\n\n"


class Case(NamedTuple):
    """A reply: bytes, HTTP status and headers, and what comes of them.

    `out` is stdout, `told` must stand on stderr, `is_kept` tells whether the cache has
    the answer afterwards. `before` are bytes in front of the head. `is_left_open` says
    that the server falls silent at the end of the body.
    """

    name: str
    body: bytes
    status: int
    out: str = ""
    told: tuple[str, ...] = ()
    is_kept: bool = False
    dialect: str = "openai"
    http: int = 200
    media_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    argv: tuple[str, ...] = ()
    before: bytes = b""
    is_left_open: bool = False

    def __str__(self) -> str:
        return f"{self.dialect}-{self.name}"


_HELLO = "Hello there"


def good(name: str, body: bytes, out: str = _HELLO, **more: Any) -> Case:
    """Return a case that ends well: printed, status 0, kept."""
    return Case(name, body, 0, f"{out}\n", is_kept=True, **more)


def doubtful(name: str, body: bytes, told: str, out: str = _HELLO, **more: Any) -> Case:
    """Return a case that is printed with a warning, status 0, and not kept."""
    shown = f"{out}\n" if out else ""
    return Case(name, body, 0, shown, ("warning: ", told), **more)


def bad(
    name: str, body: bytes, status: int, *told: str, out: str = "", **more: Any
) -> Case:
    """Return a case that ends with an error, after what came."""
    return Case(name, body, status, f"{out}\n" if out else "", told, **more)


def packed(value: object) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(*values: object, end: bytes = DONE) -> bytes:
    """Return values as server-sent events."""
    frames = [
        v if isinstance(v, bytes) else b"data: %b\n\n" % packed(v) for v in values
    ]
    return b"".join(frames) + end


def lines(*values: object) -> bytes:
    """Return values as lines of JSON."""
    return b"".join(packed(value) + b"\n" for value in values)


def chunk(text: object = None, reason: object = None, **more: Any) -> dict[str, Any]:
    """Return a chunk of chat completions; `more` goes beside `choices`."""
    delta = {} if text is None else {"content": text}
    return delta_of(delta, reason, **more)


def delta_of(delta: object, reason: object = None, **more: Any) -> dict[str, Any]:
    """Return a chunk with a delta of one's own."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "c-1", "object": "chat.completion.chunk", "choices": [choice]} | more


def whole(message: object, reason: object = "stop", **more: Any) -> dict[str, Any]:
    """Return a completion that is not streamed."""
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {"id": "c-1", "object": "chat.completion", "choices": [choice]} | more


def line(text: str = "", done: object = False, **more: Any) -> dict[str, Any]:
    """Return a line of Ollama's; `more` goes beside `message`."""
    message = {"role": "assistant", "content": text}
    return {"model": "m", "message": message, "done": done} | more


def usage(completion: int, prompt: int = 9) -> dict[str, Any]:
    """Return the field with the counts."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {"usage": counts}


HELLO = (chunk("Hello"), chunk(" there"))
OLLAMA_HELLO = (line("Hello"), line(" there"))
