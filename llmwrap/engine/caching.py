"""When the engine looks into the cache, and for which answer.

A look-up comes before anything is asked or probed: where options and configuration do
not say which backend and which model, what was discovered last does.
"""

from __future__ import annotations

from ..cache.fingerprint import Place
from ..cache.response_cache import ResponseCache
from ..config import Config
from ..errors import CacheError, LLMWrapError
from ..log import Log
from .choice import CacheMode, Choice
from .question import Question
from .stored import Replay

TYPE_CHECKING = False  # a hit needs neither backends nor threads
if TYPE_CHECKING:
    from ..backends.base import Backend
    from .keeping import Digests, Keeping

_LEARN_S = 10.0


class Caching:
    """The cache as one engine uses it; any thread may call it.

    `choice.cache` is `use`, `off`, `refresh` (ask, and store) or `only` (never ask);
    None leaves it to the configuration.
    """

    def __init__(
        self, config: Config, choice: Choice, log: Log, *, is_one_shot: bool
    ) -> None:
        default: CacheMode = "use" if config.cache.enabled else "off"
        self.mode: CacheMode = choice.cache or default
        self._log = log
        self._digests: Digests | None = None
        # A batch asks each but once, or finds all on the disk.
        is_many = choice.is_inline
        self.cache = ResponseCache(
            config.cache,
            log,
            has_memory=not (is_one_shot or is_many),
            is_many=is_many,
        )

    def replay(
        self, question: Question, called_at: float, mode: CacheMode
    ) -> Replay | None:
        """Return the stored answer to a question, None to ask it.

        Raises: CacheError when nothing may be asked and nothing is there, and as
        `hashing` does.
        """
        if mode in ("off", "refresh"):
            return None
        is_only = mode == "only"
        if question.key:
            entry = self.cache.get(question.key, expired_too=is_only)
            if entry:
                return Replay(entry, question.candidates[0].backend.name, called_at)
        if is_only:
            raise self._missing(question)
        return None

    def keeping(
        self, question: Question, backend: Backend, mode: CacheMode
    ) -> Keeping | None:
        """Return what keeps the answer to a question, None when nothing does."""
        if not question.key:
            return None
        from .keeping import Digests, Keeping

        self._digests = self._digests or Digests()
        log, digests, is_alone = self._log, self._digests, mode == "refresh"
        return Keeping(self.cache, question, backend, log, digests, is_alone=is_alone)

    def learn(self, backend: Backend, place: Place, model: str) -> None:
        """Learn which weights a model has after a pull: older answers are void.

        Not through `Backend.digest`, which tells what is loaded: the old weights may
        be until somebody asks.
        """
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
            self.cache.learn(self.cache.generation(place, model), found[0])

    def _missing(self, question: Question) -> CacheError:
        if self.cache.problem:
            return CacheError(f"the cache cannot be used: {self.cache.problem}")
        if not question.candidates:
            return CacheError(
                "it is not known which model's answer is wanted",
                hint="name backend and model with -m BACKEND/MODEL",
            )
        return CacheError(
            f"the cache has no answer of '{question.candidates[0].model}' to this",
            hint="without --cache-only it is asked",
        )
