"""What of a schema servers are sent, and what models are told."""

from __future__ import annotations

from typing import Any

import pytest

from llmwrap.schemas.reading import fields_schema, schema_of
from llmwrap.schemas.sending import is_closed, sent_schema, sentence

FULL: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.org/a.json",
    "type": "object",
    "properties": {
        "default": {"type": "string", "default": "x", "pattern": "a+", "minLength": 1},
        "pattern": {"enum": [{"default": 1, "format": "kept"}]},
        "list": {"items": {"anyOf": [{"format": "date", "examples": ["2026"]}]}},
    },
    "required": ["default", "pattern"],
}


def test_what_models_repeat_is_never_sent() -> None:
    assert sent_schema(schema_of(FULL)) == {
        "type": "object",
        "properties": {
            "default": {"type": "string", "pattern": "a+", "minLength": 1},
            "pattern": {"enum": [{"default": 1, "format": "kept"}]},
            "list": {"items": {"anyOf": [{"format": "date"}]}},
        },
        "required": ["default", "pattern"],
    }


def test_a_bare_schema_has_nothing_that_grammars_choke_on() -> None:
    """Names of properties and values are no keywords."""
    assert sent_schema(schema_of(FULL)._replace(is_bare=True)) == {
        "type": "object",
        "properties": {
            "default": {"type": "string"},
            "pattern": {"enum": [{"default": 1, "format": "kept"}]},
            "list": {"items": {"anyOf": [{}]}},
        },
        "required": ["default", "pattern"],
    }


def test_the_model_is_told_the_whole_schema() -> None:
    bare = schema_of(FULL)._replace(is_bare=True)

    assert '"pattern":"a+"' in sentence(bare)
    assert "$schema" not in sentence(bare)
    assert "compact and on one line" in sentence(bare, is_compact=True)


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (fields_schema("name, age int"), True),
        (fields_schema("name, age? int"), False),
        ({"type": "object"}, False),
        ({"type": "string"}, True),
        ({"type": "array", "items": fields_schema("a")}, True),
        ({"type": "array", "items": {"properties": {"a": {}}}}, False),
        ({"$defs": {"a": {"type": "object"}}, "type": "string"}, False),
        ({"enum": [{"type": "object"}]}, True),
    ],
)
def test_strict_is_asked_for_where_every_object_is_closed(
    document: Any, *, wanted: bool
) -> None:
    assert is_closed(document) is wanted
