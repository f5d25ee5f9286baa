"""Answers on a terminal: Markdown, rendered while it streams. Floor F7."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..errors import Interrupted, LLMWrapError
from ..messages import Chunk, Completion
from .context import Context
from .fronts import Front

if TYPE_CHECKING:
    from ..terminal.markdown import MarkdownStream


class MarkdownFront(Front):
    """Render the answer's Markdown; finished blocks stay, the open one is redrawn."""

    rests_after_s = 0.05

    def __init__(self, context: Context, *, color: bool) -> None:
        self._context = context
        self._color = color
        self._stream: MarkdownStream | None = None

    def prepare(self) -> None:
        """Load the renderer, which takes as long as a first token."""
        from ..terminal.markdown import MarkdownStream
        from ..terminal.region import rewraps

        self._stream = MarkdownStream(
            self._context.stdout.write_text,
            self._context.size,
            color=self._color,
            clock=time.monotonic,
            rewraps=rewraps(self._context.environ),
        )

    def show(self, chunk: Chunk) -> None:
        """Draw the piece, if a frame is due."""
        if chunk.text and self._stream:
            self._stream.feed(chunk.text)

    def draw(self, text: str) -> None:
        """Draw a text that is all there."""
        self.prepare()
        if self._stream:
            self._stream.feed(text)
            self._stream.close()

    def rest(self) -> None:
        """Draw what waited for its frame."""
        if self._stream:
            self._stream.draw()

    def finish(self, completion: Completion) -> None:
        """Draw the last block for good."""
        if self._stream:
            self._stream.close()

    def fail(self, error: LLMWrapError | Interrupted, partial: str) -> None:
        """Draw what came for good."""
        if self._stream and partial:
            self._stream.close()
