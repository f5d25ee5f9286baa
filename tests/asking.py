"""Ask one question of the fake server, and look at what came of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from llmwrap import Config, LLMWrapper

from .fakeserver import FakeServer, ReceivedRequest
from .runner import Home, Result, Runner


class Dialect(NamedTuple):
    """A way to ask: what goes behind the server's address, and where chats go."""

    name: str
    suffix: str
    path: str

    def __str__(self) -> str:
        return self.name


OLLAMA = Dialect("ollama", "", "/api/chat")
OPENAI = Dialect("openai", "/v1", "/v1/chat/completions")
DIALECTS = (OLLAMA, OPENAI)

_TABLE = """
[defaults]
model = "alpha:latest"
[backends.{name}]
base_url = "{url}"
"""


def ask(
    cli: Runner,
    server: FakeServer,
    *argv: str,
    dialect: Dialect = OLLAMA,
    **options: Any,
) -> Result:
    """Run a command line that asks the server's model alpha.

    `options` are those of Runner.run.
    """
    return cli.run(*address(server, dialect), *argv, **options)


def address(server: FakeServer, dialect: Dialect = OLLAMA) -> tuple[str, ...]:
    """Return the options that lead to the server's model alpha."""
    return ("--base-url", server.url + dialect.suffix, "-m", "alpha:latest")


def chats(server: FakeServer) -> list[ReceivedRequest]:
    """Return the chats that were asked for."""
    return [one for one in server.requests if one.path in {d.path for d in DIALECTS}]


def body(server: FakeServer) -> Any:
    """Return what the one chat asked for."""
    (request,) = chats(server)
    return request.json


def prompt(server: FakeServer) -> Any:
    """Return the content of the last message of the one chat."""
    return body(server)["messages"][-1]["content"]


def lines(result: Result, level: str) -> list[str]:
    """Return what stderr says at a level, without what each line begins with."""
    start = f"llmwrap: {level}: "
    said = result.stderr.splitlines()
    return [line.removeprefix(start) for line in said if line.startswith(start)]


def error(result: Result) -> str:
    """Return the one error line."""
    (line,) = lines(result, "error")
    return line


def wrapped(
    home: Home, server: FakeServer, dialect: Dialect = OLLAMA, more: str = ""
) -> LLMWrapper:
    """Return a wrapper that asks the server's model alpha."""
    table = _TABLE.format(name=dialect.name, url=server.url + dialect.suffix)
    file = home.configure(table + more)
    return LLMWrapper(Config.load(file, home.environ), environ=home.environ)
