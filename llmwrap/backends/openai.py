"""OpenAI's chat completions, as llama.cpp, vLLM, LiteLLM and many others speak it.

Only the portable subset is sent; what a user names with `-o` goes along as
it is. An answer is complete when a `finish_reason` came: `[DONE]` alone proves
nothing, vLLM sends it after an error too.

See: platform.openai.com/docs/api-reference/chat; WHATWG server-sent events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from ..ends import marker
from ..errors import (
    BackendFailedError,
    IncompleteError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
)
from ..messages import Chunk, Json, Message, Request, Schema, ServerTimings, Usage
from ..schemas.sending import is_closed, sent_schema
from ..transport.cancel import CancelToken
from .base import Model
from .deltas import (
    DeltaMerger,
    Said,
    count_at,
    number_at,
    said_by,
    word_at,
)
from .entries import is_embedder, name_of, strings_at
from .http import HttpBackend, JsonObject, object_at
from .options import OPENAI, thinking_of
from .replies import ErrorReader
from .server_errors import server_error

_MS = 1e-3
_OLLAMA, _LLAMA_CPP = "fp_ollama", "llamacpp"
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")


class OpenAIBackend(HttpBackend):
    """Talk to a server with OpenAI's API; the address ends with its `/v1` part."""

    chat_path = "/chat/completions"
    stream_type = "text/event-stream"
    may_cut_prompt = True

    def chat_body(self, request: Request) -> JsonObject:
        """Return the body of /v1/chat/completions."""
        sampling = request.sampling
        body: JsonObject = {
            "model": request.model,
            "messages": [_message(message) for message in request.messages],
            "stream": request.is_streamed,
        }
        if request.is_streamed:
            body["stream_options"] = {"include_usage": True}
        named: dict[str, Json] = {
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "seed": sampling.seed,
            "top_p": sampling.top_p,
            "stop": list(sampling.stop) or None,
        }
        named.update(thinking_of(request.think))
        if request.schema:
            named["response_format"] = _response_format(request.schema)
        body.update({name: value for name, value in named.items() if value is not None})
        body.update(OPENAI.translated(sampling.options))
        return body

    def unknown_options(self, request: Request) -> list[str]:
        """Return the options of a request that no such server is known to have."""
        return OPENAI.unknown(request.sampling.options)

    def chat(self, request: Request, cancel: CancelToken) -> Iterator[Chunk]:
        """Yield the answer; usage may follow the chunk with the finish reason."""
        body = self.chat_body(request)
        with self._opened(
            "POST", self.chat_path, body, cancel=cancel, model=request.model
        ) as reply:
            reader = _ReplyReader(self._errors, request.model)
            for documents in self._documents(reply, is_streamed=request.is_streamed):
                yield from reader.chunks(documents)
            reader.check_end(is_streamed=request.is_streamed)

    def check_access(self, name: str, *, timeout_s: float) -> None:
        """Send what every server refuses, and see why: a list may be public.

        No messages at all, as with an empty list of them some load the model. That
        they are missing is no finding.
        """
        body: JsonObject = {"model": name}
        try:
            self._document(
                "POST", self.chat_path, body, timeout_s=timeout_s, model=name
            )
        except RefusedError as error:
            if error.trouble or error.is_unauthorized:
                raise

    def models(self, *, timeout_s: float) -> list[Model]:
        """Return the models of /v1/models."""
        document = self._document("GET", "/models", timeout_s=timeout_s)
        return self._listed(
            document,
            ("data", "models"),
            lambda entry: _model(entry, _more_of(entry, document)),
        )

    def model(self, name: str, *, timeout_s: float) -> dict[str, Json]:
        """Return the entry of a model in the list, by any name that chats take."""
        document = self._call("GET", "/models", timeout_s=timeout_s)
        entry = self._entry(name, document)
        return {**_more_of(entry, document), **entry}

    def _entry(self, name: str, document: Json) -> JsonObject:
        """Return the entry of a list for a name. Raises: RefusedError."""
        listed = document.get("data") if isinstance(document, dict) else document
        known = listed if isinstance(listed, list) else ()
        entries = [one for one in known if isinstance(one, dict)]
        for entry in entries:
            names = [word_at(entry, "id"), *_strings(entry, "aliases")]
            if name.lower() in map(str.lower, names):
                return entry
        # llama.cpp with one model answers to any name.
        if len(entries) == 1 and entries[0].get("owned_by") == _LLAMA_CPP:
            return entries[0]
        raise self._errors.unknown_model_error(name, "")

    def slots(self, *, timeout_s: float) -> int | None:
        """Return the slots of llama.cpp's server (GET /props, `total_slots`)."""
        root = self._endpoint.base_url.removesuffix("/v1")
        try:
            props = self._call("GET", "/props", timeout_s=timeout_s, base_url=root)
        except LLMWrapError:
            return None  # others have no such thing
        slots = props.get("total_slots")
        return slots if isinstance(slots, int) and slots > 0 else None

    def count_tokens(self, text: str, model: str, *, timeout_s: float) -> int | None:
        """Return what POST /tokenize counts, of llama.cpp's server and of vLLM's.

        The one reads `content`, the other `prompt`, and neither minds the other's.
        See: llama.cpp tools/server/README.md; vLLM, tokenizer API.
        """
        root = self._endpoint.base_url.removesuffix("/v1")
        body: JsonObject = {
            "model": model,
            "content": text,
            "prompt": text,
            "add_special_tokens": False,
        }
        try:
            found = self._call(
                "POST", "/tokenize", body, timeout_s=timeout_s, base_url=root
            )
        except (RefusedError, BackendFailedError, ProtocolError):
            return None  # others have no such thing
        count, tokens = found.get("count"), found.get("tokens")
        if isinstance(count, int):
            return count
        return len(tokens) if isinstance(tokens, list) else None


