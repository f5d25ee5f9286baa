"""What was entered in chats, for the next one: one JSON text a line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from prompt_toolkit.history import History

from ..errors import ConfigError, LLMWrapError
from ..files import write_whole
from ..paths import ensure_private_dir, state_dir

_MOST_LINES = 1000
_MOST_BYTES = 4 << 20
_LONGEST_CHARACTERS = 64 * 1024
_SLACK = 2  # how many times as long the file may become before it is shortened


class InputHistory(History):
    """The lines of all chats of one user; a file that cannot be used keeps nothing.

    `is_kept` False adds nothing to them.

    Not prompt_toolkit's FileHistory, which grows for ever and is readable by all.
    """

    def __init__(self, environ: Mapping[str, str], *, is_kept: bool = True) -> None:
        super().__init__()
        self._is_kept = is_kept
        self._path = os.path.join(state_dir(environ), "chat-input")

    def load_history_strings(self) -> Iterable[str]:
        """Return what was entered, the newest first."""
        data = self._end()
        lines = data.splitlines()
        newest = _newest(lines)
        if len(lines) > _SLACK * _MOST_LINES or len(data) == _SLACK * _MOST_BYTES:
            self._shorten(newest)
        return [text for text in map(_text, newest) if text]

    def store_string(self, string: str) -> None:
        """Add what was entered."""
        if not self._is_kept or len(string) > _LONGEST_CHARACTERS:
            return
        try:
            ensure_private_dir(os.path.dirname(self._path))
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
            flags |= os.O_CLOEXEC
            number = os.open(self._path, flags, 0o600)
            try:
                os.write(number, json.dumps(string).encode() + b"\n")
            finally:
                os.close(number)
        except (OSError, ConfigError):
            return  # It can still be found in this chat.

    def remove(self, is_meant: Callable[[str], bool]) -> None:
        """Take lines out of the file. Raises: OutputError, ConfigError."""
        lines = self._end().splitlines()
        kept = [line for line in lines if not is_meant(_text(line))]
        if len(kept) < len(lines):
            content = b"".join(line + b"\n" for line in kept)
            write_whole(self._path, content, is_replaced=True)

    def _end(self) -> bytes:
        """Return the end of the file, all of it unless it became too long."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with open(os.open(self._path, flags), "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _SLACK * _MOST_BYTES))
                return file.read(_SLACK * _MOST_BYTES)
        except OSError:
            return b""

    def _shorten(self, newest: Sequence[bytes]) -> None:
        """Keep these lines only; what another chat adds meanwhile is lost."""
        content = b"".join(line + b"\n" for line in reversed(newest))
        try:
            write_whole(self._path, content, is_replaced=True)
        except LLMWrapError:
            return  # The next chat tries again.


def forget(questions: Sequence[str], environ: Mapping[str, str]) -> None:
    """Take what was entered for questions out of the lines of all chats.

    A question may have files behind what was entered. Raises: OutputError, ConfigError.
    """
    history = InputHistory(environ)
    wanted = {question.strip() for question in questions}
    wanted |= {question.partition("\n\n")[0].strip() for question in wanted}
    history.remove(lambda text: text.strip() in wanted)


def _newest(lines: Sequence[bytes]) -> list[bytes]:
    """Return the last lines that are kept, the newest first."""
    newest: list[bytes] = []
    room = _MOST_BYTES
    for line in reversed(lines[-_MOST_LINES:]):
        room -= len(line) + 1
        if room < 0:
            break
        newest.append(line)
    return newest


def _text(line: bytes) -> str:
    try:
        text = json.loads(line)
    except ValueError:
        return ""
    return text if isinstance(text, str) else ""
