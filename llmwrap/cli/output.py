"""Stdout and stderr, by one object: nothing else in the program writes there.

Answers and data go to stdout: `text` and `end_text`, `line`, `rows`, `json`. What is
said to people goes to stderr: `note`, `thinking`, `say`, `prompt`, `progress`. Commands
hand over values; what they become here:

* On a terminal nothing can drive it, in JSON neither. A pipe gets what there is.
* Where both are one place (a terminal, `2>&1`, cron's file) a line that is open is
  never added to by somebody else: lines for people wait for its end, and while Markdown
  is drawn for the end of the answer. Reasoning goes above the block that is open.
* `progress` is erased before anything else is written, and drawn again behind it.

Not for: files of the user's (`output_file`), and what draws a chat, which owns the
terminal meanwhile and hears through `listener` what is said.
"""

from __future__ import annotations

import json
import os
import signal
import time
from _thread import RLock  # threading would be an import that a hit does without
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import DeadlineError, Interrupted, LLMWrapError, OutputError
from ..messages import Json
from ..terminal.sanitize import LineEnds, lines_ended, visible
from ..terminal.style import Palette, wants_color
from .descriptor import Descriptor

if TYPE_CHECKING:
    from ..terminal.markdown import MarkdownStream
    from ..terminal.themes import Theme
    from .tables import Column

_ERASE_LINE = "\r\x1b[K"
_REST_S = 0.05


