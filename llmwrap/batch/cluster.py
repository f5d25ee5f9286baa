"""A Dask cluster that asks: each worker the server of its own machine.

What travels is the question, and how long to wait for its answer: never a key, a header
or a configuration, as each worker goes by its own. Only who started the batch writes
OUTPUT, so all that holds for a batch holds for this one. What a worker died over is
asked again by another: Dask sees to that.

The only door to distributed, an extra: it takes thirty times as long to import as an
empty Python does.
"""

from __future__ import annotations

import logging
import threading
import warnings
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import uuid4

from .. import __version__
from ..config import Config
from ..engine import Choice, Engine
from ..engine.discovery import is_loopback
from ..errors import (
    BackendFailedError,
    ConfigError,
    LLMWrapError,
    UnreachableError,
    UsageError,
)
from ..log import LOGGING, Log
from ..messages import Completion, Json, Rendered, Request
from ..paths import process_environ
from .run import answered
from .task import Done, Task

_SCHEMES = ("tcp", "tls")
_CONNECT_S = 5.0
_LOOK_S = 5.0
_CLOSE_S = 1.0
_ENGINES = 4
_MOST_AT_ONCE = 1024  # each is a thread that waits here


class ForWorker(NamedTuple):
    """What is sent to a worker; `slots` is how many it is asked at once."""

    request: Request
    rendered: Rendered | None
    choice: Choice
    slots: int


class FromWorker(NamedTuple):
    """What comes back, and from whom; `text` is what came before an error."""

    worker: str
    completion: Completion | None
    error: LLMWrapError | None = None
    text: str = ""
    value: Json = None


