"""All conversations that are kept: finding, listing, removing them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from ..config.complaints import nearest
from ..errors import ConfigError
from ..files import LockedFile
from ..journal.records import HEADER_BYTES, is_newer
from ..log import SILENT, Log
from ..paths import state_dir
from .conversation import (
    Conversation,
    KeptConversation,
    read_entries,
    read_title,
    reason,
    unusable,
)
from .turns import Turn, exchanges

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9]{4}")
# Signs that are not mistaken for each other, and make no words.
_SIGNS = "23456789bcdfghjkmnpqrstvwxz"
_SIGNS_OF_ID = 4
_MOST_NAMED = 5


class Summary(NamedTuple):
    """A conversation in a list.

    `title` is what was given, else the first line of the first question, `turn_count`
    the number of turns,
    `model` and `backend` those of the last answer. `started_at` and `last_at` are
    the wall clock, in seconds since 1970.
    """

    id: str
    title: str
    turn_count: int
    model: str
    backend: str
    started_at: float
    last_at: float
    size_bytes: int


class Match(NamedTuple):
    """A turn that was looked for; `number` is its place in the conversation, from 1."""

    summary: Summary
    number: int
    turn: Turn


Summaries: TypeAlias = list[Summary]
Ids: TypeAlias = list[str]


class _File(NamedTuple):
    id: str
    path: str
    used_ns: int
    size_bytes: int


class Conversations:
    """The conversations of one user; every process sees the same.

    Their ids begin with the moment they began (UTC), so they sort by it. Any thread
    may call everything. Everything raises CacheError when the directory cannot be
    used; a conversation that cannot be read is a warning in lists.
    """

    def __init__(self, environ: Mapping[str, str], log: Log = SILENT) -> None:
        self.root = os.path.join(state_dir(environ), "history")
        self._log = log

    def new(self) -> Conversation:
        """Return a new conversation; there is nothing on disk before its first turn."""
        while True:
            moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
            drawn = "".join(_SIGNS[b % len(_SIGNS)] for b in os.urandom(_SIGNS_OF_ID))
            name = f"{moment}-{drawn}"
            if not os.path.lexists(self._path(name)):
                return KeptConversation(name, self._path(name))

    def last(self) -> Conversation | None:
        """Return the conversation that was used last, None without any.

        One that has no turns does not count. Raises: CacheError if the last one
        cannot be read: another one is not what was meant.
        """
        for file in self._files():
            conversation = KeptConversation(file.id, file.path)
            if conversation.turns():
                return conversation
        return None

    def open(self, name: str) -> Conversation:
        """Return the conversation of an id, of its beginning or end, or of a title.

        Raises: ConfigError when there is none, or more than one.
        """
        file = self._found(name)
        return KeptConversation(file.id, file.path)

    def rename(self, name: str, title: str) -> str:
        """Give a conversation a title; return its id. Raises: as `open`, CacheError."""
        file = self._found(name)
        KeptConversation(file.id, file.path).rename(title)
        return file.id

    def ids(self) -> Ids:
        """Return all ids, the one used last first."""
        return [file.id for file in self._files()]

    def list(self) -> Summaries:
        """Return all conversations, the one used last first."""
        return [summary for summary, _ in self._read()]

    def summary(self, conversation: Conversation) -> Summary:
        """Return what a list says of a kept conversation.

        Raises: ConfigError when it is gone.
        """
        return self._summary(self._found(conversation.id), conversation.turns())

    def search(self, text: str) -> Iterator[Match]:
        """Yield the turns that hold a text, whatever its case."""
        wanted = text.casefold()
        for summary, turns in self._read():
            for number, turn in enumerate(turns, 1):
                if wanted in turn.message.content.casefold():
                    yield Match(summary, number, turn)

    def delete(self, name: str) -> str:
        """Remove the conversation of an id, or of the beginning of one; return its id.

        Raises: ConfigError as `open`.
        """
        file = self._found(name)
        self._remove(file)
        return file.id

    def prune(
        self, *, older_than_s: float | None = None, keep: int | None = None
    ) -> Ids:
        """Remove what is old or too many, and return the ids.

        Old is what was not used for `older_than_s` seconds; too many are all but the
        `keep` that were used last. What a newer llmwrap wrote is left alone.
        """
        pruned: Ids = []
        until_ns = time.time_ns() - int((older_than_s or 0) * 1e9)
        for number, file in enumerate(self._files()):
            is_old = older_than_s is not None and file.used_ns < until_ns
            is_more = keep is not None and number >= keep
            if (is_old or is_more) and self._remove(file, is_pruned=True):
                pruned.append(file.id)
        return pruned

    def _path(self, name: str) -> str:
        return os.path.join(self.root, name)

    def _files(self) -> _Files:
        """Return the journals, the one used last first. Raises: CacheError."""
        try:
            names = os.listdir(self.root)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unusable(error, self.root) from error
        found = [self._file(name) for name in names if _ID.fullmatch(name)]
        files = [file for file in found if file]
        return sorted(files, key=lambda file: (file.used_ns, file.id), reverse=True)

    def _file(self, name: str) -> _File | None:
        """Return the journal of an id, None without one. Raises: CacheError."""
        path = self._path(name)
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unusable(error, self.root) from error
        return _File(name, path, status.st_mtime_ns, status.st_size)

    def _read(self) -> Iterator[tuple[Summary, _Turns]]:
        for file in self._files():
            try:
                entries = read_entries(file.path)
            except OSError as error:
                self._warn(file, error)
                continue
            turns = [t for turns in exchanges(entries).values() for t in turns]
            yield self._summary(file, turns), turns

    def _found(self, name: str) -> _File:
        wanted = name.strip().lower()
        if _ID.fullmatch(wanted) and (file := self._file(wanted)):
            return file
        files = {file.id: file for file in self._files()}
        found = [one for one in files if one.startswith(wanted)] if wanted else []
        if wanted and not found:
            found = [one for one in files if one.endswith(wanted)]
        found = found or self._titled(wanted)
        if len(found) == 1:
            return files[found[0]]
        if found:
            raise ConfigError(
                f"'{name}' may mean {len(found)} conversations",
                hint=f"they are {_some(found)}",
            )
        best = nearest(wanted, list(files))
        hint = f"did you mean '{best}'?" if best else "'llmwrap history' lists them"
        raise ConfigError(f"there is no conversation '{name}'", hint=hint)

    def _titled(self, wanted: str) -> Ids:
        """Return the ids of the conversations of a title, whatever its case."""
        wanted = wanted.casefold()
        found = (one for one in self.list() if wanted)
        return [one.id for one in found if one.title.strip().casefold() == wanted]

    def _summary(self, file: _File, turns: _Turns) -> Summary:
        summary = _summary(file, turns)
        try:
            title = read_title(file.path)
        except OSError:
            return summary  # another process removed it since
        return summary._replace(title=title) if title else summary

    def _remove(self, file: _File, *, is_pruned: bool = False) -> bool:
        """Remove a journal; tell whether it was. Raises: CacheError.

        One to be pruned stays if it has been used since, or is a newer llmwrap's.
        """
        try:
            if not os.path.lexists(file.path):
                return False  # Another process was faster.
            with LockedFile(file.path, is_synced=False) as locked:
                is_same = self._file(file.id) == file
                is_ours = is_same and not is_newer(locked.beginning(HEADER_BYTES))
                if is_pruned and not is_ours:
                    return False
                locked.remove()
        except OSError as error:
            what = f"the conversation '{file.id}'"
            raise unusable(error, file.path, what) from error
        return True

    def _warn(self, file: _File, error: OSError) -> None:
        why = reason(error)
        self._log.warning(f"the conversation '{file.id}' cannot be read: {why}")


_Files: TypeAlias = list[_File]
_Turns: TypeAlias = list[Turn]


def _summary(file: _File, turns: _Turns) -> Summary:
    questions = [t.message.content for t in turns if t.message.role == "user"]
    lines = questions[0].split("\n") if questions else []
    title = next((line.strip() for line in lines if line.strip()), "")
    answers = [turn for turn in turns if turn.message.role == "assistant"]
    moment = file.used_ns / 1e9
    return Summary(
        id=file.id,
        title=title,
        turn_count=len(turns),
        model=answers[-1].model if answers else "",
        backend=answers[-1].backend if answers else "",
        started_at=turns[0].at if turns else moment,
        last_at=turns[-1].at if turns else moment,
        size_bytes=file.size_bytes,
    )


def _some(ids: Ids) -> str:
    shown = ", ".join(ids[:_MOST_NAMED])
    return shown if len(ids) <= _MOST_NAMED else f"{shown}, ..."
