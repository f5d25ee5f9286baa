"""What each verb of `history` does."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from ..errors import CacheError, ConfigError
from ..history import Conversation, Conversations, Summary
from ..messages import Json
from ..units import format_duration
from ..upkeep.transcripts import Transcript, excerpt, match_document, summary_document
from .fronts import Paper
from .output_file import AtomicFile
from .session import Session
from .tables import Column

_SHOWN_TITLE = 50
_COLUMNS = (
    Column("ID"),
    Column("TITLE"),
    Column("TURNS", is_right=True),
    Column("MODEL"),
    Column("AGE", is_right=True),
)
_FOUND_COLUMNS = (
    Column("ID"),
    Column("TURN", is_right=True),
    Column("ROLE"),
    Column("TEXT"),
)


class HistoryVerbs:
    """One command on the conversations."""

    def __init__(self, args: argparse.Namespace, session: Session) -> None:
        self._args = args
        self._session = session
        self._context = session.context
        self._output = session.output
        self._environ = session.context.environ
        self._kept = Conversations(session.context.environ, session.log)

    def do(self, verb: str, operands: Sequence[str]) -> None:
        """Do what a verb says. Raises: CacheError, ConfigError."""
        verbs: Mapping[str, Callable[[Sequence[str]], None]] = {
            "list": self._list,
            "show": self._show,
            "search": self._search,
            "export": self._export,
            "rename": self._rename,
            "delete": self._delete,
            "prune": self._prune,
        }
        verbs[verb](operands)

    def _list(self, operands: Sequence[str]) -> None:
        found = self._kept.list()
        if self._args.json:
            self._write_rows([summary_document(one) for one in found])
        elif not found:
            self._session.log.note("no conversation is kept")
        else:
            self._output.rows(_COLUMNS, [_cells(one) for one in found])

    def _show(self, operands: Sequence[str]) -> None:
        transcript = self._transcript(self._conversation(operands))
        if self._args.json:
            self._write_rows([transcript.document()])
            return
        if self._output.is_drawn:
            self._output.begin_markdown()
        for piece in transcript.markdown():
            self._output.text(piece)
        self._output.end_text()

    def _search(self, operands: Sequence[str]) -> None:
        wanted = " ".join(operands)
        found = list(self._kept.search(wanted))
        if self._args.json:
            self._write_rows([match_document(one, wanted) for one in found])
        elif found:
            cells = [
                [
                    one.summary.id,
                    str(one.number),
                    one.turn.message.role,
                    excerpt(one.turn.message.content, wanted),
                ]
                for one in found
            ]
            self._output.rows(_FOUND_COLUMNS, cells)
        else:
            self._session.log.note(f"no conversation has '{wanted}'")

    def _export(self, operands: Sequence[str]) -> None:
        chosen = [self._kept.open(name) for name in operands]
        if not operands:
            chosen = [self._kept.open(one.id) for one in self._kept.list()]
        transcripts = [self._transcript(one) for one in chosen]
        if self._args.output in (None, "-"):
            self._put(transcripts, self._output)
            return
        with self._context.interruptible(), AtomicFile(self._args.output) as file:
            self._put(transcripts, file)
            file.commit(self._context.settle)

    def _put(self, transcripts: Sequence[Transcript], paper: Paper) -> None:
        if self._args.format == "markdown":
            pieces = ["".join(transcript.markdown()) for transcript in transcripts]
            paper.text("\n".join(pieces))
        else:
            rows: list[Json] = [dict(one.document()) for one in transcripts]
            paper.json_line({"version": 1, "history": rows})

    def _rename(self, operands: Sequence[str]) -> None:
        name, *words = operands
        title = " ".join(" ".join(words).split())
        name = self._kept.rename(name, title)
        self._session.log.note(f"'{name}' is called '{title}'")
        if self._args.json:
            self._write_rows([{"id": name, "title": title}])

    def _delete(self, operands: Sequence[str]) -> None:
        # All of them are found before the first one goes.
        names = list(dict.fromkeys(self._kept.open(name).id for name in operands))
        asked = self._asked(names)
        self._tell_removed([self._kept.delete(name) for name in names], asked)

    def _asked(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Return what was asked in conversations, by their ids."""
        found: dict[str, list[str]] = {}
        for name in names:
            with suppress(CacheError, ConfigError):  # what cannot be read may go, too
                messages = [turn.message for turn in self._kept.open(name).turns()]
                found[name] = [one.content for one in messages if one.role == "user"]
        return found

    def _prune(self, operands: Sequence[str]) -> None:
        args = self._args
        asked = self._asked(self._kept.ids())
        removed = self._kept.prune(older_than_s=args.older_than, keep=args.keep)
        self._tell_removed(removed, asked)

    def _tell_removed(
        self, removed: Sequence[str], asked: Mapping[str, Sequence[str]]
    ) -> None:
        from ..repl.input_history import forget  # late: it loads prompt_toolkit

        forget([q for name in removed for q in asked.get(name, ())], self._environ)
        what = "conversation" if len(removed) == 1 else "conversations"
        self._session.log.note(f"removed {len(removed)} {what}")
        if self._args.json:
            self._write_rows([{"id": name} for name in removed])

    def _conversation(self, operands: Sequence[str]) -> Conversation:
        if operands:
            return self._kept.open(operands[0])
        last = self._kept.last()
        if last is None:
            raise ConfigError("no conversation is kept")
        return last

    def _transcript(self, conversation: Conversation) -> Transcript:
        return Transcript(self._kept.summary(conversation), conversation.turns())

    def _write_rows(self, rows: Sequence[Mapping[str, Json]]) -> None:
        self._output.json_rows("history", rows)


def _cells(summary: Summary) -> list[str]:
    title = summary.title
    if len(title) > _SHOWN_TITLE:
        title = title[: _SHOWN_TITLE - 1] + "…"
    return [
        summary.id,
        title,
        str(summary.turn_count),
        summary.model,
        format_duration(max(0.0, time.time() - summary.last_at)),
    ]
