"""LM Studio: OpenAI's API, plus its own model list with what is loaded.

See: lmstudio.ai/docs, REST API v0.
"""

from __future__ import annotations

from ..errors import DeadlineError, LLMWrapError, UnreachableError
from ..messages import Json
from .base import Model
from .deltas import count_at, word_at
from .entries import name_of, strings_at
from .http import JsonObject
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
        return self._listed(document, ("data", "models"), _model)

    def model(self, name: str, *, timeout_s: float) -> dict[str, Json]:
        """Return what /api/v0/models tells of one model."""
        return self._entry(name, self._own_list(timeout_s=timeout_s))

    def _own_list(self, *, timeout_s: float) -> JsonObject:
        return self._call("GET", "/models", timeout_s=timeout_s, base_url=self._own_api)

    @property
    def _own_api(self) -> str:
        return self.address.removesuffix("/v1") + "/api/v0"


def _model(entry: JsonObject) -> Model:
    name = name_of(entry, "id", "key")
    return Model(
        name=name,
        is_loaded=word_at(entry, "state") == "loaded",
        family=word_at(entry, "arch") or None,
        quantization=word_at(entry, "quantization") or None,
        context_tokens=count_at(entry, "loaded_context_length"),
        trained_tokens=count_at(entry, "max_context_length"),
        capabilities=strings_at(entry, "capabilities"),
        is_embedding=word_at(entry, "type").startswith("embedding"),
    )
