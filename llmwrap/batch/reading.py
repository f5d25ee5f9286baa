"""Records out of the formats that a batch reads, one at a time.

What is wrong with one record is that record's error; what makes the whole input
unusable (a header, a quote that never ends) is raised.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO, Literal, NamedTuple, TypeAlias

from ..errors import ConfigError, LimitError, LLMWrapError, UsageError
from ..jsontext import parse_json_text, told
from ..messages import Json
from ..units import format_size

Format: TypeAlias = Literal["lines", "jsonl", "csv", "tsv", "openai", "files"]
FORMATS: tuple[Format, ...] = ("lines", "jsonl", "csv", "tsv", "openai")

_SUFFIXES: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
}
_BOM = b"\xef\xbb\xbf"


class InputRecord(NamedTuple):
    """What one record of the input says.

    `line` is where it begins, from 1. `id` is that line, or what the record says.
    `text` is a line, or the path of a file; `fields` are those of an object, or the
    columns by name. `error` says what is wrong with it.
    """

    id: str
    line: int
    text: str = ""
    fields: Mapping[str, Json] = {}
    columns: tuple[str, ...] = ()
    error: LLMWrapError | None = None


def format_of(path: str) -> Format | None:
    """Return the format that the end of a name means, None when it means none."""
    name = path.lower()
    for suffix, found in _SUFFIXES.items():
        if name.endswith(suffix):
            return found
    return "lines" if name.endswith((".txt", ".list")) else None


def is_openai(file: BinaryIO) -> bool:
    """Tell whether the first line is a request of OpenAI's batches."""
    try:
        fields = parse_json_text(file.readline().removeprefix(_BOM).decode())
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and "custom_id" in fields and "body" in fields


class Input:
    """The records of one file, which is read from its beginning each time.

    `limit_bytes` bounds a line, and a field of a table. Belongs to one thread.
    """

    def __init__(
        self, file: BinaryIO, kind: Format, name: str, *, limit_bytes: int
    ) -> None:
        self._file = file
        self.kind = kind
        self.name = name
        self._limit_bytes = limit_bytes
        self.header: tuple[str, ...] = ()
        """The columns of a table, once it was begun."""
        readers: dict[Format, Callable[[], Iterator[InputRecord]]] = {
            "lines": self._lines,
            "files": self._files,
            "jsonl": lambda: self._objects("id"),
            "openai": lambda: self._objects("custom_id"),
            "csv": lambda: self._table(","),
            "tsv": lambda: self._table("\t"),
        }
        self._read = readers[kind]

    def records(self) -> Iterator[InputRecord]:
        """Yield the records from the first one on.

        Raises: ConfigError for an input that is unusable as a whole.
        """
        self._file.seek(0)
        return self._read()

    def _numbered(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and bytes of each line that is not blank.

        One that is too long is yielded as far as it may be, and a byte more.
        """
        number = 0
        while line := self._file.readline(self._limit_bytes + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(_BOM)
            rest = line
            while not rest.endswith(b"\n") and len(line) > self._limit_bytes:
                if not (rest := self._file.readline(1 << 20)):
                    break
            if line.strip():
                yield number, line

    def _lines(self) -> Iterator[InputRecord]:
        for number, line in self._numbered():
            text = line.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
            yield InputRecord(str(number), number, text, error=self._too_long(line))

    def _files(self) -> Iterator[InputRecord]:
        whole = self._file.read()
        parts = whole.split(b"\0" if b"\0" in whole else b"\n")
        for number, part in enumerate(parts, 1):
            # A name is bytes; what is no UTF-8 in it comes back when it is opened.
            if path := part.removesuffix(b"\r").decode("utf-8", "surrogateescape"):
                # Two that are one only to a reader have ids of their own.
                shown = part.removesuffix(b"\r").decode("utf-8", "backslashreplace")
                yield InputRecord(shown, number, path)

    def _objects(self, name: str) -> Iterator[InputRecord]:
        for number, line in self._numbered():
            given = InputRecord(str(number), number)
            error = self._too_long(line)
            if error is None:
                try:
                    fields = parse_json_text(line.decode())
                except (ValueError, RecursionError) as problem:
                    error = ConfigError(
                        f"line {number} is no JSON object: {told(problem)}"
                    )
                else:
                    yield _identified(given, fields, name)
                    continue
            yield given._replace(error=error)

    def _too_long(self, line: bytes) -> LLMWrapError | None:
        if len(line) <= self._limit_bytes:
            return None
        limit = format_size(self._limit_bytes)
        return LimitError(
            f"a line is longer than {limit}", hint="limits.prompt sets the bound"
        )

    def _table(self, delimiter: str) -> Iterator[InputRecord]:
        csv.field_size_limit(self._limit_bytes)
        rows = self._rows(delimiter)
        _, header, error = next(rows, (1, [], None))
        if error is not None:
            raise error
        self.header = self._checked(header)
        for line, row, error in rows:
            if error is None and len(row) != len(header):
                count = f"{len(row)} columns, the header {len(header)}"
                problem: LLMWrapError | None = UsageError(f"line {line} has {count}")
            else:
                problem = error
            yield InputRecord(
                str(line),
                line,
                fields=dict(zip(header, map(_shown, row), strict=False)),
                columns=tuple(row),
                error=problem,
            )

    def _rows(
        self, delimiter: str
    ) -> Iterator[tuple[int, list[str], LLMWrapError | None]]:
        reader = csv.reader(self._decoded(), delimiter=delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as problem:
                if "unexpected end" in str(problem) or "field larger" in str(problem):
                    raise ConfigError(
                        f"'{self.name}': a quote that is opened in line {line} never"
                        " ends"
                    ) from problem
                yield line, [], ConfigError(f"line {line}: {problem}")
                continue
            if row:
                yield line, row, None

    def _decoded(self) -> Iterator[str]:
        """Yield the lines; bytes that are no UTF-8 go through as they are."""
        beginning = _BOM
        for line in self._file:
            yield line.removeprefix(beginning).decode("utf-8", "surrogateescape")
            beginning = b""

    def _checked(self, header: Sequence[str]) -> tuple[str, ...]:
        if not header:
            raise ConfigError(f"'{self.name}' has no header")
        for name in header:
            if not name.strip() or header.count(name) > 1:
                what = f"two columns called '{name}'" if name.strip() else "no name"
                raise ConfigError(
                    f"'{self.name}': the header has {what}",
                    hint="each column needs a name of its own",
                )
        return tuple(header)


def _identified(given: InputRecord, fields: Json, name: str) -> InputRecord:
    if not isinstance(fields, dict):
        error = ConfigError(f"line {given.line} is no JSON object")
        return given._replace(error=error)
    found = fields.get(name, given.id if name == "id" else None)
    if not isinstance(found, str) or not found:
        error = ConfigError(f"line {given.line}: '{name}' is no text")
        return given._replace(error=error)
    return given._replace(id=found, fields=fields)


def _shown(field: str) -> str:
    """Return a field as a model gets it: bytes that are no UTF-8 became U+FFFD."""
    if field.isascii():
        return field
    return field.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
