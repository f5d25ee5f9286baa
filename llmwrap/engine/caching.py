"""What one answer has to do with the cache: looking for it, one flight, keeping it.

A look-up comes before anything is asked or probed: where options and configuration do
not say which backend and which model, what was discovered last does.
"""

from __future__ import annotations

import time
from functools import partial

from .. import lives
from ..cache.entry import Entry
from ..cache.fingerprint import Place
from ..cache.flights import Held, Waiting
from ..cache.response_cache import ResponseCache
from ..config import Config
from ..errors import CacheError, LLMWrapError
from ..log import Log
from ..messages import Completion
from .choice import CacheMode, Choice
from .question import Question

TYPE_CHECKING = False  # a hit needs neither backends nor threads
if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..threads import Future

_DIGEST_S = 2.0
_FRESH_S = 1.0
_DIGEST_PATIENCE_S = 1.0  # behind the end of the answer
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
        self._digests = Digests()
        # A batch asks each but once, or finds all on the disk.
        is_many = choice.is_inline
        self.cache = ResponseCache(
            config.cache,
            log,
            has_memory=not (is_one_shot or is_many),
            is_many=is_many,
        )

    def stored(self, question: Question) -> Entry | None:
        """Return the stored answer to a question, None to ask it.

        Raises: CacheError when nothing may be asked and nothing is there.
        """
        if question.mode in ("off", "refresh"):
            return None
        is_only, key = question.mode == "only", question.key
        entry = self.cache.get(key, expired_too=is_only) if key else None
        if is_only and entry is None:
            raise self._missing(question)
        return entry

    def keeping(self, question: Question, backend: Backend) -> Keeping | None:
        """Return what keeps the answer to a question, None when nothing does."""
        if not question.key:
            return None
        return Keeping(self.cache, question, backend, self._log, self._digests)

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


class Digests:
    """The digests of models, read beside their answers; any thread may call it.

    One reading serves all answers that begin within a second of it: a batch would ask
    for it as often as for answers.
    """

    def __init__(self) -> None:
        self._readings: dict[tuple[str, str], tuple[float, Future[str | None]]] = {}
        lives.enter(self)

    def start_anew(self) -> None:
        """Forget what the parent's threads read, in a forked child."""
        self._readings = {}

    def reading(self, backend: Backend, model: str) -> Future[str | None] | None:
        """Return the digest to come, None where the server has none."""
        if not backend.has_digests:
            return None
        from ..threads import start_together  # late: no hit needs it

        now = time.monotonic()
        begun_at, reading = self._readings.get((backend.name, model), (0.0, None))
        if reading is None or now - begun_at > _FRESH_S:
            call = partial(backend.digest, model, timeout_s=_DIGEST_S)
            [reading] = start_together([call])
            self._readings[backend.name, model] = now, reading
        return reading


class Keeping:
    """Hold the flight of an answer, or wait for that of another; keep the answer.

    Belongs to the thread that reads the answer. Where the question wants a new answer,
    there is no flight: it is asked for whatever the cache has.
    """

    def __init__(
        self,
        cache: ResponseCache,
        question: Question,
        backend: Backend,
        log: Log,
        digests: Digests,
    ) -> None:
        self.question = question
        """The question, about the weights that are known now."""
        self._cache = cache
        self._backend = backend
        self._log = log
        self._digests = digests
        self._waiting: Waiting | None = None
        self._held: Held | None = None
        self._flight_key = b""
        self._digest: Future[str | None] | None = None

    @property
    def is_waiting(self) -> bool:
        """Tell whether somebody else asks the same at the moment."""
        return self._waiting is not None

    def begin(self) -> Entry | None:
        """Hold the flight or find out whose it is; return what was stored meanwhile."""
        if self.question.mode == "refresh":
            return None
        flight_key = self.question.flight_key
        flight = self._cache.begin_flight(flight_key)
        if isinstance(flight, Waiting):
            self._waiting = flight
            return None
        self._held = flight
        self._flight_key = flight_key
        # Somebody may have stored it after we looked and before we held the flight.
        entry = self._stored()
        if entry:
            self.release()
        return entry

    def is_over(self) -> bool:
        """Tell whether there is nothing to wait for any more."""
        return self._waiting is None or self._waiting.is_over()

    def stop_waiting(self) -> Entry | None:
        """Wait no longer; return the answer if it is there now."""
        self._waiting = None
        return self._stored()

    def attend(self) -> None:
        """Say that the reader waits for the next piece."""
        if self._held:
            self._held.attend()

    def pause(self) -> None:
        """Say that the reader does something else."""
        if self._held:
            self._held.pause()

    def watch(self) -> None:
        """Have the digest of the model read while the answer streams."""
        if self._digest is None:
            self._digest = self._digests.reading(self._backend, self._model)

    def keep(self, completion: Completion) -> None:
        """Store a complete answer."""
        digest = self._known_digest()
        if digest:
            learned = self._cache.learn(self.question.generation, digest)
            self.question = self.question.with_generation(learned)
        entry = Entry(
            stored_ns=time.time_ns(),
            text=completion.text,
            thinking=completion.thinking,
            asked_model=self._model,
            model=completion.model,
            backend=completion.backend,
            kind=self._backend.kind,
            digest=digest,
            finish_reason=completion.finish_reason or "",
            usage=completion.usage,
        )
        self._cache.put(self.question.key, entry)

    def release(self) -> None:
        """Let those go who wait for us."""
        self._waiting = None
        if self._held:
            self._held = None
            self._cache.end_flight(self._flight_key)

    @property
    def _model(self) -> str:
        return self.question.request.model

    def _stored(self) -> Entry | None:
        """Look again: somebody may have stored it, and learned the weights with it."""
        known = self._cache.renewed(self.question.generation)
        self.question = self.question.with_generation(known)
        return self._cache.get(self.question.key)

    def _known_digest(self) -> str:
        """Return the digest of the model, empty where there is none."""
        if self._digest is None:
            self.watch()
        try:
            digest = self._digest.result(_DIGEST_PATIENCE_S) if self._digest else None
        except (TimeoutError, LLMWrapError) as error:
            self._log.debug(f"the digest of '{self._model}' is unknown: {error}")
            return ""
        return digest or ""
