"""Pieces of answers: read out of parsed replies, and put together."""

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import ProtocolError
from ..messages import Chunk, Json


def well_formed(text: str) -> str:
    """Return `text` with lone surrogates as U+FFFD, so that it can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # Halves of a pair that came as two escapes are put together first.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


_MOST = 1 << 63  # what a count in a cache or a log can hold


class DeltaMerger:
    """Put the deltas of one read together to as few chunks as keep their order.

    In a flood hundreds of tokens share a read; one chunk for all of them keeps the
    queue, the front and the terminal cheap. `model` is what the reply calls it: whoever
    shows the first piece wants to know who speaks. `is_whole` is the chunk's.
    """

    def __init__(self) -> None:
        self.model: str | None = None
        self.is_whole = False
        self._thinking: list[str] = []
        self._text: list[str] = []

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits to be taken."""
        return not (self._text or self._thinking)

    def add_thinking(self, delta: str) -> Iterator[Chunk]:
        """Take a piece of reasoning; yield the text before it."""
        if self._text:
            yield from self.take()
        self._thinking.append(delta)

    def add_text(self, delta: str) -> None:
        """Take a piece of text."""
        self._text.append(delta)

    def take(self) -> Iterator[Chunk]:
        """Yield what was added since the last time, if anything."""
        if self._text or self._thinking:
            yield Chunk(
                text=well_formed("".join(self._text)),
                thinking=well_formed("".join(self._thinking)),
                deltas=len(self._text) + len(self._thinking),
                model=self.model,
                is_whole=self.is_whole,
            )
            self._text, self._thinking = [], []


class Said(NamedTuple):
    """What a message, or a delta of one, holds: text, reasoning, a tool's name.

    `is_refusal` says that the text is the words of a refusal.
    """

    text: str = ""
    thinking: str = ""
    tool: str = ""
    is_refusal: bool = False


_THINKING_KEYS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
_ELSEWHERE_KEYS = ("refusal", "text", "output_text")
_PART_KEYS = ("text", "output_text", "content", "value", "refusal")


def said_by(message: dict[str, Json]) -> Said:
    """Return what a message or a delta says, in whatever form is unmistakable.

    Text is text, a list of parts (Mistral, Anthropic, OpenAI's Responses), or the words
    of a refusal. Raises: ProtocolError for content that is neither.
    """
    thinking = ""
    for key in _THINKING_KEYS:  # the same twice where there are two of them
        if (value := message.get(key)) and (thinking := _free_text(value)):
            break
    content = message.get("content")
    if type(content) is str:
        text = content
    else:
        text, thought = _parts(content)
        thinking = thinking or thought
    if not text:
        elsewhere = [message[key] for key in _ELSEWHERE_KEYS if message.get(key)]
        text = next(filter(None, map(_free_text, elsewhere)), "")
    is_refusal = bool(text and _free_text(message.get("refusal")) == text)
    return Said(text, thinking, _tool(message), is_refusal)


def _parts(content: Json) -> tuple[str, str]:
    """Return text and reasoning of content that is no string."""
    if content is None or content == "":
        return "", ""
    parts = content if isinstance(content, list) else [content]
    objects = [part for part in parts if isinstance(part, dict)]
    if len(objects) != len(parts) or not all(objects):
        what = _KINDS.get(type(content), "something else")
        raise ProtocolError(f"the reply has {what} where its text belongs")
    text: list[str] = []
    thinking: list[str] = []
    for part in objects:
        kind = part.get("type")
        if isinstance(kind, str) and ("think" in kind or "reason" in kind):
            thinking.append(_free_text([part]))
        else:
            text.append(_free_text({key: part.get(key) for key in _PART_KEYS}))
    return "".join(text), "".join(thinking)


_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    str: "text",
}


def _free_text(value: Json) -> str:
    """Return the text in a value of any shape, empty where there is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_free_text, value))
    if isinstance(value, dict):
        for key in ("thinking", "reasoning", "summary", *_PART_KEYS):
            if text := _free_text(value.get(key)):
                return text
    return ""


def _tool(message: dict[str, Json]) -> str:
    """Return the name of the first tool that a message calls."""
    calls = message.get("tool_calls") or message.get("function_call")
    for call in calls if isinstance(calls, list) else [calls]:
        if isinstance(call, dict):
            function = call.get("function")
            holder = function if isinstance(function, dict) else call
            name = holder.get("name")
            if isinstance(name, str) and name:
                return name
    return ""


def word_at(document: dict[str, Json], key: str) -> str:
    """Return a string that nobody needs; empty for anything else."""
    value = document.get(key)
    return value if isinstance(value, str) else ""


def string_at(document: dict[str, Json], key: str) -> str:
    """Return a string that may be missing or null; Raises: ProtocolError."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        kind = _KINDS.get(type(value), "something else")
        raise ProtocolError(f"the reply has {kind} where '{key}' belongs")
    return value


def count_at(document: dict[str, Json], key: str) -> int | None:
    """Return a count that may be missing; what no server can count is none."""
    value = document.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < _MOST else None
    return None


def number_at(document: dict[str, Json], key: str) -> float | None:
    """Return a number that may be missing; what is no number is none."""
    value = document.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None
