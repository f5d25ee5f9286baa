"""What leaves a record for direct mode: only what the digest decides, and says it."""

from __future__ import annotations

import pytest

from llmwrap.cli.commands import load_command, parser_of
from llmwrap.cli.direct_records import ALLOWED

from .asking import address
from .direct import answered, left_records, twice
from .fakeserver import FakeServer
from .runner import Runner

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
_NOTHING = "something of it is not in the digest, or there is more to say than the text"


@pytest.fixture
def argv(server: FakeServer) -> tuple[str, ...]:
    """Give an invocation."""
    return (*address(server), "Why?")


REFUSED = {
    "config": ("--config", "/dev/null"),
    "conversation": (),  # there is none yet: with --continue
    "dry_run": ("--dry-run",),
    "extract": ("-x",),
    "file": ("-f", "notes"),
    "format": ("--json",),
    "help": ("--help",),
    "if_changed": ("-O", "out", "--if-changed"),
    "image": ("-i", "picture.png"),
    "is_cache_only": ("--cache-only",),
    "is_continued": ("--continue",),
    "lax": ("-t", "greet", "--lax"),
    "header": ("-H", "X-Team: blue"),
    "lock": ("--lock", "gpu"),
    "lock_wait": ("--lock", "gpu", "--lock-wait", "1m"),
    "output": ("-O", "out"),
    "save": ("--save", "greeting"),
    "skip_empty": ("--skip-empty", "-f", "notes"),
    "template": ("-t", "greet"),
    "var": ("-t", "greet", "--var", "name=x"),
    "vars": ("-t", "greet", "--vars", "{}"),
    "verbose": ("-v",),
    "version": ("--version",),
}
"""Options that leave no record, and how one is given."""

VALUES = (
    ("-s", "@notes"),
    ("--format", "events"),
    ("--debug",),
    ("--sanitize", "always"),
    ("--no-cache",),
    ("--refresh",),
    ("--cache-only", "--cache", "--refresh"),
    ("--max-tokens", "1"),
)
"""Values that leave none, of options that may."""


@pytest.mark.parametrize("name", ["ask", "chat-template"])
def test_each_option_of_a_question_leaves_a_record_or_is_known_not_to(
    name: str,
) -> None:
    """Who adds an option decides, and until then it is on the safe side."""
    parser = parser_of(load_command(name))
    options = {action.dest for action in parser._actions}

    assert options <= ALLOWED | REFUSED.keys()
    assert not ALLOWED & REFUSED.keys()


@pytest.mark.parametrize(
    "more", [*filter(None, REFUSED.values()), *VALUES], ids=" ".join
)
def test_some_options_leave_no_record(
    cli: Runner, server: FakeServer, argv: tuple[str, ...], more: tuple[str, ...]
) -> None:
    (cli.home.path / "notes").write_text("a note")
    (cli.home.path / "picture.png").write_bytes(PNG)
    templates = cli.home.path / "config/llmwrap/templates"
    templates.mkdir(parents=True)
    (templates / "greet.mustache").write_text("Greet!")

    for _ in range(2):
        answered(cli, *argv, *more)

    assert left_records(cli.home) == 0, _NOTHING


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("-s", "Be brief.", "--temperature", "0", "-o", "num_ctx=4096", "--stop", "x"),
        ("-q", "--no-stream", "--retries", "1", "--timeout", "60", "--cache"),
        ("-n", "--color", "never", "--raw", "--sanitize", "never", "--no-history"),
    ],
    ids=" ".join,
)
def test_others_leave_one(
    cli: Runner, server: FakeServer, argv: tuple[str, ...], more: tuple[str, ...]
) -> None:
    answered(cli, *argv, *more)

    assert left_records(cli.home) > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLMWRAP_NONSENSE", "1"),
        ("LLMWRAP_LOGGING_LEVEL", "info"),
        ("LLMWRAP_HISTORY_ASK", "true"),
        ("LLMWRAP_CACHE_ENABLED", "false"),
        ("LLMWRAP_CACHE_ENABLE_PERSISTENCE", "false"),
        ("LLMWRAP_CACHE_PATH", "relative"),
        ("LLMWRAP_CONFIG", "relative.toml"),
        ("HOME", "relative"),
    ],
)
def test_some_variables_leave_no_record(
    cli: Runner, server: FakeServer, argv: tuple[str, ...], name: str, value: str
) -> None:
    (cli.home.path / "relative.toml").touch()

    assert not twice(cli, server, *argv, environ={name: value}).is_direct
    assert left_records(cli.home) == 0, _NOTHING


def test_reasoning_leaves_no_record(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    """It may be shown next time, on a terminal."""
    server.thinking = ["Well."]

    assert not twice(cli, server, *argv).is_direct


def test_a_note_on_the_prompt_is_said_each_time(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    again = twice(cli, server, *argv, stdin=b"\xff")

    assert "became U+FFFD" in again.stderr


def test_a_word_that_looks_like_a_command_is_noted_each_time(
    cli: Runner, server: FakeServer
) -> None:
    again = twice(cli, server, *address(server), "modls")

    assert "the command is 'models'" in again.stderr


def test_a_discovered_server_has_to_be_remembered(
    cli: Runner, server: FakeServer
) -> None:
    """The first run was made without what it discovered: it cannot stand for others."""
    environ: dict[str, str | None] = {"OLLAMA_HOST": server.url}
    twice(cli, server, "Why?", environ=environ)
    (cli.home.path / "state/llmwrap/discovered.json").unlink()

    again = answered(cli, "Why?", environ={"OLLAMA_HOST": server.refused_url()})
    assert again.status == 4
    again = answered(cli, "Why?", environ=environ)
    assert not again.is_direct
    assert "using ollama" in again.stderr


def test_what_is_discovered_anew_each_time_leaves_no_record(
    cli: Runner, server: FakeServer
) -> None:
    environ = {"OLLAMA_HOST": server.url, "XDG_STATE_HOME": "/dev/null/state"}

    again = twice(cli, server, "Why?", environ={**environ})

    assert "using ollama" in again.stderr
    assert "using model" in again.stderr
