"""No command lets a name, an error or a file drive the terminal it prints on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwrap.cli.words import BUILT

from .drawing import Blank
from .fakeserver import (
    FakeServer,
    Usage,
    json_error,
    json_reply,
    ollama_reply,
    whole_reply,
)
from .runner import Home, Result, Runner, one_place

EVIL = "x\x1b[8m\x1b]0;t\x07\x9b8m\x90q\x9c\x7f\r\b\u202e\u2066\u200b\u2028y"
"""Everything at once: C0, DEL, C1, what reorders text and what hides it."""

NAMED = "e\x1b[8m\x9b8m\x7f\u202ey"  # as a file may be

COMMANDS = [
    "batch EVIL -O out.jsonl",
    "ask hi",
    "ask --raw hi",
    "ask --plain hi",
    "ask --dry-run hi",
    "ask --format json hi",
    "ask --format events hi",
    "ask -v --refresh hi",
    "ask -vv --think hi",
    "ask -m EVIL hi",
    "ask -b EVIL hi",
    "ask -t EVIL hi",
    "ask -t bad hi",
    "ask -t good hi",
    "ask -f EVIL hi",
    "ask -i EVIL hi",
    "ask -s @EVIL hi",
    "ask -O EVIL/EVIL hi",
    "ask -O /dev/null -v hi",
    "ask -o EVIL hi",
    "ask --vars EVIL hi",
    "ask --var EVIL=1 -t good hi",
    "ask --conversation EVIL hi",
    "ask --format EVIL hi",
    "ask --timeout EVIL hi",
    "ask --base-url EVIL hi",
    "ask --config EVIL hi",
    "ask --lock EVIL hi",
    "ask --extract EVIL hi",
    "ask --save EVIL hi",
    "ask -x hi",
    "ask --EVIL hi",
    "ask --color always -v hi",
    "chat-template good hi",
    "chat-template EVIL hi",
    "models",
    "models --names",
    "models show EVIL",
    "models show alpha",
    "models pull alpha",
    "models warm EVIL",
    "models install EVIL",
    "models rm EVIL",
    "models EVIL",
    "models list EVIL",
    "tokens -m EVIL hi",
    "tokens -f EVIL",
    "tokens hi",
    "batch EVIL -O EVIL",
    "backends",
    "backends --names",
    "backends -b EVIL",
    "backends stop",
    "doctor",
    "doctor -m EVIL",
    "cache stats",
    "cache list",
    "cache list -m EVIL",
    "cache clear --key EVIL",
    "cache verify",
    "cache compact",
    "cache path",
    "config show",
    "config path",
    "config path --config EVIL",
    "config validate",
    "config validate --config EVIL",
    "config init --config EVIL/EVIL",
    "history list",
    "history list --names",
    "history show",
    "history show EVIL",
    "history search y",
    "history search EVIL",
    "history export",
    "history export --format markdown",
    "history export -O EVIL/EVIL",
    "history delete EVIL",
    "stats",
    "stats --export EVIL",
    "stats --export EVIL/EVIL.json",
    "template list",
    "template list --names",
    "template show good",
    "template show EVIL",
    "template render good hi",
    "template render bad hi",
    "template validate",
    "template validate EVIL",
    "template create EVIL EVIL",
    "template import EVIL",
    "template delete EVIL",
    "template edit EVIL",
    "loadtest --requests 2 --concurrency 1",
    "loadtest --requests 2 --concurrency 1 --samples -m EVIL",
    "loadtest --prompts EVIL",
    "loadtest --baseline EVIL",
    "loadtest --slo EVIL",
    "completion bash",
    "completion zsh",
    "completion fish",
    "completion EVIL",
    "chat --plain hi",
    "chat -q --EVIL hi",
    "interactive --EVIL",
    "interactive --plain",
    "EVIL",
]


@pytest.fixture
def evil(home: Home) -> Iterator[FakeServer]:
    """Give a server, and a home, in which everything has an evil name."""
    with FakeServer(models=[EVIL, "alpha:latest"]) as server:
        words = [EVIL, f"**{EVIL}**\n", f"```{EVIL}\n{EVIL}\n```\n"]
        server.answer, server.thinking = words, [EVIL]
        evil_status = json.dumps({"status": EVIL, "total": 9, "completed": 3}).encode()
        pulled = evil_status + b'\n{"status":"success"}\n'
        server.script(
            "/api/pull", *whole_reply(pulled, "application/x-ndjson"), times=99
        )
        server.script("/api/version", *json_reply({"version": EVIL}), times=99)
        shown = {EVIL: {EVIL: EVIL}, "details": {"family": EVIL}, "model_info": {}}
        server.script("/api/show", *json_reply(shown), times=99)
        home.configure(
            f"[defaults]\nsystem = {json.dumps(EVIL)}\n"
            f"[defaults.options]\n{json.dumps(EVIL)} = 1\n"
            f"[templates]\ntemplate_dir = {json.dumps(str(home.path / 'made'))}\n"
            f'[backends.good]\nbackend_type = "Ollama"\nbase_url = "{server.url}"\n'
            f'[backends.bad]\nbackend_type = "Ollama"\n'
            f"base_url = {json.dumps(server.url + '/bad')}\n"
        )
        server.script("/bad/api/tags", *json_error(500, {"error": EVIL}), times=99)
        server.script("/bad/api/version", *json_error(500, {"error": EVIL}), times=99)
        _make_templates(home.path / "made")
        yield server


def _make_templates(directory: Path) -> None:
    directory.mkdir()
    head = f"+++\ndescription = {json.dumps(EVIL)}\ntags = [{json.dumps(EVIL)}]\n+++\n"
    good = f"{head}{EVIL} {{{{input}}}} \n"
    (directory / f"{NAMED}.mustache").write_text(good, encoding="utf-8")
    (directory / "good.mustache").write_text(good, encoding="utf-8")
    (directory / "bad.mustache").write_text(f"{{{{#{EVIL}}}}}", encoding="utf-8")


def run(cli: Runner, line: str, *more: str) -> tuple[Result, Blank]:
    """Run a command on a terminal, and let one have what it wrote."""
    context = one_place(cli.context(tty=True))
    argv = [word.replace("EVIL", EVIL) for word in [*line.split(), *more]]
    result = cli.run_in(context, *argv)
    screen = Blank(80, 24)
    screen.write(result.text.replace("\n", "\r\n"))
    return result, screen


def test_every_command_is_tried() -> None:
    tried = {line.split()[0] for line in COMMANDS}

    assert tried >= set(BUILT)


@pytest.mark.untraced
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("line", COMMANDS)
def test_nothing_drives_the_terminal(
    cli: Runner, evil: FakeServer, line: str, more: list[str]
) -> None:
    for _ in range(2):  # what is kept must be there, for who lists it
        assert run(cli, "ask --raw hi")[0].status == 0

    result, screen = run(cli, line, *more)

    assert result.text
    assert screen.alien == ""
    assert "\x1b[8m" not in result.text
    assert "Traceback" not in result.text


def test_an_error_in_the_stream_drives_nothing(cli: Runner, evil: FakeServer) -> None:
    reply = ollama_reply(["Hi"], usage=Usage(), done_reason=EVIL)
    evil.script("/api/chat", *reply)

    _, screen = run(cli, "ask --refresh -v hi")

    assert screen.alien == ""
