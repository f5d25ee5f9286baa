"""The servers llmwrap can talk to, by kind.

Each kind is imported when it is first asked for; one that is not built in is looked
up among the entry points of the group `llmwrap.backends`.
"""

from __future__ import annotations

from ..errors import ConfigError, ProtocolError
from .base import ENTRY_POINT_GROUP, Backend, BackendFactory, BackendSettings

TYPE_CHECKING = False  # what it is for takes 45 ms
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BUILT_IN_KINDS = ("ollama", "lmstudio", "openai", "embedded")


def create_backend(settings: BackendSettings) -> Backend:
    """Return the backend that speaks to what `settings` describe.

    Raises: ConfigError for a kind that nobody provides, or that cannot be loaded.
    """
    kind = settings.kind
    if kind == "ollama":
        from .ollama import OllamaBackend

        return OllamaBackend(settings)
    if kind == "openai":
        from .openai import OpenAIBackend

        return OpenAIBackend(settings)
    if kind == "lmstudio":
        from .lmstudio import LMStudioBackend

        return LMStudioBackend(settings)
    if kind == "embedded":
        from .embedded.backend import EmbeddedBackend

        return EmbeddedBackend(settings)
    return _backend_of_entry_point(settings)


def known_kinds() -> list[str]:
    """Return the kinds of backends that there are, in small letters."""
    return [*BUILT_IN_KINDS, *sorted(_entry_points())]


def _entry_points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {one.name.lower(): one for one in entry_points(group=ENTRY_POINT_GROUP)}


def _backend_of_entry_point(settings: BackendSettings) -> Backend:
    kind, found = settings.kind, _entry_points()
    if kind.lower() not in found:
        known = ", ".join([*BUILT_IN_KINDS, *sorted(found)])
        raise ConfigError(f"no backend of type '{kind}'", hint=f"there are {known}")
    entry_point = found[kind.lower()]
    from .foreign import ForeignBackend, error_said

    brings = entry_point.dist.name if entry_point.dist else entry_point.value

    def make() -> Backend:
        factory: BackendFactory = entry_point.load()
        return factory(settings)

    try:
        return ForeignBackend(make, settings, brings)
    except ProtocolError as error:
        raise ConfigError(
            f"the backend type '{kind}' cannot be loaded: {error_said(error)}",
            hint=f"the package '{brings}' brings it",
        ) from error.__cause__
