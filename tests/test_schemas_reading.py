"""What `--schema` names: files and lines of fields, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmwrap.errors import ConfigError
from llmwrap.schemas.checking import Checker
from llmwrap.schemas.reading import (
    LARGEST_BYTES,
    fields_schema,
    file_named,
    read_beside,
    read_schema,
    schema_of,
)


def nothing(name: str) -> bytes:
    raise AssertionError(f"'{name}' is read")


def holding(text: str | bytes) -> Any:
    data = text if isinstance(text, bytes) else text.encode()
    return lambda name: data


def read_file(name: str) -> bytes:
    return Path(name).read_bytes()


def document(line: str, **options: Any) -> Any:
    return json.loads(read_schema(line, nothing, **options).text)


def test_a_line_of_fields_becomes_a_schema_of_an_object() -> None:
    assert document("name, age int, email?, tags [str]: lower case") == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "email": {"type": "string"},
            "tags": {
                "type": "array",
                "items": {"type": "string"},
                "description": "lower case",
            },
        },
        "required": ["name", "age", "tags"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("a", "string"),
        ("a str", "string"),
        ("a string", "string"),
        ("a int", "integer"),
        ("a integer", "integer"),
        ("a float", "number"),
        ("a number", "number"),
        ("a bool", "boolean"),
        ("  a   boolean  ", "boolean"),
        ("größe float", "number"),
        ("a_b-2 int", "integer"),
    ],
)
def test_each_type_has_its_names(field: str, wanted: str) -> None:
    (found,) = fields_schema(field)["properties"].values()  # type: ignore[union-attr]

    assert found == {"type": wanted}


@pytest.mark.parametrize("field", ["a [int]", "a [ int ]", "a? [int]"])
def test_brackets_make_a_list(field: str) -> None:
    (found,) = fields_schema(field)["properties"].values()  # type: ignore[union-attr]

    assert found == {"type": "array", "items": {"type": "integer"}}


def test_the_end_of_a_line_ends_a_field_too() -> None:
    assert fields_schema("a int\nb: of what")["required"] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "field 1 of the schema, '': a name is missing"),
        ("a,,b", "field 2 of the schema, '': a name is missing"),
        ("a, b,", "field 3 of the schema, '': a name is missing"),
        ("a, born date", "'born date': unknown type 'date'; choose from str, int"),
        ("age integr", "unknown type 'integr'; did you mean 'int'?"),
        ("tags [text]", "field 1 of the schema, 'tags [text]': unknown type 'text'"),
        ("a, b int, a", "field 3 of the schema, 'a': there is a 'a' already"),
        ("a int str", "NAME, NAME? or NAME TYPE is wanted"),
        ("tags [str", "NAME, NAME? or NAME TYPE is wanted"),
        ("tags str]", "NAME, NAME? or NAME TYPE is wanted"),
        ("2nd", "NAME, NAME? or NAME TYPE is wanted"),
        ("a b c d", "NAME, NAME? or NAME TYPE is wanted"),
        (": words", "a name is missing"),
        ('{"type": "object"}', "a JSON Schema is read from a file: @FILE"),
    ],
)
def test_what_is_wrong_with_a_line_names_its_field(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_schema(line, nothing)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("person.json", "person.json"),
        ("./person", "./person"),
        ("/dev/fd/63", "/dev/fd/63"),
        ("@person", "person"),
        ("@-", "-"),
        ("name, age int", ""),
        ("person", ""),
    ],
)
def test_a_file_is_known_by_how_it_is_written(given: str, name: str) -> None:
    """Never by what the working directory has."""
    assert file_named(given) == name


def test_a_file_is_taken_as_it_is() -> None:
    schema = read_schema("a.json", holding('\ufeff{ "type":"integer", "minimum": 3 }'))

    assert schema.text == '{"type":"integer","minimum":3}'
    assert schema.retries == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "the schema 'a.json' is no JSON: expecting property name"),
        ('{"a": NaN}', "is no JSON: 'NaN' is no number"),
        ("[]", "is no JSON Schema, which is an object"),
        ("true", "is no JSON Schema, which is an object"),
        (b"\xff\xfe", "is no JSON"),
        (" " * (LARGEST_BYTES + 1), "is longer than 256.0 KiB"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"not":' * 80 + "{}" + "}" * 80, "more than 64 levels deep"),
    ],
)
def test_what_is_wrong_with_a_file_names_it(content: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said[:12]) as caught:
        read_schema("a.json", holding(content))

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"type": "strin"}, "no JSON Schema: /type: "),
        ({"properties": {"a": {"type": 5}}}, "no JSON Schema: /properties/a/type: "),
        ({"properties": {"a/b": {"pattern": "("}}}, "/properties/a~1b/pattern: "),
        ({"required": "name"}, "no JSON Schema: /required: "),
        (
            {"items": {"$ref": "http://127.0.0.1:1/a.json"}},
            "not in it: /items/$ref: 'http://127.0.0.1:1/a.json' is fetched by nobody",
        ),
        ({"$ref": "file:///etc/passwd"}, "/$ref: 'file:///etc/passwd' is fetched by"),
        ({"anyOf": [{"$ref": "other.json"}]}, "/anyOf/0/$ref: 'other.json' is"),
        ({"$ref": "#/$defs/none"}, "'/$defs/none' does not exist"),
        ({"$schema": "http://127.0.0.1:1/mine"}, "http://127.0.0.1:1/mine"),
        ({"const": "\ud800"}, "the schema is no JSON Schema"),
    ],
)
def test_a_schema_that_is_none_is_refused_with_its_place(
    document: Any, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Checker(schema_of(document))

    assert said in str(caught.value)


def test_what_is_no_json_is_no_schema() -> None:
    with pytest.raises(ConfigError, match="the schema is no JSON"):
        schema_of({"const": {1, 2}})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="the schema is no JSON"):
        schema_of({"const": float("nan")})


def test_a_list_is_an_array_of_such() -> None:
    assert document("name", is_list=True) == {
        "type": "array",
        "items": fields_schema("name"),
    }


def test_in_a_list_what_refers_to_the_schema_refers_to_its_items() -> None:
    tree = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://example.org/tree.json",
        "definitions": {"name": {"type": "string"}},
        "properties": {
            "name": {"$ref": "#/definitions/name"},
            "children": {"type": "array", "items": {"$ref": "#"}},
        },
        "required": ["name"],
    }
    read = holding(json.dumps(tree))

    checker = Checker(read_schema("tree.json", read, is_list=True))

    good = '[{"name": "a", "children": [{"name": "b"}]}]'
    assert checker.check(good).complaints == ()
    bad = '[{"name": "a", "children": [{"name": 5}]}]'
    (said,) = checker.check(bad).complaints
    assert said == '/0/children/0/name: 5 is not of type "string"'
    assert checker.check('{"name": "a"}').complaints != ()


def test_a_file_beside_is_one_of_that_directory(tmp_path: Path) -> None:
    home = tmp_path / "templates"
    home.mkdir()
    (home / "a.json").write_text('{"type": "integer"}')
    (tmp_path / "secret.json").write_text('{"type": "string"}')
    (home / "link.json").symlink_to(tmp_path / "secret.json")

    assert read_beside("a.json", str(home), read_file).text == '{"type":"integer"}'
    assert "name" in read_beside("name", str(home), nothing).text
    for outside in ("../secret.json", str(tmp_path / "secret.json"), "link.json"):
        with pytest.raises(ConfigError, match="is outside of"):
            read_beside(outside, str(home), nothing)
