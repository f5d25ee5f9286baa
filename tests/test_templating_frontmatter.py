"""The head of a template is TOML; what is wrong in it is said in one line."""

from __future__ import annotations

import pytest

from llmwrap.errors import ConfigError
from llmwrap.templating import Template, Variable
from llmwrap.templating.frontmatter import read_template, take_apart

WHOLE = """+++
description = "Greet"
tags = ["a", "b"]
usage_examples = ["llmwrap -t x"]
parent_template = "base"
created_at = 2026-01-01T00:00:00Z

[variables.name]
description = "whom"
type = "string"

[variables.n]
type = "integer"
default = 3
required = false
+++
Hello
"""


def read(text: str) -> Template:
    return read_template("x", take_apart(text, "/t/x.mustache"), "/t/x.mustache")


def test_every_field_is_read() -> None:
    assert read(WHOLE) == Template(
        name="x",
        content="Hello\n",
        description="Greet",
        variables=(
            Variable("name", "string", "whom"),
            Variable("n", "integer", default=3, required=False),
        ),
        created_at=1_767_225_600.0,
        parent_template="base",
        tags=("a", "b"),
        usage_examples=("llmwrap -t x",),
    )


@pytest.mark.parametrize(
    "text", ["Hello\n", "", "++\nx\n++\n", "x\n+++\n", "+ ++\n", "++++\nx\n+++\n"]
)
def test_a_file_without_a_head_is_all_content(text: str) -> None:
    assert read(text) == Template("x", text)


@pytest.mark.parametrize("text", ["+++\n+++\nHello", "\ufeff+++ \r\n\r\n+++\r\nHello"])
def test_a_head_may_be_empty(text: str) -> None:
    assert read(text) == Template("x", "Hello")


def test_the_content_knows_its_first_line() -> None:
    assert take_apart(WHOLE, "x").first_line == 17
    assert take_apart("+++\n+++\nx", "x").first_line == 3
    assert take_apart("x", "x").first_line == 1


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ("descripton = 'x'", "unknown key 'descripton'; did you mean 'description'?"),
        ("description = 1", "bad value 1 for 'description'; a text is wanted"),
        ("tags = 'x'", "bad value 'x' for 'tags'; a list of texts is wanted"),
        ("tags = [1]", "bad value a list for 'tags'; a list of texts is wanted"),
        ("parent_template = '../x'", "bad value '../x' for 'parent_template'"),
        ("created_at = 'x'", "bad value 'x' for 'created_at'; a date and time"),
        ("created_at = 2026-01-01", "bad value 2026-01-01 for 'created_at'"),
        ("handlebars = 1", "bad value 1 for 'handlebars'; true or false is wanted"),
        ("variables = 1", "bad value 1 for 'variables'; [variables.NAME] is wanted"),
        ("variables.a = 1", "bad value 1 for 'variables.a'; [variables.a] is wanted"),
        (
            "variables.a.typ = 'x'",
            "unknown key 'variables.a.typ'; did you mean 'type'?",
        ),
        ("variables.a.type = 'str'", "bad value 'str' for 'variables.a.type'"),
        ("variables.a.required = 1", "bad value 1 for 'variables.a.required'"),
        ("variables.a.default = nan", "bad value nan for 'variables.a.default'"),
        ("variables.a.default = 2026-01-01", "for 'variables.a.default'; dates are"),
        ("variables.'@a'.type = 'any'", "bad value '@a' for 'variables'"),
        ("variables.'a.b'.type = 'any'", "bad value 'a.b' for 'variables'"),
        ("variables.'a b'.type = 'any'", "bad value 'a b' for 'variables'"),
        (
            "[variables.a]\ntype = 'integer'\ndefault = 'x'",
            "variable 'a' is 'x', an integer is wanted",
        ),
        ("a = ", "broken TOML at line 2, column 5"),
        ("\n\na = 1\na = 2", "broken TOML at line 5, column 6"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(head: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"+++\n{head}\n+++\nx")

    assert "/t/x.mustache" in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize("text", ["+++\n", "+++\na = 1\n", "+++\nx\n ++++\n"])
def test_a_head_without_end_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="the head has no end; a line '\\+\\+\\+'"):
        read(text)


def test_a_head_in_yaml_is_told_as_one() -> None:
    """It would be sent to the model, and its variables would be nobody's."""
    with pytest.raises(ConfigError, match="its head is YAML; a head is TOML, between"):
        read("---\ndescription: x\n---\nHello")


@pytest.mark.parametrize("text", ["---\n\n---\nx", "---\nName: y", "---\na b: c\n---"])
def test_a_text_may_begin_with_a_rule(text: str) -> None:
    assert read(text).content == text
