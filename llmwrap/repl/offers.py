"""Which model will answer, and which others could: looked up behind the prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..engine import Engine
from ..engine.choice import Choice
from ..errors import ConfigError, LLMWrapError
from ..messages import Json
from ..terminal.sanitize import visible
from ..threads import Future, start_together
from .mailbox import WAKE, Mailbox

if TYPE_CHECKING:  # it imports backends, which the first picture does not need
    from ..engine.targets import Target

_LOOKUP_S = 10.0


class Found(NamedTuple):
    """Whom a question goes to when no model is named."""

    backend: str = ""
    kind: str = ""
    model: str = ""
    pinned: str = ""
    """The same as one name, so that nothing has to be looked for again."""
    names: tuple[str, ...] = ()
    context_tokens: Mapping[str, int] = {}


class Offers:
    """What a look-up brought; `found` is replaced whole, so any thread may read it."""

    def __init__(self, engine: Engine, choice: Choice, mailbox: Mailbox) -> None:
        self._engine = engine
        self._choice = choice
        self._is_backend_chosen = bool(choice.backend or choice.base_url)
        self._mailbox = mailbox
        self.found = Found()
        self._learned: set[str] = set()

    def learn(self, model: str) -> None:
        """Look again, once, for a model that has answered: it is loaded by now."""
        if model not in self._learned and model not in self.found.context_tokens:
            self._learned.add(model)
            self.look(model if not self.found.model else self.found.pinned or None)

    def look(
        self, model: str | None, then: Callable[[], object] = lambda: None
    ) -> Future[None]:
        """Look again, on a thread; what goes wrong is a warning in the mailbox.

        `then` is called there when that is over, whatever came of it. Without a thread
        for it, all that happens here.
        """

        def look() -> None:
            self._look(model)
            then()

        [looked] = start_together([look])
        if looked.is_refused:
            looked = Future(look)
            looked.run()
        return looked

    def forget(self) -> None:
        """Have the next question find anew whom it goes to: nobody answered."""
        self.found = self.found._replace(pinned="")

    def context_tokens(self, model: str, options: Mapping[str, Json]) -> int | None:
        """Return the length of a model's context, None where it is not known."""
        asked_for = options.get("num_ctx")
        if isinstance(asked_for, int):
            return asked_for
        return self.found.context_tokens.get(model)

    def name_of(self, backend: str, model: str) -> str | None:
        """Return the name by which this model of this backend is asked from here.

        None where the options or the configuration lead elsewhere.
        """
        names = (model,) if self._is_backend_chosen else (f"{backend}/{model}", model)
        for name in names:
            choice = self._choice._replace(model=name)
            try:
                found = self._engine.selector(choice).selection()
            except ConfigError:
                continue
            if found.backend and (found.backend.name, found.model) == (backend, model):
                return name
        return None

    def _pinned(self, target: Target) -> str:
        """Return what asks the same as naming nothing does, without looking again.

        Empty where nothing is looked for, or a name would be taken for something else.
        """
        selection = self._engine.selector().selection()
        if selection.model or target.config.kind == "embedded":
            return ""
        if self._is_backend_chosen:
            return target.model
        return f"{target.backend.name}/{target.model}"

    def _look(self, model: str | None) -> None:
        try:
            target = self._engine.target(model)
            name, backend = target.model, target.backend
            pinned = self._pinned(target)
            self.found = Found(backend.name, backend.kind, name, pinned)
            models = backend.models(timeout_s=_LOOKUP_S)
        except LLMWrapError as error:
            self._mailbox.note("warning", str(error))
            return
        is_own = target.config.kind == "embedded"
        self.found = self.found._replace(
            # A name that a terminal or a line would not show as it is cannot be typed.
            names=tuple(m.name for m in models if m.name == visible(m.name, keep="")),
            context_tokens={
                # Of one that is not loaded it is what it was trained for.
                m.name: m.context_tokens
                for m in models
                if m.context_tokens and (m.is_loaded is not False or is_own)
            },
        )
        self._mailbox.note(WAKE, "")
