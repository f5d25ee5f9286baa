"""When the engine looks into the cache, and for which answer. Floor F5.

A look-up comes before anything is asked or probed: where options and configuration do
not say which backend and which model, what was discovered last does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..cache.fingerprint import GGUF, Place
from ..cache.response_cache import ResponseCache, StoredAs
from ..config import BackendConfig, Config
from ..errors import CacheError, LLMWrapError
from ..log import Log
from ..messages import Request
from ..paths import state_dir
from .choice import CacheMode, Choice
from .selection import Selector
from .state import Discovered, read_discovered
from .stored import Replay

TYPE_CHECKING = False  # a hit needs neither backends nor threads
if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..streams import Ticker
    from .keeping import Keeping

_LEARN_S = 10.0


class Expected(NamedTuple):
    """Whom a request would go to if nothing has changed since the last one."""

    backend: BackendConfig
    model: str


class Caching:
    """The cache as one engine uses it; any thread may call it.

    `choice.cache` is `use`, `off`, `refresh` (ask, and store) or `only` (never ask);
    None leaves it to the configuration.
    """

    def __init__(
        self,
        config: Config,
        choice: Choice,
        environ: Mapping[str, str],
        log: Log,
        *,
        is_one_shot: bool,
    ) -> None:
        default: CacheMode = "use" if config.cache.enabled else "off"
        self.mode: CacheMode = choice.cache or default
        self._environ = environ
        self._log = log
        self.cache = ResponseCache(config.cache, log, has_memory=not is_one_shot)
        self._ticker: Ticker | None = None

    def close(self) -> None:
        """Let others no longer wait for us."""
        if self._ticker:
            self._ticker.stop()

    def replay(
        self, request: Request, selector: Selector, called_at: float, mode: CacheMode
    ) -> Replay | None:
        """Return the stored answer of a request, None to ask for it.

        Raises: CacheError when nothing may be asked and nothing is there.
        """
        if mode in ("off", "refresh"):
            return None
        is_only = mode == "only"
        expected = self._expected(selector)
        try:
            stored_as = self._stored_as(request, expected) if expected else None
        except LLMWrapError:
            if is_only:
                raise
            return None  # It is said again where the model is needed.
        if expected and stored_as:
            entry = self.cache.get(stored_as.key, expired_too=is_only)
            if entry:
                return Replay(entry, expected.backend.name, called_at)
        if is_only:
            raise self._missing(expected)
        return None

    def stored_as(self, request: Request, selector: Selector) -> StoredAs | None:
        """Return where `replay` looks, None where it does not or would have to ask."""
        expected = self._expected(selector) if self.mode == "use" else None
        try:
            return self._stored_as(request, expected) if expected else None
        except LLMWrapError:
            return None  # The file of the model has gone.

    def keeping(
        self, request: Request, backend: Backend, config: BackendConfig, mode: CacheMode
    ) -> Keeping | None:
        """Return what keeps the answer to a request, None when nothing does."""
        if mode == "off":
            return None
        from .keeping import Keeping

        self._keep_alive()
        return Keeping(
            self.cache,
            place_of(config, request.model, self._environ),
            request,
            backend,
            self._log,
            is_alone=mode == "refresh",
        )

    def learn(self, backend: Backend, config: BackendConfig, model: str) -> None:
        """Learn which weights a model has after a pull: older answers are void.

        Not through `Backend.digest`, which tells what is loaded: the old weights may
        be until somebody asks.
        """
        if self.mode == "off" or not backend.has_digests:
            return
        wanted = model.removesuffix(":latest")
        try:
            found = [
                known.digest
                for known in backend.models(timeout_s=_LEARN_S)
                if known.name.removesuffix(":latest") == wanted
            ]
        except LLMWrapError as error:
            self._log.debug(f"the digest of '{model}' is unknown: {error}")
            return
        if found and found[0]:
            self.cache.learn(place_of(config, model, self._environ), model, found[0])

    def _keep_alive(self) -> None:
        """Show those who wait for us that we are alive, from now on."""
        if self._ticker is None:
            from ..cache.flights import TOUCH_S
            from ..streams import Ticker

            self._ticker = Ticker(TOUCH_S, self.cache.touch_flights)

    def _expected(self, selector: Selector) -> Expected | None:
        selection = selector.selection()
        discovered = read_discovered(self._environ)
        backend = selection.backend or _remembered(selector, discovered)
        if backend is None:
            return None
        model = selection.model or discovered.models.get(backend.base_url or "")
        if model is None and backend.kind != "embedded":
            return None
        return Expected(backend, model or "")

    def _stored_as(self, request: Request, expected: Expected) -> StoredAs:
        place = place_of(expected.backend, expected.model, self._environ)
        return self.cache.stored_as(request._replace(model=expected.model), place)

    def _missing(self, expected: Expected | None) -> CacheError:
        if self.cache.problem:
            return CacheError(f"the cache cannot be used: {self.cache.problem}")
        if expected is None:
            return CacheError(
                "it is not known which model's answer is wanted",
                hint="name backend and model with -m BACKEND/MODEL",
            )
        return CacheError(
            f"the cache has no answer of '{expected.model}' to this",
            hint="without --cache-only it is asked",
        )


def place_of(backend: BackendConfig, model: str, environ: Mapping[str, str]) -> Place:
    """Return where an answer comes from, for its key.

    Raises: RefusedError for a model file that is not there.
    """
    if backend.kind != "embedded":
        return Place(backend.kind, backend.base_url or "")
    from ..backends.embedded.models import gguf_sha256, model_path

    path = model_path(model, environ)
    return Place(GGUF, gguf_sha256(path, state_dir(environ)))


def _remembered(selector: Selector, discovered: Discovered) -> BackendConfig | None:
    """Return what was discovered last, if it would be asked for today."""
    for candidate in selector.candidates():
        found = (candidate.kind, candidate.base_url)
        if found == (discovered.kind, discovered.address):
            return candidate
    return None
