"""Two equal homes and one server: what is run in the first is run in the second too.

In the first the program may answer by direct mode, in the second it may not. Every
step changes both homes, or the server they share, in the same way.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .asking import chats
from .fakeserver import FakeServer, ReceivedRequest, json_reply
from .fakeserver.ollama_speech import OllamaSpeech
from .fakeserver.stage import ModelShelf
from .fakeserver.steps import Reply
from .forked import Forked
from .runner import SPAWN_S, Home

MODELS = ("alpha:latest", "beta:7b")
OLD_S = 10
"""How far ahead all clocks are: what was written just now is old enough."""

_NOT_FOUND = "no model server answers"
_TIMES = 5
"""How often discovery may miss a server that is there: on a busy machine it does."""
_LISTINGS = ("/api/tags", "/api/ps")
_LENGTHS_OF_TIME = re.compile(
    r"\b\d+(\.\d+)?(e-\d+)? ?(ns|us|µs|ms|s|m|h|d)?(\d+[smh])*\b"
)
_MOMENTS = re.compile(rb"\d+\.\d+(e-\d+)?")


class Shop(FakeServer):
    """A server whose models are pulled anew and removed, and that can be down."""

    def __init__(self) -> None:
        super().__init__(MODELS)
        self.is_down = False
        self.pulls = 0

    def restock(self) -> None:
        """Be as new."""
        self.is_down = False
        self.pulls = 0
        self.shelf = ModelShelf(MODELS)

    def drop(self, name: str) -> None:
        """Remove a model."""
        self.shelf = ModelShelf(one for one in self.shelf.names if one != name)

    def _serve(self, sock: socket.socket, number: int) -> None:
        if not self.is_down:
            super()._serve(sock, number)

    def _default_reply(self, request: ReceivedRequest) -> Reply:
        if request.path not in _LISTINGS:
            return super()._default_reply(request)
        models = self._models() if request.path == "/api/tags" else []
        return json_reply({"models": models})

    def _models(self) -> list[dict[str, object]]:
        listed = OllamaSpeech().listing(self.shelf.names)["models"]
        assert isinstance(listed, list)
        return [{**model, "digest": f"{self.pulls:064x}"} for model in listed]


class Ask(NamedTuple):
    """One invocation: its words, what its environment has in addition, its stdin.

    URL in a word is the server's, HOME in a variable the home's path; a variable that
    is None is not set.
    """

    argv: tuple[str, ...]
    environ: tuple[tuple[str, str | None], ...] = ()
    stdin: bytes = b""
    cwd: str = "."

    @property
    def is_exact(self) -> bool:
        """Tell whether no time is in the output."""
        return not {"--json", "json", "events"} & set(self.argv)


class Outcome(NamedTuple):
    """How a run ended, what it wrote, and whether direct mode had answered by then."""

    status: int
    stdout: bytes
    stderr: str
    is_direct: bool


class Twins:
    """The two homes below a directory, that are new with each pair."""

    def __init__(self, directory: Path, server: Shop) -> None:
        self.server = server
        self.shift_s = OLD_S
        self.direct_runs = 0
        self.runs = 0
        self._stdin = directory / "stdin"
        self.homes = [Home(directory / name, server.url) for name in ("one", "two")]
        for home in self.homes:
            if home.path.exists():
                shutil.rmtree(home.path)
            home.path.mkdir(0o700)
            (home.path / "elsewhere").mkdir()
            home.environ["LLMWRAP_BACKENDS_OLLAMA_RETRY_ATTEMPTS"] = "0"
        server.restock()
        self.write("notes.txt", "one note\n")

    def ask(self, ask: Ask) -> Outcome:
        """Run an invocation in both homes, compare, and return the first outcome."""
        self.runs += 1
        self.server.answer = ["Answer", f" {self.runs}."]
        self._stdin.write_bytes(ask.stdin)
        first, second = (self._run(ask, home) for home in self.homes)
        assert not second.outcome.is_direct
        self.direct_runs += first.outcome.is_direct
        one, two = first.compared(ask), second.compared(ask)
        assert one == two, f"{ask}\n{one}\n{two}"
        return first.outcome

    def both(self, *argv: str) -> None:
        """Run a command in both homes."""
        self.ask(Ask((*argv, "--json")))

    def later(self, seconds: int) -> None:
        """Let time pass."""
        self.shift_s += seconds

    def stop(self) -> None:
        """Let the server be down until it is restocked."""
        self.server.is_down = True

    def restock(self) -> None:
        """Let the server be up, with the models it had at first."""
        self.server.restock()

    def pull(self) -> None:
        """Pull all models anew: what they answer is another digest's."""
        self.server.pulls += 1

    def drop(self, model: str) -> None:
        """Remove a model from the server."""
        self.server.drop(model)

    def write(self, name: str, text: str) -> None:
        """Put a text into a file of both homes, in its place."""
        for path in self._paths(name):
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            path.write_text(text)

    def rewrite_unseen(self, name: str, text: str) -> None:
        """The same, with the time of change that the file had before."""
        for path in self._paths(name):
            before = path.stat() if path.exists() else None
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            path.write_text(text)
            while before and path.stat().st_ctime_ns <= before.st_ctime_ns:
                path.write_text(text)  # within one tick of the kernel's clock
            if before:
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def rename_over(self, name: str, text: str) -> None:
        """Rename another file over it."""
        self.write(f"{name}.new", text)
        for path in self._paths(name):
            path.with_name(f"{path.name}.new").rename(path)

    def remove(self, name: str) -> None:
        """Remove a file of both homes, if it is there."""
        for path in self._paths(name):
            path.unlink(missing_ok=True)

    def damage(self, pattern: str, at: int) -> None:
        """Change one byte in all files of both homes that match."""
        for home in self.homes:
            for path in home.path.glob(pattern):
                data = bytearray(path.read_bytes())
                data[at % len(data)] ^= 1
                path.write_bytes(data)

    def _paths(self, name: str) -> list[Path]:
        return [home.path / name for home in self.homes]

    def _run(self, ask: Ask, home: Home) -> _Run:
        environ: dict[str, str | None] = {**home.environ}
        for name, value in ask.environ:
            environ[name] = value and value.replace("HOME", str(home.path))
        if home is self.homes[1]:
            environ["LLMWRAP_DIRECT"] = "0"
        before = len(chats(self.server))
        outcome = self._outcome(ask, home, environ)
        is_there = environ["OLLAMA_HOST"] == self.server.url and not self.server.is_down
        for _ in range(_TIMES if is_there else 0):
            if _NOT_FOUND in outcome.stderr:
                outcome = self._outcome(ask, home, environ)
        return _Run(outcome, len(chats(self.server)) - before, home.path)

    def _outcome(
        self, ask: Ask, home: Home, environ: Mapping[str, str | None]
    ) -> Outcome:
        with self._stdin.open("rb") as stdin:
            process = Forked(
                [word.replace("URL", self.server.url) for word in ask.argv],
                ahead_s=self.shift_s,
                tells_way=True,
                env={
                    name: value for name, value in environ.items() if value is not None
                },
                cwd=home.path / ask.cwd,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        with process:
            try:
                stdout, stderr = process.communicate(timeout=SPAWN_S)
            finally:
                process.kill()
        return Outcome(process.returncode, stdout, stderr.decode(), process.is_direct)


class _Run(NamedTuple):
    outcome: Outcome
    chats: int
    home: Path

    def compared(self, ask: Ask) -> Mapping[str, object]:
        """Return what has to be the same in both homes."""
        stdout = self.outcome.stdout.replace(os.fsencode(self.home), b"HOME")
        stderr = self.outcome.stderr.replace(str(self.home), "HOME")
        files: Sequence[Path] = sorted(self.home.glob("out*"))
        return {
            "status": self.outcome.status,
            "stdout": stdout if ask.is_exact else _MOMENTS.sub(b"F", stdout),
            "stderr": _LENGTHS_OF_TIME.sub("N", stderr),
            "chats": self.chats,
            "files": [(path.name, path.read_bytes()) for path in files],
        }
