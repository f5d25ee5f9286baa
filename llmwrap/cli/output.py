"""Where answers go: stdout or a file, as text, JSON or events. Floor F7.

stdout carries the answer and nothing else, each piece as it arrives. A file is
written beside its name and renamed when the answer is complete: complete or not at
all.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable

from ..engine import Answer
from ..errors import Interrupted, LLMWrapError, OutputError
from ..messages import Chunk, Completion, Json
from ..terminal.sanitize import visible

Write = Callable[[bytes], None]


class Front:
    """What shows one answer. `fail` gets what came when the answer ends early.

    `rests_after_s` is how long after a piece `rest` is wanted when no other came,
    0 for never.
    """

    rests_after_s: float = 0.0

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
            self._write(b"\n")

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """End the last line, if there is one: what came stays."""
        if self._last not in ("", "\n"):
            self._write(b"\n")


class JsonFront(Front):
    """One object at the end, of the answer or of the error."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def finish(self, completion: Completion) -> None:
        """Write the object."""
        self._write(json_line({"version": 1, **completion_fields(completion)}))

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """Write the object that holds the error and what came."""
        document: dict[str, Json] = {"version": 1, "error": error_fields(error)}
        self._write(json_line({**document, "text": partial}))


class EventsFront(Front):
    """One object a line, as things happen."""

    def __init__(self, write: Write) -> None:
        self._write = write

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
        fields = completion_fields(completion)
        del fields["text"]
        self._event("done", **fields)

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """Write the event `error`."""
        self._event("error", **error_fields(error))

    def _event(self, kind: str, **fields: Json) -> None:
        self._write(json_line({"type": kind, **fields}))


def completion_fields(completion: Completion) -> dict[str, Json]:
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
    return fields


def error_fields(error: LLMWrapError | Interrupted) -> dict[str, Json]:
    """Return the fields that describe an error in JSON."""
    return {
        "kind": error.kind,
        "message": str(error),
        "exit_status": error.exit_status,
    }


def json_line(document: Json) -> bytes:
    """Return a JSON document as one line of UTF-8."""
    text = json.dumps(document, ensure_ascii=False)
    return text.encode("utf-8", "replace") + b"\n"


class AtomicFile:
    """A file that gets its name when it is complete.

    Made before anything is asked, so that a name that cannot be written costs no
    answer. What is no regular file (a pipe, a terminal, /dev/null) is written at the
    end. Belongs to one thread.
    """

    def __init__(self, path: str) -> None:
        """Make the temporary file. Raises: OutputError."""
        self._shown = path
        # Through links: the file keeps being where the link points.
        self._path = os.path.realpath(path)
        self._parts: list[bytes] = []
        self._temporary: str | None = None
        try:
            self._mode = os.stat(self._path).st_mode
        except FileNotFoundError:
            self._mode = stat.S_IFREG | (0o666 & ~_umask())
        except OSError as error:
            raise self._error(error) from error
        if stat.S_ISDIR(self._mode):
            raise OutputError(f"cannot write '{path}': it is a directory")
        if stat.S_ISREG(self._mode):
            self._temporary = self._make()

    def write(self, data: bytes) -> None:
        """Take a piece. Raises: OutputError when the disk is full."""
        self._parts.append(data)

    def commit(self) -> None:
        """Put the file in its place. Raises: OutputError; then nothing is changed."""
        data = b"".join(self._parts)
        try:
            if self._temporary is None:
                with open(self._path, "wb", buffering=0) as file:
                    _write_all(file.fileno(), data)
                return
            with open(self._temporary, "wb", buffering=0) as file:
                _write_all(file.fileno(), data)
                os.fchmod(file.fileno(), stat.S_IMODE(self._mode))
                os.fsync(file.fileno())
            os.replace(self._temporary, self._path)
            self._temporary = None
        except OSError as error:
            self.discard()
            raise self._error(error) from error

    def discard(self) -> None:
        """Leave everything as it was."""
        if self._temporary is not None:
            try:
                os.unlink(self._temporary)
            except OSError:
                pass  # Nothing else can be done about it, and the answer matters more.
            self._temporary = None

    def _make(self) -> str:
        directory, name = os.path.split(self._path)
        temporary = os.path.join(directory, f".{name[:200]}.{os.urandom(4).hex()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            os.close(os.open(temporary, flags, 0o600))
        except OSError as error:
            raise self._error(error) from error
        return temporary

    def _error(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write '{self._shown}': {error.strerror}")


def _write_all(number: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(number, view) :]


def _umask() -> int:
    # There is no way to read it but to set it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
