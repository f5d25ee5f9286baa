"""What of a schema a server is sent: less than what is checked here.

Servers make grammars of schemas, and choke on keywords that a check has no trouble
with; models repeat `$schema` and `default` in their answers. So these are never sent,
and those of `_CHOKING` no longer once a server has complained.

A property may be called `pattern`: names of properties are no keywords.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache

from ..messages import Json, Message, Request, Schema

_NEVER = frozenset({"$schema", "$id", "$comment", "examples", "default"})
_CHOKING = frozenset(
    (
        "contains",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "pattern",
        "patternProperties",
        "propertyNames",
        "uniqueItems",
    )
)
_TABLES = frozenset(
    ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
)
_VALUES = frozenset(("const", "enum"))
_REMEMBERED = 16  # many answers are of one schema


@lru_cache(maxsize=_REMEMBERED)
def sent_schema(schema: Schema) -> dict[str, Json]:
    """Return what a server is sent as the schema of its answer, to be left as it is."""
    left_out = _NEVER | _CHOKING if schema.is_bare else _NEVER
    return _without(_document(schema), left_out)


def is_closed(document: Mapping[str, Json]) -> bool:
    """Tell whether each object of a schema has all its properties and no others.

    Only then OpenAI's `strict` takes it.
    """
    return all(
        part.get("additionalProperties") is False
        and _names(part.get("properties")) <= _names(part.get("required"))
        for part in _parts(document)
        if "properties" in part or part.get("type") == "object"
    )


@lru_cache(maxsize=_REMEMBERED)
def sentence(schema: Schema, *, is_compact: bool = False) -> str:
    """Return what a model is told of the schema.

    Without it, one that is held by a grammar may fill the answer with blanks.
    """
    document = _without(_document(schema), _NEVER)
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    how = ", compact and on one line" if is_compact else ""
    return (
        f"Answer with one JSON value{how} and nothing else; it must be valid against"
        f" this JSON Schema: {text}"
    )


def instructed(request: Request, *, is_compact: bool = False) -> Request:
    """Return a request whose system prompt says what the answer must be."""
    if request.schema is None:
        return request
    words = sentence(request.schema, is_compact=is_compact)
    first, *others = request.messages
    if first.role == "system":
        first = first._replace(content=f"{first.content}\n\n{words}")
    else:
        first, others = Message("system", words), [first, *others]
    return request._replace(messages=(first, *others))


def _document(schema: Schema) -> dict[str, Json]:
    document: dict[str, Json] = json.loads(schema.text)
    return document


def _without(part: Mapping[str, Json], left_out: frozenset[str]) -> dict[str, Json]:
    return {
        key: _value_without(key, value, left_out)
        for key, value in part.items()
        if key not in left_out
    }


def _value_without(key: str, value: Json, left_out: frozenset[str]) -> Json:
    if key in _VALUES:
        return value
    if isinstance(value, list):
        return [_without(v, left_out) if isinstance(v, dict) else v for v in value]
    if not isinstance(value, dict):
        return value
    if key not in _TABLES:
        return _without(value, left_out)
    return {
        name: _without(part, left_out) if isinstance(part, dict) else part
        for name, part in value.items()
    }


def _parts(part: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """Yield a schema and all schemas in it."""
    yield part
    for key, value in part.items():
        if key in _VALUES:
            continue
        inner: Iterator[Json] | list[Json] = [value]
        if isinstance(value, list):
            inner = value
        elif isinstance(value, dict) and key in _TABLES:
            inner = iter(value.values())
        for each in inner:
            if isinstance(each, dict):
                yield from _parts(each)


def _names(value: Json) -> set[str]:
    return {str(name) for name in value} if isinstance(value, dict | list) else set()
