"""Run llmwrap as a user would: in this process, or as a program of its own.

Either way in a home that is empty, with an environment of its own. OLLAMA_HOST there
is an address that refuses connections, and as it is set nobody else is asked, whatever
runs on this machine: discovery finds nothing unless a test says otherwise.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

from llmwrap.cli.context import Context
from llmwrap.cli.descriptor import Descriptor
from llmwrap.cli.main import main
from llmwrap.cli.output import Output
from llmwrap.errors import Interrupted, LimitError, OutputError

from .forked import Forked, is_possible

ROOT = Path(__file__).parent.parent
SPAWN_S = 60.0
"""How long a program may run; only a failing test waits it out."""

_XDG = ("config", "cache", "state", "data")
_STDIN, _STDOUT, _STDERR = "stdin", "stdout", "stderr"


class Result(NamedTuple):
    """How a run ended and what it wrote."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Return stdout as text."""
        return self.stdout.decode()


class MemoryDescriptor(Descriptor):
    """A descriptor whose other end is a buffer.

    `error` is raised instead of writing: OutputError for a full disk, Interrupted for
    a reader that has gone.
    """

    def __init__(self, data: bytes = b"", *, is_tty: bool = False) -> None:
        self.number = -1
        self.is_open = True
        self.is_tty = is_tty
        self.until: float | None = None
        self.data = data
        self.ahead = b""
        self.has_ended = False
        self.written = bytearray()
        self.file: tuple[int, int] | None = None
        self.error: OutputError | Interrupted | None = None

    @property
    def place(self) -> tuple[int, int] | None:
        """Return which file it is, where a test says so."""
        return self.file

    def write(self, data: bytes) -> None:
        """Keep `data`."""
        if not self.is_open:
            raise OutputError("stdout is closed")
        if self.error is not None:
            raise self.error
        self.written += data

    def read_all(
        self,
        limit_bytes: int,
        what: str,
        on_silence: Callable[[], object] = lambda: None,
    ) -> bytes:
        """Return what was put in, once. Raises: LimitError."""
        data, self.data, self.ahead = self.ahead + self.data, b"", b""
        if len(data) > limit_bytes:
            raise LimitError(f"{what} is longer than {limit_bytes} bytes")
        return data

    def read_some(self, wait_s: float) -> bytes:
        """Return a few bytes of what was put in, empty at the end."""
        if self.ahead:
            ahead, self.ahead = self.ahead, b""
            return ahead
        part, self.data = self.data[:7], self.data[7:]
        return part


class MemoryContext(Context):
    """A world of buffers; dying of a signal is a status."""

    stdin: MemoryDescriptor
    stdout: MemoryDescriptor
    stderr: MemoryDescriptor

    def die(self, signum: int) -> int:
        """Return what a shell would report."""
        return 128 + signum


def one_place(context: MemoryContext) -> MemoryContext:
    """Let stderr of a context write where stdout does: `2>&1`."""
    context.stdout.file = context.stderr.file = (1, 1)
    context.stderr.written = context.stdout.written
    context.output = Output(context.stdout, context.stderr, context.environ)
    return context


class Home:
    """An empty home directory; `environ` leads every program to it."""

    def __init__(self, path: Path, ollama_host: str) -> None:
        self.path = path
        self.environ = {
            "HOME": str(path),
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "OLLAMA_HOST": ollama_host,
            **{f"XDG_{name.upper()}_HOME": str(path / name) for name in _XDG},
        }

    @property
    def config_file(self) -> Path:
        """Return where the user's configuration is, if it is."""
        return self.path / "config" / "llmwrap" / "config.toml"

    def configure(self, toml: str) -> Path:
        """Write the user's configuration and return its path."""
        self.config_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.config_file.write_text(toml, encoding="utf-8")
        return self.config_file


class Runner:
    """Run command lines in one home.

    `environ` of each method goes over that of the home; None as a value takes a
    variable away. `cwd` is the home unless given.
    """

    def __init__(self, home: Home) -> None:
        self.home = home

    def run(
        self,
        *argv: str,
        stdin: bytes = b"",
        environ: Mapping[str, str | None] = {},
        tty: bool | Collection[str] = False,
        cwd: str | os.PathLike[str] | None = None,
    ) -> Result:
        """Run a command line in this process.

        `tty` True makes terminals of all three descriptors, names ("stderr") of some.
        """
        context = self.context(stdin=stdin, environ=environ, tty=tty)
        return self.run_in(context, *argv, cwd=cwd)

    def run_in(
        self,
        context: MemoryContext,
        *argv: str,
        cwd: str | os.PathLike[str] | None = None,
    ) -> Result:
        """Run a command line in this process, in a context of one's own."""
        with chdir(cwd or self.home.path):
            status = main(argv, context)
        return Result(
            status, bytes(context.stdout.written), context.stderr.written.decode()
        )

    def context(
        self,
        *,
        stdin: bytes = b"",
        environ: Mapping[str, str | None] = {},
        tty: bool | Collection[str] = False,
    ) -> MemoryContext:
        """Return a context for `run_in`."""
        every = (_STDIN, _STDOUT, _STDERR)
        terminals = (every if tty else ()) if isinstance(tty, bool) else tty
        return MemoryContext(
            MemoryDescriptor(stdin, is_tty=_STDIN in terminals),
            MemoryDescriptor(is_tty=_STDOUT in terminals),
            MemoryDescriptor(is_tty=_STDERR in terminals),
            self.environ(environ),
        )

    def spawn(
        self,
        *argv: str,
        stdin: bytes = b"",
        environ: Mapping[str, str | None] = {},
        cwd: str | os.PathLike[str] | None = None,
    ) -> Result:
        """Run the real program to its end, its descriptors on pipes."""
        process = self.start(*argv, environ=environ, cwd=cwd)
        with process:
            try:
                stdout, stderr = process.communicate(stdin, SPAWN_S)
            finally:
                process.kill()
        return Result(process.returncode, stdout, stderr.decode())

    def start(
        self,
        *argv: str,
        environ: Mapping[str, str | None] = {},
        cwd: str | os.PathLike[str] | None = None,
        through: Sequence[str] = (),
        fresh: bool = False,
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        """Start the real program and return at once.

        Its descriptors are pipes unless `options`, as those of Popen, say otherwise.
        `through` is the beginning of a command line that runs what follows. A status
        of -2 in it is death by SIGINT. It is forked (see `forked.py`), or a process
        with a Python of its own where it has to be, or is asked for: `fresh`.
        """
        pipes = dict.fromkeys((_STDIN, _STDOUT, _STDERR), subprocess.PIPE)
        variables = self.environ({"PYTHONPATH": str(ROOT), **environ})
        is_fresh = fresh or through or not is_possible(variables, options)
        options = {"cwd": cwd or self.home.path, "env": variables, **pipes, **options}
        if not is_fresh:
            return Forked(argv, **options)
        return subprocess.Popen(
            [*through, sys.executable, "-m", "llmwrap", *argv], **options
        )

    def environ(
        self,
        over: Mapping[str, str | None] = {},
    ) -> dict[str, str]:
        """Return the environment of the home with `over` laid over it."""
        both = {**self.home.environ, **over}
        return {name: value for name, value in both.items() if value is not None}
