"""Which command a command line means."""

from __future__ import annotations

import argparse

import pytest

from llmwrap.cli.commands import load_command, parsers_of
from llmwrap.cli.words import BUILT, PLANNED, VALUE_OPTIONS, take_apart


@pytest.mark.parametrize(
    ("argv", "command", "options", "operands"),
    [
        (["Hello"], "ask", [], ["Hello"]),
        (["ask", "chat"], "ask", [], ["chat"]),
        (["--", "chat"], "ask", [], ["chat"]),
        (["-m", "x", "ask", "hi"], "ask", ["-m", "x"], ["hi"]),
        (["models"], "models", [], []),
        (["-b", "models", "hi"], "ask", ["-b", "models"], ["hi"]),
        (["--model=models", "hi"], "ask", ["--model=models"], ["hi"]),
        (["-mmodels", "hi"], "ask", ["-mmodels"], ["hi"]),
        (["-qm", "models", "hi"], "ask", ["-qm", "models"], ["hi"]),
        (["hi", "-q", "there"], "ask", ["-q"], ["hi", "there"]),
        (["enhanced", "models", "list"], "models", [], ["list"]),
        (["enhanced", "Hello"], "ask", [], ["Hello"]),
        (["-q", "enhanced", "models"], "models", ["-q"], []),
        (["chat"], "chat", [], []),
        ([], "ask", [], []),
        (["-"], "ask", [], ["-"]),
        (["ask", "a", "--", "-b", "--"], "ask", [], ["a", "-b", "--"]),
        (["-m"], "ask", ["-m"], []),
        (["help"], "help", [], []),
        (["-q", "help", "models"], "help", ["-q"], ["models"]),
        (["help", "history", "search"], "help", [], ["history", "search"]),
        (["enhanced", "help", "models"], "help", [], ["models"]),
        (["help", "help"], "help", [], ["help"]),
        (["help", "batch"], "help", [], ["batch"]),
        (["help", "me", "name", "this"], "ask", [], ["help", "me", "name", "this"]),
        (["help", "models", "please"], "ask", [], ["help", "models", "please"]),
        (["help", "ask", "list"], "ask", [], ["help", "ask", "list"]),
        (["help", "--", "models"], "ask", [], ["help", "models"]),
        (["--", "help"], "ask", [], ["help"]),
        (["ask", "help"], "ask", [], ["help"]),
    ],
)
def test_the_first_operand_decides(
    argv: list[str], command: str, options: list[str], operands: list[str]
) -> None:
    words = take_apart(argv)

    assert (words.command, words.options, words.operands) == (
        command,
        options,
        operands,
    )


@pytest.mark.parametrize(
    ("word", "typo"),
    [
        ("modles", "models"),
        ("model", "models"),
        ("doctr", "doctor"),
        ("cgat", "chat"),
        ("hlep", "help"),
        ("hello", None),
        ("models?", "models"),
    ],
)
def test_a_lone_word_one_edit_away_is_noticed(word: str, typo: str | None) -> None:
    assert take_apart([word]).typo == typo


def test_only_a_lone_word_can_be_a_typo() -> None:
    assert take_apart(["modles", "please"]).typo is None
    assert take_apart(["ask", "modles"]).typo is None
    assert take_apart(["--", "modles"]).typo is None


def test_the_table_knows_every_option_that_takes_a_value() -> None:
    taking: set[str] = set()
    flags: set[str] = set()
    for name in BUILT:
        parsers = parsers_of(load_command(name))
        for action in (action for parser in parsers for action in parser._actions):
            known = flags if action.nargs in (0, "?") else taking
            known.update(action.option_strings)

    assert taking == VALUE_OPTIONS
    assert not flags & VALUE_OPTIONS


def test_the_same_option_means_the_same_everywhere() -> None:
    meanings: dict[str, tuple[object, ...]] = {}
    for name in BUILT:
        parsers = parsers_of(load_command(name))
        for action in (action for parser in parsers for action in parser._actions):
            if isinstance(action, argparse._HelpAction):
                continue
            meaning = (tuple(action.option_strings), action.metavar)
            for option in action.option_strings:
                assert meanings.setdefault(option, meaning) == meaning, option


def test_no_word_is_both_built_and_planned() -> None:
    assert not set(BUILT) & PLANNED


@pytest.mark.parametrize("word", ["-1", "-1.5", "-.5", "-1h", "-5%"])
def test_a_negative_number_is_an_operand(word: str) -> None:
    words = take_apart(["config", "set", "cache.ttl", word, "--json"])

    assert words.operands == ["set", "cache.ttl", word]
    assert words.options == ["--json"]
