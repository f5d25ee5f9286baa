"""Each built-in template is described, renders, and shows an example that works."""

from __future__ import annotations

import json

import pytest

from llmwrap import Config
from llmwrap.messages import Json
from llmwrap.prompting.templates import Filled, open_library
from llmwrap.templating import INPUT, Library

from .runner import ROOT, Home, Runner
from .test_man import invocations, parse

NAMES = sorted(path.stem for path in (ROOT / "templates").glob("*.mustache"))
WANTED = {
    "greeting",
    "conversation",
    "code_review",
    "summarize",
    "explain_error",
    "commit_message",
    "translate",
    "extract_json",
    "changelog",
}
"""What the specification and its users ask for."""

VALUES: dict[str, Json] = {
    "string": "a «text»",
    "integer": 7,
    "boolean": True,
    "list": ["«one»", "«two»"],
}
PIPED = "«piped» {{name}} {{> greeting}} <&>"
LONGEST_BYTES = 1500
"""A small model has a small context, and reads the instructions each time."""


@pytest.fixture
def library(home: Home) -> Library:
    return open_library(Config.load("/dev/null", home.environ), home.environ)


def test_those_that_are_wanted_are_there() -> None:
    assert set(NAMES) >= WANTED


def test_nothing_else_lies_there() -> None:
    files = {path.name for path in (ROOT / "templates").iterdir()}

    assert files == {f"{name}.mustache" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_for_and_what_it_takes(name: str, library: Library) -> None:
    prepared = library.validate(name)
    template = library.get(name).template

    assert template.description
    assert not template.description.endswith(".")
    assert template.tags
    assert template.usage_examples
    used = {variable.name for variable in prepared.variables}
    assert used == set(prepared.declared), "each variable is declared"
    assert all(v.description and v.type in VALUES for v in prepared.variables)


@pytest.mark.parametrize("name", NAMES)
def test_it_renders_with_every_variable_and_with_the_fewest(
    name: str, library: Library
) -> None:
    prepared = library.prepared(name)
    variables = [v for v in prepared.variables if v.name != INPUT]
    every: dict[str, Json] = {v.name: VALUES[v.type] for v in variables}
    fewest = {v.name: VALUES[v.type] for v in variables if v.is_required}

    full = Filled(prepared, every).prompt(PIPED)
    short = Filled(prepared, fewest).prompt(PIPED)

    assert PIPED in full
    assert PIPED in short
    for variable in variables:
        shown = {"string": "a «text»", "integer": "7", "list": "«two»"}
        assert shown.get(variable.type, "") in full
    for text in (full, short):
        assert len(text.encode()) < LONGEST_BYTES
        assert "\n\n\n\n" not in text
        assert text == text.strip()


@pytest.mark.parametrize("name", NAMES)
def test_its_examples_are_lines_the_program_takes(
    name: str, library: Library, cli: Runner
) -> None:
    for example in library.get(name).template.usage_examples:
        found = list(invocations(example))
        assert found
        for argv in found:
            parse(argv)
            assert name in argv


@pytest.mark.parametrize("name", NAMES)
def test_its_examples_fill_it(name: str, cli: Runner, home: Home) -> None:
    """The command lines, with `template render` in the place of asking."""
    for file in ("app.py", "report.txt", "README.md", "slug.py"):
        (home.path / file).write_text("content\n")
    for example in json.loads(cli.run("template", "show", name, "--json").text)[
        "templates"
    ][0]["usage_examples"]:
        (argv,) = invocations(example)
        words = [word for word in argv if word not in ("-q", "ask", "chat-template")]
        words = [word for word in words if word != "-t"]
        for at, word in enumerate(words):
            if word == "-O":
                del words[at : at + 2]
                break
        words.remove(name)
        piped = b"" if "-n" in words else b"piped\n"

        result = cli.run("template", "render", name, *words, stdin=piped)

        assert (result.status, result.stderr) == (0, ""), example


def test_the_greeting_is_that_of_the_specification(library: Library) -> None:
    text = library.render(
        "greeting",
        {"name": "Alice", "urgent": True, "message": "Now", "tasks": ["a", "b"]},
    )

    assert text == "Hello Alice!\n\n🚨 This is urgent: Now\n\n- [ ] a\n- [ ] b\n"
