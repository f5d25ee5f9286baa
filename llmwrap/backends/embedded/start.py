"""Start an embedded server and cut it loose from us.

Apart from process.py, because its imports (subprocess) cost more than all of
the way that finds a running server.

The process gets a session of its own, `/` as its directory, /dev/null and its log as
its streams, no other descriptor of ours but the lock, and an environment from which
all is left out that it has no use for: whatever keys the caller has stay with him. A
pipe behind us therefore ends when we do. Its settings and its key arrive on stdin.
"""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
from collections.abc import Mapping

from ...errors import BackendFailedError, ConfigError, LLMWrapError
from .failure import start_failure
from .state import Failure, ModelFile, ServerFiles

_MODULE = "llmwrap.backends.embedded.server"
_HANDOVER_S = 60.0
_ENVIRONMENT = ("HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")
_ENVIRONMENT_PREFIXES = (
    "CUDA_",
    "DYLD_",
    "GGML_",
    "GOMP_",
    "HIP_",
    "HSA_",
    "LC_",
    "LD_",
    "NVIDIA_",
    "OMP_",
    "PYTHON",
    "ROCR_",
    "VK_",
)


def start(
    model: ModelFile,
    place: ServerFiles,
    lock_fd: int,
    idle_s: float,
    environ: Mapping[str, str],
) -> str:
    """Start a server, without waiting for it to load, and return its start id.

    It inherits the lock; our copy of `lock_fd` is closed in any case. Raises:
    BackendFailedError.
    """
    start_id = os.urandom(8).hex()
    settings = {
        "start_id": start_id,
        "key": os.urandom(32).hex(),
        "idle_s": idle_s,
        "lock_fd": lock_fd,
        "model": model,
        "place": place,
    }
    try:
        exit_status = _launch(json.dumps(settings).encode(), place, lock_fd, environ)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or "its process hangs"
        raise BackendFailedError(
            f"cannot start the embedded server: {reason}"
        ) from error
    finally:
        os.close(lock_fd)
    if exit_status != 0:
        raise start_error(model, place)
    return start_id


def start_error(
    model: ModelFile, place: ServerFiles, failure: Failure | None = None
) -> LLMWrapError:
    """Return the error for a server that failed, from its own words or its log."""
    failure = failure or start_failure(model, place)
    kind = ConfigError if failure.kind == "config" else BackendFailedError
    return kind(failure.message, hint=failure.hint)


def _launch(
    settings: bytes, place: ServerFiles, lock_fd: int, environ: Mapping[str, str]
) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW
    log_fd = os.open(place.log, flags | os.O_CLOEXEC, 0o600)
    try:
        # -P: a directory we happen to be in must not be able to provide modules.
        with subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log_fd,
            cwd="/",
            env=_environment(environ),
            pass_fds=(lock_fd,),
            start_new_session=True,
        ) as process:
            process.communicate(settings, timeout=_HANDOVER_S)
            return process.returncode
    finally:
        os.close(log_fd)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)
    }
    # An assertion of llama.cpp would otherwise start a debugger, if there is one.
    kept["GGML_NO_BACKTRACE"] = "1"
    # OpenMP's threads wait for each other by spinning, and whoever shares the cores
    # with them waits in the middle of it: on 2 cores SmolLM2-135M made 110 tokens/s
    # alone but 2 to 20 beside one busy program. Passive makes 45 and 20 to 65. Not a
    # shorter spin: GOMP_SPINCOUNT from 300 to 10000 is slower the longer it is. A
    # user whose machine does nothing else may set either variable.
    if "GOMP_SPINCOUNT" not in kept:
        kept.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    root = os.path.abspath(__file__)
    for _ in __name__.split("."):
        root = os.path.dirname(root)
    paths = [path for path in kept.get("PYTHONPATH", "").split(os.pathsep) if path]
    if root not in [*site.getsitepackages(), site.getusersitepackages(), *paths]:
        # A source tree. Not always: its place before the standard library is wrong
        # for a directory full of other packages.
        kept["PYTHONPATH"] = os.pathsep.join([root, *paths])
    return kept
