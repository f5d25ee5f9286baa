"""llmwrap: local language models in pipelines, cron jobs and terminal chats.

    from llmwrap import Config, LLMWrapper

    with LLMWrapper(Config.load("llmwrap.toml")) as wrapper:
        print(wrapper.chat("Hello!"))

The public names are loaded when they are first used (PEP 562), so that `llmwrap
--version` and a cached answer import nothing they do not need.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not from typing, whose import costs 8 ms; type checkers know it
if TYPE_CHECKING:
    from .config import Config as Config
    from .engine import Answer as Answer
    from .errors import LLMWrapError as LLMWrapError
    from .messages import Chunk as Chunk
    from .messages import Completion as Completion
    from .messages import Image as Image
    from .messages import Message as Message
    from .messages import Sampling as Sampling
    from .messages import Usage as Usage
    from .templating import Template as Template
    from .templating import Variable as Variable
    from .upkeep.cache_care import CacheStats as CacheStats
    from .wrapper import LLMWrapper as LLMWrapper

    EnhancedConfig = Config
    EnhancedLLMWrapper = LLMWrapper

__version__ = "0.1.0"

_HOMES = {
    "Answer": "engine",
    "CacheStats": "upkeep.cache_care",
    "Chunk": "messages",
    "Completion": "messages",
    "Config": "config",
    "EnhancedConfig": "config",
    "EnhancedLLMWrapper": "wrapper",
    "Image": "messages",
    "LLMWrapError": "errors",
    "LLMWrapper": "wrapper",
    "Message": "messages",
    "Sampling": "messages",
    "Template": "templating",
    "Usage": "messages",
    "Variable": "templating",
}

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604  the names of _HOMES

# Type checkers would take any name for a good one if they saw this.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Return a public name, importing its module at the first use."""
        if name not in _HOMES:
            raise AttributeError(f"module 'llmwrap' has no attribute '{name}'")
        from importlib import import_module

        module = import_module(f".{_HOMES[name]}", __name__)
        value: object = getattr(module, name.removeprefix("Enhanced"))
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """Return the public names too, loaded or not."""
        return sorted({*globals(), *__all__})