class Cluster:
    """Have the workers of a cluster ask; any thread may call everything.

    `choice` is what the options say, in which an address and headers are no business
    of another machine. Raises: UsageError for no address, ConfigError where the cluster
    cannot be used, UnreachableError.
    """

    def __init__(self, address: str, choice: Choice, log: Log) -> None:
        scheme, _, host = address.rpartition("://")
        if scheme not in ("", *_SCHEMES) or not host:
            raise UsageError(
                f"'{address}' is no address of a cluster",
                hint="tcp://HOST:PORT, or tls://HOST:PORT by Dask's own configuration",
            )
        self._address = f"{scheme or 'tcp'}://{host}"
        self._log = log
        self._choice = choice._replace(base_url=None, headers=())
        self._run = uuid4().hex[:8]
        self._out: set[str] = set()
        self._left: list[str] | None = None
        self._lock = threading.Lock()
        connect_s = choice.connect_timeout_s or _CONNECT_S
        self._client = _connected(self._address, connect_s)
        try:
            self._threads = self._checked()
        except OSError as error:
            self.close()
            raise self._lost() from error
        except LLMWrapError:
            self.close()
            raise
        if choice.headers:
            log.warning("headers of -H go to no cluster; each worker sends its own")
        if scheme != "tls" and not is_loopback(self._address):
            log.warning(
                f"whoever can reach '{self._address}' can read the questions, and run"
                " programs on the workers; tls:// keeps others out"
            )

    def at_once(self, each: int | None) -> int:
        """Return how many to ask at once: `each` a worker, None for its threads."""
        most = sum(each or threads for threads in self._threads.values())
        return min(most, _MOST_AT_ONCE)

    def ask(self, at: int, task: Task) -> Done | None:
        """Have a worker ask; one that reaches nobody is left to those that do."""
        if task.request is None:
            return Done(task, task.key, None, task.error)
        question = ForWorker(
            _sendable(task.request),
            task.rendered,
            self._choice,
            max(self._threads.values()),
        )
        done = Done(task, task.key, None)
        for tries in range(len(self._threads)):
            name = f"llmwrap-{self._run}-{task.key}-{task.line}-{tries}"
            found = self._asked(name, question)
            done = Done(task, task.key, found.completion, *found[2:])
            if not (isinstance(found.error, UnreachableError) and self._leaves(found)):
                break
        return done

    def settle(self) -> None:
        """Do nothing: what a worker keeps is safe when its answer is here."""

    def close(self) -> None:
        """Want nothing of the cluster any more."""
        self._client.close(timeout=_CLOSE_S)

    def _checked(self) -> dict[str, int]:
        """Return the workers and how many threads each has, once all can be used."""
        threads: dict[str, int] = self._client.nthreads()
        if not threads:
            raise UnreachableError(
                f"the cluster at {self._address} has no workers",
                hint=f"'dask worker {self._address}' starts one",
            )
        slots = max(threads.values())
        try:
            found = {"the scheduler": self._client.run_on_scheduler(version_here)}
        except ImportError as error:
            found = {"the scheduler": error}
        ready = self._client.run(ready_here, self._choice, slots, on_error="return")
        for where, said in (found | ready).items():
            if isinstance(said, LLMWrapError):
                raise ConfigError(f"{where}: {said.message}", hint=said.hint)
            if said != __version__:
                has = said if isinstance(said, str) else _reason(said)
                raise ConfigError(
                    f"{where} of the cluster has not this llmwrap ({__version__}):"
                    f" {has}",
                    hint="install the same one everywhere, the scheduler too",
                )
        return threads

    def _asked(self, name: str, question: ForWorker) -> FromWorker:
        """Return what a worker brought, or why none did."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        future, left = None, self._left
        try:
            future = self._client.submit(
                ask_here, question, key=name, pure=False, workers=left
            )
            return self._result(future, left)
        except FutureCancelledError:
            return _failed(self._lost())
        except KilledWorker as error:
            last = error.last_worker.address
            what = f"each worker that was given it died, the last one {last}"
            return _failed(BackendFailedError(what))
        except Exception as error:
            # Whatever a worker of another make raises, and what Dask does.
            return _failed(BackendFailedError(f"the cluster failed: {_reason(error)}"))
        finally:
            if future is not None:
                future.release()  # a lost worker's would be asked again

    def _lost(self) -> UnreachableError:
        return UnreachableError(f"the cluster at {self._address} was lost")

    def _result(self, future: Any, left: list[str] | None) -> FromWorker:
        """Return what a worker brought: any, or one of those that are left."""
        is_alone = False
        while True:
            try:
                found: FromWorker = future.result(timeout=_LOOK_S)
                return found
            except TimeoutError:
                if future.done():
                    raise  # a worker's own, not that of this wait
                there = self._client.nthreads().keys()
                is_nobody = not (there if left is None else there & left)
                was_alone, is_alone = is_alone, is_nobody
                if was_alone and is_alone:
                    what = f"the cluster at {self._address} has no workers any more"
                    return _failed(UnreachableError(what))

    def _leaves(self, found: FromWorker) -> bool:
        """Take a worker out of use, as long as there is another."""
        with self._lock:
            is_news = found.worker in self._threads.keys() - self._out
            left = self._threads.keys() - self._out - {found.worker}
            if not (left and found.worker):
                return False
            self._out.add(found.worker)
            self._left = sorted(left)
        if is_news:
            self._log.warning(f"{found.error}; its items go to the others")
        return True


# On the workers


def version_here() -> str:
    """Return the version of llmwrap on this machine."""
    return __version__


def ready_here(choice: Choice, slots: int) -> str:
    """Return the same once all is there for asking. Raises: ConfigError."""
    _engine(choice, slots)
    return __version__


def ask_here(question: ForWorker) -> FromWorker:
    """Ask the server of this machine, or the one that its configuration names."""
    from distributed import get_worker

    request, rendered, choice, slots = question
    done = answered(_engine(choice, slots), Task("", 0, request, rendered=rendered))
    worker: str = get_worker().address
    if isinstance(done.error, UnreachableError):
        # The same address is another server where the batch was started.
        done.error.message = f"the worker {worker}: {done.error.message}"
    return FromWorker(worker, done.completion, done.error, done.text, done.value)


@lru_cache(maxsize=_ENGINES)
def _engine(choice: Choice, slots: int) -> Engine:
    """Return the engine of a batch, the same for each of its items."""
    environ = process_environ()
    config = Config.load(environ=environ)
    most = max(config.streaming.max_concurrent_streams, slots)
    streaming = config.streaming._replace(max_concurrent_streams=most)
    config = config._replace(streaming=streaming)
    return Engine(config, environ=environ, choice=choice, log=LOGGING)


# Here


def _connected(address: str, connect_s: float) -> Any:
    """Return a client, which has hardly any types."""
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            "a cluster cannot be used without distributed",
            hint="pip install 'llmwrap[cluster]'",
        ) from error
    # What it says itself comes in many lines, and what matters is raised as well.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"distributed\.")
    # It keeps the last thousand messages: every one of them has a prompt in it.
    dask.config.set({"distributed.admin.low-level-log-length": 1})
    try:
        made: Any = Client  # its parameters have no types
        return made(address, timeout=connect_s, set_as_default=False)
    except OSError as error:
        raise UnreachableError(
            f"cannot reach the cluster at {address}: {_reason(error)}"
        ) from error
    except ValueError as error:
        raise UsageError(f"'{address}': {_reason(error)}") from error
    except TypeError as error:
        raise ConfigError(
            f"{address}: Dask has no certificates for TLS",
            hint="distributed.comm.tls in Dask's configuration names them",
        ) from error


def _failed(error: LLMWrapError) -> FromWorker:
    return FromWorker("", None, error)


def _sendable(request: Request) -> Request:
    """Return a request without the read-only view of options that pickle refuses."""
    sampling = request.sampling
    options = dict(sampling.options)
    return request._replace(sampling=sampling._replace(options=options))


def _reason(error: object) -> str:
    """Return the first line of what an error says, and its name where it says none."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
