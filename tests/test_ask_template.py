"""`ask -t`, and `chat-template`: a template becomes the prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .asking import address, ask, body, chats, error, lines, prompt
from .fakeserver import FakeServer
from .runner import Home, Result, Runner

ALICE = '{"name": "Alice"}'


@pytest.fixture(autouse=True)
def templates(home: Home) -> None:
    """Give templates that use their input, and that do not."""
    directory = home.path / "config" / "llmwrap" / "templates"
    directory.mkdir(parents=True)
    (directory / "using.mustache").write_text("Sum up:\n\n{{input}}\n")
    (directory / "ending.mustache").write_text("Be brief.\n\n")
    (directory / "typed.mustache").write_text(
        "+++\n[variables.n]\ntype = 'integer'\n[variables.l]\ntype = 'list'\n"
        "required = false\n+++\n{{n}}{{#l}}-{{.}}{{/l}}"
    )
    (directory / "optional.mustache").write_text(
        "+++\n[variables.input]\nrequired = false\n+++\n"
        "Hi{{#input}} {{input}}{{/input}}"
    )


def test_the_command_of_the_specification_asks_with_a_template(
    cli: Runner, server: FakeServer
) -> None:
    argv = ["enhanced", "chat-template", "greeting", "--vars", ALICE]

    result = ask(cli, server, *argv)

    assert (result.status, result.stderr) == (0, "")
    assert result.text == "Hello from the fake server.\n"
    assert prompt(server) == "Hello Alice!"


def test_the_specifications_variables_are_all_taken(
    cli: Runner, server: FakeServer
) -> None:
    variables = """{
  "name": "Alice",
  "urgent": true,
  "message": "Please review the code",
  "tasks": ["Review PR", "Run tests", "Deploy"]
}"""

    ask(cli, server, "enhanced", "chat-template", "greeting", "--vars", variables)

    assert prompt(server) == (
        "Hello Alice!\n\n🚨 This is urgent: Please review the code\n\n"
        "- [ ] Review PR\n- [ ] Run tests\n- [ ] Deploy"
    )


def test_the_specifications_file_works_where_it_lies(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    home.configure('[templates]\ntemplate_dir = "templates"\n')
    (home.config_file.parent / "templates" / "greeting.hbs").write_text(
        "Hello {{name}}! \n\n{{#if urgent}}\n🚨 {{message}}\n{{else}}\n"
        "📝 Message: {{message}}\n{{/if}}\n\n"
        "{{#each tasks}}\n- [ ] {{this}}\n{{/each}}\n"
    )

    ask(cli, server, "chat-template", "greeting", "--vars", ALICE)

    assert prompt(server) == "Hello Alice! \n\n📝 Message:"


@pytest.mark.parametrize(
    ("argv", "stdin", "expected"),
    [
        (["-t", "using", "the", "words"], b"", "Sum up:\n\nthe words"),
        (["-t", "using"], b"piped\n", "Sum up:\n\npiped"),
        (["-t", "using", "words"], b"piped\n", "Sum up:\n\nwords\n\npiped"),
        (["-t", "using", "-"], b"piped", "Sum up:\n\npiped"),
        (["-t", "using", "-n", "words"], b"piped", "Sum up:\n\nwords"),
        (["-t", "using", "--var", "input=given"], b"piped", "Sum up:\n\ngiven"),
        (["-t", "ending"], b"", "Be brief."),
        (["-t", "ending", "words"], b"piped", "Be brief.\n\nwords\n\npiped"),
        (["-t", "optional"], b"", "Hi"),
        (["-t", "optional", "you"], b"", "Hi you"),
        (["chat-template", "using", "words"], b"", "Sum up:\n\nwords"),
        (["chat-template", "-t", "using", "words"], b"", "Sum up:\n\nwords"),
    ],
)
def test_the_prompt_and_stdin_are_the_input_or_follow(
    cli: Runner,
    server: FakeServer,
    argv: list[str],
    stdin: bytes,
    expected: str,
) -> None:
    result = ask(cli, server, *argv, stdin=stdin)

    assert (result.status, result.stderr) == (0, "")
    assert prompt(server) == expected


def test_a_file_is_part_of_the_input(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    (home.path / "a.txt").write_text("text\n")

    ask(cli, server, "-t", "using", "-f", "a.txt")

    assert prompt(server) == "Sum up:\n\na.txt:\n```\ntext\n```"


def test_a_diff_is_piped_into_a_built_in_template(
    cli: Runner, server: FakeServer
) -> None:
    ask(cli, server, "-t", "commit_message", stdin=b"diff --git a/x b/x\n")

    assert prompt(server).endswith("<diff>\ndiff --git a/x b/x\n</diff>")


@pytest.mark.parametrize(
    ("argv", "stdin"),
    [
        (["--var", "n=3", "--var", "l=a", "--var", "l=b"], b""),
        (["--vars", '{"n": 3, "l": ["a", "b"]}'], b""),
        (["--var", "n:=3", "--var", 'l:=["a", "b"]'], b""),
        (["--vars", "@vars.json"], b""),
        (["--vars", "-"], b'{"n": 3, "l": ["a", "b"]}'),
        (["--vars", '{"n": 1, "l": ["a", "b"]}', "--var", "n=3"], b""),
        (["--vars", '{"n": 1}', "--vars", '{"n": 3, "l": ["a", "b"]}'], b""),
    ],
)
def test_variables_come_in_many_ways(
    cli: Runner, server: FakeServer, home: Home, argv: list[str], stdin: bytes
) -> None:
    (home.path / "vars.json").write_text('{"n": 3, "l": ["a", "b"]}')

    result = ask(cli, server, "-t", "typed", *argv, stdin=stdin)

    assert (result.status, result.stderr) == (0, "")
    assert prompt(server) == "3-a-b"


@pytest.mark.parametrize(
    ("argv", "status", "problem"),
    [
        (["-t", "greetin"], 3, "there is no template 'greetin'; did you mean"),
        (["-t", "greeting"], 3, "line 25: missing variable 'name'; known are message"),
        (
            ["-t", "greeting", "--vars", '{"name": "x", "nmae": 1}'],
            3,
            "template 'greeting' knows no variable 'nmae'; did you mean 'name'?",
        ),
        (["-t", "typed", "--var", "n=x"], 3, "the value of 'n' is 'x', an integer"),
        (["-t", "typed", "--vars", '{"n": "3"}'], 3, "variable 'n' is '3', an integer"),
        (["-t", "typed", "--vars", "{n: 3}"], 3, "--vars is no JSON: expecting"),
        (["-t", "typed", "--vars", "@none.json"], 3, "cannot read 'none.json'"),
        (["-t", "typed", "--vars", "[1]"], 3, "--vars is no JSON object"),
        (["-t", "using"], 3, "template 'using' wants an input; give a prompt, or pipe"),
        (["-t", "using", "--var", "input=a", "b"], 2, "the input is given twice"),
        (["-t", "typed", "--var", "n"], 2, "--var: 'n' is not NAME=VALUE"),
        (["--vars", "{}", "hi"], 2, "variables are given and no template"),
        (["--lax", "hi"], 2, "variables are given and no template"),
        (["chat-template"], 2, "which template?"),
        (["-t", "../x"], 3, "'../x' is no name of a template"),
    ],
)
def test_what_cannot_be_rendered_is_said_and_nobody_asked(
    cli: Runner, server: FakeServer, argv: list[str], status: int, problem: str
) -> None:
    result = ask(cli, server, *argv)

    assert (result.status, result.stdout) == (status, b"")
    assert problem in error(result)
    assert chats(server) == []


def test_a_template_that_makes_nothing_asks_nothing(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    directory = home.path / "config" / "llmwrap" / "templates"
    (directory / "empty.mustache").write_text("{{! nothing }}\n\n")

    result = ask(cli, server, "-t", "empty")

    assert (result.status, chats(server)) == (2, [])


def test_two_that_want_stdin_are_status_2(cli: Runner, server: FakeServer) -> None:
    result = ask(cli, server, "-t", "using", "--vars", "-", "-", stdin=b"{}")

    assert (result.status, chats(server)) == (2, [])
    assert error(result) == "stdin is wanted twice; it can be read only once"


def test_lax_asks_with_what_there_is(cli: Runner, server: FakeServer) -> None:
    argv = ["-t", "greeting", "--lax", "--var", "no=1", "--var", "message=m"]

    result = ask(cli, server, *argv)

    assert result.status == 0
    assert prompt(server) == "Hello !\n\n📝 Message: m"


def test_a_bound_is_status_9_and_nobody_asked(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    directory = home.path / "config" / "llmwrap" / "templates"
    (directory / "bomb.mustache").write_text("{{> bomb}}")

    result = ask(cli, server, "-t", "bomb", "--json")

    assert result.status == json.loads(result.stdout)["error"]["exit_status"] == 9
    assert chats(server) == []


def test_the_system_prompt_and_options_stay_what_they_are(
    cli: Runner, server: FakeServer
) -> None:
    ask(cli, server, "-t", "ending", "-s", "Be kind", "--seed", "7")

    sent: Any = body(server)
    assert sent["messages"][0] == {"role": "system", "content": "Be kind"}
    assert sent["options"]["seed"] == 7


def test_a_dry_run_shows_the_prompt_that_was_rendered(
    cli: Runner, server: FakeServer
) -> None:
    argv = ["-t", "using", "--dry-run", "words"]

    result: Result = cli.run(*address(server), *argv)

    sent = json.loads(result.stdout)["body"]["messages"]
    assert sent == [{"role": "user", "content": "Sum up:\n\nwords"}]
    assert lines(result, "error") == []
