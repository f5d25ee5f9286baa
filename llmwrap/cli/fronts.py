"""What answers look like: text, JSON or events, each piece as it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..errors import Interrupted, LLMWrapError, SchemaError
from ..messages import Chunk, Completion, Json
from .output import error_fields

if TYPE_CHECKING:
    from ..engine import Answer
    from .extract import Extracted


class Paper(Protocol):
    """What an answer is written on: the output, or a file."""

    def text(self, text: str) -> None:
        """Write a piece of text."""
        ...

    def end_text(self) -> None:
        """End the last line of the text, if there is one."""
        ...

    def json_line(self, document: Json) -> None:
        """Write a JSON document as a line."""
        ...


class Presenter:
    """What shows one answer. `fail` gets what came when the answer ends early.

    `conversation` is the id under which the answer will be kept, if any, and
    `extracted` its code, if that was asked for: both are set before `finish`.
    """

    conversation: str = ""
    extracted: Extracted | None = None

    def start(self, answer: Answer) -> None:
        """Say that the first piece is there."""

    def show(self, chunk: Chunk) -> None:
        """Show a piece."""

    def finish(self, completion: Completion) -> None:
        """Say that the answer is complete."""

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """Say that the answer ended early."""


class TextFront(Presenter):
    """The model's text, with one newline at the end."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper

    def show(self, chunk: Chunk) -> None:
        """Write the piece."""
        self._paper.text(chunk.text)

    def finish(self, completion: Completion) -> None:
        """End the last line."""
        self._paper.end_text()

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """End the last line: what came stays."""
        self._paper.end_text()


class CodeFront(Presenter):
    """The code of an answer, once it is whole."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper

    def finish(self, completion: Completion) -> None:
        """Write the code."""
        if self.extracted:
            self._paper.text(self.extracted.text)
        self._paper.end_text()


class JsonFront(Presenter):
    """One object at the end, of the answer or of the error."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper
        self._is_over = False

    def finish(self, completion: Completion) -> None:
        """Write the object."""
        self._is_over = True
        self._object(_fields(completion, self))

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """Write the object that holds the error and what came, unless one is there."""
        if not self._is_over:
            fields: dict[str, Json] = {"error": error_fields(error), "text": partial}
            self._object(fields | schema_errors(error))

    def _object(self, fields: dict[str, Json]) -> None:
        self._paper.json_line({"version": 1, **fields})


class EventsFront(Presenter):
    """One object a line, as things happen."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper
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
        fields = _fields(completion, self)
        del fields["text"]
        self._event("done", version=1, **fields)

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """Write the event `error`, unless the answer was `done`."""
        if not self._is_over:
            self._event("error", **error_fields(error), **schema_errors(error))

    def _event(self, kind: str, /, **fields: Json) -> None:
        self._paper.json_line({"type": kind, **fields})


def schema_errors(error: LLMWrapError | Interrupted) -> dict[str, Json]:
    """Return what is wrong with an answer that is not of its schema, if it is that."""
    if isinstance(error, SchemaError):
        return {"schema_errors": list(error.complaints)}
    return {}


def _fields(completion: Completion, front: Presenter) -> dict[str, Json]:
    fields = completion_fields(completion, front.conversation)
    if front.extracted:
        fields["blocks"] = front.extracted.document()
    return fields


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
