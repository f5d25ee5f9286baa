"""Help: a page for every command and verb, and errors that point to the right one."""

from __future__ import annotations

import re

import pytest

from llmwrap.cli.commands import load_command
from llmwrap.cli.words import BUILT, VALUE_OPTIONS
from llmwrap.config.schema import BACKENDS, SECTIONS

from .asking import error
from .runner import Runner

VERBS = [(name, verb) for name, verbs in BUILT.items() for verb in verbs]
PAGES = [(name,) for name in BUILT] + VERBS


def options_of(page: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])(--?[a-zA-Z][\w-]*)", page.partition("\n\n")[2]))


@pytest.mark.parametrize("words", [(), *PAGES], ids=" ".join)
def test_a_page_fits_a_terminal_and_needs_no_server(
    cli: Runner, words: tuple[str, ...]
) -> None:
    result = cli.run("help", *words)

    assert (result.status, result.stderr) == (0, "")
    assert max(map(len, result.text.splitlines())) <= 80


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_help_and_the_option_show_the_same_page(
    cli: Runner, words: tuple[str, ...]
) -> None:
    assert cli.run("help", *words).text == cli.run(*words, "--help").text


def test_the_page_of_a_verb_has_its_own_options_only(cli: Runner) -> None:
    for verb, own in {
        "list": set(),
        "search": set(),
        "export": {"--format", "--output", "-O"},
        "prune": {"--older-than", "--keep"},
    }.items():
        page = cli.run("history", verb, "--help").text

        common = options_of(cli.run("history", "show", "--help").text)
        assert options_of(page) - common == own


def test_the_page_of_a_command_names_its_verbs(cli: Runner) -> None:
    for name, verbs in BUILT.items():
        page = cli.run("help", name).text
        for verb in verbs:
            assert re.search(rf"^  {verb} +[A-Z]", page, re.MULTILINE)
            assert re.search(rf"llmwrap {name} \[?{verb}\b", page)


def test_the_verbs_that_are_known_are_those_of_the_parsers() -> None:
    for name, verbs in BUILT.items():
        assert load_command(name).COMMAND.verb_names == verbs


@pytest.mark.parametrize("stdin", [b"", b"a question"])
def test_help_alone_is_never_a_prompt(cli: Runner, stdin: bytes) -> None:
    result = cli.run("help", stdin=stdin)

    assert result.status == 0
    assert result.text.startswith("llmwrap - ")
    for name in BUILT:
        assert f"\n  {name} " in result.text


def test_help_of_something_planned_says_so(cli: Runner) -> None:
    result = cli.run("help", "compare")

    assert result.status == 2
    assert "'compare' is not built yet" in error(result)


@pytest.mark.parametrize(
    ("argv", "page"),
    [
        (["--bogus", "hi"], "ask"),
        (["history", "prune"], "history prune"),
        (["history", "search"], "history search"),
        (["history", "list", "x"], "history list"),
        (["history", "--older-than", "3d"], "history prune"),
        (["models", "show"], "models show"),
        (["models", "list", "--sha256", "00"], "models install"),
        (["template", "render"], "template render"),
        (["completion"], "completion"),
        (["history", "lst"], "history"),
        (["stats", "x"], "stats"),
        (["ask", "--timeout", "soon"], "ask"),
    ],
)
def test_a_usage_error_points_to_the_page_that_answers(
    cli: Runner, argv: list[str], page: str
) -> None:
    result = cli.run(*argv)

    assert result.status == 2
    if argv != ["history", "prune"]:
        assert f"see 'llmwrap {page} --help'" in result.stderr
    assert cli.run("help", *page.split()).status == 0


@pytest.mark.parametrize(
    ("command", "option", "default"),
    [
        ("loadtest", "--retries", "0"),
        ("ask", "--retries", "2"),
        ("ask", "--timeout", "30m"),
        ("models pull", "--timeout", "none"),
    ],
)
def test_a_default_is_that_of_its_command(
    cli: Runner, command: str, option: str, default: str
) -> None:
    page = " ".join(cli.run("help", *command.split()).text.split())

    assert re.search(rf"{option} \w [^(]*\(default: {default}\)", page)


def test_a_mistyped_option_names_the_nearest(cli: Runner) -> None:
    assert "did you mean '--model'?" in cli.run("--modle", "x", "hi").stderr


def test_defaults_of_waiting_stand_in_the_page(cli: Runner) -> None:
    page = " ".join(cli.run("help", "ask").text.split())

    defaults = {key.name: key.default for key in SECTIONS[BACKENDS]}
    assert f"connecting may take (default: {defaults['connect_timeout']})" in page
    assert f"answer has come (default: {defaults['retry_attempts']})" in page
    for option in VALUE_OPTIONS:
        if option.endswith("-timeout") or option in ("--retry-delay", "--retries"):
            assert re.search(rf"{option} \w [^(]*\(default: ", page), option


@pytest.mark.parametrize(
    ("words", "syntax"),
    [
        (["ask"], "1h30m"),
        (["history", "prune"], "1h30m"),
        (["loadtest"], "10%"),
        (["config", "set"], "64KiB"),
        (["config"], "64KiB"),
    ],
)
def test_a_page_says_how_values_are_written(
    cli: Runner, words: list[str], syntax: str
) -> None:
    assert syntax in cli.run("help", *words).text


def test_a_page_promises_no_syntax_that_its_options_refuse(cli: Runner) -> None:
    assert "10%" not in cli.run("help", "ask").text
    assert "from 1 is wanted" in cli.run("ask", "--max-tokens", "-1", "x").stderr
