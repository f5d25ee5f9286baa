"""`template` lists, shows, renders and keeps templates, and says what fails."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from .asking import error, lines
from .runner import Home, Result, Runner

GREETING = """Hello {{name}}!
{{#if urgent}}
Now: {{message}}
{{else}}
Message: {{message}}
{{/if}}
"""


def template(cli: Runner, *argv: str, **options: Any) -> Result:
    return cli.run("template", *argv, **options)


def rows(result: Result) -> list[dict[str, Any]]:
    document = json.loads(result.stdout)
    assert document["version"] == 1
    found: list[dict[str, Any]] = document["templates"]
    return found


def put(home: Home, name: str, text: str) -> Path:
    directory = home.path / "config" / "llmwrap" / "templates"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


# list


def test_the_built_in_templates_are_listed(cli: Runner) -> None:
    result = template(cli)

    assert (result.status, result.stderr) == (0, "")
    heading, *others = [line.split() for line in result.text.splitlines()]
    assert heading == ["NAME", "PLACE", "VARIABLES", "DESCRIPTION"]
    greeting = ["greeting", "built-in", "name", "[message]", "[urgent]", "[tasks]"]
    assert greeting in [line[:6] for line in others]


def test_they_are_listed_as_json(cli: Runner, home: Home) -> None:
    put(home, "mine.mustache", '+++\ntags = ["x"]\n+++\n{{a}}')

    found = rows(template(cli, "list", "--json"))

    (mine,) = (row for row in found if row["name"] == "mine")
    assert mine["place"] == "user"
    assert mine["tags"] == ["x"]
    assert mine["variables"] == [
        {
            "name": "a",
            "type": "any",
            "required": True,
            "default": None,
            "description": "",
        }
    ]


def test_one_that_is_broken_is_a_warning(cli: Runner, home: Home) -> None:
    put(home, "broken.mustache", "{{#a}}")

    result = template(cli, "list")

    assert result.status == 0
    assert lines(result, "warning") == [
        "template 'broken', line 1: section 'a' is never closed; {{/a}} closes it"
    ]


def test_the_names_alone_are_listed_for_completion(cli: Runner, home: Home) -> None:
    put(home, "broken.mustache", "{{#a}}")
    put(home, "old.hbs", "x")
    put(home, "no template.mustache", "x")
    put(home, "README", "x")

    names = cli.run("__complete", "fish", "llmwrap", "-b", "x", "-t", "").text.split()

    assert {"broken", "old", "greeting"} < set(names)
    assert not {"no", "README", "no template"} & set(names)


def test_the_project_comes_first(cli: Runner, home: Home) -> None:
    home.configure('[templates]\ntemplate_dir = "prompts"\n')
    project = home.config_file.parent / "prompts"
    project.mkdir()
    (project / "greeting.mustache").write_text("Hi")
    put(home, "greeting.mustache", "Hello")

    assert template(cli, "render", "greeting").text == "Hi\n"
    (project / "greeting.mustache").unlink()
    assert template(cli, "render", "greeting").text == "Hello\n"


# show


def test_a_template_is_shown_with_its_variables(cli: Runner, home: Home) -> None:
    put(
        home,
        "mine.mustache",
        '+++\ndescription = "Say it"\n[variables.n]\ntype = "integer"\ndefault = 3\n'
        "+++\n{{n}} {{what}}\n",
    )

    result = template(cli, "show", "mine")

    assert (result.status, result.stderr) == (0, "")
    words = [line.split() for line in result.text.splitlines()]
    assert ["description", "Say", "it"] in words
    assert ["n", "integer", "no", "3", "-"] in words
    assert ["what", "any", "yes", "-", "-"] in words
    assert result.text.endswith("\n\n{{n}} {{what}}\n")


def test_it_is_shown_as_json(cli: Runner) -> None:
    (row,) = rows(template(cli, "show", "greeting", "--json"))

    assert row["content"].startswith("Hello {{name}}!\n")
    assert set(row) == {
        "name",
        "place",
        "path",
        "description",
        "variables",
        "created_at",
        "parent_template",
        "tags",
        "usage_examples",
        "handlebars",
        "system",
        "model",
        "options",
        "extract",
        "schema",
        "in_force",
        "content",
    }


def test_showing_validates(cli: Runner, home: Home) -> None:
    put(home, "mine.mustache", "{{> none}}")

    result = template(cli, "show", "mine")

    assert (result.status, result.stdout) == (3, b"")
    assert error(result) == (
        "template 'mine' includes 'none', and there is no such template"
    )


def test_what_a_template_says_does_not_drive_the_terminal(
    cli: Runner, home: Home
) -> None:
    put(home, "mine.mustache", '+++\ndescription = "\\u001b[2J"\n+++\n\x1b]0;x\x07')

    shown = template(cli, "show", "mine", tty={"stdout"})
    rendered = template(cli, "render", "mine", tty={"stdout"})

    assert b"\x1b" not in shown.stdout + rendered.stdout


# render


def test_rendering_prints_the_prompt_and_asks_nobody(cli: Runner) -> None:
    result = template(
        cli,
        "render",
        "greeting",
        "--vars",
        '{"name": "Alice", "urgent": true, "message": "m"}',
        "--var",
        "tasks=one",
        "--var",
        "tasks=two",
    )

    assert result == Result(
        0,
        "Hello Alice!\n\n🚨 This is urgent: m\n\n- [ ] one\n- [ ] two\n".encode(),
        "",
    )


def test_the_words_behind_the_name_and_stdin_are_the_input(cli: Runner) -> None:
    put(cli.home, "mine.mustache", "<{{input}}>")

    piped = template(cli, "render", "mine", "what", "is", stdin=b"it\n")
    unread = template(cli, "render", "mine", "-n", "what", stdin=b"it\n")
    alone = template(cli, "render", "mine", "-", stdin=b"it\n")

    assert piped.text == "<what is\n\nit>\n"
    assert unread.text == "<what>\n"
    assert alone.text == "<it>\n"


def test_it_is_rendered_as_json(cli: Runner) -> None:
    put(cli.home, "mine.mustache", "a\n")

    found = rows(template(cli, "render", "mine", "--json"))

    assert found == [{"name": "mine", "text": "a\n"}]


# create, import


def test_the_command_of_the_specification_creates_a_template(
    cli: Runner, home: Home
) -> None:
    (home.path / "greeting.hbs").write_text(GREETING)

    result = cli.run("enhanced", "template", "create", "greeting", "greeting.hbs")

    path = home.path / "config" / "llmwrap" / "templates" / "greeting.mustache"
    assert (result.status, result.stdout) == (0, b"")
    assert lines(result, "note") == [f"wrote '{path}'"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = template(cli, "render", "greeting", "--vars", '{"name": "Al"}').text
    assert text == "Hello Al!\nMessage: \n"


def test_files_are_imported_under_their_names(cli: Runner, home: Home) -> None:
    (home.path / "one.hbs").write_text("{{#each l}}{{this}}{{/each}}")
    (home.path / "two.mustache").write_text("{{> one}}")

    result = template(cli, "import", "one.hbs", "two.mustache", "--json")

    assert [row["name"] for row in rows(result)] == ["one", "two"]
    assert template(cli, "render", "two", "--var", "l:=[1, 2]").text == "12\n"


def test_what_is_piped_in_is_created(cli: Runner) -> None:
    result = template(cli, "create", "mine", stdin=b"Hi {{name}}")

    assert result.status == 0
    assert template(cli, "render", "mine", "--var", "name=Al").text == "Hi Al\n"


def test_nothing_piped_in_makes_no_template(cli: Runner) -> None:
    result = template(cli, "create", "mine")

    assert result.status == 2
    assert error(result) == (
        "nothing is piped in to make template 'mine' of; name a file behind it"
    )
    assert template(cli, "show", "mine").status == 3


def test_what_exists_is_status_2_without_force(cli: Runner, home: Home) -> None:
    path = put(home, "mine.mustache", "old")

    kept = template(cli, "create", "mine", stdin=b"new")
    assert (kept.status, path.read_text()) == (2, "old")
    replaced = template(cli, "create", "mine", "--force", stdin=b"new")

    assert (replaced.status, path.read_text()) == (0, "new")


def test_what_has_no_equal_is_refused_and_nothing_written(
    cli: Runner, home: Home
) -> None:
    (home.path / "x.hbs").write_text("a\n{{#each l}}{{@index}}{{/each}}")

    result = template(cli, "import", "x.hbs")

    assert result.status == 3
    assert error(result) == (
        "template 'x', line 2: '{{@index}}' asks for '@index', which Mustache does not"
        " know; put it into each item of the data"
    )
    assert template(cli, "show", "x").status == 3


@pytest.mark.parametrize(
    "argv",
    [
        ["show"],
        ["show", "a", "b"],
        ["render"],
        ["create"],
        ["create", "a", "b", "c"],
        ["import"],
        ["edit"],
        ["delete", ""],
        ["list", "greeting"],
        ["draw"],
        ["render", "greeting", "--var", "name"],
    ],
)
def test_a_command_line_that_cannot_be_meant_is_status_2(
    cli: Runner, argv: list[str]
) -> None:
    result = template(cli, *argv)

    assert (result.status, result.stdout) == (2, b"")


def test_a_file_that_cannot_be_read_is_status_3(cli: Runner) -> None:
    result = template(cli, "create", "mine", "none.mustache")

    assert result.status == 3
    assert error(result).startswith("cannot read 'none.mustache'")


# delete, validate


def test_a_template_of_ones_own_is_deleted(cli: Runner, home: Home) -> None:
    path = put(home, "mine.mustache", "x")

    result = template(cli, "delete", "mine")

    assert (result.status, path.exists()) == (0, False)
    assert lines(result, "note") == [f"deleted '{path}'"]


def test_deleting_a_built_in_one_is_refused(cli: Runner) -> None:
    result = template(cli, "delete", "greeting")

    assert result.status == 2
    assert error(result).startswith("template 'greeting' is built in")


def test_all_templates_are_validated(cli: Runner, home: Home) -> None:
    good = template(cli, "validate")
    put(home, "a.mustache", "{{#a}}")
    put(home, "b.mustache", "{{> none}}")

    bad = template(cli, "validate")
    one = template(cli, "validate", "a")

    assert good.status == 0
    assert bad.status == one.status == 3
    assert len(lines(bad, "warning")) == 2
    assert error(bad).startswith("2 of ")
    assert "section 'a' is never closed" in error(one)


def test_validation_is_one_json_object_whatever_it_finds(
    cli: Runner, home: Home
) -> None:
    put(home, "a.mustache", "{{#a}}")

    result = template(cli, "validate", "a", "greeting", "--json")

    assert result.status == 3
    bad, good = rows(result)
    assert (good["name"], good["problem"]) == ("greeting", None)
    assert "never closed" in bad["problem"]


def test_an_error_is_json_too_when_json_is_wanted(cli: Runner) -> None:
    result = template(cli, "show", "none", "--json")

    document = json.loads(result.stdout)
    assert (result.status, document["error"]["exit_status"]) == (3, 3)


# edit


def editor(home: Home, text: str, status: int = 0) -> dict[str, str | None]:
    """Return an environment whose editor writes a text over what it is given."""
    program = home.path / "my editor"
    program.write_text(f"#!/bin/sh\ncat >\"$1\" <<'END'\n{text}\nEND\nexit {status}\n")
    program.chmod(0o755)
    return {"EDITOR": f'"{program}"', "VISUAL": None}


def test_a_built_in_template_is_edited_as_a_copy(cli: Runner, home: Home) -> None:
    result = template(
        cli, "edit", "greeting", environ=editor(home, "Hi {{name}}"), tty=True
    )

    assert result.status == 0
    assert template(cli, "render", "greeting", "--var", "name=Al").text == "Hi Al\n"


def test_an_edit_that_is_not_valid_is_kept_and_gone_on_with(
    cli: Runner, home: Home
) -> None:
    path = put(home, "mine.mustache", "old")

    broken = template(cli, "edit", "mine", environ=editor(home, "{{#a}}new"))
    assert (broken.status, path.read_text()) == (3, "old")
    assert "your text is kept" in error(broken)
    seen = home.path / "seen"
    environ = {"EDITOR": f'cp "$1" {seen}; echo mended >"$1"; true'}
    mended = template(cli, "edit", "mine", environ=environ)

    assert seen.read_text() == "{{#a}}new\n"
    assert (mended.status, path.read_text()) == (0, "mended\n")
    assert os.listdir(path.parent) == ["mine.mustache"]


def test_a_text_that_was_kept_outlives_an_editor_that_fails(
    cli: Runner, home: Home
) -> None:
    put(home, "mine.mustache", "old")
    template(cli, "edit", "mine", environ=editor(home, "{{#a}}new"))

    template(cli, "edit", "mine", environ={"EDITOR": "false"})
    seen = home.path / "seen"
    template(cli, "edit", "mine", environ={"EDITOR": f'cp "$1" {seen}; false'})

    assert seen.read_text() == "{{#a}}new\n"


def test_one_that_is_broken_can_be_edited(cli: Runner, home: Home) -> None:
    path = put(home, "mine.mustache", "+++\nbroken")

    result = template(cli, "edit", "mine", environ=editor(home, "fine"))

    assert (result.status, path.read_text()) == (0, "fine\n")


def test_an_edit_that_changes_nothing_writes_nothing(cli: Runner, home: Home) -> None:
    result = template(cli, "edit", "greeting", environ={"EDITOR": "true"})

    assert lines(result, "note") == ["nothing was changed"]
    assert not list((home.path / "config" / "llmwrap" / "templates").iterdir())


def test_an_editor_that_fails_changes_nothing(cli: Runner, home: Home) -> None:
    path = put(home, "mine.mustache", "old")

    failed = template(cli, "edit", "mine", environ=editor(home, "new", status=3))
    missing = template(cli, "edit", "mine", environ={"EDITOR": "no-such-editor"})

    assert (failed.status, missing.status) == (3, 3)
    assert "ended with status 3" in error(failed)
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["mine.mustache"]


def test_visual_goes_before_editor(cli: Runner, home: Home) -> None:
    environ = {**editor(home, "mine"), "VISUAL": "true"}

    result = template(cli, "edit", "greeting", environ=environ)

    assert lines(result, "note") == ["nothing was changed"]


def test_a_new_template_begins_in_the_editor(cli: Runner, home: Home) -> None:
    environ = {"EDITOR": "sed -i s/^{{input}}/New:{{input}}/"}

    result = template(cli, "create", "mine", environ=environ, tty=True)

    assert result.status == 0
    assert template(cli, "render", "mine", "-n", "x").text == "New:x\n"


# Hostile


HOSTILE: dict[str, tuple[str, str, int]] = {
    "a recursion": ("{{> mine}}", "{}", 9),
    "a recursion that doubles": ("{{> mine}}{{> mine}}", "{}", 9),
    "a recursion with an indent": ("x\n  {{> mine}}\n", "{}", 9),
    "a recursion in a section": ("{{#a}}{{> mine}}{{/a}}", '{"a": [1, 2]}', 9),
    "a million items": ("{{#a}}{{.}}{{/a}}", '{"a": [%s1]}' % ("1," * 999_999), 9),
    "100 MB": ("{{#a}}%s{{/a}}" % ("x" * 100_000), '{"a": [%s1]}' % ("1," * 999), 9),
    "100 MB of variables": ("{{a}}" * 1000, '{"a": "%s"}' % ("x" * 100_000), 9),
    "sections in sections": (
        "{{#a}}" * 7 + "x" + "{{/a}}" * 7,
        '{"a": [1,2,3,4,5,6,7,8,9,0]}',
        9,
    ),
    "a thousand sections deep": ("{{#a}}" * 1000 + "{{/a}}" * 1000, '{"a": 1}', 9),
    "a file too large": ("x" * 300_000, "{}", 9),
    "braces without end": ("{{" * 100_000, "{}", 3),
    "blanks without end": ("{{a" + " " * 200_000, "{}", 3),
    "attributes": ("{{a.__class__}}{{a.__init__.__globals__}}", '{"a": "x"}', 3),
    "a file elsewhere": ("{{> ../../../etc/passwd}}", "{}", 3),
    "an absolute file": ("{{> /etc/passwd}}", "{}", 3),
    "a name in the data": ("{{> *a}}", '{"a": "greeting"}', 3),
    "a head too large": (
        "+++\n" + ".".join("a" * 100_000) + " = 1\n+++\n",
        "{}",
        9,
    ),
    "a head of dots": ("+++\n" + ".".join("a" * 4_000) + " = 1\n+++\n", "{}", 3),
    "json that nests": ("{{a}}", "[" * 100_000, 9),
    "parents without end": ('+++\nparent_template = "mine"\n+++\n', "{}", 9),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_template_ends_in_time_with_one_line(
    what: str, cli: Runner, home: Home
) -> None:
    text, variables, status = HOSTILE[what]
    put(home, "mine.mustache", text)
    (home.path / "vars.json").write_text(variables)

    # Memory is bounded from outside: a quarter of a gigabyte of addresses.
    limited = cli.start(
        "template",
        "render",
        "mine",
        "-n",
        "--vars",
        "@vars.json",
        through=["sh", "-c", 'ulimit -v 500000; exec "$@"', "sh"],
    )
    with limited as process:
        stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout) == (status, b"")
    assert len(stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "{{name}}",
        "{{> greeting}}",
        "{{#name}}x{{/name}}",
        "{{=<% %>=}}<%name%>",
        "{{{@content}}}",
        "{{@root.name}}",
    ],
)
def test_a_hostile_text_is_a_text(text: str, cli: Runner, home: Home) -> None:
    put(home, "mine.mustache", "[{{input}}][{{name}}]")
    put(home, "old.hbs", "{{#if input}}[{{input}}]{{/if}}[{{name}}]")

    for name in ("mine", "old"):
        result = template(
            cli, "render", name, "--var", f"name={text}", stdin=text.encode()
        )
        assert result.text == f"[{text}][{text}]\n"


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/b", ".", "a.b", "x" * 65, "é"]
)
def test_a_hostile_name_is_status_3(name: str, cli: Runner) -> None:
    for argv in (["show"], ["render"], ["edit"], ["delete"], ["create"]):
        result = template(cli, *argv, name, stdin=b"x")
        assert result.status == 3
        assert "is no name of a template" in error(result)


def test_editing_what_is_not_there_says_how_one_begins(cli: Runner) -> None:
    result = cli.run("template", "edit", "nosuchthing")

    assert result.status == 3
    assert "'llmwrap template create nosuchthing' begins one" in error(result)


def test_a_block_of_inheritance_is_told_as_one(cli: Runner, home: Home) -> None:
    put(home, "a.mustache", "a {{$block}} b {{/block}}")

    assert "templates inherit no blocks" in error(cli.run("template", "validate", "a"))
