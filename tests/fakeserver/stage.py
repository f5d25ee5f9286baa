"""Say what the APIs of the fake server need to know of it, and keep its models.

A floor below `server`: the APIs see the server through `Stage` only.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .speech import Answer, Pace, Usage


class ModelShelf:
    """Keep the names of the models and which of them are loaded.

    Each method is atomic. Names compare as Ollama compares them: without regard to
    case, `x` being `x:latest`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Start with these models, the newest first, none of them loaded."""
        self._lock = threading.Lock()
        self._names = list(names)
        self._loaded: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all models, the newest first."""
        with self._lock:
            return tuple(self._names)

    @property
    def loaded(self) -> tuple[str, ...]:
        """Return the names of the loaded models, in the order they were loaded."""
        with self._lock:
            return tuple(self._loaded)

    def find(self, name: str) -> str | None:
        """Return the full name of a model, None when there is none such."""
        with self._lock:
            return self._found(name)

    def add(self, name: str) -> None:
        """Add a model as the newest, unless it is there."""
        with self._lock:
            if self._found(name) is None:
                self._names.insert(0, full_name(name))

    def load(self, name: str) -> None:
        """Load a model that is there."""
        with self._lock:
            found = self._found(name)
            if found is not None and found not in self._loaded:
                self._loaded.append(found)

    def unload(self, name: str) -> None:
        """Unload a model, if it is loaded."""
        with self._lock:
            found = self._found(name)
            if found in self._loaded:
                self._loaded.remove(found)

    def _found(self, name: str) -> str | None:
        wanted = {name.lower(), full_name(name).lower()}
        return next((one for one in self._names if one.lower() in wanted), None)


def full_name(name: str) -> str:
    """Return a model's name with its tag, which is `latest` when it has none."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


class Stage(Protocol):
    """Show an API what the server is set to say."""

    answer: Sequence[str]
    thinking: Sequence[str]
    first_token_delay_s: float
    token_delay_s: float
    shelf: ModelShelf


@dataclass(frozen=True, slots=True)
class Question:
    """Hold what an answer depends on, in nobody's dialect."""

    prompt: str
    max_tokens: int | None = None
    is_thinking: bool = True


def answer_to(question: Question, stage: Stage, has_usage: bool = True) -> Answer:
    """Make the answer a server gives: its set text, cut at the limit that was asked.

    A prompt has as many tokens as words, an answer as many as pieces.
    """
    thinking = tuple(stage.thinking) if question.is_thinking else ()
    tokens = tuple(stage.answer)
    reason = "stop"
    limit = question.max_tokens
    if limit is not None and limit < len(thinking) + len(tokens):
        thinking = thinking[:limit]
        tokens = tokens[: limit - len(thinking)]
        reason = "length"
    usage = Usage(max(1, len(question.prompt.split()))) if has_usage else None
    return Answer(tokens, thinking, reason, usage)


def pace_of(stage: Stage) -> Pace:
    """Return the pauses the server is set to make."""
    return Pace(stage.first_token_delay_s, stage.token_delay_s)
