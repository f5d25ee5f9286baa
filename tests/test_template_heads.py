"""Templates that bring a system prompt, a model, options, and which code is wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .asking import OLLAMA, body, chats, error, lines
from .fakeserver import FakeServer, json_reply
from .runner import Home, Runner

HEAD = """+++
system = "T"
model = "careful"
options = { temperature = 0, top_k = 2 }
extract = "last"
+++
Review {{input}}
"""


@pytest.fixture
def world(home: Home, server: FakeServer) -> Home:
    """Give a home with aliases, a project's templates, and a server."""
    server.answer = ["```\n", "a\n", "```\n", "```\n", "b\n", "```"]
    project = home.path / "project"
    project.mkdir()
    home.configure(
        '[defaults]\nmodel = "alpha:latest"\nsystem = "D"\n'
        "options = {top_k = 1, top_p = 0.5, seed = 1}\n"
        '[aliases.careful]\nmodel = "beta:7b"\nsystem = "A"\n'
        "options = {seed = 2, top_k = 9}\n"
        f'[templates]\ntemplate_dir = "{project}"\n'
        f'[backends.ollama]\nbase_url = "{server.url}"\n'
        f'[backends.far]\nbackend_type = "OpenAI"\nbase_url = "{server.url}/v1"\n'
    )
    return home


def mine(world: Home, text: str, name: str = "review") -> Path:
    """Keep a template of the user's own."""
    path = world.path / "config/llmwrap/templates" / f"{name}.mustache"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def projects(world: Home, head: str) -> Path:
    """Keep a template of the project."""
    path = world.path / "project/review.mustache"
    path.write_text(f"+++\n{head}\n+++\nReview\n")
    return path


def test_what_it_brings_lies_between_words_and_alias(
    cli: Runner, world: Home, server: FakeServer
) -> None:
    mine(world, HEAD)

    result = cli.run("-t", "review", "--seed", "3", "-n", "this")

    asked = body(server)
    assert asked["model"] == "beta:7b"
    assert asked["options"] == {
        "top_p": 0.5,
        "temperature": 0,
        "top_k": 2,
        "seed": 3,
    }
    assert [m["content"] for m in asked["messages"]] == ["T", "Review this"]
    assert result.text == "b\n"


def test_the_command_line_wins(cli: Runner, world: Home, server: FakeServer) -> None:
    mine(world, HEAD)
    words = ("-m", "alpha:latest", "-s", "S", "-o", "top_k=7", "--extract", "1")

    result = cli.run("-t", "review", *words, "-n", "this")

    asked = body(server)
    assert (asked["model"], asked["messages"][0]["content"]) == ("alpha:latest", "S")
    assert asked["options"] == {"top_p": 0.5, "seed": 1, "temperature": 0, "top_k": 7}
    assert result.text == "a\n"


def test_v_says_where_each_value_comes_from(cli: Runner, world: Home) -> None:
    mine(world, HEAD)

    said = lines(cli.run("-v", "-t", "review", "--seed", "3", "-n", "this"), "info")

    wanted = [
        "model 'careful' from template 'review'",
        "model 'beta:7b' from alias 'careful'",
        "system prompt from template 'review'",
        "option 'top_p' from [defaults]",
        "option 'temperature' from template 'review'",
        "option 'top_k' from template 'review'",
        "extract from template 'review'",
    ]
    assert sorted(line for line in said if " from " in line) == sorted(wanted)


def test_show_says_where_each_value_comes_from(cli: Runner, world: Home) -> None:
    mine(world, HEAD)

    table = cli.run("template", "show", "review").text
    document = json.loads(cli.run("template", "show", "review", "--json").stdout)

    (row,) = document["templates"]
    assert (row["system"], row["model"], row["extract"]) == ("T", "careful", "last")
    assert {one["key"]: one["origin"] for one in row["in_force"]} == {
        "model": "alias 'careful'",
        "system": "template 'review'",
        "options.top_k": "template 'review'",
        "options.top_p": "[defaults]",
        "options.seed": "alias 'careful'",
        "options.temperature": "template 'review'",
        "extract": "template 'review'",
    }
    assert "2 (template 'review')" in table