class _ReplyReader:
    """Read the chunks of one answer out of the documents of its reply."""

    def __init__(self, errors: ErrorReader, model: str) -> None:
        self._errors = errors
        self._model = model
        self._is_first = True
        self._has_documents = False
        self._has_end = False

    def chunks(self, documents: Sequence[Json]) -> Iterator[Chunk]:
        """Yield the chunks of one read, with what came before an error first."""
        merger = DeltaMerger()
        self._has_documents = self._has_documents or bool(documents)
        try:
            for document in documents:
                if text := _plain_text(document):
                    if self._is_first:
                        self._note_model(document, merger)
                    merger.add_text(text)
                    self._has_end = False
                else:
                    yield from self._looked_at(document, merger)
        except LLMWrapError:
            yield from merger.take()
            raise
        if not merger.is_empty:
            self._is_first = False
            yield from merger.take()

    def check_end(self, *, is_streamed: bool) -> None:
        """Raise an error for a reply that ended without its marker."""
        if self._has_end:
            return
        hint = ""
        if is_streamed and not self._has_documents:
            hint = "--no-stream may show why"
        raise IncompleteError("ended its answer without a finish reason", hint=hint)

    def _note_model(self, document: Json, merger: DeltaMerger) -> None:
        if merger.is_empty and isinstance(document, dict):
            merger.model = word_at(document, "model") or None

    def _looked_at(self, document: Json, merger: DeltaMerger) -> Iterator[Chunk]:
        if error := server_error(document):
            is_first = self._is_first and merger.is_empty
            raise self._errors.reported_error(error, self._model, is_first=is_first)
        if not isinstance(document, dict):
            raise ProtocolError("the reply has no object where a chunk belongs")
        if self._is_first:
            self._note_model(document, merger)
        choice = _first_choice(document)
        if self._is_first and merger.is_empty:
            merger.is_whole = not choice.get("delta") and bool(choice.get("message"))
        said = said_by(_message_of(choice))
        if said.thinking:
            yield from merger.add_thinking(said.thinking)
        if said.text:
            merger.add_text(said.text)
        reason = _marker_of(choice)
        has_said = bool(said.text or said.thinking)
        self._has_end = bool(reason) or (self._has_end and not has_said)
        usage, server = _usage(document), _server_timings(document)
        if not (reason or usage or server or said.tool or said.is_refusal):
            return
        yield from self._ended(document, merger, reason, said, has_said=has_said)

    def _ended(
        self,
        document: JsonObject,
        merger: DeltaMerger,
        reason: str,
        said: Said,
        *,
        has_said: bool,
    ) -> Iterator[Chunk]:
        last = Chunk(
            deltas=0,
            model=word_at(document, "model") or None,
            finish_reason=reason or None,
            usage=_usage(document),
            server=_server_timings(document),
            tool=said.tool,
            is_refusal=said.is_refusal,
            cached_tokens=_cached_tokens(document),
            is_ollama=document.get("system_fingerprint") == _OLLAMA,
        )
        pieces = list(merger.take())
        self._is_first = self._is_first and not pieces
        if has_said and pieces:
            # Together: a marker beside text is one of those that come on every chunk.
            piece = pieces.pop()
            last = last._replace(
                text=piece.text,
                thinking=piece.thinking,
                deltas=piece.deltas,
                is_whole=piece.is_whole,
            )
        yield from pieces
        yield last


def _response_format(schema: Schema) -> JsonObject:
    # Of the forms that there are the only one that nobody drops in silence: vLLM does
    # that with `guided_json`, and LM Studio takes no `json_object`.
    sent = sent_schema(schema)
    described: JsonObject = {"name": "answer", "schema": sent}
    if is_closed(sent):
        described["strict"] = True
    return {"type": "json_schema", "json_schema": described}


def _first_choice(document: JsonObject) -> JsonObject:
    """Return the choice of index 0, empty where there is none."""
    choices = document.get("choices")
    if choices is None:
        return {} if "message" not in document else _foreign()
    if not isinstance(choices, list):
        raise ProtocolError("the reply has no list where 'choices' belongs")
    found = [choice for choice in choices if isinstance(choice, dict)]
    if choices and not found:
        raise ProtocolError("the reply has no objects where 'choices' belongs")
    if not found:
        return {}
    first = found[0]
    for choice in found:
        if choice.get("index") == 0:
            return choice
    return first if not first.get("index") else {}


