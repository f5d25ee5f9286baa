"""Mustache is rendered strictly, unescaped, within bounds."""

from __future__ import annotations

import time
from typing import Any

import pytest

from llmwrap.errors import ConfigError, LimitError
from llmwrap.templating.renderer import (
    DEEPEST_PARTIAL,
    LARGEST_BYTES,
    MOST_ITEMS,
    Parsed,
    indented,
    parse,
    render,
)
from llmwrap.templating.tags import DEEPEST_SECTION

SOON_S = 6.0  # twice what is promised, as the machine may be busy


def text_of(
    text: str,
    data: dict[str, Any] | None = None,
    *,
    partials: dict[str, str] | None = None,
    is_lax: bool = False,
    known: tuple[str, ...] = (),
) -> str:
    def load(name: str, indent: str) -> Parsed | None:
        found = (partials or {}).get(name)
        return None if found is None else parse(name, indented(found, indent))

    parsed = parse("mine", text)
    return render(parsed, data or {}, load, is_lax=is_lax, known=known)


def error_of(text: str, data: dict[str, Any] | None = None, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        text_of(text, data, **options)
    return str(caught.value)


def limit_of(text: str, data: dict[str, Any] | None = None, **options: Any) -> str:
    started = time.thread_time()
    with pytest.raises(LimitError) as caught:
        text_of(text, data, **options)
    assert time.thread_time() - started < SOON_S
    return str(caught.value)


# Values


def test_nothing_is_escaped() -> None:
    assert text_of("{{a}}{{{a}}}{{&a}}", {"a": "<&\"'>"}) == "<&\"'>" * 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("é🚨", "é🚨"),
        (3, "3"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        (None, ""),
        (["a", 1, None], '["a", 1, null]'),
        ({"a": [True]}, '{"a": [true]}'),
    ],
)
def test_values_are_printed_as_json_writes_them(value: Any, text: str) -> None:
    assert text_of("{{a}}", {"a": value}) == text


def test_a_number_that_python_does_not_print_is_a_limit() -> None:
    for value in (10**5000, [10**5000]):
        limit = limit_of("{{a}}", {"a": value})
        assert limit == "template 'mine', line 1: the number in 'a' is too long"


def test_what_a_variable_contains_is_never_read_as_a_template() -> None:
    hostile = "{{b}}{{{b}}}{{> card}}{{#b}}x{{/b}}{{=<% %>=}}"

    text = text_of("{{a}}", {"a": hostile, "b": 1}, partials={"card": "no"})

    assert text == hostile


def test_nothing_is_looked_up_in_what_is_no_object() -> None:
    for name in ("a.__class__", "a.upper", "a.0", "a.real", "a.append"):
        for value in ("text", 1, ["x"]):
            error = error_of(f"{{{{{name}}}}}", {"a": value})
            assert f"missing variable '{name}'" in error


# What is missing


def test_a_missing_variable_is_named_with_template_and_line() -> None:
    error = error_of("one\ntwo {{a}}\n{{nam}}", {"a": 1}, known=("a", "name"))

    assert error == "template 'mine', line 3: missing variable 'nam'; known are a, name"


def test_the_line_counts_from_the_top_of_the_file() -> None:
    parsed = parse("mine", "x\n{{a}}", first_line=11)

    with pytest.raises(ConfigError, match="line 12"):
        render(parsed, {}, lambda name, indent: None)


def test_the_template_named_is_the_partial_it_stands_in() -> None:
    error = error_of("{{> card}}", partials={"card": "\n{{a}}"})

    assert error.startswith("template 'card', line 2: missing variable 'a'")


def test_a_name_used_only_as_a_section_is_optional_and_false() -> None:
    assert text_of("{{#a}}x{{a}}{{/a}}{{^a}}none{{/a}}") == "none"


def test_a_part_that_is_missing_is_missing() -> None:
    error = error_of("{{a.b.c}}", {"a": {"b": {}}})

    assert "missing variable 'a.b.c'" in error


def test_lax_takes_what_is_missing_for_empty() -> None:
    assert text_of("[{{a}}][{{a.b}}][{{> none}}]", is_lax=True) == "[][][]"


def test_a_partial_that_does_not_exist_is_an_error() -> None:
    error = error_of("\n{{> card}}")

    assert error == "template 'mine', line 2: there is no template 'card'"


