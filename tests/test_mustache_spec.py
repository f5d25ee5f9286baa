"""The official Mustache specification, every test of the modules that pystache claims.

Its data files are found through MUSTACHE_SPEC, a directory. See:
github.com/mustache/spec.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from llmwrap.templating.renderer import Parsed, indented, parse, render

MODULES = (
    "comments",
    "delimiters",
    "interpolation",
    "inverted",
    "partials",
    "sections",
)
NOT_CLAIMED = {
    "~dynamic-names": "pystache passes 5 of 21: a name from the data is no name here",
    "~inheritance": "pystache passes none of 27; parent_template does this",
    "~lambdas": "data is plain JSON, so that nothing is called",
}

# A prompt is no web page: what these expect, with nothing escaped.
UNESCAPED = {
    "HTML Escaping",
    "Implicit Iterators - HTML Escaping",
    "Implicit Iterator - HTML Escaping",
}


class Case(NamedTuple):
    """One test of the specification."""

    module: str
    name: str
    test: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.module}-{self.name}"


def directory() -> Path | None:
    named = os.environ.get("MUSTACHE_SPEC")
    return Path(named) if named else None


def cases() -> Iterator[Case]:
    for module in MODULES if directory() else ():
        path = Path(os.environ["MUSTACHE_SPEC"], f"{module}.json")
        for test in json.loads(path.read_text("utf-8"))["tests"]:
            yield Case(module, test["name"], test)


CASES = list(cases())
needs_spec = pytest.mark.skipif(not CASES, reason="MUSTACHE_SPEC names no directory")


@needs_spec
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_specification_expects_is_rendered(case: Case) -> None:
    test = case.test
    partials = test.get("partials", {})

    def load(name: str, indent: str) -> Parsed | None:
        text = partials.get(name)
        return None if text is None else parse(name, indented(text, indent))

    text = render(parse("test", test["template"]), test["data"], load, is_lax=True)

    is_escaped = case.name in UNESCAPED
    expected = html.unescape(test["expected"]) if is_escaped else test["expected"]
    assert text == expected


@needs_spec
def test_nothing_is_taken_for_escaped_that_is_not() -> None:
    listed = {case.name for case in CASES if case.name in UNESCAPED}
    differing = {
        case.name
        for case in CASES
        if html.unescape(case.test["expected"]) != case.test["expected"]
        and "&" in case.test["expected"]
    }

    assert listed == differing


@needs_spec
def test_every_module_is_run_or_has_its_reason() -> None:
    root = directory()
    assert root is not None

    found = {path.stem for path in root.glob("*.json")}
    assert found == {*MODULES, *NOT_CLAIMED}
