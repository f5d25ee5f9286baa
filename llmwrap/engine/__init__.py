"""The wrapper around everything: one call asks one question. Floor F5."""

from .answer import Answer
from .choice import Choice
from .engine import Engine

__all__ = ["Answer", "Choice", "Engine"]
