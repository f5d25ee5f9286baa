"""The wrapper around everything: one call asks one question.

The names are loaded when they are first used (PEP 562): what renders a template or
shows the configuration needs a module or two of this package, and no engine, whose
imports cost 10 ms.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not from typing: see llmwrap/__init__.py
if TYPE_CHECKING:
    from .answer import Answer as Answer
    from .choice import Choice as Choice
    from .engine import Engine as Engine

_HOMES = {
    "Answer": "answer",
    "Choice": "choice",
    "Engine": "engine",
}

__all__ = ["Answer", "Choice", "Engine"]

# Type checkers would take any name for a good one if they saw this.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Return a public name, importing its module at the first use."""
        if name not in _HOMES:
            raise AttributeError(f"module 'llmwrap.engine' has no attribute '{name}'")
        from importlib import import_module

        module = import_module(f".{_HOMES[name]}", __name__)
        value: object = getattr(module, name)
        globals()[name] = value
        return value
