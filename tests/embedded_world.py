"""A place of its own for each test of the embedded servers, and what it needs."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from llmwrap.backends.embedded.process import (
    EmbeddedServer,
    ensure_server,
    stop_servers,
)
from llmwrap.backends.embedded.state import (
    ModelFile,
    ServerFiles,
    ServerState,
    place_of,
    write_state,
)
from llmwrap.errors import (
    LLMWrapError,
)

ROOT = Path(__file__).parent.parent
FAKE_LLAMA = Path(__file__).parent / "fakellama"
LONG_S = 60.0


def wait_until(is_true: Callable[[], object]) -> None:
    """Poll, and fail when it has not become true in a minute."""
    deadline = time.monotonic() + LONG_S
    while not is_true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class World:
    """A state directory, a fake model that counts its starts, and what ends them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state_dir = str(directory / "state")
        self.model = directory / "model.gguf"
        self.started = directory / "starts"
        self.environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(FAKE_LLAMA)}
        self._scripts = 0
        self.behave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """End every process that was started, whatever became of its files."""
        with contextlib.suppress(LLMWrapError):
            stop_servers(self.state_dir)
        started = [pid for pid in self.starts() if pid != os.getpid()]
        for pid in started:
            with contextlib.suppress(OSError):
                if b"llmwrap.backends.embedded.server" in cmdline(pid):
                    os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_running, started)))

    def behave(self, **behaviour: object) -> None:
        """Replace the model by one that makes the fake behave so."""
        text = json.dumps({"starts": str(self.started), **behaviour})
        fresh = self.directory / "model.new"
        fresh.write_bytes(b"GGUF" + text.encode())
        fresh.replace(self.model)

    def ensure(self, **options: Any) -> EmbeddedServer:
        """Call `ensure_server` with times that suit a test."""
        options = {"idle_s": LONG_S, "deadline_s": LONG_S} | options
        return ensure_server(
            str(self.model),
            state_dir=self.state_dir,
            environ=self.environ,
            **options,
        )

    @property
    def place(self) -> ServerFiles:
        """Return where the server of the model has its files."""
        return place_of(self.state_dir, model_file(self.model))

    def starts(self) -> list[int]:
        """Return the pids of all servers that began to load the model."""
        if not self.started.exists():
            return []
        return [int(line) for line in self.started.read_text().split()]

    def script(self, body: str = "print(server.pid, flush=True)") -> list[str]:
        """Return a command that ensures the server and runs `body`."""
        # A new file each time: the one before may be just being read.
        self._scripts += 1
        program = self.directory / f"script-{self._scripts}.py"
        program.write_text(
            f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
            "from llmwrap.backends.embedded.process import ensure_server\n"
            f"server = ensure_server({str(self.model)!r},"
            f" state_dir={self.state_dir!r}, environ={self.environ!r},"
            f" idle_s={LONG_S}, deadline_s={LONG_S})\n" + body
        )
        return [sys.executable, str(program)]


def model_file(path: Path) -> ModelFile:
    """Return what tells a model file from another one at its path."""
    status = os.stat(path)
    return ModelFile(
        os.path.realpath(path), status.st_size, status.st_mtime_ns, status.st_ino
    )


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def status_with_key(server: EmbeddedServer, key: str) -> int:
    """Return the status of GET /v1/models."""
    parts = urlsplit(server.base_url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=LONG_S)
    with contextlib.closing(connection):
        headers = {"Authorization": f"Bearer {key}"}
        connection.request("GET", f"{parts.path}/models", headers=headers)
        return connection.getresponse().status


@contextlib.contextmanager
def stranger() -> Iterator[tuple[int, socket.socket]]:
    """Give the pid of a process that is none of ours, and a port that listens."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield process.pid, listener


def stale_state(world: World, pid: int, port: int) -> ServerState:
    """Return what a server that is dead has left, its pid and port now another's."""
    model = model_file(world.model)
    base_url = f"http://127.0.0.1:{port}/v1"
    return ServerState("0" * 16, "ready", pid, 0.0, model, base_url, "stale key")


def write_stale_state(world: World, pid: int, port: int) -> None:
    """Put such a state in its place."""
    directory = os.path.dirname(world.place.state)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    os.close(os.open(world.place.lock, os.O_CREAT | os.O_WRONLY, 0o600))
    write_state(world.place, stale_state(world, pid, port))
