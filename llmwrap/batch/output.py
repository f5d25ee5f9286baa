"""OUTPUT of a batch: a line for each answer, written whole and once.

It is the progress, too: what it holds is not asked again, so there is no other file. A
line is one write at its end; one that a kill tore is cut off when the batch goes on.
"""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple, Protocol, Self

from ..errors import ConfigError, Interrupted, OutputError, UsageError
from ..files import NewFile, lock
from ..messages import Json
from .ids import NumberMap, Numbers, id_digest
from .task import Done, row_digest

_READ_BYTES = 1 << 16


class Form(Protocol):
    """How results are written, and read again."""

    def header(self) -> bytes:
        """Return what comes before the first result."""
        ...

    def line(self, done: Done) -> bytes:
        """Return a result."""
        ...


class HeldLine(NamedTuple):
    """What a line that OUTPUT holds says: whose it is, of what, and whether it failed.

    `number` is the digest of its id, or of its columns.
    """

    number: int
    key: int
    has_failed: bool


class OutputFile:
    """The file results go to; a context manager for one thread.

    `reads` takes its lines apart. Another batch that writes to it is found out, as the
    file is locked.
    """

    def __init__(self, path: str, reads: Callable[[bytes], HeldLine | None]) -> None:
        """Open it, and change nothing. Raises: OutputError, UsageError."""
        self.path = path
        self._reads = reads
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        try:
            if os.path.exists(path) and not os.path.isfile(path):
                flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
            self._number = os.open(path, flags, 0o666)
        except OSError as error:
            raise self._error(error) from error
        status = os.fstat(self._number)
        self.is_regular = stat.S_ISREG(status.st_mode)
        self.is_empty = not (self.is_regular and status.st_size)
        if self.is_regular:
            self._lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._number)

    def _lock(self) -> None:
        try:
            if lock(self._number):
                return
        except OSError as error:  # not every file system has locks
            os.close(self._number)
            raise self._error(error) from error
        os.close(self._number)
        raise UsageError(
            f"another batch is writing to '{self.path}'",
            hint="wait for its end, or give -O another name",
        )

    def write(self, line: bytes) -> None:
        """Add a line. Raises: OutputError; then a part of it may stand there."""
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._number, view) :]
        except BrokenPipeError as error:
            raise Interrupted(13) from error
        except OSError as error:
            raise self._error(error) from error

    def sync(self) -> None:
        """Let it be safe on the disk. Raises: OutputError."""
        try:
            if self.is_regular:
                os.fsync(self._number)
        except OSError as error:
            raise self._error(error) from error

    def repair(self) -> None:
        """Cut off a last line that was not written whole. Raises: OutputError."""
        end = os.fstat(self._number).st_size
        at = end
        while at:
            start = max(0, at - _READ_BYTES)
            found = os.pread(self._number, at - start, start).rfind(b"\n")
            if found >= 0:
                at = start + found + 1
                break
            at = start
        if at < end:
            os.ftruncate(self._number, at)
        self.is_empty = not at

    def held(self) -> Iterator[HeldLine]:
        """Yield what the file holds. Raises: ConfigError for what is no result."""
        for number, line in enumerate(self._whole_lines(), 1):
            try:
                held = self._reads(line)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ConfigError(
                    f"'{self.path}', line {number}, is no result of a batch",
                    hint="give -O another name, or mend the line",
                ) from error
            if held is not None:
                yield held

    def rewrite(self, is_kept: Callable[[HeldLine], bool]) -> int:
        """Leave out lines, whole or not at all; return how many.

        Raises: OutputError, ConfigError; then nothing has changed.
        """
        left_out = 0
        try:
            mode = stat.S_IMODE(os.fstat(self._number).st_mode)
            with NewFile(os.path.realpath(self.path)) as fresh:
                lock(fresh.number)
                with open(os.dup(fresh.number), "wb") as file:
                    for line in self._whole_lines():
                        held = self._reads(line)
                        if held is None or is_kept(held):
                            file.write(line)
                        else:
                            left_out += 1
                os.fchmod(fresh.number, mode)
                fresh.sync()
                self._go_on_with(fresh)
        except OSError as error:
            raise self._error(error) from error
        return left_out

    def _go_on_with(self, fresh: NewFile) -> None:
        number = os.dup(fresh.number)  # which is locked as long as there is a copy
        try:
            fresh.put()
        except BaseException:
            os.close(number)
            raise
        os.close(self._number)
        self._number = number

    def _whole_lines(self) -> Iterator[bytes]:
        with open(os.dup(self._number), "rb") as file:
            file.seek(0)
            yield from self._split(file)

    def _split(self, file: BinaryIO) -> Iterator[bytes]:
        yield from file

    def _error(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write '{self.path}': {error.strerror}")


class TableFile(OutputFile):
    """A table, whose rows may hold line ends."""

    def _split(self, file: BinaryIO) -> Iterator[bytes]:
        row = b""
        for line in file:
            row += line
            if not row.count(b'"') % 2:
                yield row
                row = b""


class Lines:
    """JSON objects, a line each, under the ids of the tasks."""

    def __init__(self, fields: Callable[[Done], dict[str, Json]]) -> None:
        self._fields = fields

    def header(self) -> bytes:
        """Return nothing: each line says what it is."""
        return b""

    def line(self, done: Done) -> bytes:
        """Return a result as a line."""
        text = json.dumps(self._fields(done), ensure_ascii=False)
        return text.encode("utf-8", "replace") + b"\n"

    @staticmethod
    def read(line: bytes) -> HeldLine:
        """Take a line apart. Raises: ValueError, KeyError, TypeError."""
        fields = json.loads(line)
        name = fields.get("custom_id", fields["id"])
        return HeldLine(
            id_digest(name), int(fields["key"], 16), fields["error"] is not None
        )


class Table:
    """A table: the columns of the input, those of the answer, error and key.

    `answer` are the names of the columns that the answer fills, `cells` gives their
    values.
    """

    def __init__(
        self,
        delimiter: str,
        columns: Sequence[str],
        answer: Sequence[str],
        cells: Callable[[Done], Sequence[str]],
    ) -> None:
        self._delimiter = delimiter
        self._columns = (*columns, *answer, "_error", "_key")
        self._cells = cells
        self._count = len(columns)
        for name in (*answer, "_error", "_key"):
            if name in columns:
                raise ConfigError(
                    f"the input has a column '{name}' already",
                    hint="--column NAME gives the answer another one",
                )

    def header(self) -> bytes:
        """Return the names of the columns."""
        return self._row(self._columns)

    def line(self, done: Done) -> bytes:
        """Return a result as a row."""
        error = f"{done.error.kind}: {done.error}" if done.error else ""
        given = [*done.task.columns[: self._count]]
        given += [""] * (self._count - len(given))  # of a row that was too short
        return self._row([*given, *self._cells(done), error, done.key])

    def read(self, row: bytes) -> HeldLine | None:
        """Take a row apart; None for the header. Raises: ValueError."""
        text = row.decode("utf-8", "surrogateescape")
        fields = next(csv.reader(io.StringIO(text, ""), delimiter=self._delimiter))
        if tuple(fields) == self._columns:
            return None
        if len(fields) != len(self._columns):
            raise ValueError(fields)
        *_, error, key = fields
        number = row_digest(fields[: self._count], key)
        return HeldLine(number, int(key, 16), bool(error))

    def _row(self, fields: Sequence[str]) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=self._delimiter, lineterminator="\n").writerow(
            fields
        )
        return text.getvalue().encode("utf-8", "surrogateescape")


class HeldIds:
    """Which tasks OUTPUT holds, by their ids."""

    def __init__(self, lines: Iterator[HeldLine]) -> None:
        self._keys = NumberMap()
        for held in lines:
            self._keys.put(held.number, held.key)

    def holds(self, done_id: str, key: Callable[[], str]) -> bool | None:
        """Tell whether a task is done; None when another question of its id is.

        `key` is called where the id is there.
        """
        found = self._keys.get(id_digest(done_id))
        if found is None:
            return False
        return True if found == int(key(), 16) else None


class HeldRows:
    """Which rows OUTPUT holds, by all that stands in them."""

    def __init__(self, lines: Iterator[HeldLine]) -> None:
        self.left = Numbers()
        for held in lines:
            self.left.add(held.number)

    def takes(self, columns: Sequence[str], key: str) -> bool:
        """Tell whether a row is done; of equal ones each counts once."""
        return self.left.take(row_digest(columns, key))
