"""The background process that serves one model: a real llama.cpp.

    python -P -m llmwrap.backends.embedded.server < SETTINGS

Only start.py runs it. The process forks twice: the first one ends at once,
so that whoever started it has no child left to wait for; the second one stays until
the third, the server, is ready or dead, and says why if it is dead (llama.cpp may end
a process without asking Python). The server holds the lock of its place as long as it
lives; see state.py. The only door to xllamacpp.

For a small machine: a context of the length the model was trained for, at most 8192
tokens a slot; two answers at a time, each with a whole context of its own (a shared
one could break off an answer when both grow), one for files over 2 GiB; no cache of
earlier prompts beside the slots' own. SmolLM2-135M then takes 0.5 GiB, of which 0.1
are the mapped file.

It ends by itself: when nothing was asked for its idle time (which is short once the
model's file is another one: then a server of its own is asked about that), on SIGTERM,
and when its state file is gone or names another process. Whether something is in flight
is asked of llama.cpp in the process (never over HTTP: its threads may all be taken by
waiting requests), whether it is wanted is seen from the times of the state file, which
clients touch.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import time
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from ...models.gguf import context_tokens
from .failure import start_failure
from .state import (
    Failure,
    ModelFile,
    ServerFiles,
    ServerState,
    read_state,
    remove_state,
    write_state,
)

PARALLEL_SLOTS = 2
ONE_SLOT_BYTES = 2 << 30
HTTP_THREADS = 32
LOG_BOUND_BYTES = 1 << 20

_LONGEST_TICK_S = 2.0
_OUTDATED_IDLE_S = 2.0
_SHORTEST_TICK_S = 0.02
_WARNINGS = 2
_BUSY = re.compile(r"^llamacpp:requests_(?:processing|deferred) [1-9]", re.MULTILINE)


class Handover(NamedTuple):
    """What the starter hands over."""

    start_id: str
    key: str
    idle_s: float
    lock_fd: int
    model: ModelFile
    place: ServerFiles


def main() -> NoReturn:
    """Read the settings from stdin and serve."""
    settings = _read_settings(sys.stdin.buffer.read())
    if os.fork() == 0:
        _supervise(settings)
    os._exit(0)


def _read_settings(raw: bytes) -> Handover:
    record = json.loads(raw)
    record["model"] = ModelFile(*record["model"])
    record["place"] = ServerFiles(*record["place"])
    return Handover(**record)


def _supervise(settings: Handover) -> NoReturn:
    """Become the server's parent until it is ready, or dead: then say why."""
    ready_fd, server_end = os.pipe()
    server = os.fork()
    if server == 0:
        os.close(ready_fd)
        _serve(settings, server_end)
    os.close(server_end)
    if not os.read(ready_fd, 1):
        _, status = os.waitpid(server, 0)
        failure = start_failure(settings.model, settings.place, status)
        _report_failure(settings, failure)
    os._exit(0)


def _report_failure(settings: Handover, failure: Failure) -> None:
    state = read_state(settings.place)
    if state is None or state.status != "failed":
        write_state(
            settings.place,
            _state(settings)._replace(status="failed", failure=failure, key=""),
        )


def _state(settings: Handover) -> ServerState:
    return ServerState(
        start_id=settings.start_id,
        status="loading",
        pid=os.getpid(),
        started_s=time.time(),
        model=settings.model,
        key=settings.key,
    )


def _serve(settings: Handover, ready_fd: int) -> NoReturn:
    """Load the model, tell that it is ready, watch over it and end."""
    _settle(settings)
    write_state(settings.place, _state(settings))
    server = _load(settings)
    state = read_state(settings.place)
    if state is None or state.start_id != settings.start_id:
        os._exit(0)  # Stopped while it was loading.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: _end(settings))
    address: str = server.listening_address
    write_state(
        settings.place, state._replace(status="ready", base_url=f"{address}/v1")
    )
    os.write(ready_fd, b"1")
    os.close(ready_fd)
    _watch(server, settings)
    _end(settings)


def _settle(settings: Handover) -> None:
    os.umask(0o077)
    os.set_inheritable(settings.lock_fd, False)
    # A core dump would hold prompts and the key.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _end(settings: Handover) -> NoReturn:
    state = read_state(settings.place)
    if state and state.start_id == settings.start_id:
        remove_state(settings.place)
    with suppress(FileNotFoundError):
        os.unlink(settings.place.hidden)
    # Not sys.exit: llama.cpp's destructor waits for answers in flight.
    os._exit(0)