class Output:
    """What one run writes; any thread may call it.

    Each call is one piece that nothing of another thread gets into.
    """

    def __init__(
        self, stdout: Descriptor, stderr: Descriptor, environ: Mapping[str, str]
    ) -> None:
        self.color = "auto"
        """What `--color` says."""
        self.sanitize = "auto"
        """What `--sanitize` says."""
        self.is_plain = False
        """Whether nothing is drawn over, coloured or animated."""
        self.is_quiet = False
        """Whether only errors are said."""
        self.theme: Theme | None = None
        """The colours, None for the terminal's own."""
        self.has_highlighting = True
        """Whether code is coloured."""
        self.listener: Callable[[str, str], None] | None = None
        """Who hears what is said to people, while somebody else owns the terminal."""
        self._stdout = stdout
        self._stderr = stderr
        self._environ = environ
        self._is_one_place = _is_one_place(stdout, stderr)
        self._lock = RLock()
        self._markdown: MarkdownStream | None = None
        self._ends = LineEnds()  # of what is cleaned
        self._is_drawing = False  # the open block stands on the screen
        self._is_text_open = False  # the last line of stdout has no end yet
        self._is_said_open = False  # and so of stderr
        self._is_thinking = False
        self._thought_ends = LineEnds()
        self._waiting: list[str] = []  # lines for people, until they may be shown
        self._begun = ""  # the line behind those
        self._is_by_lines = False  # reasoning is, among lines of JSON
        self._status = ""

    # Answers and data

    @property
    def is_cleaned(self) -> bool:
        """Tell whether stdout gets control characters made visible."""
        if self.sanitize == "auto":
            return self._stdout.is_tty
        return self.sanitize == "always"

    @property
    def is_drawn(self) -> bool:
        """Tell whether stdout is a terminal that may be drawn on."""
        return self._stdout.is_tty and self._is_smart and not self.is_plain

    @property
    def is_colored(self) -> bool:
        """Tell whether stdout gets colour."""
        return self._has_color(self._stdout)

    def begin_markdown(self) -> None:
        """Render what `text` gets from now on, up to `end_text`.

        Loading the renderer takes as long as a first token.
        """
        from ..terminal.markdown import MarkdownStream
        from ..terminal.paint import Paint
        from ..terminal.region import rewraps
        from ..terminal.themes import DEFAULT

        self._markdown = MarkdownStream(
            lambda frame: self._stdout.write(_encoded(frame)),
            self.size,
            color=self.is_colored,
            clock=time.monotonic,
            rewraps=rewraps(self._environ),
            paint=Paint(self.theme or DEFAULT, has_highlighting=self.has_highlighting),
        )

    def text(self, text: str) -> None:
        """Write a piece of text. Raises: as Descriptor.write."""
        if not text:
            return
        with self._lock:
            self._end_said()
            if self._markdown:
                self._erase_status()
                self._is_drawing = True
                self._markdown.feed(text)
                return
            shown = visible(self._ends.feed(text)) if self.is_cleaned else text
            if self._waiting and self._is_text_open:
                end, newline, shown = shown.partition("\n")
                self._put(end + newline)
                self._let_go()
            self._put(shown)

    def rest_s(self) -> float:
        """Return after how long without a piece `rest` is wanted, 0 for never."""
        return _REST_S if self._markdown else 0.0

    def rest(self) -> None:
        """Draw what is held back for the next frame: nothing more came for a moment."""
        with self._lock:
            if self._markdown and self._is_drawing:
                self._markdown.draw()

    def end_text(self) -> None:
        """End the last line of the text, if there is one. Raises: as `text`."""
        with self._lock:
            self._end_said()
            if self._markdown:
                self._end_markdown()
            else:
                self._put(visible(self._ends.finish()))
                if self._is_text_open:
                    self._put("\n")
            self._let_go()

    def raw(self, data: bytes) -> None:
        """Write bytes as they are: the rest of what direct mode began.

        Raises: as Descriptor.write.
        """
        self._stdout.write(data)

    def line(self, text: str) -> None:
        """Write one line of data. Raises: as Descriptor.write."""
        shown = visible(text, keep="") if self.is_cleaned else text
        self._whole(f"{shown}\n")

    def path(self, path: str) -> None:
        """Write a path as a line; off a terminal by its bytes. Raises: as `line`."""
        if self.is_cleaned:
            self.line(path)
        else:
            self.raw(os.fsencode(path) + b"\n")

    def rows(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        """Write a table. Raises: as Descriptor.write."""
        from .tables import table

        self._whole(table(columns, rows))

    def json(self, fields: Mapping[str, Json]) -> None:
        """Write the one JSON object of a command, its version first.

        Raises: as Descriptor.write.
        """
        self.json_line({"version": 1, **fields})

    def json_rows(
        self, group: str, rows: Iterable[Mapping[str, Json]], **others: Json
    ) -> None:
        """Write the one JSON object of a command: rows under the group's name.

        Raises: as Descriptor.write.
        """
        self.json({group: [dict(row) for row in rows], **others})

    def json_line(self, document: Json) -> None:
        """Write a JSON document as a line. Raises: as Descriptor.write."""
        self._is_by_lines = self._is_one_place
        self._whole(json_text(cleaned(document) if self.is_cleaned else document))

    @contextmanager
    def errors_as_json(self, *, is_wanted: bool) -> Iterator[None]:
        """Put an error on stdout as well, for who reads only the JSON there."""
        try:
            yield
        except LLMWrapError as error:
            is_ours = error.exit_status > 2
            if is_wanted and is_ours and not is_stdout_lost(error):
                self.json({"error": error_fields(error)})
            raise

    # What is said to people

    @property
    def can_animate(self) -> bool:
        """Tell whether stderr is a terminal on which a line may be drawn again."""
        is_wanted = not (self.is_plain or self.is_quiet)
        return is_wanted and self._stderr.is_tty and self._is_smart

    def note(self, level: str, message: str) -> None:
        """Say one line: `llmwrap: warning: MESSAGE`.

        Whatever a server put into the message adds no other line.
        """
        if self.listener:
            self.listener(level, message)
            return
        label = self._palette.paint(level, f"llmwrap: {level}: ")
        self._tell(f"{label}{visible(message, keep='')}\n")

    def log_line(self, line: str) -> None:
        """Add a line of the log to stderr."""
        shown = visible(line.removesuffix("\n"), keep="")
        if self.listener:
            self.listener("log", shown)
        else:
            self._tell(f"{shown}\n")

    def say(self, text: str) -> None:
        """Write text that may have several lines, and end in the middle of one."""
        if self.listener:
            self.listener("log", visible(lines_ended(text)))
            return
        with self._lock:
            if self._is_thinking:
                self._end_said()
            self._say(visible(lines_ended(text)))

    def prompt(self, text: str) -> None:
        """Write what somebody answers on the same line, who ends it."""
        with self._lock:
            self.say(text)
            self._is_said_open = False

    def thinking(self, text: str) -> None:
        """Show a piece of a model's reasoning; `end_thinking` ends its last line."""
        if not text:
            return
        with self._lock:
            self._is_thinking = True
            if self._is_one_place and self._is_drawing and self._markdown:
                self._markdown.withdraw()
                self._is_drawing = False
            if shown := visible(self._thought_ends.feed(text)):
                self._say(shown)

    def end_thinking(self) -> None:
        """End the reasoning, if there was any."""
        with self._lock:
            if self._is_thinking:
                self._end_said()

    def progress(self, text: str) -> None:
        """Draw a line in the place of the last one; an empty text takes it away."""
        if not self.can_animate or self.listener:
            return
        from .tables import cut

        with self._lock:
            if self._is_blocked or self._is_said_open or not (text or self._status):
                return
            self._status = cut(visible(text, keep=""), self.size()[0] - 1)
            self._write(f"{_ERASE_LINE}{self._status}")

    def close(self) -> None:
        """End all lines that are open, so that what comes stands by itself."""
        with self._lock:
            self.progress("")
            if self._markdown:
                try:
                    self._end_markdown()
                except (LLMWrapError, Interrupted):
                    self._is_drawing = False  # and there is nothing to draw on
            self._end_said()
            if self._is_text_open and self._is_one_place:
                self._is_text_open = False
                self._write("\n")
            self._let_go()

    # The terminal

    def size(self) -> tuple[int, int]:
        """Return columns and rows of the terminal."""
        for descriptor in (self._stdout, self._stderr):
            try:
                columns, rows = os.get_terminal_size(descriptor.number)
            except OSError:
                continue
            if columns and rows:
                return columns, rows
        return 80, 24

    @property
    def _is_smart(self) -> bool:
        """Tell whether the terminal can move its cursor."""
        return self._environ.get("TERM", "") not in ("", "dumb")

    def _has_color(self, descriptor: Descriptor) -> bool:
        is_wanted = wants_color(self.color, descriptor.is_tty, self._environ)
        return is_wanted and not self.is_plain

    @property
    def _palette(self) -> Palette:
        return Palette(color=self._has_color(self._stderr), theme=self.theme)

    # Who has the line

    @property
    def _is_blocked(self) -> bool:
        """Tell whether an answer has the line on which people would be told."""
        return self._is_one_place and (self._is_text_open or self._is_drawing)

    def _tell(self, line: str) -> None:
        with self._lock:
            self._waiting.append(line)
            self._let_go()

    def _let_go(self) -> None:
        """Write the lines that wait, unless a line is open."""
        if self._waiting and not (self._is_blocked or self._is_said_open):
            status = self._status
            self._erase_status()
            lines, self._waiting = self._waiting, []
            self._write("".join(lines))
            if status:
                self._status = status
                self._write(status)

    def _say(self, text: str) -> None:
        """Write text for people now, or by lines when that of the answer is ended."""
        text, self._begun = self._begun + text, ""
        if self._is_blocked or self._is_by_lines:
            *lines, self._begun = text.split("\n")
            self._waiting += [f"{self._said(line)}\n" for line in lines]
            self._let_go()
        else:
            self._erase_status()
            self._is_said_open = not text.endswith("\n")
            self._write(self._said(text))

    def _said(self, text: str) -> str:
        """Return text in the colour of what is said at the moment."""
        return self._palette.paint("reasoning" if self._is_thinking else "", text)

    def _end_said(self) -> None:
        """End the line of stderr that is open, if one is."""
        if rest := self._thought_ends.finish():
            self._say(visible(rest))
        if self._begun:
            self._waiting.append(f"{self._said(self._begun)}\n")
            self._begun = ""
        self._is_thinking = False
        if self._is_said_open:
            self._is_said_open = False
            self._write("\n")
        self._let_go()

    def _end_markdown(self) -> None:
        """Draw the last block for good."""
        stream, self._markdown = self._markdown, None
        if stream:
            stream.close()
        self._is_drawing = False

    def _erase_status(self) -> None:
        if self._status:
            self._status = ""
            self._write(_ERASE_LINE)

    def _whole(self, text: str) -> None:
        """Write whole lines to stdout."""
        with self._lock:
            if self._is_said_open:
                self._end_said()
            self._put(text)
            self._let_go()

    def _put(self, text: str) -> None:
        """Write text to stdout as it is."""
        if text:
            self._erase_status()
            self._stdout.write(_encoded(text))
            self._is_text_open = not text.endswith("\n")

    def _write(self, text: str) -> None:
        """Write text to stderr; what cannot be written is lost."""
        try:
            self._stderr.write(_encoded(text))
        except (OutputError, DeadlineError):
            pass  # There is nobody left to tell.
        except Interrupted as interrupted:
            if interrupted.signum != signal.SIGPIPE:
                raise  # The user's own signal, which came while this was written.


def is_stdout_lost(error: BaseException) -> bool:
    """Tell whether an error means that stdout takes nothing any more."""
    if isinstance(error, Interrupted):
        return error.signum == signal.SIGPIPE
    return isinstance(error, OutputError)


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
        return {visible(name): cleaned(item) for name, item in value.items()}
    return value


def json_text(document: Json) -> str:
    """Return a JSON document as one line."""
    return json.dumps(document, ensure_ascii=False) + "\n"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _is_one_place(one: Descriptor, other: Descriptor) -> bool:
    """Tell whether what is written to both ends up below one another."""
    # A terminal has many names: /dev/tty, /dev/pts/3. Two at a time are rare.
    if one.is_tty or other.is_tty:
        return one.is_tty and other.is_tty
    return one.place is not None and one.place == other.place
