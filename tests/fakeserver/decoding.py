"""Decode whole streams in the plainest way, for the tests of the server itself.

Works on a body that is complete, so that nothing can depend on how it arrived. Not
llmwrap's decoder, and not to be: the server is checked against something of its own.
"""

import json

from .speech import Dialect

DONE = "[DONE]"


def payloads(dialect: Dialect, body: bytes) -> list[bytes]:
    """Return the JSON texts of a stream, `[DONE]` among them, without the framing."""
    if dialect == "ollama":
        return [line for line in body.split(b"\n") if line.strip()]
    text = body.removeprefix(b"\xef\xbb\xbf")
    lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    found: list[bytes] = []
    data: list[bytes] = []
    for line in [*lines, b""]:
        name, _, value = line.partition(b":")
        if line and name == b"data":
            data.append(value.removeprefix(b" "))
        elif not line and data:
            found.append(b"\n".join(data))
            data = []
    return [one for one in found if one]


def objects(dialect: Dialect, body: bytes) -> list[object]:
    """Return the JSON values of a stream; what is no JSON is left out."""
    values: list[object] = []
    for payload in payloads(dialect, body):
        try:
            values.append(json.loads(payload.decode("utf-8", "replace")))
        except (ValueError, RecursionError):
            continue
    return values


def text_of(dialect: Dialect, body: bytes) -> str:
    """Return the text a stream says, odd characters replaced as llmwrap promises."""
    pieces = [_content(dialect, value) for value in objects(dialect, body)]
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def has_end_marker(dialect: Dialect, body: bytes) -> bool:
    """Say whether the stream has `"done": true`, or a finish reason."""
    for value in objects(dialect, body):
        if dialect == "ollama":
            if isinstance(value, dict) and value.get("done") is True:
                return True
        elif _choice(value).get("finish_reason"):
            return True
    return False


def has_done(body: bytes) -> bool:
    """Say whether `[DONE]` was sent."""
    return DONE.encode() in payloads("openai", body)


def _content(dialect: Dialect, value: object) -> object:
    outer = value if dialect == "ollama" else _choice(value)
    if not isinstance(outer, dict):
        return None
    inner = outer.get("message") or outer.get("delta")
    return inner.get("content") if isinstance(inner, dict) else None


def _choice(value: object) -> dict[str, object]:
    choices = value.get("choices") if isinstance(value, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}