def _load(settings: Handover) -> Any:
    """Return xllamacpp's server, listening, its model loaded."""
    try:
        import xllamacpp
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "xllamacpp"
        what = "is not installed" if missing else f"cannot be loaded: {error}"
        failure = Failure(
            "config",
            f"the embedded backend needs xllamacpp, which {what}",
            "run: pip install 'llmwrap[embedded]'",
        )
        _report_failure(settings, failure)
        os._exit(1)
    try:
        return xllamacpp.Server(_parameters(xllamacpp, settings))
    except RuntimeError:
        os._exit(1)  # llama.cpp has logged why.


def _parameters(xllamacpp: Any, settings: Handover) -> Any:
    model = settings.model
    slots = PARALLEL_SLOTS if model.size_bytes <= ONE_SLOT_BYTES else 1
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model.path
    parameters.model_alias = {os.path.basename(model.path).removesuffix(".gguf")}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [settings.key]
    parameters.cors_origins = ""
    parameters.ui = False
    parameters.n_ctx = slots * context_tokens(model.path)
    parameters.n_parallel = slots
    parameters.cpuparams.n_threads = _cpu_threads()
    parameters.cpuparams_batch.n_threads = _cpu_threads()
    parameters.n_threads_http = HTTP_THREADS
    parameters.cache_ram_mib = 0
    parameters.cache_idle_slots = False
    parameters.endpoint_metrics = True  # Without it, handle_metrics has none either.
    parameters.verbosity = _WARNINGS
    # Both only cost time on a CPU: 0.3 and 0.15 s of the 0.8 it took with them.
    parameters.fit_params = _has_gpu(xllamacpp)
    parameters.warmup = False
    return parameters


def _has_gpu(xllamacpp: Any) -> bool:
    devices: list[dict[str, Any]] = xllamacpp.get_device_info()
    return any(device["type"].name.endswith("GPU") for device in devices)


def _cpu_threads() -> int:
    """Return how many threads shall compute, -1 for as many as llama.cpp thinks.

    It counts the cores of the machine; what this process may use of them can be less.
    """
    available = os.cpu_count() or 1
    allowed = available
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        allowed = min(allowed, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # No such control group, or "max": no quota.
    return allowed if allowed < available else -1


def _watch(server: Any, settings: Handover) -> None:
    """Return when the server has been idle long enough, or is wanted no more."""
    tick_s = max(_SHORTEST_TICK_S, min(_LONGEST_TICK_S, settings.idle_s / 4))
    metrics, touched = "", 0
    active_at = time.monotonic()
    while True:
        state = read_state(settings.place)
        if state is None or state.start_id != settings.start_id:
            return
        before = metrics, touched
        metrics, touched = server.handle_metrics(), _touched(settings.place.state)
        if _is_busy(metrics) or (metrics, touched) != before:
            active_at = time.monotonic()
        idle_s = settings.idle_s
        if not _is_same_file(settings.model):
            idle_s = min(idle_s, _OUTDATED_IDLE_S)
        is_idle = time.monotonic() - active_at >= idle_s
        if is_idle and _retire(server, settings.place, touched):
            return
        if os.fstat(2).st_size > LOG_BOUND_BYTES:
            os.ftruncate(2, 0)
        time.sleep(tick_s)


def _is_same_file(model: ModelFile) -> bool:
    try:
        status = os.stat(model.path)
    except OSError:
        return False
    now = (status.st_size, status.st_mtime_ns, status.st_ino)
    return now == (model.size_bytes, model.mtime_ns, model.inode)


def _is_busy(metrics: str) -> bool:
    return _BUSY.search(metrics) is not None


def _touched(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0


def _retire(server: Any, place: ServerFiles, touched: int) -> bool:
    """Become impossible to find, unless somebody has found us just before."""
    with suppress(FileNotFoundError):  # Somebody stops us at the same time.
        os.rename(place.state, place.hidden)
    if _touched(place.hidden) == touched and not _is_busy(server.handle_metrics()):
        return True
    with suppress(FileNotFoundError):
        os.rename(place.hidden, place.state)
    return False


if __name__ == "__main__":
    main()
