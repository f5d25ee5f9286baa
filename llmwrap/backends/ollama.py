"""Ollama's native API: /api/chat and what stands around it.

Native and not /v1, because only here num_ctx, keep_alive, think and the server's own
durations exist, and only here a prompt that is too long can be refused: both
`truncate` and `shift` are sent as false, so nothing is ever cut in silence.

See: github.com/ollama/ollama docs/api.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from ..errors import (
    BackendFailedError,
    IncompleteError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
)
from ..messages import Chunk, Json, Request
from ..schemas.sending import sent_schema
from ..transport.cancel import CancelToken
from ..transport.framing import parse_json
from .base import Model, Progress, chattable
from .deltas import DeltaMerger, count_at, said_by, string_at, word_at
from .entries import objects_of
from .http import HttpBackend, JsonObject, object_at
from .ollama_words import (
    final_chunk,
    is_same_model,
    keep_alive,
    message_body,
    model_of,
    moment,
    options_of,
    plain_text,
    trained_context_tokens,
)
from .options import OLLAMA
from .server_errors import server_error

# Settings of the request itself; all other options belong into `options`.
_TOP_LEVEL = frozenset({"format", "keep_alive", "logprobs", "think", "top_logprobs"})


class OllamaBackend(HttpBackend):
    """Talk to an Ollama server."""

    chat_path = "/api/chat"
    context_option = "num_ctx"
    stream_type = "application/x-ndjson"
    has_events = False
    has_digests = True
    can_warm = True

    def chat_body(self, request: Request) -> JsonObject:
        """Return the body of /api/chat."""
        body: JsonObject = {
            "model": request.model,
            "messages": [message_body(message) for message in request.messages],
            "stream": request.is_streamed,
            "truncate": False,
            "shift": False,
        }
        if request.think is not None:
            body["think"] = request.think
        if request.schema:
            body["format"] = sent_schema(request.schema)
        options = options_of(request)
        for name in _TOP_LEVEL & options.keys():
            body[name] = options.pop(name)
        if isinstance(lifetime := body.get("keep_alive"), str):
            body["keep_alive"] = keep_alive(lifetime)
        if options:
            body["options"] = options
        return body

    def chat(self, request: Request, cancel: CancelToken) -> Iterator[Chunk]:
        """Yield the answer; the chunk of the line with `done: true` ends it."""
        body = self.chat_body(request)
        with self._opened(
            "POST", self.chat_path, body, cancel=cancel, model=request.model
        ) as reply:
            is_first = True
            for documents in self._documents(reply, is_streamed=request.is_streamed):
                for chunk in self._chunks(documents, request.model, is_first):
                    yield chunk
                    is_first = False
                    if chunk.is_complete:
                        return
            raise IncompleteError("ended its answer without 'done'")

    def unknown_options(self, request: Request) -> list[str]:
        """Return the options of a request that Ollama is not known to have."""
        return OLLAMA.unknown(request.sampling.options)

    def models(self, *, timeout_s: float) -> list[Model]:
        """Return the models of /api/tags, those of /api/ps marked as loaded."""
        tags = self._call("GET", "/api/tags", timeout_s=timeout_s)
        running = self._running(timeout_s)

        def make(entry: JsonObject) -> Model:
            if running is None:
                return model_of(entry, None)._replace(is_loaded=None)
            return model_of(entry, running.get(string_at(entry, "name")))

        return self._listed(tags, ("models",), make)

    def default_model(self, *, timeout_s: float) -> str | None:
        """Return the first loaded model, else the newest.

        Never one that only embeds or runs elsewhere: the server is asked what a model
        is where its list does not say.
        """
        models = self.models(timeout_s=timeout_s)
        newest = sorted(models, key=lambda m: moment(m.modified or ""), reverse=True)
        for model in chattable(newest):
            if model.capabilities or self._can_chat(model.name, timeout_s):
                return model.name
        return None

    def _running(self, timeout_s: float) -> dict[str, JsonObject] | None:
        """Return what is loaded, by name; None where the server does not say."""
        try:
            document = self._call("GET", "/api/ps", timeout_s=timeout_s)
            entries, _ = objects_of(document, "models")
        except (RefusedError, BackendFailedError, ProtocolError):
            return None
        return {word_at(entry, "name"): entry for entry in entries}

    def _can_chat(self, name: str, timeout_s: float) -> bool:
        try:
            said = self.model(name, timeout_s=timeout_s)
        except (RefusedError, BackendFailedError, ProtocolError):
            return True  # As far as anybody knows.
        model = model_of({**said, "name": name}, None)
        return not (model.is_embedding or model.remote)

    def model(self, name: str, *, timeout_s: float) -> dict[str, Json]:
        """Return what /api/show tells of a model."""
        return self._call(
            "POST", "/api/show", {"model": name}, timeout_s=timeout_s, model=name
        )

    def context_limit(self, name: str, *, timeout_s: float) -> int | None:
        """Return the context length that a model was trained for."""
        return trained_context_tokens(self.model(name, timeout_s=timeout_s))

    def digest(self, name: str, *, timeout_s: float) -> str | None:
        """Return the digest of what is loaded under a name, else of what is there.

        After a pull both the old and the new weights may be loaded for a while.
        """
        for path in ("/api/ps", "/api/tags"):
            try:
                document = self._call("GET", path, timeout_s=timeout_s)
                entries, _ = objects_of(document, "models")
            except (RefusedError, ProtocolError):
                continue
            found = {
                word_at(entry, "digest")
                for entry in entries
                if is_same_model(word_at(entry, "name"), name)
            }
            if len(found) == 1:
                return found.pop() or None
        return None

    def version(self, *, timeout_s: float) -> str | None:
        """Return the server's version. Raises: ProtocolError for another server."""
        document = self._call("GET", "/api/version", timeout_s=timeout_s)
        version = document.get("version")
        if not isinstance(version, str):
            raise ProtocolError(f"what answers at {self.address} is no Ollama server")
        return version

    def pull(self, name: str, cancel: CancelToken) -> Iterator[Progress]:
        """Fetch a model through the server, yielding the sum over its layers."""
        layers: dict[str, tuple[int, int]] = {}
        body: JsonObject = {"model": name, "stream": True}
        with self._opened("POST", "/api/pull", body, cancel=cancel) as reply:
            for documents in self._documents(reply):
                for document in documents:
                    status = self._pull_status(document, name, layers)
                    total = sum(size for _, size in layers.values())
                    done = sum(came for came, _ in layers.values())
                    if not status.startswith("pulling "):
                        done = total  # Small layers are never counted to their end.
                    yield Progress(status, done, total or None)
                    if status == "success":
                        return
            raise IncompleteError("ended the pull without 'success'")

    def warm(self, request: Request, cancel: CancelToken) -> None:
        """Load a model by a chat without messages.

        With the options of a real one: another context would be loaded beside it.
        """
        name = request.model
        body = self.chat_body(request._replace(messages=(), is_streamed=False))
        with self._opened(
            "POST", self.chat_path, body, cancel=cancel, model=name
        ) as reply:
            self._raise_reported(parse_json(reply.read_all()), name, is_first=True)

    def remove(self, name: str, *, timeout_s: float) -> None:
        """Remove a model from the server."""
        cancel = CancelToken(until=time.monotonic() + timeout_s)
        body: JsonObject = {"model": name}
        with self._opened(
            "DELETE", "/api/delete", body, cancel=cancel, model=name
        ) as reply:
            reply.read_all()

    def _chunks(
        self, documents: Iterable[Json], model: str, is_first: bool
    ) -> Iterator[Chunk]:
        """Yield the chunks of one read, with what came before an error first."""
        merger = DeltaMerger()
        try:
            for document in documents:
                if not is_first and (text := plain_text(document)):
                    merger.add_text(text)
                    continue
                self._raise_reported(document, model, is_first and merger.is_empty)
                if not isinstance(document, dict):
                    raise ProtocolError("the reply has no object where a chunk belongs")
                if is_first and merger.is_empty:
                    merger.model = word_at(document, "model") or None
                    merger.is_whole = document.get("done") is True
                yield from _line_chunks(document, merger)
                if document.get("done") is True:
                    yield final_chunk(document)
                    return
        except LLMWrapError:
            yield from merger.take()
            raise
        yield from merger.take()

    def _raise_reported(self, document: Json, model: str, is_first: bool) -> None:
        if error := server_error(document):
            raise self._errors.reported_error(error, model, is_first=is_first)

    def _pull_status(
        self, document: Json, name: str, layers: dict[str, tuple[int, int]]
    ) -> str:
        if not isinstance(document, dict):
            raise ProtocolError("the reply has no object where a status belongs")
        self._raise_reported(document, name, is_first=True)
        if digest := string_at(document, "digest"):
            total = count_at(document, "total") or 0
            layers[digest] = (count_at(document, "completed") or 0, total)
        return string_at(document, "status")


def _line_chunks(document: JsonObject, merger: DeltaMerger) -> Iterator[Chunk]:
    """Read a line; yield what is complete with it."""
    said = said_by(object_at(document, "message"))
    if said.thinking:
        yield from merger.add_thinking(said.thinking)
    if said.text:
        merger.add_text(said.text)
    if said.tool or document.get("done") is True:
        yield from merger.take()
    if said.tool:
        yield Chunk(deltas=0, tool=said.tool)
