"""Chat with the fake server over pipes, and look at what came of it."""

from __future__ import annotations

from typing import Any

from .asking import address
from .fakeserver import FakeServer
from .runner import Result, Runner


def chat(
    cli: Runner,
    server: FakeServer,
    *lines: str,
    options: tuple[str, ...] = (),
    takes_commands: bool = True,
    **more: Any,
) -> Result:
    """Run a plain chat of these lines with the server's model alpha.

    `more` is for Runner.run.
    """
    text = "".join(f"{line}\n" for line in lines).encode()
    words = ["--commands"] if takes_commands else []
    return cli.run("chat", *address(server), *words, *options, stdin=text, **more)


def asked(server: FakeServer) -> list[list[tuple[str, str]]]:
    """Return the messages of each question, as roles and contents."""
    bodies = [one.json for one in server.requests if one.path == "/api/chat"]
    return [[(m["role"], m["content"]) for m in body["messages"]] for body in bodies]


def is_harmless(text: str) -> bool:
    """Tell whether a text is printable but for newlines and tabs."""
    return all(char.isprintable() or char in "\n\t" for char in text)
