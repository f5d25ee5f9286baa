"""Tell the runs that direct mode answered from those that went the ordinary way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .fakeserver import FakeServer
from .forked import Forked
from .runner import SPAWN_S, Home, Runner

_IMPORT_LINE = "import time:"
_ORDINARY = "llmwrap.cli.main"


class Answered(NamedTuple):
    """How a run ended, what it wrote, and whether direct mode answered."""

    status: int
    stdout: bytes
    stderr: str
    is_direct: bool


def answered(
    cli: Runner,
    *argv: str,
    stdin: bytes = b"",
    environ: Mapping[str, str | None] = {},
    **options: Any,
) -> Answered:
    """Run the real program to its end.

    The forked program tells its way; where it is run through another one, Python tells
    what it imports. `options` are those of Runner.start; `stdin`
    is for a run whose stdin is a pipe.
    """
    through = options.pop("through", ())
    if through:
        environ = {"PYTHONPROFILEIMPORTTIME": "1", **environ}
        process = cli.start(*argv, environ=environ, through=through, **options)
    else:
        process = cli.start(*argv, environ=environ, tells_way=True, **options)
    with process:
        try:
            given = stdin if process.stdin else None
            stdout, stderr = process.communicate(given, SPAWN_S)
        finally:
            process.kill()
    lines = stderr.decode().splitlines(keepends=True)
    said = [line for line in lines if not line.startswith(_IMPORT_LINE)]
    is_ordinary = any(line.rstrip().endswith(_ORDINARY) for line in lines)
    is_direct = process.is_direct if isinstance(process, Forked) else not is_ordinary
    return Answered(process.returncode, stdout or b"", "".join(said), is_direct)


def twice(
    cli: Runner,
    server: FakeServer,
    *argv: str,
    stdin: bytes = b"",
    environ: Mapping[str, str | None] = {},
) -> Answered:
    """Run an invocation twice, `first` and then `second` being the server's answer.

    Returns the second run.
    """
    server.answer = ["fi", "rst"]
    assert answered(cli, *argv, stdin=stdin, environ=environ).status == 0
    server.answer = ["sec", "ond"]
    return answered(cli, *argv, stdin=stdin, environ=environ)


def in_a_shell(cli: Runner, script: str, *argv: str) -> Answered:
    """Run a shell's script, whose `"$@"` is the program with its words."""
    return answered(cli, *argv, through=("/bin/sh", "-c", script, "sh"))


def left_records(home: Home) -> int:
    """Return how many journals of direct mode there are."""
    return len(list(home.path.glob("cache/llmwrap/direct/*")))
