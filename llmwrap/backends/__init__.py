"""The servers llmwrap can talk to, by kind. Floor F3.

Each kind is imported when it is first asked for; one that is not built in is looked
up among the entry points of the group `llmwrap.backends`.
"""

from __future__ import annotations

from ..errors import ConfigError
from .base import ENTRY_POINT_GROUP, Backend, BackendFactory, BackendSettings

BUILT_IN_KINDS = ("ollama", "lmstudio", "openai", "embedded")


def create_backend(settings: BackendSettings) -> Backend:
    """Return the backend that speaks to what `settings` describe.

    Raises: ConfigError for a kind that nobody provides.
    """
    return _factory(settings.kind)(settings)


def _factory(kind: str) -> BackendFactory:
    if kind == "ollama":
        from .ollama import OllamaBackend

        return OllamaBackend
    if kind == "openai":
        from .openai import OpenAIBackend

        return OpenAIBackend
    if kind == "lmstudio":
        from .lmstudio import LMStudioBackend

        return LMStudioBackend
    if kind == "embedded":
        from .embedded import EmbeddedBackend

        return EmbeddedBackend
    return _entry_point(kind)


def _entry_point(kind: str) -> BackendFactory:
    from importlib.metadata import entry_points

    found = {
        entry_point.name.lower(): entry_point
        for entry_point in entry_points(group=ENTRY_POINT_GROUP)
    }
    if kind.lower() not in found:
        known = ", ".join([*BUILT_IN_KINDS, *sorted(found)])
        raise ConfigError(f"no backend of type '{kind}'", hint=f"there are {known}")
    try:
        factory: BackendFactory = found[kind.lower()].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the backend '{kind}' cannot be loaded: {error}") from error
    return factory
