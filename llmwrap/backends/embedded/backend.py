"""A llama.cpp of our own, for a machine without a server.

The model runs in a background process that other invocations reuse; here it is asked
over OpenAI's API, on the loopback port and with the key that its state file names.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress

from ...errors import DeadlineError, RefusedError, UnreachableError
from ...messages import Chunk, Json, Request
from ...models.gguf import context_tokens
from ...models.installed import (
    gguf_sha256,
    installed_models,
    model_path,
    remove_model,
)
from ...paths import state_dir
from ...transport.cancel import CancelToken
from ..base import Backend, BackendSettings, Model, WireRequest
from ..openai import OpenAIBackend
from .process import EmbeddedServer, ensure_server, running_servers

_NO_ADDRESS = "http://127.0.0.1/v1"  # before a port is picked


class EmbeddedBackend(Backend):
    """Talk to a model file through a server process, started when it is needed."""

    address = ""

    def __init__(self, settings: BackendSettings) -> None:
        self.name = settings.name
        self.kind = settings.kind
        self._settings = settings
        self._state_dir = state_dir(settings.environ)

    def chat(self, request: Request, cancel: CancelToken) -> Iterator[Chunk]:
        """Yield the answer, with the model loaded first where it is not."""
        if any(message.images for message in request.messages):
            raise RefusedError(
                f"the embedded model '{request.model}' takes no images",
                hint="a server with a vision model does",
            )
        path = model_path(request.model, self._settings.environ)
        server = self._ensure(path, cancel)
        has_begun = False
        try:
            for chunk in self._client(server).chat(request, cancel):
                has_begun = True
                yield chunk
            return
        except UnreachableError:
            if has_begun:
                raise
        # It died between two questions, which is no attempt at this one.
        yield from self._client(self._ensure(path, cancel)).chat(request, cancel)

    def models(self, *, timeout_s: float) -> list[Model]:
        """Return the model files of the data directory."""
        loaded = {s.model_path for s in running_servers(self._state_dir) if s.is_ready}
        return [
            Model(
                name=model.name,
                is_loaded=model.path in loaded,
                size_bytes=model.size_bytes,
                context_tokens=context_tokens(model.path),
            )
            for model in installed_models(self._settings.environ)
        ]

    def default_model(self, *, timeout_s: float) -> str | None:
        """Return the default model, or the first other one that is installed.

        Raises: RefusedError with what to do when there is none.
        """
        installed = installed_models(self._settings.environ)
        if installed:
            return installed[0].name
        return model_path("", self._settings.environ)

    def model(self, name: str, *, timeout_s: float) -> dict[str, Json]:
        """Return what is known of a model file; no digest where that takes too long."""
        path = model_path(name, self._settings.environ)
        clock = CancelToken(until=time.monotonic() + timeout_s)
        sha256 = None
        with suppress(DeadlineError):
            sha256 = gguf_sha256(path, self._state_dir, clock.check)
        return {"name": name, "path": path, "sha256": sha256}

    def version(self, *, timeout_s: float) -> str | None:
        """Return None: there is no server to ask before a model is loaded."""
        return None

    def wire_request(self, request: Request) -> WireRequest:
        """Return the request that `chat` would send; the port may not be picked."""
        path = model_path(request.model, self._settings.environ)
        for server in running_servers(self._state_dir):
            if server.is_ready and server.model_path == path:
                return self._client(server).wire_request(request)
        settings = self._settings._replace(base_url=_NO_ADDRESS, api_key="key")
        return OpenAIBackend(settings).wire_request(request)

    can_warm = True

    def warm(self, request: Request, cancel: CancelToken) -> None:
        """Load a model and keep it for the next question."""
        self._ensure(model_path(request.model, self._settings.environ), cancel)

    def remove(self, name: str, *, timeout_s: float) -> None:
        """Remove the file of an installed model, unless it is running."""
        path = os.path.realpath(model_path(name, self._settings.environ))
        for server in running_servers(self._state_dir):
            if os.path.realpath(server.model_path) == path:
                raise RefusedError(
                    f"model '{name}' is running", hint="'llmwrap backends stop' ends it"
                )
        remove_model(name, self._settings.environ)

    def count_tokens(self, text: str, model: str, *, timeout_s: float) -> int | None:
        """Return what llama.cpp counts, with the model loaded first."""
        path = model_path(model, self._settings.environ)
        server = self._ensure(path, CancelToken())
        return self._client(server).count_tokens(text, model, timeout_s=timeout_s)

    def _ensure(self, path: str, cancel: CancelToken) -> EmbeddedServer:
        cancel.check()
        return ensure_server(
            path,
            state_dir=self._state_dir,
            environ=self._settings.environ,
            deadline_s=self._settings.silence_s,
            wait=cancel.wait,
        )

    def _client(self, server: EmbeddedServer) -> OpenAIBackend:
        return OpenAIBackend(
            self._settings._replace(base_url=server.base_url, api_key=server.key)
        )
