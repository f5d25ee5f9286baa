"""A question, resolved once: who may be asked, and whose the answer is.

Made at the top of `Engine.ask`, of what the rules say and of what is remembered, and
handed to the look-up, the flight, the put and direct mode; completed when a server had
to be found.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

from ..cache.fingerprint import Place, asked, key_of
from ..cache.generations import UNKNOWN, Generation
from ..cache.response_cache import ResponseCache
from ..config import BackendConfig
from ..errors import CancelledError, DeadlineError, LimitError, LLMWrapError
from ..messages import Request
from ..units import format_size
from .access import Access, Making
from .choice import CacheMode
from .selection import Selection
from .state import read_discovered


class Addressee(NamedTuple):
    """Who may be asked: a backend as it is configured, and its model."""

    backend: BackendConfig
    model: str


class Question(NamedTuple):
    """A request and what was decided about it.

    `candidates` are those who may be asked, in order; there are none while a server
    has to be found, and `is_known` tells whether they were there before anybody was
    asked. `request` names the model of the first one. `mode` is what the cache is to
    do. `place` is where the answer belongs, None when it is neither looked for nor
    kept; then there is no `key`. `generation` is what was known of the weights, `asked`
    the request as the key has it. `named` is the model as the user wrote it.
    """

    request: Request
    selection: Selection
    mode: CacheMode = "use"
    candidates: tuple[Addressee, ...] = ()
    is_known: bool = True
    place: Place | None = None
    generation: Generation = UNKNOWN
    asked: bytes = b""
    key: bytes = b""
    named: str = ""

    def to(self, addressee: Addressee) -> Self:
        """Return the same question to somebody."""
        request = self.request._replace(model=addressee.model)
        return self._replace(request=request, candidates=(addressee,))

    @property
    def flight_key(self) -> bytes:
        """Return what all who ask the same agree on.

        Not the key: a digest that is learned in the middle changes that one.
        """
        return self._key(b"") if self.generation.digest else self.key

    def with_generation(self, generation: Generation) -> Self:
        """Return the same question about other weights."""
        if generation.digest == self.generation.digest:
            return self._replace(generation=generation)
        key = self._key(generation.digest)
        return self._replace(generation=generation, key=key)

    def _key(self, digest: bytes) -> bytes:
        return key_of(self.asked, self.place, digest) if self.place else b""


class Questions:
    """Resolve requests, asking nobody. Any thread may call everything.

    Where it takes `backend_of`, that makes a backend that is not built in, which may
    have a place of its own.
    """

    def __init__(self, access: Access, cache: ResponseCache) -> None:
        self._access = access
        self._cache = cache
        self._selections: dict[str, Selection] = {}

    def resolved(
        self,
        request: Request,
        mode: CacheMode,
        backend_of: Making,
        on_block: Callable[[], object] = lambda: None,
    ) -> Question:
        """Return the question of a request, as far as it is known who answers it.

        Where it may be asked, what keeps from telling whose the answer is goes without
        a word: it is said again where the key, or the file, is needed. Raises:
        LimitError for a prompt that is too long, ConfigError, and as `Access.place`.
        """
        self._check_size(request)
        selection = self._selection(request.model)
        question = Question(request, selection, mode, named=request.model)
        known = self._known(selection, request.model)
        if known is None:
            return question
        question = question.to(known)
        try:
            return self.filed(question, backend_of, on_block)
        except (CancelledError, DeadlineError):
            raise
        except LLMWrapError:
            if mode == "only":
                raise
            return question

    def completed(self, question: Question, found: Addressee) -> Question:
        """Return a question whose server or model may have had to be found."""
        if question.candidates == (found,):
            return question
        unfiled = Question(
            question.request,
            question.selection,
            question.mode,
            is_known=False,
            named=question.named,
        )
        return unfiled.to(found)

    def filed(
        self,
        question: Question,
        backend_of: Making,
        on_block: Callable[[], object] = lambda: None,
    ) -> Question:
        """Return a question with the place and the key of its answer.

        As it is where the cache is left alone, or it cannot be told whose the answer
        is. Raises: as `Access.place`.
        """
        if question.key or question.mode == "off":
            return question
        first = question.candidates[0]
        place = self._cache.tried(
            "owner", lambda: self._access.place(*first, backend_of, on_block), None
        )
        if place is None:
            return question
        generation = self._cache.generation(place, first.model)
        written = asked(question.request, place)
        return question._replace(
            place=place,
            generation=generation,
            asked=written,
            key=key_of(written, place, generation.digest),
        )

    def _check_size(self, request: Request) -> None:
        limit = self._access.config.limits.prompt_bytes
        if request.prompt_bytes > limit:
            raise LimitError(
                f"the prompt is longer than {format_size(limit)}",
                hint="limits.prompt sets the bound",
            )

    def _selection(self, model: str) -> Selection:
        """Return whom the rules mean; where that is all, they are asked only once."""
        if selection := self._selections.get(model):
            return selection
        selection = self._access.selector(model).selection()
        if selection.backend and selection.model:
            self._selections[model] = selection
        return selection

    def _known(self, selection: Selection, model: str) -> Addressee | None:
        if selection.backend and selection.model:
            return Addressee(selection.backend, selection.model)
        discovered = read_discovered(self._access.environ)
        selector = self._access.selector(model)
        backend = selection.backend or selector.remembered()
        if backend is None:
            return None
        name = selection.model or discovered.models.get(backend.base_url or "")
        if name is None and backend.kind != "embedded":
            return None
        return Addressee(backend, name or "")
