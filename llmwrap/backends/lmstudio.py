"""LM Studio: OpenAI's API, plus its own model list with what is loaded.

See: lmstudio.ai/docs, REST API v0.
"""

from __future__ import annotations

from ..errors import DeadlineError, LLMWrapError, UnreachableError
from ..messages import Json
from .base import Model
from .deltas import count_at, string_at
from .http import JsonObject, objects_at
from .openai import OpenAIBackend


class LMStudioBackend(OpenAIBackend):
    """Talk to LM Studio; the address ends with its `/v1` part."""

    def models(self, *, timeout_s: float) -> list[Model]:
        """Return /api/v0/models, or /v1/models where the version is older."""
        try:
            document = self._own_list(timeout_s=timeout_s)
        except (UnreachableError, DeadlineError):
            raise
        except LLMWrapError:
            return super().models(timeout_s=timeout_s)
        entries = objects_at(document, "data")
        return [_model(entry) for entry in entries if not _is_embedding(entry)]

    def model(self, name: str, *, timeout_s: float) -> dict[str, Json]:
        """Return what /api/v0/models tells of one model."""
        return self._entry(name, self._own_list(timeout_s=timeout_s))

    def _own_list(self, *, timeout_s: float) -> JsonObject:
        return self._call("GET", "/models", timeout_s=timeout_s, base_url=self._own_api)

    @property
    def _own_api(self) -> str:
        return self.address.removesuffix("/v1") + "/api/v0"


def _is_embedding(entry: JsonObject) -> bool:
    return string_at(entry, "type") == "embeddings"


def _model(entry: JsonObject) -> Model:
    capabilities = entry.get("capabilities")
    return Model(
        name=string_at(entry, "id"),
        is_loaded=string_at(entry, "state") == "loaded",
        family=string_at(entry, "arch") or None,
        quantization=string_at(entry, "quantization") or None,
        context_tokens=count_at(entry, "loaded_context_length"),
        trained_tokens=count_at(entry, "max_context_length"),
        capabilities=tuple(
            item
            for item in (capabilities if isinstance(capabilities, list) else ())
            if isinstance(item, str)
        ),
    )
