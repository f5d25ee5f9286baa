"""Completion of /commands and their arguments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from ..errors import CacheError
from ..terminal.sanitize import visible
from ..terminal.themes import THEMES
from .room import Room
from .slash import COMMANDS

_MOST = 200


class SlashCompleter(Completer):
    """Completes what stands before the cursor, if it begins a command."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield what could be meant."""
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        name, blank, argument = text[1:].partition(" ")
        if not blank:
            for slash in COMMANDS.values():
                if slash.name.startswith(name):
                    shown = f"/{slash.name}"
                    yield Completion(
                        slash.name + (" " if slash.argument else ""),
                        -len(name),
                        display=shown,
                        display_meta=slash.help,
                    )
            return
        argument = argument.lstrip()
        known = COMMANDS.get(name)
        if known:
            for word in self._words(known.completes, argument):
                yield Completion(word, -len(argument))

    def _words(self, kind: str, argument: str) -> Iterator[str]:
        if kind == "files":
            yield from files(argument, self._room)
            return
        found: Iterable[str] = ()
        if kind == "commands":
            found = COMMANDS
        elif kind == "models":
            found = (*self._room.config.ui.models, *self._room.offers.found.names)
        elif kind == "templates":
            found = self._templates()
        elif kind == "themes":
            found = THEMES
        elif kind == "conversations":
            found = self._conversations()
        for word in dict.fromkeys(found):
            if word.startswith(argument):
                yield word

    def _templates(self) -> list[str]:
        from ..prompting.templates import open_library  # late, as in slash_settings

        return open_library(self._room.config, self._room.environ).names()

    def _conversations(self) -> list[str]:
        try:
            return [one.id for one in self._room.conversations.list()]
        except CacheError:
            return []


def files(beginning: str, room: Room) -> Iterator[str]:
    """Yield the names of files that begin so, directories with a slash behind them."""
    directory, name = os.path.split(beginning)
    try:
        with os.scandir(room.path(directory) or ".") as entries:
            found = sorted(
                entry.name + ("/" if entry.is_dir() else "")
                for entry in entries
                if entry.name.startswith(name) and (name or entry.name[0] != ".")
            )
    except OSError:
        return
    for entry in found[:_MOST]:
        # A name that does not show as it is cannot be typed either.
        if entry == visible(entry, keep=""):
            yield os.path.join(directory, entry)