def test_ones_own_may_name_a_backend_and_a_file(
    cli: Runner, world: Home, server: FakeServer
) -> None:
    path = mine(world, '+++\nsystem = "@s.txt"\nmodel = "far/beta:7b"\n+++\nHello')
    (path.parent / "s.txt").write_text("From the file.\n")

    cli.run("-t", "review", "-n")

    (chat,) = chats(server)
    assert chat.path == "/v1/chat/completions"
    assert chat.json["messages"][0]["content"] == "From the file."


@pytest.mark.parametrize(
    "head",
    [
        'model = "beta:7b"',
        'model = "careful"',
        'options = {temperature = 0, max_tokens = 9, stop = "x"}',
        'system = "T"\nextract = "all"',
    ],
)
def test_a_project_may_bring_what_decides_nothing(
    cli: Runner, world: Home, server: FakeServer, head: str
) -> None:
    projects(world, head)

    result = cli.run("-t", "review", "-n")

    (chat,) = chats(server)
    assert (result.status, chat.path) == (0, OLLAMA.path)


@pytest.mark.parametrize(
    ("head", "key"),
    [
        ('model = "far/beta:7b"', "model"),
        ('model = "/tmp/x.gguf"', "model"),
        ('model = "x.GGUF"', "model"),
        ('model = "./alpha"', "model"),
        ('model = "embedded/x"', "model"),
        ('model = "gamma"', "model"),
        ('model = "big:cloud"', "model"),
        ('model = "mine"', "model"),
        ('system = "@/etc/passwd"', "system"),
        ("options = {num_ctx = 9}", "options.num_ctx"),
        ("options = {temperature = 0, keep_alive = -1}", "options.keep_alive"),
        ("options = {base_url = 'http://x'}", "options.base_url"),
    ],
)
def test_a_project_never_decides_where_a_prompt_goes(
    cli: Runner, world: Home, server: FakeServer, head: str, key: str
) -> None:
    path = projects(world, head)
    models = [
        {"name": "alpha:latest"},
        {"name": "big:cloud"},
        {"name": "mine:latest", "remote_host": "https://ollama.com"},
    ]
    server.script("/api/tags", json_reply({"models": models}))

    result = cli.run("-t", "review", "-n", "--no-cache")

    assert (result.status, chats(server)) == (3, [])
    assert f"'{path}': bad value" in error(result)
    assert f"for '{key}'" in error(result)


@pytest.mark.parametrize("model", ["far/beta:7b", "/tmp/x.gguf", "gamma"])
def test_m_on_the_command_line_frees_the_model(
    cli: Runner, world: Home, server: FakeServer, model: str
) -> None:
    projects(world, f'model = "{model}"')

    result = cli.run("-t", "review", "-n", "-m", "alpha:latest")

    assert (result.status, body(server)["model"]) == (0, "alpha:latest")


