"""The manual says what the program does: kept in step with parsers, errors, settings.

The pages are made as for the wheel and read as a person would, with the escapes of
roff taken away.
"""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from llmwrap.cli.commands import load_command, parsed, parsers_of
from llmwrap.cli.parser import check_operands, verb_and_operands
from llmwrap.cli.words import BUILT, take_apart
from llmwrap.config.show import reference
from llmwrap.config.sources import OWN_VARIABLES
from llmwrap.errors import LLMWrapError
from llmwrap.repl.slash import COMMANDS as SLASH_COMMANDS
from man.pages import ALIASES, SECTIONS, page, page_names, write_pages

from .runner import ROOT

COMMANDS = sorted(BUILT)
PAGES = page_names()
PROGRAMS = ("llmwrap", "llm-wrapper")
TESTERS = ("llmwrap-loadtest", "load_test")
ENDS_A_COMMAND = re.compile(r"[|&;()<>]+")
CRON_FIELDS = re.compile(r"^(@[a-z]+|([\d*/,-]+ +){4}[\d*/,-]+) +(?=\S)")
# Names of pip's own, of what the embedded server is told, and of no concern to a user.
NOT_OURS = {"PIP_CONFIG_FILE", "XDG_CONFIG_DIRS"}


def every(pattern: str, text: str) -> list[str]:
    return re.findall(pattern, text, re.MULTILINE)


@cache
def plain(name: str) -> str:
    """Return a page without fonts and escapes; requests stay."""
    text = re.sub(r"\\f[BIR]|\\[,/&]", "", page(name))
    for escape, char in {"-": "-", "(aq": "'", "(ga": "`", "(ti": "~"}.items():
        text = text.replace("\\" + escape, char)
    return text.replace("\\(ha", "^").replace("\\e", "\\")


def section(name: str, title: str) -> str:
    _, _, rest = plain(name).partition(f"\n.SH {title}\n")
    return rest.partition("\n.SH ")[0]


def example_blocks(name: str) -> list[str]:
    """Return the blocks of a page's examples."""
    return every(r"^\.EX\n((?:.*\n)*?)\.EE$", section(name, "EXAMPLES"))


def examples(name: str) -> list[str]:
    """Return the lines of a page's examples."""
    return [line for block in example_blocks(name) for line in block.splitlines()]


def invocations(line: str) -> Iterator[list[str]]:
    """Yield the arguments of each llmwrap in a line of shell or of a crontab."""
    line = CRON_FIELDS.sub("", line).replace("\\%", "%")
    for inner in re.findall(r"\$\(([^)]*)\)", line):
        yield from invocations(inner)
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not ENDS_A_COMMAND.fullmatch(word):
            words.append(word)
            continue
        starts = [n for n, found in enumerate(words) if found in PROGRAMS]
        if starts:
            yield words[starts[0] + 1 :]
        elif words and words[0] in TESTERS:
            yield ["loadtest", *words[1:]]
        words = []


def parse(argv: list[str]) -> None:
    """Parse a command line as the program would. Raises: UsageError."""
    words = take_apart(argv)
    module = load_command(words.command)
    verb, operands = verb_and_operands(module.COMMAND, words.operands)
    parsed(module, verb, words.options)
    check_operands(module.COMMAND, verb, operands)
    # A lone word that no shell would read as a question is a command gone wrong.
    assert words.is_named or words.typo is None


def options(command: str) -> list[str]:
    parsers = parsers_of(load_command(command))
    actions = [action for parser in parsers for action in parser._actions]
    shown = [action for action in actions if action.help is not argparse.SUPPRESS]
    return [option for action in shown for option in action.option_strings]


def test_there_is_a_page_for_each_command() -> None:
    assert {f"llmwrap-{command}.1" for command in BUILT} < set(PAGES)


def test_the_load_tester_has_a_page_under_each_of_its_names(tmp_path: Path) -> None:
    written = {path.name: path for path in write_pages(tmp_path)}

    assert set(written) == {*PAGES, *ALIASES}
    for name, other in ALIASES.items():
        assert written[name].read_text() == written[other].read_text()


@pytest.mark.parametrize("name", PAGES)
def test_sections_come_in_the_fixed_order(name: str) -> None:
    found = every(r"^\.SH (.+)$", page(name))

    assert found == [title for title in SECTIONS if title in found]
    assert set(SECTIONS) - set(found) == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_stands_in_the_page_of_its_command(command: str) -> None:
    text = section(f"llmwrap-{command}.1", "OPTIONS")

    terms = every(r"^\.TP\n(.+)$", text)
    words = [word for term in terms for word in term.replace("[=", " ").split()]
    listed = {word.strip(",") for word in words}
    assert set(options(command)) - listed == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_verb_stands_in_the_page_of_its_command(command: str) -> None:
    text = section(f"llmwrap-{command}.1", "DESCRIPTION")

    missing = [
        verb
        for verb in load_command(command).COMMAND.verb_names
        if not re.search(rf"\b{verb}\b", text)
    ]
    assert missing == []