# What is broken


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{#a}}\nx", "line 1: section 'a' is never closed; {{/a}} closes it"),
        ("x\n{{/a}}", "line 2: 'a' is closed and was never opened"),
        (
            "{{#a}}\n{{#b}}\n{{/a}}{{/b}}",
            "line 3: 'a' is closed where 'b', opened in line 2, should be",
        ),
        ("a\n{{name", "line 2: a tag is never closed; '}}' is missing"),
        ("{{{name}}", "line 1: a tag is never closed; '}}}' is missing"),
        ("{{#if a}}x{{/if}}", "line 1: 'if a' is no name; Handlebars is brought in"),
        ("{{a b}}", "line 1: 'a b' is no name"),
        ("{{~a~}}", "line 1: '~a~' is no name; Handlebars is brought in"),
        ("{{../a}}", "line 1: '../a' is no name; Handlebars is brought in"),
        ("{{}}", "line 1: '' is no name"),
        ("{{ }}", "line 1: '' is no name"),
        ("{{a..b}}", "line 1: 'a..b' is no name"),
        ("{{@index}}", "line 1: '@index' is no name"),
        ("{{> ../secret}}", "line 1: '../secret' is no name of a template"),
        ("{{> /etc/secret}}", "line 1: '/etc/secret' is no name of a template"),
        ("{{> *name}}", "line 1: '*name' is no name of a template"),
        ("{{=<% =}}", "line 1: '<%' are no two delimiters"),
        ("{{=a b c=}}", "line 1: 'a b c' are no two delimiters"),
    ],
)
def test_broken_mustache_is_an_error_with_its_line(text: str, problem: str) -> None:
    assert error_of(text).startswith(f"template 'mine', {problem}")


# Partials


def test_a_partial_is_indented_before_it_is_rendered() -> None:
    text = text_of(
        "a\n  {{> card}}\nb", {"x": "1\n2"}, partials={"card": "{{x}}\n\nc\n"}
    )

    assert text == "a\n  1\n2\n\n  c\nb"


def test_a_partial_may_end_what_it_began() -> None:
    data = {"name": 1, "inner": {"name": 2, "inner": {"name": 3, "inner": None}}}

    text = text_of(
        "{{> node}}",
        data,
        partials={"node": "{{name}}{{#inner}}({{> node}}){{/inner}}"},
    )

    assert text == "1(2(3))"


# Bounds


def test_a_partial_that_includes_itself_is_a_limit() -> None:
    limit = limit_of("{{> a}}", partials={"a": "x{{> a}}"})

    assert limit == f"template 'mine' nests partials deeper than {DEEPEST_PARTIAL}"


def test_partials_that_double_are_a_limit() -> None:
    chain = {f"p{n}": f"{{{{> p{n + 1}}}}}" * 40 for n in range(12)}

    limit = limit_of("{{> p0}}", partials={**chain, "p12": ""})

    assert limit == "template 'mine' takes longer than 2s"


def test_items_are_counted_before_they_are_gone_through() -> None:
    limit = limit_of("{{#a}}{{/a}}", {"a": [1] * 1_000_000})

    assert limit == f"template 'mine' goes through more than {MOST_ITEMS} items in 'a'"


def test_items_of_sections_in_sections_are_counted_together() -> None:
    limit = limit_of("{{#a}}" * 7 + "x" + "{{/a}}" * 7, {"a": [1] * 10})

    # A busy machine reaches the bound on time first.
    assert "goes through more than" in limit or "takes longer than" in limit


def test_a_text_of_100_mb_is_never_made() -> None:
    big = "x" * 1_000_000

    for text in (
        "{{a}}" * 100,
        "{{#l}}{{a}}{{/l}}",
        "{{#l}}" + "y" * 10_000 + "{{/l}}",
    ):
        limit = limit_of(text, {"a": big, "l": [1] * 10_000})
        assert limit == "template 'mine' makes a text longer than 4.0 MiB"


def test_the_size_is_that_of_the_bytes() -> None:
    assert len(text_of("{{a}}", {"a": "x" * LARGEST_BYTES})) == LARGEST_BYTES
    limit_of("{{a}}", {"a": "é" * (LARGEST_BYTES // 2 + 1)})


def test_sections_that_nest_too_deeply_are_a_limit() -> None:
    limit = limit_of("{{#a}}" * 1000 + "{{/a}}" * 1000, {"a": 1})

    assert f"sections nest deeper than {DEEPEST_SECTION}" in limit


def test_sections_and_partials_that_nest_too_deeply_together_are_a_limit() -> None:
    deep = "{{#a}}" * DEEPEST_SECTION + "{{> p}}" + "{{/a}}" * DEEPEST_SECTION

    assert "too deep" in limit_of("{{> p}}", {"a": 1}, partials={"p": deep})


def test_an_indent_cannot_grow_a_partial_without_end() -> None:
    limit = limit_of(" " * 100_000 + "{{> p}}\n", partials={"p": "x\n" * 1000})

    assert limit == "an indented partial is longer than 4.0 MiB"


@pytest.mark.slow
@pytest.mark.untraced
@pytest.mark.parametrize(
    "text",
    [
        " " * 250_000,
        "{{" * 125_000,
        "{" * 250_000,
        "{{" + " " * 250_000,
        "{{! " + " " * 240_000 + "}}",
        "{{{" + " " * 240_000 + "a }}",
        "{{a}}" * 50_000,
        "}}" * 125_000,
        "\n" * 250_000,
        "{{=" + " " * 240_000 + "=}}",
    ],
)
def test_parsing_takes_no_time_whatever_the_text(text: str) -> None:
    started = time.thread_time()

    try:
        parse("mine", text)
    except ConfigError:
        pass

    assert time.thread_time() - started < SOON_S
