"""The engine: the only place where the floors meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self

from .. import lives
from ..cache.response_cache import ResponseCache
from ..config import BackendConfig, Config
from ..errors import ClosedError, LLMWrapError
from ..log import SILENT, Log
from ..messages import Rendered, Request
from ..metrics.recorder import Recorder
from .access import Access
from .answer import Answer
from .caching import Caching
from .choice import Choice
from .hashing import Hashing
from .question import Questions
from .runs import RunRecord
from .selection import Selector
from .stored import StoredCourse

_SLOTS_S = 5.0

TYPE_CHECKING = False  # a hit in the cache needs neither sockets nor threads
if TYPE_CHECKING:
    from ..backends.base import Backend, WireRequest
    from ..transport.cancel import CancelToken
    from .dispatch import Dispatch
    from .targets import Target, Targets


class Engine:
    """Ask backends, by one configuration and one set of options.

    Any thread may ask; each answer belongs to the thread that reads it. `until` is
    the deadline of the whole command on the monotonic clock; without one each answer
    has its own. `is_one_shot` says that the process ends after one answer, so nothing
    is kept alive for another.
    Close it, or use it as a context manager, to end what is under way.
    """

    def __init__(
        self,
        config: Config,
        *,
        environ: Mapping[str, str],
        choice: Choice = Choice(),
        log: Log = SILENT,
        until: float | None = None,
        is_one_shot: bool = False,
    ) -> None:
        self.config = config
        self._environ = environ
        self._choice = choice
        self._log = log
        self._access = Access(
            config, choice, environ, is_reused=not is_one_shot, until=until
        )
        self._caching = Caching(config, choice, log, is_one_shot=is_one_shot)
        self._questions = Questions(self._access, self._caching.cache)
        self._recorder = None
        if not choice.is_measured:
            self._recorder = Recorder(environ, log, is_gathering=choice.is_inline)
        self._making = threading.Lock()
        self._is_closed = False
        self._made_targets: Targets | None = None
        self._made_dispatch: Dispatch | None = None
        lives.enter(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is under way and close every connection, for good."""
        with self._making:
            self._is_closed = True
        if self._made_dispatch:
            self._made_dispatch.close()
        if self._made_targets:
            self._made_targets.close()
        if self._recorder:
            self._recorder.close()

    def settle(self) -> None:
        """Wait until the answers of a batch are safe on disk, as others are at once."""
        self.cache.sync()

    def start_anew(self) -> None:
        """Wait for none of the parent's threads, in a forked child."""
        self._making = threading.Lock()

    @property
    def environ(self) -> Mapping[str, str]:
        """Return the variables it goes by."""
        return self._environ

    @property
    def cache(self) -> ResponseCache:
        """Return the response cache."""
        return self._caching.cache

    def ask(
        self,
        request: Request,
        rendered: Rendered | None = None,
        *,
        is_fresh: bool = False,
        cancel: CancelToken | None = None,
    ) -> Answer:
        """Return the answer to a request, under way as soon as it is read.

        A request without a model gets the one the rules choose. `rendered` says which
        template made it, for the record of the run. `is_fresh` wants a new answer
        where the cache would give the one it has. `cancel` ends it at any moment,
        before this returns too. Raises: LimitError for a prompt that is too long,
        CacheError when nothing may be asked, ClosedError, and what selecting a backend
        raises; what goes wrong later is raised where the answer is read.
        """
        self._check_open()
        called_at = time.monotonic()
        mode = self._caching.mode
        if is_fresh and mode == "use":
            mode = "refresh"
        run = RunRecord(self._recorder, mode, self.cache, rendered)
        hashing = Hashing(self._log, self._access.deadline(called_at), cancel)
        try:
            question = self._questions.resolved(request, mode, self.backend, hashing)
            run.question = question
            entry = self._caching.stored(question)
            run.lookup_s = time.monotonic() - called_at
            if entry is None:
                dispatch = self._dispatch
                return dispatch.ask_server(question, called_at, run, cancel, hashing)
        except LLMWrapError as error:
            run.fail(error)
            raise
        course = StoredCourse(entry, question, called_at, self._log, run.end)
        return Answer(course)

    def wire_request(self, request: Request) -> WireRequest:
        """Return the request that `ask` would send; it may look up the model."""
        question = self._questions.resolved(request, "off", self.backend)
        return self._dispatch.wire_request(question)

    def target(self, model: str | None = None) -> Target:
        """Return whom to ask, with the model chosen when none is named.

        Raises: ConfigError, UnreachableError when nothing answers, RefusedError when
        there is no model.
        """
        return self._targets.target(self._access.selector(model).selection())

    def selector(self, choice: Choice | None = None) -> Selector:
        """Return the rules that choose a backend."""
        return Selector(self.config, choice or self._choice, self._environ)

    def backend(
        self, config: BackendConfig, *, is_first_choice: bool = True
    ) -> Backend:
        """Return the backend of a configuration, made once. Raises: ConfigError."""
        return self._targets.backend(config, is_first_choice=is_first_choice)

    def advise(
        self,
        error: LLMWrapError,
        backend: BackendConfig,
        request: Request | None = None,
        named: str = "",
    ) -> None:
        """Give an error of a backend the hint that helps; see hints.py."""
        if error.trouble and not error.hint:  # else nothing is imported for it
            self._targets.advise(error, backend, request, named)

    def warming(self, backend: BackendConfig, model: str) -> str:
        """Return how to load a model ahead, nothing where the backend cannot."""
        from .hints import warming

        return warming(self._access.way(backend), self.backend(backend), model)

    @contextmanager
    def advising(
        self, backend: BackendConfig, request: Request | None = None, named: str = ""
    ) -> Iterator[None]:
        """Give the errors of a backend the hints that help."""
        try:
            yield
        except LLMWrapError as error:
            self.advise(error, backend, request, named)
            raise

    def learn_weights(self, config: BackendConfig, model: str) -> None:
        """Find out which weights a model has now: answers of older ones are void."""
        backend = self.backend(config)
        if self._caching.mode == "off" or not backend.has_digests:
            return
        try:
            place = self._access.place(config, model, self.backend)
        except OSError as error:
            self._log.debug(f"the digest of '{model}' is not kept: {error}")
            return
        self._caching.learn(backend, place, model)

    def slots(self) -> int | None:
        """Return how many questions the server answers at once, if it tells."""
        return self.target().backend.slots(timeout_s=_SLOTS_S)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("it is closed, and nothing can be asked any more")

    @property
    def _targets(self) -> Targets:
        from .targets import Targets

        with self._making:
            self._check_open()
            if self._made_targets is None:
                self._made_targets = Targets(self._access, self._log)
            return self._made_targets

    @property
    def _dispatch(self) -> Dispatch:
        from .dispatch import Dispatch

        targets = self._targets
        with self._making:
            self._check_open()
            if self._made_dispatch is None:
                self._made_dispatch = Dispatch(
                    self._access, self._questions, self._caching, targets, self._log
                )
            return self._made_dispatch
