"""The README cannot lie: its programs run, its command lines parse, its tables hold."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from llmwrap.errors import LLMWrapError

from .asking import OLLAMA, address, chats
from .fakeserver import FakeServer, Silence, ollama_reply
from .readme import README, blocks
from .runner import ROOT, Home, Result, Runner
from .test_man import invocations, parse

SPECIFICATION = ROOT.parent / "shared" / "spec" / "enhanced-llm-wrapper.md"


def python_block(heading: str) -> str:
    (block,) = (one for one in blocks("python") if one.heading == heading)
    return block.text


def command_lines() -> list[str]:
    """Return every line a user would type, comments taken away."""
    return [
        line.strip()
        for block in blocks("sh", "crontab")
        for line in block.text.splitlines()
        if line.strip()
    ]


# Programs


def run_program(text: str, home: Home, server: FakeServer) -> Result:
    """Run a program in the home, where the server answers as Ollama."""
    (home.path / "program.py").write_text(text)
    (home.path / "llmwrap.toml").write_text(
        f'[backends.ollama]\nbase_url = "{server.url}"\n'
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=home.path,
        env={
            **home.environ,
            "OLLAMA_HOST": server.url,
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture
def llama() -> Iterator[FakeServer]:
    """Give a server that has the model of the examples."""
    with FakeServer(models=["llama3.2:latest"]) as running:
        yield running


def test_the_basic_setup_runs(home: Home, llama: FakeServer) -> None:
    result = run_program(python_block("Basic setup"), home, llama)

    assert result == Result(0, b"Response: Hello from the fake server.\n", "")
    (chat,) = chats(llama)
    assert chat.json["messages"] == [{"role": "user", "content": "Hello!"}]


def test_the_streaming_chat_runs(home: Home, llama: FakeServer) -> None:
    result = run_program(python_block("Streaming chat"), home, llama)

    assert result == Result(0, b"Hello from the fake server.", "")
    (chat,) = chats(llama)
    assert (chat.json["model"], chat.json["stream"]) == ("llama3.2", True)
    assert "Rust programming" in chat.json["messages"][-1]["content"]


def test_the_template_management_runs(home: Home, llama: FakeServer) -> None:
    result = run_program(python_block("Template management"), home, llama)

    assert result == Result(0, b"Hello from the fake server.\n", "")
    (chat,) = chats(llama)
    assert chat.json["messages"][-1]["content"] == (
        "Please review this Rust code:\n\n```Rust\nfn main() {}\n```\n\n"
        "Focus on:\n- safety"
    )


def test_the_template_of_the_readme_is_one(cli: Runner) -> None:
    (block,) = blocks("mustache")

    created = cli.run("template", "create", "word", stdin=block.text.encode())
    rendered = cli.run(
        "template", "render", "word", "templum", "--var", "language=Latin"
    )

    assert created.status == 0
    assert rendered.text == "What does this Latin word mean?\n\ntemplum\n"


def test_the_streaming_chat_shows_each_token_and_can_be_left(
    home: Home, llama: FakeServer
) -> None:
    text = python_block("Streaming chat")
    early = text.replace("if token.is_complete:", "if token.content:")
    assert early != text
    llama.script(OLLAMA.path, ollama_reply(["one", " two"])[:1], Silence())

    result = run_program(early, home, llama)

    assert (result.text, result.stderr) == ("one", "")
    assert chats(llama)[0].disconnected.wait(10)


def test_the_cache_management_runs(home: Home, llama: FakeServer) -> None:
    for _ in range(2):
        run_program(python_block("Basic setup"), home, llama)

    result = run_program(python_block("Cache management"), home, llama)
    again = run_program(python_block("Basic setup"), home, llama)

    assert result == Result(0, b"Hit ratio: 50.0%\n", "")
    assert again.text == "Response: Hello from the fake server.\n"
    assert len(chats(llama)) == 2


def test_the_structured_values_run(home: Home, llama: FakeServer) -> None:
    llama.answer = ['{"name": "Rex", "age": 3, "tags": []}']

    result = run_program(python_block("Structured values"), home, llama)

    assert result == Result(0, b"Rex\n", "")


def test_the_tests_of_your_own_run(home: Home, llama: FakeServer) -> None:
    text = python_block("Tests of your own")
    text += "\nimport os\ntest_the_summary(os.getcwd())\n"

    result = run_program(text, home, llama)

    assert result == Result(0, b"", "")
    assert not chats(llama)


def test_every_program_has_a_test() -> None:
    headings = [block.heading for block in blocks("python")]

    assert headings == [
        "Basic setup",
        "Streaming chat",
        "Structured values",
        "Template management",
        "Cache management",
        "Tests of your own",
    ]


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("Basic Setup", ["load", "chat", "Hello!", "Response: "]),
        (
            "Streaming Chat",
            [
                "chat_with_template",
                '"conversation"',
                "Rust programming",
                "llama3.2",
                "token",
                "content",
                "is_complete",
                "break",
            ],
        ),
        (
            "Template Management",
            [
                "Template",
                "code_review",
                "{{#each focus_areas}}",
                "Code review template",
                "development",
                "save_template",
            ],
        ),
        (
            "Cache Management",
            [
                "get_cache_stats()",
                "Hit ratio: ",
                "hit_ratio() * 100",
                'invalidate_cache_for_model("llama3.2")',
                "clear_cache()",
            ],
        ),
    ],
)
def test_the_examples_of_the_specification_have_their_twins(
    heading: str, words: list[str]
) -> None:
    twin = python_block(heading.capitalize())

    assert [word for word in words if word not in twin] == []
    if SPECIFICATION.exists():
        _, _, rest = SPECIFICATION.read_text("utf-8").partition(f"### {heading}\n")
        original = rest.partition("\n### ")[0]
        assert [word for word in words if word not in original] == []


# Command lines


def test_there_are_command_lines() -> None:
    assert len([line for line in command_lines() if "llmwrap" in line]) > 15


@pytest.mark.parametrize("line", command_lines())
def test_every_command_line_is_one_that_works(line: str) -> None:
    first, *others = shlex.split(line, comments=True)

    match first:
        case "make":
            makefile = (ROOT / "Makefile").read_text()
            assert re.search(rf"^{others[0]}:", makefile, re.MULTILINE)
        case "pip":
            assert others[0] == "install"
            assert others[1] in (".", ".[embedded]", ".[schema]")
        case _:
            found = list(invocations(line.partition(" #")[0]))
            assert found
            for argv in found:
                parse(argv)


@pytest.mark.parametrize("line", command_lines()[:3])
def test_the_first_examples_answer(
    cli: Runner, home: Home, server: FakeServer, line: str
) -> None:
    (argv,) = invocations(line)
    piped = b"diff" if " | llmwrap" in line else b""
    (home.path / "notes.md").write_text("All of it.")

    result = cli.run(*address(server), *argv, stdin=piped)

    assert (result.status, result.stderr) == (0, "")
    asked = chats(server)[0].json["messages"][-1]["content"]
    assert asked.endswith("diff") == bool(piped)


def test_the_crontab_line_leaves_a_file_and_no_mail(
    cli: Runner, home: Home, server: FakeServer
) -> None:
    (block,) = blocks("crontab")
    (argv,) = invocations(block.text.replace("$HOME", str(home.path)))

    result = cli.run(*address(server), *argv, stdin=b"log lines")

    assert (result.status, result.stdout, result.stderr) == (0, b"", "")
    assert (home.path / "errors.md").read_text() == "Hello from the fake server.\n"


# Words


def test_the_statuses_are_those_of_the_errors() -> None:
    rows = [line for line in README.splitlines() if re.match(r"\| \d", line)]
    numbers = {
        int(found)
        for found in re.findall(r"\| ([\d, ]+) \|", "\n".join(rows))
        if found.strip().isdigit()
    }
    known = {kind.exit_status for kind in LLMWrapError.__subclasses__()}

    assert numbers - {0, 1} <= known
    assert {*range(14), 124} == numbers


def test_files_that_are_named_exist() -> None:
    named = set(re.findall(r"`([A-Z]+\.md)`", README))

    assert named
    assert all(os.path.exists(ROOT / name) for name in named)
