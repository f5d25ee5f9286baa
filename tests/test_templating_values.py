"""Variables from command lines: texts and JSON, of the types that are declared."""

from __future__ import annotations

from typing import Any

import pytest

from llmwrap.errors import ConfigError, LimitError, UsageError
from llmwrap.templating import TYPES, Variable
from llmwrap.templating.values import (
    Assignment,
    assigned,
    check_type,
    parse_assignment,
    parse_variables,
    plain,
)

DECLARED = {f"a_{kind}": Variable(f"a_{kind}", kind) for kind in TYPES}


def value(kind: str, *texts: str) -> Any:
    name = f"a_{kind}"
    given = [Assignment(name, text, is_json=False) for text in texts]
    return assigned(given, DECLARED)[name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", Assignment("a", "b", is_json=False)),
        ("a=", Assignment("a", "", is_json=False)),
        ("a=b=c", Assignment("a", "b=c", is_json=False)),
        ("a=x:=y", Assignment("a", "x:=y", is_json=False)),
        ("a:=[1]", Assignment("a", "[1]", is_json=True)),
        ("a:=", Assignment("a", "", is_json=True)),
    ],
)
def test_an_assignment_is_a_text_or_json(text: str, expected: Assignment) -> None:
    assert parse_assignment(text) == expected


@pytest.mark.parametrize("text", ["a", "=b", ":=1", " =b", ""])
def test_what_assigns_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not NAME=VALUE"):
        parse_assignment(text)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("string", "3", "3"),
        ("any", "3", "3"),
        ("any", "[1]", "[1]"),
        ("number", "3", 3),
        ("number", "-1.5e3", -1500.0),
        ("integer", "3", 3),
        ("boolean", "true", True),
        ("boolean", "No", False),
        ("boolean", "1", True),
        ("list", "a b", ["a b"]),
        ("list", '["a", 1]', ["a", 1]),
        ("object", '{"a": 1}', {"a": 1}),
    ],
)
def test_a_text_becomes_what_the_variable_declares(
    kind: str, text: str, expected: Any
) -> None:
    assert value(kind, text) == expected
    assert type(value(kind, text)) is type(expected)


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        ("number", "three", "a number"),
        ("number", "NaN", "a number"),
        ("number", "1e400", "a number"),
        ("number", "true", "a number"),
        ("number", "1" * 5000, "a number"),
        ("integer", "1.5", "an integer"),
        ("boolean", "maybe", "a boolean"),
        ("list", "[1", "a list"),
        ("object", "[1]", "an object"),
    ],
)
def test_a_text_that_cannot_is_an_error(kind: str, text: str, wanted: str) -> None:
    with pytest.raises(ConfigError, match=f"the value of 'a_{kind}' is .*{wanted} is"):
        value(kind, text)


def test_the_last_of_two_counts_but_a_list_grows() -> None:
    assert value("string", "a", "b") == "b"
    assert value("list", "a", "b", "c") == ["a", "b", "c"]
    assert value("list", '["a"]', "b") == ["a", "b"]


def test_json_is_json_whatever_is_declared() -> None:
    given = [Assignment("a_string", '{"b": null}', is_json=True)]

    assert assigned(given, DECLARED) == {"a_string": {"b": None}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "--vars is no JSON: expecting property name"),
        ("[1]", '--vars is no JSON object; {"NAME": VALUE} is wanted'),
        ('{"a": NaN}', "--vars is no JSON: 'NaN' is no number"),
        ('{"a": -1e400}', "--vars is no JSON: '-1e400' is too large a number"),
        ("", "--vars is no JSON: expecting value in column 1"),
        ('{"a":\n tru}', "--vars is no JSON: expecting value in line 2, column 2"),
        ('{"a": ' + "1" * 5000 + "}", "--vars is no JSON: a number has too many"),
    ],
)
def test_bad_variables_are_an_error_in_one_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_variables(text, "--vars")

    assert str(caught.value).startswith(problem)


def test_json_that_nests_too_deeply_is_a_limit() -> None:
    with pytest.raises(LimitError):
        parse_variables("[" * 100_000, "--vars")


def test_only_plain_json_is_data() -> None:
    plain({"a": ["x", 1, 1.5, True, None, {"b": []}]})

    for bad in (object(), ("x",), {1: 2}, [b"x"], {"a": {"b": len}}, {1, 2}):
        with pytest.raises(UsageError, match="variable 'a' holds a "):
            plain({"a": bad})


def test_data_without_end_is_a_limit() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(LimitError, match="nest too deeply"):
        plain({"a": endless})


def test_null_is_no_value_of_what_is_required() -> None:
    check_type(Variable("a", "string", required=False), None, "t")

    with pytest.raises(ConfigError, match="variable 'a' is null, a string is wanted"):
        check_type(Variable("a", "string"), None, "t")
