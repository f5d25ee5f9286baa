"""Code of other packages, so that whatever it does ends in one line.

A backend that an entry point brings runs in our process and may do anything: raise
SystemExit, yield what is no chunk, end without a word. Here each such thing becomes
an error of ours that names the package; built-in backends need none of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import NoneType
from typing import TypeVar

from ..errors import (
    ExhaustedError,
    IncompleteError,
    Interrupted,
    LLMWrapError,
    ProtocolError,
)
from ..messages import Chunk, Json, Request, Usage
from .base import Backend, BackendSettings, Model, Progress, WireRequest

TYPE_CHECKING = False  # a hit in the cache needs the settings, and no sockets
if TYPE_CHECKING:
    from ..transport.cancel import CancelToken

_SHOWN_CHARACTERS = 200
_END = object()
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "thinking": (str,),
    "deltas": (int,),
    "model": (str, NoneType),
    "finish_reason": (str, NoneType),
    "usage": (Usage, NoneType),
    "tool": (str,),
    "cached_tokens": (int,),
    "is_ollama": (bool,),
}
"""What a chunk holds, as far as it matters what it is."""

T = TypeVar("T")


class ForeignBackend(Backend):
    """Stand before a backend of another package, and let only its answers through.

    All that `Backend` has is here, each as its own; nothing is left to defaults.
    """

    def __init__(
        self, make: Callable[[], Backend], settings: BackendSettings, package: str
    ) -> None:
        """Make the backend.

        Raises: ProtocolError where that fails, with the package in its hint.
        """
        self.name = settings.name
        self.kind = settings.kind
        self._hint = f"the package '{package}' brings this backend"
        self._below = self._called("was made", make)
        self.address = self._attribute("address", str, "")
        self.context_option = self._attribute("context_option", str, "")
        self.can_warm = self._attribute("can_warm", bool, False)
        self.may_cut_prompt = self._attribute("may_cut_prompt", bool, False)
        self.note = self._attribute("note", str, "")
        self.has_digests = self._attribute("has_digests", bool, False)

    @property
    def place(self) -> str:
        """Return what tells its answers from those of others of its kind."""
        return self._attribute("place", str, self.address or self.name)

    def chat(self, request: Request, cancel: CancelToken) -> Iterator[Chunk]:
        """Yield the answer; every piece is looked at, and so is its end."""
        chunks = self._called("asked", lambda: iter(self._below.chat(request, cancel)))
        has_ended = False
        try:
            while (
                chunk := self._called("asked", lambda: next(chunks, _END))
            ) is not _END:
                has_ended = has_ended or self._checked(chunk).is_complete
                yield self._checked(chunk)
        finally:
            close = getattr(chunks, "close", None)
            # It is left, and what it says to that interests nobody any more.
            with suppress(LLMWrapError):
                if close:
                    self._called("left", close)
        if not has_ended:
            raise IncompleteError(
                f"{self.name} ended without an end marker", hint=self._hint
            )

    def models(self, *, timeout_s: float) -> list[Model]:
        """Return what the backend offers."""
        found = self._called(
            "asked for its models", lambda: [*self._below.models(timeout_s=timeout_s)]
        )
        entries: list[object] = [*found]
        for entry in entries:
            if not (isinstance(entry, Model) and str(entry.name) == entry.name):
                raise self._wrong("has something else in its list of models")
        return found

    def default_model(self, *, timeout_s: float) -> str | None:
        """Return the model to take when none is named."""
        return self._text("default_model", timeout_s=timeout_s)

    def odd_entries(self) -> list[str]:
        """Return what could not be read of the last list."""
        found: list[object] = self._called(
            "asked for its models", lambda: [*self._below.odd_entries()]
        )
        return [line for line in found if isinstance(line, str)]

    def check_access(self, name: str, *, timeout_s: float) -> None:
        """Raise what a question would meet before it reaches a model."""
        self._called(
            "asked for access",
            lambda: self._below.check_access(name, timeout_s=timeout_s),
        )

    def model(self, name: str, *, timeout_s: float) -> dict[str, Json]:
        """Return all that the backend tells of one model."""
        what = "asked for a model"
        found = self._called(what, lambda: self._below.model(name, timeout_s=timeout_s))
        if not isinstance(found, Mapping):
            raise self._wrong("has something else for a model")
        return self._called(what, lambda: dict(found))

    def version(self, *, timeout_s: float) -> str | None:
        """Return the server's version."""
        return self._text("version", timeout_s=timeout_s)

    def context_limit(self, name: str, *, timeout_s: float) -> int | None:
        """Return the longest context a model can take."""
        found: object = self._called(
            "asked for a context",
            lambda: self._below.context_limit(name, timeout_s=timeout_s),
        )
        return found if isinstance(found, int) else None

    def digest(self, name: str, *, timeout_s: float) -> str | None:
        """Return what tells the weights of a model from others of its name."""
        return self._text("digest", name, timeout_s=timeout_s)

    def wire_request(self, request: Request) -> WireRequest:
        """Return the request that `chat` would send."""
        found = self._called(
            "asked for its request", lambda: self._below.wire_request(request)
        )
        if not isinstance(found, WireRequest):
            raise self._wrong("has something else for a request")
        return found

    def unknown_options(self, request: Request) -> list[str]:
        """Return the options of a request that it is not known to have."""
        found: list[object] = self._called(
            "asked for its options", lambda: [*self._below.unknown_options(request)]
        )
        return [name for name in found if isinstance(name, str)]

    def slots(self, *, timeout_s: float) -> int | None:
        """As Backend has it."""
        return self._called(
            "asked for its slots", lambda: self._below.slots(timeout_s=timeout_s)
        )

    def remove(self, name: str, *, timeout_s: float) -> None:
        """As Backend has it."""
        self._called(
            "asked to remove a model",
            lambda: self._below.remove(name, timeout_s=timeout_s),
        )

    def count_tokens(self, text: str, model: str, *, timeout_s: float) -> int | None:
        """As Backend has it."""
        found: object = self._called(
            "asked to count tokens",
            lambda: self._below.count_tokens(text, model, timeout_s=timeout_s),
        )
        return found if isinstance(found, int) else None

    def pull(self, name: str, cancel: CancelToken) -> Iterator[Progress]:
        """Fetch a model, yielding how far it is."""
        what = "asked to pull a model"
        steps = self._called(what, lambda: iter(self._below.pull(name, cancel)))
        while (step := self._called(what, lambda: next(steps, _END))) is not _END:
            if not isinstance(step, Progress):
                raise self._wrong("has something else for progress")
            yield step

    def warm(self, request: Request, cancel: CancelToken) -> None:
        """Load a model."""
        self._called("asked to load a model", lambda: self._below.warm(request, cancel))

    def close(self) -> None:
        """Close what is open."""
        with suppress(LLMWrapError):  # It is not used again, whatever it says.
            self._called("closed", self._below.close)

    def _attribute(self, name: str, kind: type[T], default: T) -> T:
        value = self._called("asked", lambda: getattr(self._below, name, default))
        return value if isinstance(value, kind) else default

    def _text(self, name: str, *args: object, **options: object) -> str | None:
        found: object = self._called(
            f"asked for its {name}",
            lambda: getattr(self._below, name)(*args, **options),
        )
        if found is None or isinstance(found, str):
            return found
        raise self._wrong(f"has no text for its {name}")

    def _checked(self, chunk: object) -> Chunk:
        if not isinstance(chunk, Chunk):
            raise self._wrong(f"yielded a value of type {type(chunk).__name__:.40}")
        fields = ((getattr(chunk, name), kinds) for name, kinds in _FIELDS.items())
        is_right = all(isinstance(field, kinds) for field, kinds in fields)
        if not is_right:
            raise self._wrong("yielded a chunk with a field of the wrong type")
        return chunk

    def _called(self, when: str, call: Callable[[], T]) -> T:
        """Return what a call brings, or raise an error of ours."""
        try:
            return call()
        except MemoryError as error:
            raise ExhaustedError(
                f"{self.name} ran out of memory", hint=self._hint
            ) from error
        except BaseException as error:
            if _is_ours(error):
                raise
            what = f"failed when it was {when}: {error_said(error)}"
            raise self._wrong(what) from error

    def _wrong(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self.name} {what}", hint=self._hint)


def _is_ours(error: BaseException) -> bool:
    """Tell whether an error is for us: an error of ours, or the user's own signal."""
    if isinstance(error, KeyboardInterrupt):
        is_main = threading.current_thread() is threading.main_thread()
        return is_main or isinstance(error, Interrupted)
    return isinstance(error, LLMWrapError) and type(error) is not LLMWrapError


def error_said(error: BaseException) -> str:
    """Return type and words of an error, whatever it makes of being asked for them.

    Of one of ours, those of the foreign one behind it.
    """
    error = (isinstance(error, LLMWrapError) and error.__cause__) or error
    try:
        said = f"{type(error).__name__}: {error}"
    except Exception as worse:
        said = f"{type(error).__name__}, and then {type(worse).__name__}"
    return said[:_SHOWN_CHARACTERS].removesuffix(": ")