def _foreign() -> NoReturn:
    raise ProtocolError("answered in the words of Ollama's own API", trouble="path")


def _message_of(choice: JsonObject) -> JsonObject:
    """Return what holds the text: a delta, a message, or the choice itself."""
    for key in ("delta", "message"):
        if found := object_at(choice, key):
            return found
    text = choice.get("text")
    return {"content": text} if isinstance(text, str) else {}


def _marker_of(choice: JsonObject) -> str:
    for key in ("finish_reason", "finishReason", "stop_reason"):
        if key in choice and (found := marker(choice[key])):
            return found
    delta = choice.get("delta")
    return marker(delta.get("finish_reason")) if isinstance(delta, dict) else ""


def _plain_text(document: Json) -> str:
    """Return the text of a chunk that holds nothing else, `""` for any other.

    In a flood these are all but the last few, and looking closely at each would take
    as long as parsing it.
    """
    fields: Any = document
    try:
        [choice] = fields["choices"]
        delta = choice["delta"]
        text = delta["content"]
        is_plain = (
            choice["finish_reason"] is None
            and len(delta) == 1
            and type(text) is str
            and not (choice.get("index") or fields.get("usage") or fields.get("error"))
            and "timings" not in fields
            and "stats" not in fields
        )
    except (KeyError, TypeError, ValueError):
        return ""
    return text if is_plain else ""


def _message(message: Message) -> JsonObject:
    if not message.images:
        return {"role": message.role, "content": message.content}
    parts: list[Json] = [{"type": "text", "text": message.content}]
    for image in message.images:
        url = f"data:{image.media_type};base64,{image.base64}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return {"role": message.role, "content": parts}


def _usage(document: JsonObject) -> Usage | None:
    counts = document.get("usage")
    if not isinstance(counts, dict):
        return None
    usage = Usage(
        count_at(counts, "prompt_tokens"), count_at(counts, "completion_tokens")
    )
    # Ollama's /v1 sends zeros on every chunk before the real ones.
    return usage if usage.prompt_tokens or usage.completion_tokens else None


def _cached_tokens(document: JsonObject) -> int:
    """Return how many tokens of the prompt were in the server's cache, as it says."""
    usage, timings = document.get("usage"), document.get("timings")
    found = [count_at(timings, "cache_n")] if isinstance(timings, dict) else []
    if isinstance(usage, dict):
        details = usage.get("prompt_tokens_details")
        found += [count_at(usage, name) for name in _CACHED]
        if isinstance(details, dict):
            found.append(count_at(details, "cached_tokens"))
    return max((count for count in found if count), default=0)


def _server_timings(document: JsonObject) -> ServerTimings | None:
    """Return llama.cpp's `timings` or LM Studio's `stats`."""
    timings = document.get("timings")
    if isinstance(timings, dict):
        prompt_ms = number_at(timings, "prompt_ms")
        predicted_ms = number_at(timings, "predicted_ms")
        return ServerTimings(
            prompt_s=None if prompt_ms is None else prompt_ms * _MS,
            generation_s=None if predicted_ms is None else predicted_ms * _MS,
        )
    stats = document.get("stats")
    if isinstance(stats, dict) and stats:
        return ServerTimings(
            prompt_s=number_at(stats, "time_to_first_token"),
            generation_s=number_at(stats, "generation_time"),
        )
    return None


def _more_of(entry: JsonObject, document: Json) -> JsonObject:
    """Return what llama.cpp tells of a model in its second list."""
    more = document.get("models") if isinstance(document, dict) else None
    for other in more if isinstance(more, list) else ():
        if isinstance(other, dict) and other.get("model") == entry.get("id"):
            return other
    return {}


def _strings(document: JsonObject, key: str) -> list[str]:
    value = document.get(key)
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str)]


def _parameters(count: int | None) -> str | None:
    """Return a number of parameters as Ollama writes it."""
    if not count:
        return None
    return f"{count / 1e9:.1f}B" if count >= 1e9 else f"{count / 1e6:.2f}M"


def _model(entry: JsonObject, more: JsonObject) -> Model:
    meta = entry.get("meta")
    details = meta if isinstance(meta, dict) else {}
    status = entry.get("status")
    state = status.get("value") if isinstance(status, dict) else None
    name = name_of(entry, "id", "name", "model")
    capabilities = strings_at(entry, "capabilities")
    return Model(
        name=name,
        is_loaded=None if state is None else state == "loaded",
        size_bytes=count_at(details, "size"),
        parameters=_parameters(count_at(details, "n_params")),
        quantization=word_at(details, "ftype") or None,
        context_tokens=count_at(details, "n_ctx") or count_at(entry, "max_model_len"),
        trained_tokens=count_at(details, "n_ctx_train"),
        capabilities=capabilities or tuple(_strings(more, "capabilities")),
        aliases=tuple(
            alias for alias in _strings(entry, "aliases") if alias != entry.get("id")
        ),
        is_embedding=is_embedder(name, capabilities=capabilities)
        or word_at(entry, "type").startswith("embedding"),
    )
