"""Whether an answer is what was asked for: one JSON value, valid against the schema.

A fence or prose around the only value is taken off, and a comma behind the last item;
nothing else is mended: what is cut, doubled or half said is not what was asked for.
The text stays as the model wrote it, its numbers and the order of its keys.

The only place that imports jsonschema-rs, which is an extra. Nothing is ever fetched.
See: RFC 8259; json-schema.org, draft 2020-12 and the older ones.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, NoReturn

from ..errors import ConfigError
from ..jsontext import told
from ..messages import Json, Schema
from .loops import DIGITS

MOST_COMPLAINTS = 20
_LONGEST_COMPLAINT = 200
_REMEMBERED = 16  # many answers are of one schema
_LONGEST_NUMBER = DIGITS
_FENCED = re.compile(r"(?s)```[^\n`]*\n(.*)```")
_OPENING = re.compile(r"[\[{]")
_BRACKETS = frozenset("[]{}")
# A string, an opening with a comma behind it, or a comma with a closing behind it.
_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]\s*,|,(?=\s*[\]}])')


class Checked(NamedTuple):
    """What became of an answer: its JSON, or what is wrong with it."""

    text: str
    complaints: tuple[str, ...] = ()


class Checker:
    """Check answers against one schema; any thread may.

    Raises: ConfigError for a schema that is none, and where the extra is missing.
    """

    def __init__(self, schema: Schema) -> None:
        try:
            import jsonschema_rs  # late: 20 ms, and no hit needs it
        except ImportError as error:
            raise ConfigError(
                "answers cannot be checked without jsonschema-rs",
                hint="pip install 'llmwrap[schema]'",
            ) from error
        self.schema = schema
        document = json.loads(schema.text)
        try:
            self._validator = jsonschema_rs.validator_for(document, offline=True)
        except jsonschema_rs.ValidationError as error:
            raise ConfigError(_schema_complaint(error, document)) from error
        except ValueError as error:  # UnicodeEncodeError, too
            raise ConfigError(f"the schema is no JSON Schema: {error}") from error

    def check(self, text: str) -> Checked:
        """Return the one JSON value of an answer, or what is wrong with it."""
        try:
            found, value = _value_of(text.strip().lstrip("\ufeff"))
            complaints = _most(
                _at(error.instance_path) + error.message
                for error in self._validator.iter_errors(value)
            )
        except RecursionError:
            return Checked(text, ("it is nested too deeply",))
        except UnicodeEncodeError:
            return Checked(text, ("it holds half of a character",))
        except ValueError as error:
            return Checked(text, (_shortened(str(error)),))
        return Checked(text if complaints else found, complaints)


@lru_cache(maxsize=_REMEMBERED)
def checker_of(schema: Schema) -> Checker:
    """Return what checks answers against a schema, made once. Raises: ConfigError."""
    return Checker(schema)


def _most(complaints: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(_shortened, islice(complaints, MOST_COMPLAINTS)))


def _shortened(complaint: str) -> str:
    text = " ".join(complaint.split())
    longest = _LONGEST_COMPLAINT
    return text if len(text) <= longest else text[:longest] + "…"


def _at(path: Iterable[str | int]) -> str:
    """Return a place as a JSON Pointer and what parts it from the words, if any."""
    pointer = "".join(
        f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path
    )
    return f"{pointer}: " if pointer else ""


def _schema_complaint(error: Exception, document: Json) -> str:
    path = getattr(error, "instance_path", ())
    elsewhere = None if path else next(_elsewhere(document, ()), None)
    if elsewhere:
        return f"the schema refers to what is not in it: {elsewhere}"
    message = _shortened(str(getattr(error, "message", error)))
    return f"the schema is no JSON Schema: {_at(path)}{message}"


def _elsewhere(part: Json, path: tuple[str | int, ...]) -> Iterator[str]:
    """Yield the places of a schema that refer to something outside of it."""
    if isinstance(part, list):
        for index, item in enumerate(part):
            yield from _elsewhere(item, (*path, index))
    elif isinstance(part, dict):
        target = part.get("$ref")
        if isinstance(target, str) and not target.startswith("#"):
            yield f"{_at((*path, '$ref'))}'{target}' is fetched by nobody"
        for key, value in part.items():
            yield from _elsewhere(value, (*path, key))


def _value_of(text: str) -> tuple[str, Json]:
    """Return the text of the one value in an answer, and the value.

    Raises: ValueError with what is wrong, RecursionError.
    """
    if fenced := _FENCED.fullmatch(text):
        text = fenced[1].strip()
    try:
        return text, _DECODER.decode(text)
    except json.JSONDecodeError as error:
        found = _OPENING.search(text)
        if found is None:
            raise ValueError(f"it is no JSON: {told(error)}") from error
    start = found.start()
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        text = text[:start] + _COMMA.sub(_without_comma, text[start:])
        try:
            value, end = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError:
            raise ValueError(f"it is no JSON: {told(error)}") from error
    # A bracket outside is a second value, or this one a part of something broken.
    if not _BRACKETS.isdisjoint(text[:start]) or not _BRACKETS.isdisjoint(text[end:]):
        raise ValueError("it is more than one JSON value")
    return text[start:end], value


def _without_comma(found: re.Match[str]) -> str:
    return "" if found[0] == "," else found[0]


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        # Whoever reads it takes the first or the last; only one would be checked.
        raise ValueError(f"it has '{twice}' twice")
    return table


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it is no JSON: '{name}' is no number")


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"it has a number of {len(text)} digits")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if len(text) > _LONGEST_NUMBER or not math.isfinite(number):
        raise ValueError(f"it has a number that is too long or too large: {text}")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_no_constant,
    parse_int=_integer,
    parse_float=_number,
)
