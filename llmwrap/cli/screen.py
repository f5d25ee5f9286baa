"""Answers on a terminal: Markdown, rendered while it streams. Floor F7."""

from __future__ import annotations

from ..engine import Answer
from ..errors import Interrupted, LLMWrapError
from ..messages import Chunk, Completion
from ..terminal.markdown import MarkdownStream
from .context import Context


class MarkdownFront:
    """Render the answer's Markdown; finished blocks stay, the open one is redrawn."""

    def __init__(self, context: Context, *, color: bool) -> None:
        self._stream = MarkdownStream(
            context.stdout.write_text, context.size, color=color
        )

    def start(self, answer: Answer) -> None:
        """Nothing: the text is all there is."""

    def show(self, chunk: Chunk) -> None:
        """Draw the piece."""
        if chunk.text:
            self._stream.feed(chunk.text)

    def finish(self, completion: Completion) -> None:
        """Draw the last block for good."""
        self._stream.close()

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """Draw what came for good."""
        self._stream.close()
