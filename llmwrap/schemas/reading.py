"""What somebody wants an answer to be: a JSON Schema in a file, or a line of fields.

    name, age int, email?, tags [str]: lower case

A field is a name, `?` behind it where it may be left out, a type (`str` unless it is
named; in brackets a list of it) and what the model is to know of it. No other field may
be there. Whether a schema is one is said by the validator (checking.py).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from ..config.complaints import printable, suggestion
from ..errors import ConfigError
from ..jsontext import parse_json_text, told
from ..messages import Json, Schema
from ..units import format_size

DEFAULT_RETRIES = 1
LARGEST_BYTES = 256 << 10
_DEEPEST = 64

Read: TypeAlias = Callable[[str], bytes]
"""Returns what a file holds, by its name."""

_TYPES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
}
_SHORT = ("str", "int", "float", "bool")
_FIELD = r"(?s)([^\W\d][\w-]*)(\?)?(?:\s+(\[\s*)?([^\s\[\]]+)(?(3)\s*\]))?\s*"


def read_schema(
    given: str, read: Read, *, is_list: bool = False, retries: int = DEFAULT_RETRIES
) -> Schema:
    """Return the schema that `--schema` names; `is_list` wants an array of such.

    With a `/`, the suffix `.json` or as `@FILE` it is a file, else a line of fields.
    Raises: ConfigError, and what `read` raises.
    """
    name = file_named(given)
    document = _parsed(read(name), name) if name else fields_schema(given)
    return schema_of(_listed(document) if is_list else document, retries)


def read_beside(given: str, directory: str, read: Read) -> Schema:
    """Return the schema that a file of a directory names, such as a template.

    Its files are those of that directory. Raises: as `read_schema`.
    """
    name = file_named(given)
    if not name:
        return read_schema(given, read)
    home = os.path.realpath(directory)
    path = os.path.realpath(os.path.join(home, name))
    if os.path.commonpath((path, home)) != home:
        raise ConfigError(
            f"the schema '{printable(name)}' is outside of '{printable(directory)}'",
            hint="it has to lie beside what names it",
        )
    return schema_of(_parsed(read(path), path))


def schema_of(document: Mapping[str, Json], retries: int = DEFAULT_RETRIES) -> Schema:
    """Return a JSON Schema as what an answer must be. Raises: ConfigError."""
    if _depth(document) > _DEEPEST:
        raise ConfigError(f"the schema is more than {_DEEPEST} levels deep")
    try:
        text = json.dumps(
            document, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the schema is no JSON: {error}") from error
    return Schema(text, retries)


def file_named(given: str) -> str:
    """Return the file that is meant, empty for a line of fields."""
    if given.startswith("@"):
        return given[1:]
    return given if "/" in given or given.endswith(".json") else ""


def fields_schema(line: str) -> dict[str, Json]:
    """Return the JSON Schema of a line of fields. Raises: ConfigError."""
    if line.lstrip().startswith(("{", "[")):
        raise ConfigError(
            "a schema on the command line is a line of fields, such as 'name, age int'",
            hint="a JSON Schema is read from a file: @FILE",
        )
    properties: dict[str, Json] = {}
    required: list[Json] = []
    for number, field in enumerate(line.replace("\n", ",").split(","), 1):
        where = f"field {number} of the schema, '{printable(field.strip())}'"
        declared, colon, description = field.strip().partition(":")
        name, is_optional, document = _field(declared, where)
        if name in properties:
            raise ConfigError(f"{where}: there is a '{name}' already")
        if colon and description.strip():
            document["description"] = description.strip()
        properties[name] = document
        if not is_optional:
            required.append(name)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _field(declared: str, where: str) -> tuple[str, bool, dict[str, Json]]:
    if not declared.strip():
        raise ConfigError(f"{where}: a name is missing", hint="name, age int, email?")
    found = re.fullmatch(_FIELD, declared.rstrip())
    if found is None:
        raise ConfigError(
            f"{where}: NAME, NAME? or NAME TYPE is wanted",
            hint="a description stands behind a colon",
        )
    name, optional, bracket, kind = found.groups()
    if kind is not None and kind not in _TYPES:
        raise ConfigError(
            f"{where}: unknown type '{printable(kind)}'",
            hint=suggestion(kind, _SHORT),
        )
    document: dict[str, Json] = {"type": _TYPES[kind or "str"]}
    if bracket is not None:
        document = {"type": "array", "items": document}
    return name, optional is not None, document


def _parsed(data: bytes, name: str) -> dict[str, Json]:
    shown = printable(name)
    if len(data) > LARGEST_BYTES:
        largest = format_size(LARGEST_BYTES)
        raise ConfigError(f"the schema '{shown}' is longer than {largest}")
    try:
        document = parse_json_text(data.decode("utf-8-sig"))
    except RecursionError:
        raise ConfigError(f"the schema '{shown}' is nested too deeply") from None
    except ValueError as error:
        raise ConfigError(f"the schema '{shown}' is no JSON: {told(error)}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"the schema '{shown}' is no JSON Schema, which is an object")
    return document


def _listed(document: dict[str, Json]) -> dict[str, Json]:
    """Return the schema of an array; what refers to the root refers to its items."""
    items = dict(document)
    items.pop("$id", None)
    moved = _moved(items)
    dialect = {"$schema": moved.pop("$schema")} if "$schema" in moved else {}
    return {**dialect, "type": "array", "items": moved}


def _moved(document: Mapping[str, Json]) -> dict[str, Json]:
    return {key: _moved_value(key, value) for key, value in document.items()}


def _moved_value(key: str, value: Json) -> Json:
    if isinstance(value, dict):
        return _moved(value)
    if isinstance(value, list):
        return [_moved(item) if isinstance(item, dict) else item for item in value]
    is_to_root = isinstance(value, str) and (value == "#" or value.startswith("#/"))
    if key in ("$ref", "$dynamicRef") and isinstance(value, str) and is_to_root:
        return f"#/items{value[1:]}"
    return value


def _depth(value: object) -> int:
    """Return how deep a value is nested, looking no deeper than it may be."""
    parts, depth = [value], 0
    while parts and depth <= _DEEPEST:
        parts = [inner for part in parts for inner in _inside(part)]
        depth += 1
    return depth


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()