def test_a_built_in_name_in_a_project_is_the_projects(
    cli: Runner, world: Home, server: FakeServer
) -> None:
    mine(world, HEAD)
    projects(world, 'model = "far/beta:7b"')

    assert cli.run("-t", "review", "-n").status == 3


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ('schema = "../x.json"', "it has to lie beside the template"),
        ('extract = "0"', "'extract': '0' is no block of code"),
        ("options = 1", "bad value 1 for 'options'"),
        ("options = {a = 1979-05-27}", "for 'options.a'"),
        ("model = 1", "for 'model'"),
        ('model = ""', "for 'model'"),
        ("system = 1", "for 'system'"),
        ('sytem = "x"', "did you mean 'system'?"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(
    cli: Runner, world: Home, server: FakeServer, head: str, why: str
) -> None:
    path = mine(world, f"+++\n{head}\n+++\nHello")

    for argv in (["-t", "review", "-n"], ["template", "validate", "review"]):
        result = cli.run(*argv)

        assert (result.status, server.requests) == (3, [])
        assert str(path) in error(result)
        assert why in error(result)


@pytest.mark.parametrize("place", ["own", "project"])
@pytest.mark.parametrize("given", ["name, age int", "person.json"])
def test_a_schema_is_what_the_answer_must_be(
    cli: Runner, world: Home, server: FakeServer, place: str, given: str
) -> None:
    server.answer = ['{"name": "A", "age": 1}']
    head = f'schema = "{given}"'
    is_own = place == "own"
    text = f"+++\n{head}\n+++\nHello"
    path = mine(world, text) if is_own else projects(world, head)
    fields = {"name": {"type": "string"}, "age": {"type": "integer"}}
    schema = {"type": "object", "properties": fields, "required": ["name", "age"]}
    (path.parent / "person.json").write_text(json.dumps(schema))

    result = cli.run("-t", "review", "-n")
    server.answer = ["no JSON"]
    bad = cli.run("-t", "review", "-n", "--refresh", "--schema-retries", "0")
    code = cli.run("-t", "review", "-n", "-x")

    assert (result.status, json.loads(result.text)) == (0, {"name": "A", "age": 1})
    assert (bad.status, bad.stdout) == (7, b"")
    # -x goes before what the template says.
    assert (code.status, "block of code" in error(code)) == (7, True)


# Saving


def test_a_command_line_becomes_a_template(
    cli: Runner, world: Home, server: FakeServer
) -> None:
    argv = ("-m", "careful", "-s", "S", "-o", "top_k=3", "--temperature", "0", "-x")

    saved = cli.run("--save", "again", *argv, "Review", "{{this}} and {{#that}}")
    cli.run("-t", "again", stdin=b"lines\n")

    asked = body(server)
    assert (saved.status, saved.stdout) == (0, b"")
    assert len(chats(server)) == 1
    assert asked["messages"][0]["content"] == "S"
    assert asked["messages"][1]["content"] == ("Review {{this}} and {{#that}}\n\nlines")
    assert (asked["model"], asked["options"]["top_k"]) == ("beta:7b", 3)
    assert (world.path / "project/again.mustache").exists()


def test_what_belongs_to_one_run_is_left_out(
    cli: Runner, world: Home, server: FakeServer
) -> None:
    argv = ("-f", "notes", "--base-url", server.url, "Sum up")

    result = cli.run("--save", "again", *argv, stdin=b"x")

    wrote = f"wrote '{world.path / 'project/again.mustache'}'"
    left = "left out of the template: files, its address, stdin"
    assert lines(result, "note") == [left, wrote]
    assert "notes" not in (world.path / "project/again.mustache").read_text()
    assert server.requests == []


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (("--save", "review", "x"), 2),
        (("--save", "no/name", "x"), 3),
        (("--save", "new", "-t", "review"), 2),
        (("--save", "new", "-m", "far/beta:7b", "-o", "num_ctx=1", "x"), 3),
    ],
)
def test_what_cannot_be_saved_is_not(
    cli: Runner, world: Home, argv: tuple[str, ...], status: int
) -> None:
    path = projects(world, 'description = "there"')

    assert cli.run(*argv).status == status
    assert list(path.parent.iterdir()) == [path]


def test_a_pattern_of_fabric_is_brought_in_as_a_system_prompt(
    cli: Runner, world: Home, server: FakeServer
) -> None:
    pattern = world.path / "extract_wisdom"
    pattern.mkdir()
    (pattern / "system.md").write_text('# IDENTITY\n\nYou "see" {{things}}.\n')

    cli.run("template", "import", str(pattern / "system.md"))
    cli.run("-t", "extract_wisdom", stdin=b"a text\n")

    contents = [one["content"] for one in body(server)["messages"]]
    assert contents == ['# IDENTITY\n\nYou "see" {{things}}.', "a text"]
