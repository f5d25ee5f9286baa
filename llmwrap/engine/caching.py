"""When the engine looks into the cache, and for which answer. Floor F5.

A look-up comes before anything is asked or probed: where options and configuration do
not say which backend and which model, what was discovered last does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..cache.fingerprint import GGUF, Place, fingerprint
from ..cache.response_cache import ResponseCache
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
        if expected:
            request = request._replace(model=expected.model)
            try:
                place = place_of(expected.backend, expected.model, self._environ)
            except LLMWrapError:
                if not is_only:
                    return None  # It is said again where the model is needed.
                raise
            generation = self.cache.generation(place, request.model)
            key = fingerprint(request, place, generation)
            entry = self.cache.get(key, expired_too=is_only)
            if entry:
                stored_as = self.cache.stored_as(key, place, request.model)
                return Replay(entry, expected.backend.name, called_at, stored_as)
        if is_only:
            raise self._missing(expected)
        return None

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