@pytest.mark.parametrize("command", COMMANDS)
def test_apropos_finds_every_verb(command: str) -> None:
    line = section(f"llmwrap-{command}.1", "NAME")

    assert line.startswith(f"llmwrap-{command} - ")
    verbs = load_command(command).COMMAND.verb_names
    assert set(verbs) - set(re.findall(r"[\w-]+", line)) == set()


def test_every_command_stands_in_the_page_of_the_program() -> None:
    terms = every(r"^\.TP\n\.B (.+)$", section("llmwrap.1", "DESCRIPTION"))

    assert terms[: len(COMMANDS)] == COMMANDS


@pytest.mark.parametrize("name", ["llmwrap.1", "llmwrap-ask.1"])
def test_every_exit_status_stands_in_the_page(name: str) -> None:
    terms = every(r"^\.TP\n\.B (\d+)$", section(name, "EXIT STATUS"))

    statuses = {0, 129, 130, 141, 143, LLMWrapError.exit_status}
    statuses |= {error.exit_status for error in LLMWrapError.__subclasses__()}
    assert [int(term) for term in terms] == sorted(statuses)


@pytest.mark.parametrize("name", PAGES)
def test_no_page_promises_a_status_that_does_not_exist(name: str) -> None:
    known = every(r"^\.B (\d+)$", section("llmwrap.1", "EXIT STATUS"))
    named = every(r"^\.B (\d+)$", section(name, "EXIT STATUS"))

    assert named
    assert set(named) - set(known) == set()


def test_every_setting_stands_in_its_page_with_default_and_variable() -> None:
    text = " ".join(section("llmwrap.toml.5", "OPTIONS").split())

    for entry in reference():
        table, _, key = entry.key.rpartition(".")
        within = text.partition(f".SS [{table}] ")[2].partition(" .SS ")[0]
        own = within.partition(f".TP .B {key} ")[2].partition(" .TP ")[0]
        default = f"default: {entry.default};" if entry.default else "not set by"
        assert entry.doc[1:] in own
        assert default in own
        assert own.endswith(f"variable: {entry.variable}.")


def test_every_variable_stands_in_the_page_of_the_program() -> None:
    text = section("llmwrap.1", "ENVIRONMENT")

    missing = {name for name in read_variables() if not re.search(rf"\b{name}\b", text)}
    assert missing - NOT_OURS == set()
    assert set(OWN_VARIABLES) - set(re.findall(r"\w+", text)) == set()


def read_variables() -> set[str]:
    """Return the names the code asks the environment for."""
    found = set()
    for path in (ROOT / "llmwrap").rglob("*.py"):
        source = path.read_text("utf-8")
        for node in ast.walk(ast.parse(source)) if "environ" in source else ():
            text = (
                ast.unparse(node) if isinstance(node, ast.Call | ast.Subscript) else ""
            )
            name = re.match(r"[\w.]*environ(?:\.get\(|\[)'(\w+)'", text)
            found |= {name[1]} if name else set()
    return found


@pytest.mark.parametrize("name", PAGES)
def test_every_example_is_a_line_the_program_takes(name: str) -> None:
    found = [argv for line in examples(name) for argv in invocations(line)]

    assert found
    assert "\\" not in section(name, "EXAMPLES").replace("\\%", "").replace("%s\\n", "")
    for argv in found:
        parse(argv)


@pytest.mark.parametrize("name", PAGES)
def test_there_is_a_pipeline_and_a_line_for_crontab(name: str) -> None:
    lines = examples(name)

    assert [line for line in lines if " | " in line]
    tables = [line for line in lines if CRON_FIELDS.match(line)]
    assert tables
    # cron takes a bare % for the end of the line.
    assert not [line for line in tables if re.search(r"(?<!\\)%", line)]


@pytest.mark.parametrize("name", PAGES)
def test_other_pages_that_are_named_exist(name: str) -> None:
    named = every(r"^\.BR (llmwrap\S* \(\d\))", plain(name))

    assert {re.sub(r" \((.)\)", r".\1", other) for other in named} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    file = tmp_path / name
    file.write_text(page(name), encoding="utf-8")

    done = subprocess.run(
        ["mandoc", "-Tlint", "-W", "warning", file],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_every_slash_command_stands_in_the_page_of_chat() -> None:
    listed = re.findall(r"^\.B /(\S+)", page("llmwrap-chat.1"), re.MULTILINE)

    assert listed == list(SLASH_COMMANDS)
