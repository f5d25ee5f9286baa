"""The embedded backend on this machine: its library, its running servers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigError
from ..paths import state_dir

if TYPE_CHECKING:
    from ..backends.embedded.process import EmbeddedServer


class RunningServer(NamedTuple):
    """An embedded server process; `idle_s` counts from the last question asked."""

    pid: int
    model: str
    address: str
    is_ready: bool
    idle_s: float | None


class EmbeddedReport(NamedTuple):
    """The state of the embedded backend on this machine.

    `is_installed` tells whether the extra is, not whether a model is.
    """

    is_installed: bool
    servers: tuple[RunningServer, ...]


def has_embedded_extra() -> bool:
    """Tell whether the library of the embedded backend is installed."""
    from importlib.util import find_spec

    return find_spec("xllamacpp") is not None


def embedded_report(environ: Mapping[str, str], now: float) -> EmbeddedReport:
    """Return which embedded servers run; `now` is in seconds from the epoch.

    None is found where the state directory cannot be used: asking the backend for its
    models says why.
    """
    from ..backends.embedded.process import running_servers

    directory = state_dir(environ)
    servers = []
    try:
        running = running_servers(directory)
    except ConfigError:
        running = []
    for server in running:
        touched_s = None
        with suppress(OSError):
            # Whoever asks touches it, which is how the server knows it is wanted.
            touched_s = os.stat(server.state_path).st_mtime
        idle_s = None if touched_s is None else max(0.0, now - touched_s)
        servers.append(_running(server, idle_s))
    return EmbeddedReport(has_embedded_extra(), tuple(servers))


def stop_embedded_servers(environ: Mapping[str, str]) -> tuple[RunningServer, ...]:
    """End all embedded servers and return them; answers under way break off.

    Raises: ConfigError, BackendFailedError when one does not end.
    """
    from ..backends.embedded.process import stop_servers

    return tuple(_running(server) for server in stop_servers(state_dir(environ)))


def _running(server: EmbeddedServer, idle_s: float | None = None) -> RunningServer:
    return RunningServer(
        pid=server.pid,
        model=os.path.basename(server.model_path).removesuffix(".gguf"),
        address=server.base_url,
        is_ready=server.is_ready,
        idle_s=idle_s,
    )
