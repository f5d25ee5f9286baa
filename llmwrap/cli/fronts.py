"""What answers look like: text, JSON or events, each piece as it arrives. Floor F7."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import Interrupted, LLMWrapError
from ..messages import Chunk, Completion, Json
from ..terminal.sanitize import visible

if TYPE_CHECKING:
    from ..engine import Answer

Write = Callable[[bytes], None]


class Front:
    """What shows one answer. `fail` gets what came when the answer ends early.

    `rests_after_s` is how long after a piece `rest` is wanted when no other came,
    0 for never. `conversation` is the id under which the answer will be kept, if any.
    """

    rests_after_s: float = 0.0
    conversation: str = ""

    def prepare(self) -> None:
        """Get ready while the answer is on its way."""

    def rest(self) -> None:
        """Show what is still held back: nothing more came for a moment."""

    def start(self, answer: Answer) -> None:
        """Say that the first piece is there."""

    def show(self, chunk: Chunk) -> None:
        """Show a piece."""

    def finish(self, completion: Completion) -> None:
        """Say that the answer is complete."""

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """Say that the answer ended early."""


class TextFront(Front):
    """The model's text as it is, with one newline at the end.

    `is_cleaned` makes control characters visible.
    """

    def __init__(self, write: Write, *, is_cleaned: bool = False) -> None:
        self._write = write
        self._is_cleaned = is_cleaned
        self._last = ""

    def show(self, chunk: Chunk) -> None:
        """Write the piece."""
        if chunk.text:
            text = visible(chunk.text) if self._is_cleaned else chunk.text
            self._write(text.encode())
            self._last = chunk.text[-1]

    def finish(self, completion: Completion) -> None:
        """End the last line."""
        if self._last != "\n":
            self._last = "\n"
            self._write(b"\n")

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """End the last line, if there is one: what came stays."""
        if self._last not in ("", "\n"):
            self._write(b"\n")


class JsonFront(Front):
    """One object at the end, of the answer or of the error.

    `is_cleaned` makes control characters visible, in what JSON does not escape too.
    """

    def __init__(self, write: Write, *, is_cleaned: bool = False) -> None:
        self._write = write
        self._is_cleaned = is_cleaned
        self._is_over = False

    def finish(self, completion: Completion) -> None:
        """Write the object."""
        self._is_over = True
        self._object(completion_fields(completion, self.conversation))

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """Write the object that holds the error and what came, unless one is there."""
        if self._is_over:
            return
        self._object({"error": error_fields(error), "text": partial})

    def _object(self, fields: dict[str, Json]) -> None:
        document: Json = {"version": 1, **fields}
        self._write(json_line(cleaned(document) if self._is_cleaned else document))


class EventsFront(Front):
    """One object a line, as things happen; `is_cleaned` as for JsonFront."""

    def __init__(self, write: Write, *, is_cleaned: bool = False) -> None:
        self._write = write
        self._is_cleaned = is_cleaned
        self._is_over = False

    def start(self, answer: Answer) -> None:
        """Write the event `start`."""
        self._event(
            "start",
            version=1,
            model=answer.model,
            backend=answer.backend,
            cached=answer.is_cached,
        )

    def show(self, chunk: Chunk) -> None:
        """Write the events `thinking` and `text`."""
        if chunk.thinking:
            self._event("thinking", text=chunk.thinking)
        if chunk.text:
            self._event("text", text=chunk.text)

    def finish(self, completion: Completion) -> None:
        """Write the event `done`."""
        self._is_over = True
        fields = completion_fields(completion, self.conversation)
        del fields["text"]
        self._event("done", version=1, **fields)

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """Write the event `error`, unless the answer was `done`."""
        if not self._is_over:
            self._event("error", **error_fields(error))

    def _event(self, kind: str, /, **fields: Json) -> None:
        event: Json = {"type": kind, **fields}
        self._write(json_line(cleaned(event) if self._is_cleaned else event))


def completion_fields(
    completion: Completion, conversation: str = ""
) -> dict[str, Json]:
    """Return the fields that describe an answer in JSON."""
    timings: dict[str, Json] = dict(completion.timing._asdict())
    if completion.server:
        for name, value in completion.server._asdict().items():
            if value is not None:
                timings[f"server_{name}"] = value
    fields: dict[str, Json] = {
        "text": completion.text,
        "model": completion.model,
        "backend": completion.backend,
        "cached": completion.is_cached,
        "finish_reason": completion.finish_reason,
        "usage": dict(completion.usage._asdict()),
        "timings": timings,
        "attempts": completion.attempts,
    }
    if completion.thinking:
        fields["thinking"] = completion.thinking
    if conversation:
        fields["conversation"] = conversation
    return fields


def error_fields(error: LLMWrapError | Interrupted) -> dict[str, Json]:
    """Return the fields that describe an error in JSON."""
    return {
        "kind": error.kind,
        "message": str(error),
        "exit_status": error.exit_status,
    }


def cleaned(value: Json) -> Json:
    """Return a JSON value with the control characters in its strings made visible."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    if isinstance(value, dict):
        return {name: cleaned(item) for name, item in value.items()}
    return value


def json_line(document: Json) -> bytes:
    """Return a JSON document as one line of UTF-8."""
    text = json.dumps(document, ensure_ascii=False)
    return text.encode("utf-8", "replace") + b"\n"
