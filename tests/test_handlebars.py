"""Handlebars brought in gives the text that real Handlebars makes of it.

`handlebars/cases.json` are templates and data, `handlebars/expected.json` what the npm
package handlebars made of them (`handlebars/make_expected.mjs`). Where node and the
package are there, they are rendered anew, and so are templates that are made up.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwrap.errors import ConfigError, LimitError
from llmwrap.templating.handlebars import has_blocks, to_mustache
from llmwrap.templating.renderer import Parsed, parse, render

from .runner import ROOT

DIRECTORY = ROOT / "tests" / "handlebars"
PROGRAM = DIRECTORY / "make_expected.mjs"
SPECIFICATION = ROOT.parent / "shared" / "spec" / "enhanced-llm-wrapper.md"


class Case(NamedTuple):
    """A template with its data and its partials."""

    name: str
    template: str
    data: Any
    partials: Mapping[str, str] = MappingProxyType({})

    def __str__(self) -> str:
        return self.name


CASES = [
    Case(**case) for case in json.loads((DIRECTORY / "cases.json").read_text("utf-8"))
]
EXPECTED = json.loads((DIRECTORY / "expected.json").read_text("utf-8"))


def rendered(case: Case) -> str:
    """Return what the template gives once it is brought in."""

    def load(name: str, indent: str) -> Parsed | None:
        text = case.partials.get(name)
        if text is None:
            return None
        return parse(name, to_mustache(name, text), is_handlebars=True)

    parsed = parse("t", to_mustache("t", case.template), is_handlebars=True)
    return render(parsed, case.data, load)


def original(cases: list[Case]) -> list[dict[str, str]]:
    """Return what real Handlebars makes of the cases. Raises: CalledProcessError."""
    questions = [{**case._asdict(), "partials": dict(case.partials)} for case in cases]
    done = subprocess.run(
        ["node", PROGRAM],
        input=json.dumps(questions).encode(),
        capture_output=True,
        check=True,
    )
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


@cache
def missing() -> str:
    """Return why real Handlebars cannot be asked, nothing when it can."""
    if not shutil.which("node"):
        return "node is not installed"
    try:
        original([])
    except subprocess.CalledProcessError:
        return "node does not find the npm package handlebars (NODE_PATH)"
    return ""


@pytest.fixture
def handlebars() -> None:
    """Skip where there is no real Handlebars."""
    if missing():
        pytest.skip(missing())


@pytest.mark.parametrize(
    ("case", "expected"), list(zip(CASES, EXPECTED, strict=True)), ids=str
)
def test_a_template_gives_the_text_of_the_original(
    case: Case, expected: dict[str, str]
) -> None:
    assert {"text": rendered(case)} == expected


def test_there_are_enough_cases_and_each_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40


def test_every_template_of_the_specification_is_among_them() -> None:
    if not SPECIFICATION.exists():
        pytest.skip("the specification does not lie beside the project")
    text = SPECIFICATION.read_text("utf-8")

    blocks = [part.partition("\n```")[0] for part in text.split("```handlebars\n")[1:]]
    blocks += [part.partition('"#')[0] for part in text.split('r#"')[1:]]
    assert len(blocks) == 2
    templates = {case.template.rstrip("\n") for case in CASES}
    assert {block.rstrip("\n") for block in blocks} <= templates


@pytest.mark.usefixtures("handlebars")
def test_what_is_expected_is_what_the_original_makes_today() -> None:
    assert original(CASES) == EXPECTED


# Made up

NAMES = ("a", "b", "items", "obj", "yes", "no", "zero", "nothing")
PATHS = (
    *NAMES,
    *("this", "..", "../a", "../items", "../../b", "@root.a", "@root.items"),
    *("this.a", "./b", "obj.a", "items.length", "items.[0]", "../this"),
)
# A text begins with a letter: real Handlebars adds two numbers that touch.
texts = st.text("a{ \n\t\\é-", max_size=6).map(lambda text: f"x{text}")
strips = st.sampled_from(["", "", "", "~"])
paths = st.sampled_from(PATHS)


@st.composite
def tags(draw: st.DrawFn, inside: str) -> str:
    return "{{" + draw(strips) + inside + draw(strips) + "}}"


@st.composite
def blocks(draw: st.DrawFn, body: st.SearchStrategy[str]) -> str:
    word = draw(st.sampled_from(["if", "unless", "each", "with"]))
    parts = [draw(tags(f"#{word} {draw(paths)}")), draw(body)]
    for _ in range(draw(st.integers(0, 2))):
        other = draw(st.sampled_from(["if", "unless", "each", "with"]))
        parts += [draw(tags(f"else {other} {draw(paths)}")), draw(body)]
    if draw(st.booleans()):
        parts += [draw(tags(draw(st.sampled_from(["else", "^"])))), draw(body)]
    return "".join([*parts, draw(tags(f"/{word}"))])


@st.composite
def plain_blocks(draw: st.DrawFn, body: st.SearchStrategy[str]) -> str:
    name = draw(st.sampled_from(NAMES))
    sign = draw(st.sampled_from("#^"))
    return draw(tags(sign + name)) + draw(body) + draw(tags("/" + name))


def bodies(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    piece = st.one_of(
        texts,
        paths.flatmap(tags),
        paths.map(lambda path: f"{{{{{{{path}}}}}}}"),
        st.just("!-- c }} --").flatmap(tags),
        st.sampled_from(["> card", "> list"]).flatmap(tags),
        st.sampled_from(["\n", "\n  ", " \n", "\r\n"]),
        blocks(inner),
        plain_blocks(inner),
    )
    return st.tuples(texts, st.lists(piece, max_size=5)).map(
        lambda parts: parts[0] + "".join(parts[1])
    )


templates = st.recursive(texts, bodies, max_leaves=12)
scalars = st.one_of(
    st.text("ab<&é\n", max_size=4),
    st.integers(-5, 200),
    st.floats(-1e25, 1e25, allow_nan=False),
    st.booleans(),
    st.none(),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*NAMES, "2", "10"]), inner, max_size=3),
    ),
    max_leaves=6,
)
everything = st.fixed_dictionaries(
    {"yes": st.just(True), "no": st.just(False), "zero": st.just(0)},
    optional={
        "a": values,
        "b": scalars,
        "items": st.lists(values, max_size=3),
        "obj": st.dictionaries(st.sampled_from(NAMES), values, max_size=3),
        "nothing": st.none(),
    },
)
cards = st.sampled_from(
    [
        "x{{a}}\n\n{{#if ../b}}no{{/if}}{{@root.zero}}",
        "x\n{{#each this}}x{{this}}{{../b}}\n{{/each}}\n",
        "x{{> list}}",
    ]
)
made_up = st.builds(
    lambda template, data, card: Case(
        "made up", template, data, {"card": card, "list": "x{{this}}\nx\n"}
    ),
    templates,
    everything,
    cards,
)


@pytest.mark.untraced
@pytest.mark.slow
@pytest.mark.usefixtures("handlebars")
@settings(
    max_examples=25,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
@given(st.lists(made_up, min_size=20, max_size=40))
def test_templates_made_up_give_the_text_of_the_original(cases: list[Case]) -> None:
    for case, expected in zip(cases, original(cases), strict=True):
        if "text" in expected:  # the original takes no "\\{{{", we do
            assert rendered(case) == expected["text"], case


# What has no equal

REFUSED = {
    "{{@index}}": ("@index", "item"),
    "{{#each a}}\n{{@key}}{{/each}}": ("@key", "item"),
    "{{@first}}": ("@first", "item"),
    "{{upper name}}": ("{{upper name}}", "variable"),
    "{{#list a}}x{{/list}}": ("{{#list a}}", "variable"),
    "{{#if (eq a b)}}x{{/if}}": ("(eq a b)", "variable"),
    "{{(a)}}": ("{{(a)}}", "variable"),
    "{{#each a as |x|}}{{x}}{{/each}}": ("as |x|", "{{this}}"),
    "{{#each a as |x i|}}{{x}}{{/each}}": ("as |x i|", "{{this}}"),
    "{{#if a b}}x{{/if}}": ("{{#if a b}}", "variable"),
    "{{#if a includeZero=true}}x{{/if}}": ("includeZero", "variable"),
    "{{helper a=1}}": ("a=1", "variable"),
    "{{> card person}}": ("{{> card person}}", "{{#with}}"),
    "{{> card name=1}}": ("{{> card name=1}}", "{{#with}}"),
    "{{> (choose)}}": ("(choose)", "{{#if}}"),
    "{{> ../card}}": ("../card", "letters"),
    "{{#> layout}}x{{/layout}}": ("{{#> layout}}", "template"),
    '{{#*inline "x"}}x{{/inline}}': ("inline", "template"),
    "{{* decorator}}": ("decorator", "leave"),
    "{{{{raw}}}}x{{{{/raw}}}}": ("raw", "\\{{"),
    "{{#if true}}x{{/if}}": ("{{#if true}}", "variable"),
    "{{#if 'a'}}x{{/if}}": ("'a'", "variable"),
    "{{12}}": ("{{12}}", "variable"),
    "{{lookup}}": ("lookup", "{{./lookup}}"),
    "{{if}}": ("{{if}}", "{{./if}}"),
    "{{a.[b c]}}": ("b c", "name"),
    "{{a.0}}": ("{{a.0}}", "[0]"),
    "{{a.this}}": ("{{a.this}}", "first"),
    "{{#each}}x{{/each}}": ("{{#each}}", "NAME"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_has_no_equal_is_refused_with_a_way_out(text: str) -> None:
    construct, way_out = REFUSED[text]

    with pytest.raises(ConfigError) as caught:
        to_mustache("mine", f"one\ntwo {text}")

    error = caught.value
    line = 3 if text.startswith("{{#each a}}\n") else 2
    assert error.message.startswith(f"template 'mine', line {line}: ")
    assert construct in error.message
    assert way_out in error.hint


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{#if a}}x", "'{{#if a}}' is never closed"),
        ("{{#if a}}x{{/each}}", "'{{/each}}' does not end '{{#if a}}' of line 1"),
        ("x{{/if}}", "'{{/if}}' has nothing to end"),
        ("{{else}}", "'{{else}}' has nothing to end"),
        ("{{#if a}}{{else}}{{else}}{{/if}}", "'{{else}}' comes after the last half"),
        ("{{a", "'{{a' is never closed"),
        ("{{{a}}", "'{{{a}}' is never closed"),
        ("{{a}}}", "'{{a}}}'"),
        ("{{!-- a }}", "'{{!-- a }}' is never closed"),
        ("{{}}", "'{{}}' is no name"),
    ],
)
def test_what_is_broken_is_an_error_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        to_mustache("mine", text)

    assert caught.value.message.startswith("template 'mine', line 1: ")
    assert problem in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["{{#if a}}" * 10_000, "{{#if a}}" + "{{else if b}}" * 10_000 + "{{/if}}"],
)
def test_blocks_that_nest_too_deeply_are_a_limit(text: str) -> None:
    with pytest.raises(LimitError, match="blocks nest deeper than 64"):
        to_mustache("mine", text)


@pytest.mark.untraced
@pytest.mark.parametrize(
    "text",
    [
        "\\{{" * 40_000,
        "\\\\{{a}}" * 15_000,
        "{{a}}" * 25_000,
        "{{a}} " * 20_000,
        "{{#if a}}{{/if}}" * 7_500,
        "{" * 125_000,
        "{{!-- " + " " * 120_000 + " --}}",
        "{{a" + " " * 120_000 + "}}",
        "{{#if a}}" + "\n \n" * 40_000 + "{{/if}}",
        " " * 125_000 + "{{~a~}}",
        "{{a." + "b." * 50_000 + "c}}",
        "{{#if " + "../" * 40_000 + "a}}{{/if}}",
    ],
)
def test_bringing_in_takes_no_time_whatever_the_text(text: str) -> None:
    started_s = time.thread_time()

    try:
        parse("mine", to_mustache("mine", text), is_handlebars=True)
    except ConfigError:
        pass

    # Of the processor, not of the clock: what grows with the square takes minutes.
    assert time.thread_time() - started_s < 20


def test_what_is_brought_in_can_be_read() -> None:
    text = "{{#if a}}\nyes {{../b}}\n{{else}}\n{{#each c}}{{this}}{{/each}}\n{{/if}}\n"

    assert to_mustache("mine", text) == (
        "{{#if:a}}\nyes {{../b}}\n{{/if:a}}\n"
        "{{^if:a}}\n{{#each:c}}\n{{.}}{{/each:c}}\n{{/if:a}}\n"
    )


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("{{#if a}}x{{/if}}", True),
        ("{{~#each a}}x{{/each}}", True),
        ("a{{else}}b", True),
        ("{{#unless a}}x{{/unless}}", True),
        ("{{#tasks}}{{.}}{{/tasks}}", False),
        ("{{#if}}x{{/if}}", True),
        ("{{elsewhere}}", False),
        ("no tags, {if}", False),
    ],
)
def test_handlebars_is_told_by_its_blocks(text: str, *, is_so: bool) -> None:
    assert has_blocks(text) is is_so
