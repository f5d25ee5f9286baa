"""Ask a server that fails for a while, within bounds that only a hang passes."""

from __future__ import annotations

from .asking import Dialect, ask
from .fakeserver import FakeServer, Reply, Step, json_error
from .runner import Result, Runner

PATIENCE = (
    "-n",
    "--first-token-timeout",
    "5",
    "--idle-timeout",
    "5",
    "--timeout",
    "20",
)


def asked(
    cli: Runner, server: FakeServer, dialect: Dialect, *options: str, delay: str = "0"
) -> Result:
    """Ask the server's model alpha; `delay` is that before the first retry."""
    more = (*PATIENCE, "--retry-delay", delay, *options)
    return ask(cli, server, *more, "hi", dialect=dialect)


def failing(server: FakeServer, dialect: Dialect, *steps: Step, times: int = 0) -> None:
    """Let chats fail: the next `times`, or all."""
    server.script(dialect.path, *steps, times=times or None)


def busy(*headers: tuple[str, str], status: int = 503) -> Reply:
    """Return a reply with an error status."""
    return json_error(status, {"error": "busy"}, *headers)
