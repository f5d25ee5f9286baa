"""The life of the embedded servers, seen from whoever asks them.

`ensure_server` is on the way of every question to the embedded backend: when a server
runs it reads one small file, asks the kernel for one lock, and imports neither
requests nor subprocess. state.py says how a living server is told from a
stranger; server.py is the process itself.

Call `ensure_server` before each request, not once: it also tells the server that it
is still wanted, and puts another one in the place of one that died.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from ...errors import BackendFailedError, ConfigError, DeadlineError, RefusedError
from ...models.gguf import check_gguf
from ...paths import ensure_private_dir
from ...units import format_duration
from .state import (
    ModelFile,
    ServerFiles,
    ServerState,
    hold,
    is_alive,
    living_state,
    place_of,
    places,
    read_state,
    remove_state,
    servers_dir,
    start_lock_path,
    sweep,
)

DEFAULT_IDLE_S = 600.0
"""How long a server that nobody asks stays."""

_POLL_S = 0.01
_TERMINATE_S = 2.0
_STOP_S = 5.0

Clock = Callable[[], float]


class EmbeddedServer(NamedTuple):
    """A server process; `is_ready` False while it loads, without address and key.

    `base_url` ends in `/v1`. `started_s` counts from the epoch. `state_path` is the
    file that whoever asks it touches.
    """

    base_url: str
    key: str
    pid: int
    model_path: str
    started_s: float
    log_path: str
    state_path: str
    is_ready: bool

    def __repr__(self) -> str:
        # Never the key: a repr ends up in logs and tracebacks.
        return f"EmbeddedServer({self.base_url!r}, {self.pid}, {self.model_path!r})"


class _Order(NamedTuple):
    """What is to be served, where its files are, and until when to wait."""

    model: ModelFile
    place: ServerFiles
    state_dir: str
    until: float
    clock: Clock
    wait: Callable[[float], object]


def ensure_server(
    model_path: str,
    *,
    state_dir: str,
    environ: Mapping[str, str],
    idle_s: float = DEFAULT_IDLE_S,
    deadline_s: float = 300.0,
    clock: Clock = time.monotonic,
    wait: Callable[[float], object] = time.sleep,
) -> EmbeddedServer:
    """Return a server for a GGUF file that is ready, starting one if none runs.

    Of several callers at once, in any processes, one starts it and all wait for it.
    `idle_s` and `environ` are what a started one gets; one that runs keeps its own.
    When `deadline_s` passes, the server goes on loading for the next question. `wait`
    sleeps so many seconds, or raises what ends the waiting. Any thread may call it.

    Raises: RefusedError when there is no such file, ConfigError when it is no GGUF,
    xllamacpp is not installed or the state directory is unusable, BackendFailedError
    when the server does not start, DeadlineError.
    """
    model = _model_file(model_path)
    place = place_of(state_dir, model)
    with _usable(state_dir):
        state = _ready_state(model, place)
        if state is None:
            until = clock() + deadline_s
            order = _Order(model, place, state_dir, until, clock, wait)
            state = _await_server(order, environ, idle_s, deadline_s)
    return _server(state, place)


def running_servers(state_dir: str) -> list[EmbeddedServer]:
    """Return the servers of this machine that are alive, loading ones included."""
    with _usable(state_dir):
        return [_server(state, place) for place, state in _living(state_dir)]


def stop_servers(
    state_dir: str, *, clock: Clock = time.monotonic
) -> list[EmbeddedServer]:
    """End all servers of this machine and return them; answers in flight break off.

    What dead ones left behind is removed too. Raises: BackendFailedError when one
    does not die.
    """
    with _usable(state_dir):
        if not places(state_dir):
            return []
        with _start_lock(state_dir, clock() + _STOP_S, clock):
            found = _living(state_dir)
            for place, state in found:
                _end(place, state, clock)
            sweep(state_dir)
    return [_server(state, place) for place, state in found]


def _server(state: ServerState, place: ServerFiles) -> EmbeddedServer:
    return EmbeddedServer(
        base_url=state.base_url,
        key=state.key,
        pid=state.pid,
        model_path=state.model.path,
        started_s=state.started_s,
        log_path=place.log,
        state_path=place.state,
        is_ready=state.status == "ready",
    )


@contextmanager
def _usable(state_dir: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"cannot use '{servers_dir(state_dir)}': {error.strerror or error}",
            hint="set XDG_STATE_HOME to a writable place on a local disk",
        ) from error


def _model_file(model_path: str) -> ModelFile:
    path = os.path.realpath(model_path)
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise RefusedError(
            f"model file '{model_path}' not found",
            hint="run 'llmwrap models install'",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"cannot read model '{model_path}': {error.strerror}"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"model '{model_path}' is no regular file")
    return ModelFile(path, status.st_size, status.st_mtime_ns, status.st_ino)


def _ready_state(model: ModelFile, place: ServerFiles) -> ServerState | None:
    state = living_state(place, touch=True)
    if state and state.status == "ready" and state.model == model:
        return state
    return None


def _living(state_dir: str) -> list[tuple[ServerFiles, ServerState]]:
    found = []
    for place in places(state_dir):
        state = living_state(place)
        # The pid and the port of another machine or container mean nothing here.
        if state and place == place_of(state_dir, state.model):
            found.append((place, state))
    return found


def _await_server(
    order: _Order, environ: Mapping[str, str], idle_s: float, deadline_s: float
) -> ServerState:
    from . import start  # It imports subprocess.

    watched: set[str] = set()  # the starts whose failure is ours too
    has_started = False
    while True:
        if state := _ready_state(order.model, order.place):
            return state
        if is_alive(order.place):
            state = read_state(order.place)
            if state and state.status != "failed":
                watched.add(state.start_id)
        elif lock_fd := _claim(order, watched, has_started=has_started):
            start_id = start.start(order.model, order.place, lock_fd, idle_s, environ)
            watched.add(start_id)
            has_started = True
        if order.clock() >= order.until:
            raise DeadlineError(
                f"the embedded server for '{order.model.path}' was not ready within"
                f" {format_duration(deadline_s)}",
                hint="it goes on loading; ask again, or wait longer",
            )
        order.wait(_POLL_S)


def _claim(order: _Order, watched: set[str], *, has_started: bool) -> int | None:
    """Return the descriptor of the server's lock, None when somebody has it.

    Nobody starts twice: a second one would fail too. Raises: the error of a start that
    was watched and failed.
    """
    from .start import start_error

    check_gguf(order.model.path)
    ensure_private_dir(servers_dir(order.state_dir))
    with _start_lock(order.state_dir, order.until, order.clock, order.wait):
        if is_alive(order.place):
            return None
        state = read_state(order.place)
        if has_started or (state and state.start_id in watched):
            raise start_error(order.model, order.place, state and state.failure)
        # In this order: see state.py.
        remove_state(order.place)
        lock_fd = hold(order.place.lock)
        sweep(order.state_dir, keep=order.place)
        return lock_fd


@contextmanager
def _start_lock(
    state_dir: str,
    until: float,
    clock: Clock,
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[None]:
    while (fd := hold(start_lock_path(state_dir))) is None:
        if clock() >= until:
            raise DeadlineError(
                f"'{start_lock_path(state_dir)}' is locked by another process"
            )
        wait(_POLL_S)
    try:
        yield
    finally:
        os.close(fd)


def _end(place: ServerFiles, state: ServerState, clock: Clock) -> None:
    """End a server that `living_state` showed to be alive under `start.lock`."""
    import signal  # 2 ms for its enums, which only this needs.

    remove_state(place)
    began = clock()
    for number, seconds in (
        (signal.SIGTERM, _TERMINATE_S),
        (signal.SIGKILL, _STOP_S),
    ):
        if _is_server(state.pid):
            with suppress(ProcessLookupError):
                os.kill(state.pid, number)
        while clock() < began + seconds:
            if not is_alive(place):
                return
            time.sleep(_POLL_S)
    raise BackendFailedError(f"the embedded server, process {state.pid}, does not end")


def _is_server(pid: int) -> bool:
    # A second proof, because a signal to the wrong process cannot be taken back. A
    # server that is not signalled ends all the same, its state being gone.
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"llmwrap.backends.embedded.server" in file.read()
    except FileNotFoundError:
        return not os.path.exists("/proc/self")
