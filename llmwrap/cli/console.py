"""Where a plain chat reads and writes: the standard descriptors."""

from __future__ import annotations

from ..errors import LimitError
from ..repl.plain import LineDropped
from ..units import format_size
from .context import Context

_POLL_S = 0.1


class PlainConsole:
    """The console of one plain chat; belongs to the main thread.

    `is_terminal` is that of repl.plain.Console. A line longer than
    `limit_bytes` ends the chat, as what follows could not be understood.
    """

    def __init__(
        self, context: Context, *, is_terminal: bool, limit_bytes: int
    ) -> None:
        self.is_terminal = is_terminal
        self._context = context
        self._limit_bytes = limit_bytes
        self._ahead = b""
        self._has_interrupt = False

    def interrupt(self, signum: int) -> None:
        """Note that Ctrl-C was pressed; a signal's handler."""
        self._has_interrupt = True

    def has_interrupt(self) -> bool:
        """Tell whether Ctrl-C was pressed since the last call."""
        had, self._has_interrupt = self._has_interrupt, False
        return had

    def read_line(self) -> str | None:
        """Return the next line, None at the end. Raises: LineDropped, LimitError."""
        pieces = [self._ahead]
        size = len(self._ahead)
        while b"\n" not in pieces[-1]:
            part = self._context.stdin.read_some(_POLL_S)
            if self.has_interrupt():
                # The kernel dropped what was typed before; what is here came later.
                self._ahead = part or b""
                raise LineDropped
            if part is None:
                continue
            if not part:
                break
            pieces.append(part)
            size += len(part)
            if size > self._limit_bytes and b"\n" not in part:
                raise LimitError(
                    f"a line is longer than {format_size(self._limit_bytes)}",
                    hint="limits.prompt sets the bound",
                )
        whole = b"".join(pieces)
        line, newline, self._ahead = whole.partition(b"\n")
        if not (line or newline):
            return None
        return line.removesuffix(b"\r").decode("utf-8-sig", "replace")

    def write(self, text: str) -> None:
        """Write a piece of an answer to stdout. Raises: as Descriptor.write."""
        self._context.output.text(text)

    def prompt(self, text: str) -> None:
        """Write what a line is typed behind, to stderr."""
        self._context.output.prompt(text)

    def say(self, text: str) -> None:
        """Write text for people to stderr."""
        self._context.output.say(text)

    def tell(self, level: str, message: str) -> None:
        """Write a line for people to stderr."""
        self._context.output.note(level, " ".join(message.split()))
