"""A cache that the real program fills, for tests that break it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .cachemade import is_anything_in_flight
from .fakeserver import FakeServer, Tell, WaitFor, ollama_reply
from .runner import Result, Runner

ANSWER = "the right answer"
CHAT = "/api/chat"
ASK_S = 60.0
"""How long a run may take at the very most; only a failing test waits it out."""


class World:
    """The real program, a server that gives `ANSWER`, and the cache between them."""

    def __init__(self, cli: Runner, server: FakeServer) -> None:
        server.answer = ["the", " right", " answer"]
        self.cli = cli
        self.server = server
        self.root = cli.home.path / "cache" / "llmwrap"
        self.argv = ("-b", "ollama", "-m", "alpha", "hi")
        self.environ = {"OLLAMA_HOST": server.url, "PYTHONDONTWRITEBYTECODE": "1"}

    @property
    def asked(self) -> int:
        """Return how often the server was asked."""
        return sum(request.path == CHAT for request in self.server.requests)

    def ask(
        self,
        *more: str,
        environ: Mapping[str, str] = {},
        through: Sequence[str] = (),
        **options: Any,
    ) -> Result:
        """Ask the one question, as a process of its own. See `Runner.start`."""
        process = self.start(*more, environ=environ, through=through, **options)
        with process:
            try:
                stdout, stderr = process.communicate(b"", ASK_S)
            finally:
                process.kill()
        return Result(process.returncode, stdout, stderr.decode())

    def ask_here(self, *more: str) -> Result:
        """Ask the one question in this process, where there is no direct mode.

        Takes a tenth of the processor time of `ask`.
        """
        return self.cli.run(*self.argv, *more, environ=self.environ)

    def start(
        self, *more: str, environ: Mapping[str, str] = {}, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Ask the one question and return at once."""
        environ = {**self.environ, **environ}
        return self.cli.start(*self.argv, *more, environ=environ, **options)

    @contextmanager
    def holder(self, *more: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Give a process that asks and gets no answer until the block is left.

        One that is still there then ends by itself, with the right answer.
        """
        asked, gate = threading.Event(), threading.Event()
        reply = ollama_reply(["the", " right", " answer"])
        self.server.script(CHAT, Tell(asked), WaitFor(gate, ASK_S), reply)
        options = {"stdin": subprocess.DEVNULL, **options}
        with self.start(*more, **options) as process:
            try:
                assert asked.wait(ASK_S)
                yield process
                gate.set()
                process.communicate(timeout=ASK_S)
            finally:
                gate.set()
                process.kill()

    def files(self, part: str) -> list[Path]:
        """Return the files of a part of the cache: answers, direct, models, used."""
        return sorted((self.root / part).iterdir())

    @property
    def in_flight(self) -> Path:
        """Return the file in which processes see what the others ask."""
        return self.root / "in-flight"

    def is_anything_in_flight(self) -> bool:
        """Tell whether any process holds a flight of this cache."""
        return is_anything_in_flight(self.in_flight)

    @contextmanager
    def as_it_is(self) -> Iterator[None]:
        """Give the cache back, at the end, as it is at the beginning."""
        kept = self.root.with_name("kept")
        shutil.copytree(self.root, kept)
        try:
            yield
        finally:
            remove(self.root)
            kept.rename(self.root)


def assert_right(result: Result, *, warnings: int = 1) -> None:
    """Assert that a run gave the answer, with so many lines of warning at most."""
    assert (result.status, result.text) == (0, ANSWER + "\n"), result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) <= warnings, result.stderr
    assert all(line.startswith("llmwrap: warning: the cache") for line in lines), lines


def remove(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def content_below(path: Path) -> dict[str, bytes]:
    """Return every file below a directory, by its name."""
    files = (file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}
