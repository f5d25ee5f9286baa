"""Chunks to a completion."""

from __future__ import annotations

from ..errors import LimitError
from ..messages import Chunk, Completion, ServerTimings, Usage
from ..metrics.timing import Stopwatch
from ..units import format_size

_BLOCK_CHARACTERS = 64 * 1024


class Folder:
    """Put the chunks of one answer together; belongs to the thread that reads it.

    `limit_bytes` bounds text and reasoning together.
    """

    def __init__(self, model: str, limit_bytes: int) -> None:
        self.model = model
        self.finish_reason: str | None = None
        """The last end marker, unless text or reasoning came after it."""
        self.is_proved = False
        """Whether counts came with that marker, or behind it."""
        self.has_erred = False
        """Whether a marker came that was none: there was more to come."""
        self.tool = ""
        """The name of the tool that the model calls."""
        self.usage = Usage()
        self.cached_tokens = 0
        """Those of the prompt that the server had in its cache."""
        self.is_ollama = False
        """Whether the server gave itself away as Ollama."""
        self._server: ServerTimings | None = None
        self._text = _GrowingText()
        self._thinking = _GrowingText()
        self._limit_bytes = limit_bytes
        self._size_bytes = 0

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing of the answer, text or reasoning, has come."""
        return not self._size_bytes

    @property
    def is_ended(self) -> bool:
        """Tell whether an end marker came; before any text it is none."""
        return self.finish_reason is not None and self._text.has_any

    @property
    def text(self) -> str:
        """Return the text that has come."""
        return self._text.whole()

    def add(self, chunk: Chunk) -> None:
        """Take a chunk. Raises: LimitError when the answer grows over its limit."""
        size_bytes = len(chunk.text.encode()) + len(chunk.thinking.encode())
        if self._size_bytes + size_bytes > self._limit_bytes:
            raise LimitError(
                f"the answer is longer than {format_size(self._limit_bytes)}",
                hint="limits.answer sets the bound",
            )
        self._size_bytes += size_bytes
        self._text.add(chunk.text)
        self._thinking.add(chunk.thinking)
        self.model = chunk.model or self.model
        self.tool = self.tool or chunk.tool
        if size_bytes and self.finish_reason is not None:
            self.finish_reason, self.is_proved, self.has_erred = None, False, True
        self.finish_reason = chunk.finish_reason or self.finish_reason
        if self.finish_reason is not None and chunk.usage and not size_bytes:
            self.is_proved = True
        self.usage = chunk.usage or self.usage
        self.cached_tokens = chunk.cached_tokens or self.cached_tokens
        self.is_ollama = self.is_ollama or chunk.is_ollama
        self._server = chunk.server or self._server

    def completion(
        self, backend: str, stopwatch: Stopwatch, attempts: int
    ) -> Completion:
        """Return the answer as far as it came."""
        usage = self._counted()
        return Completion(
            text=self.text,
            thinking=self._thinking.whole(),
            model=self.model,
            backend=backend,
            finish_reason=self.finish_reason,
            usage=usage,
            timing=stopwatch.timing(usage.completion_tokens),
            server=self._server,
            attempts=attempts,
            gaps_s=tuple(stopwatch.gaps_s),
        )

    def _counted(self) -> Usage:
        """Return the counts, without a 0 for what is there: nobody counted it."""
        prompt_tokens, completion_tokens = self.usage
        if not (completion_tokens or self.is_empty):
            completion_tokens = None
        return Usage(prompt_tokens or None, completion_tokens)


class _GrowingText:
    """A text that grows at its end and is in memory once.

    A list to be joined, and io.StringIO too, would hold it twice at the end. CPython
    lengthens a string in place when nobody else refers to it; where it copies, blocks
    keep the copies few.
    """

    def __init__(self) -> None:
        self._whole = ""
        self._pieces: list[str] = []
        self._pieces_size = 0
        self.has_any = False

    def add(self, piece: str) -> None:
        """Take what follows."""
        if not piece:
            return
        self.has_any = True
        self._pieces.append(piece)
        self._pieces_size += len(piece)
        if self._pieces_size > _BLOCK_CHARACTERS:
            self._merge()

    def whole(self) -> str:
        """Return all that was taken."""
        self._merge()
        return self._whole

    def _merge(self) -> None:
        whole, self._whole = self._whole, ""
        whole += "".join(self._pieces)
        self._whole = whole
        self._pieces.clear()
        self._pieces_size = 0
