"""What was entered in chats, for the next one: one JSON text a line. Floor F6."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping

from prompt_toolkit.history import History

from ..errors import ConfigError
from ..paths import ensure_private_dir, state_dir

_KEPT = 1000
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
        lines = self._lines()
        if len(lines) > _SLACK * _KEPT:
            self._shorten(lines[-_KEPT:])
        entered = [_text(line) for line in lines[-_KEPT:]]
        return [text for text in reversed(entered) if text]

    def store_string(self, string: str) -> None:
        """Add what was entered."""
        if not self._is_kept or len(string) > _LONGEST_CHARACTERS:
            return
        try:
            ensure_private_dir(os.path.dirname(self._path))
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            number = os.open(self._path, flags, 0o600)
            try:
                os.write(number, json.dumps(string).encode() + b"\n")
            finally:
                os.close(number)
        except (OSError, ConfigError):
            return  # It can still be found in this chat.

    def _lines(self) -> list[bytes]:
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(self._path, flags), "rb") as file:
                return file.read(_SLACK * _KEPT * _LONGEST_CHARACTERS).splitlines()
        except OSError:
            return []

    def _shorten(self, lines: list[bytes]) -> None:
        beside = f"{self._path}.{os.getpid()}"
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(b"\n".join(lines) + b"\n")
            os.replace(beside, self._path)
        except OSError:
            return


def _text(line: bytes) -> str:
    try:
        text = json.loads(line)
    except ValueError:
        return ""
    return text if isinstance(text, str) else ""
