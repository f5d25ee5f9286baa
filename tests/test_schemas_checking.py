"""Whether an answer is the JSON that was asked for."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from llmwrap.errors import ConfigError
from llmwrap.schemas.checking import MOST_COMPLAINTS, Checker
from llmwrap.schemas.reading import fields_schema, schema_of

ANY = Checker(schema_of({}))
DOG = Checker(schema_of(fields_schema("name, age int, tags? [str]")))
GOOD = '{"name": "Rex", "age": 3}'


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        (GOOD, GOOD),
        (f"\n  {GOOD}\n\n", GOOD),
        (f"\ufeff{GOOD}", GOOD),
        (f"```json\n{GOOD}\n```", GOOD),
        (f"```\n{GOOD}\n\n```\n", GOOD),
        (f"Here it is:\n```json\n{GOOD}\n```\nAnything else?", GOOD),
        (f"Sure! {GOOD} I hope that helps.", GOOD),
        ('{"name": "Rex", "age": 3,}', GOOD),
        ('{"name": "Rex", "age": 3, "tags": ["a,]",],}\n',
         '{"name": "Rex", "age": 3, "tags": ["a,]"]}'),
        ('{"age": 3.0, "name": "R\\u00e9x"}', '{"age": 3.0, "name": "R\\u00e9x"}'),
    ],
)  # fmt: skip
def test_the_one_value_is_taken_as_the_model_wrote_it(text: str, taken: str) -> None:
    checked = DOG.check(text)

    assert (checked.text, checked.complaints) == (taken, ())


@pytest.mark.parametrize(
    "text", ["5", '"red"', "true", "null", "-0.5e3", "```\n5\n```", "[]", "{}"]
)
def test_a_value_need_not_be_an_object(text: str) -> None:
    checked = ANY.check(text)

    assert checked.complaints == ()
    assert checked.text == text.strip("`\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is no JSON: expecting value in column 1"),
        ("I cannot do that.", "it is no JSON"),
        ("red", "it is no JSON"),
        ("The colour is red: 5", "it is no JSON"),
        ('{"name": "Rex", "age": 3', "it is no JSON"),
        ('{"name": "Rex", "inner": {"age": 3}', "it is no JSON"),
        ('{"amount": 12', "it is no JSON"),
        ('{"a": tru', "it is no JSON"),
        ('{"price": 1,234.50}', "it is no JSON"),
        ("{'name': 'Rex'}", "it is no JSON"),
        ("[1,,]", "it is no JSON"),
        ("[,]", "it is no JSON"),
        ("[1 2]", "it is no JSON"),
        ("{,}", "it is no JSON"),
        ("// nothing", "it is no JSON"),
        ('{"a": 1 /* one */}', "it is no JSON"),
        ('{"a": "line\nend"}', "it is no JSON"),
        (f"{GOOD}\n{GOOD}", "it is more than one JSON value"),
        (f"{GOOD} or {{name}}", "it is more than one JSON value"),
        (f"{GOOD}}}", "it is more than one JSON value"),
        (f"] {GOOD}", "it is more than one JSON value"),
        (f"```json\n{GOOD}\n```\n```json\n{GOOD}\n```", "it is more than one"),
        ('{"a": NaN}', "'NaN' is no number"),
        ("-Infinity", "'-Infinity' is no number"),
        ("1e999", "too long or too large"),
        ("7" * 65, "it has a number of 65 digits"),
        ("0." + "3" * 70, "too long or too large"),
        ("7" * 5000, "it has a number of 5000 digits"),
        ('{"a": 1, "a": 2}', "it has 'a' twice"),
        ('"\\ud800"', "it holds half of a character"),
        ("[" * 100_000 + "]" * 100_000, "it is nested too deeply"),
    ],
)
def test_nothing_else_is_mended(text: str, said: str) -> None:
    checked = ANY.check(text)

    (complaint,) = checked.complaints
    assert said in complaint
    assert checked.text == text


def test_each_complaint_names_its_place() -> None:
    checked = DOG.check('{"age": "three", "tags": ["a", 5], "legs": 4}')

    assert sorted(checked.complaints) == [
        '"name" is a required property',
        '/age: "three" is not of type "integer"',
        '/tags/1: 5 is not of type "string"',
        "Additional properties are not allowed ('legs' was unexpected)",
    ]


def test_complaints_are_few_and_short() -> None:
    checker = Checker(schema_of({"items": {"type": "integer"}}))

    complaints = checker.check(json.dumps(["x" * 1000] * 1000)).complaints

    assert len(complaints) == MOST_COMPLAINTS
    assert max(map(len, complaints)) <= 201


@pytest.mark.parametrize(
    ("document", "bad"),
    [
        ({"prefixItems": [{"type": "integer"}]}, '["a"]'),
        ({"unevaluatedProperties": False}, '{"a": 1}'),
        ({"dependentRequired": {"a": ["b"]}}, '{"a": 1}'),
        ({"pattern": "^(a+)+$"}, '"' + "a" * 5000 + 'b"'),
        ({"minimum": 10**20}, "5"),
    ],
)
def test_what_other_validators_let_through_is_seen(document: Any, bad: str) -> None:
    assert Checker(schema_of(document)).check(bad).complaints


def test_without_the_extra_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)

    with pytest.raises(ConfigError) as caught:
        Checker(schema_of({}))

    assert "pip install 'llmwrap[schema]'" in str(caught.value)
