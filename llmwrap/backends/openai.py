"""OpenAI's chat completions, as llama.cpp, vLLM, LiteLLM and many others speak it.

Floor F3. Only the portable subset is sent; what a user names with `-o` goes along as
it is. An answer is complete when a `finish_reason` came: `[DONE]` alone proves
nothing, vLLM sends it after an error too.

See: platform.openai.com/docs/api-reference/chat; WHATWG server-sent events.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import IncompleteError, LLMWrapError, ProtocolError
from ..messages import Chunk, Json, Message, Request, ServerTimings, Usage
from ..transport.cancel import CancelToken
from ..transport.client import ByteStream
from ..transport.framing import Event, EventDecoder, parse_documents, parse_json
from .base import Model
from .deltas import DeltaMerger, count_at, number_at, string_at
from .http import HttpBackend, JsonObject, object_at, objects_at
from .replies import server_error

_MS = 1e-3
_SHOWN_BYTES = 80
_FIELDS = (b"data", b"event", b"id", b"retry")
# vLLM's internal ends: the answer is not whole, whatever the status was.
_BROKEN_ENDS = frozenset({"abort", "error"})


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
        if isinstance(request.think, str):
            named["reasoning_effort"] = request.think
        elif request.think is not None:
            named["chat_template_kwargs"] = {"enable_thinking": request.think}
        body.update({name: value for name, value in named.items() if value is not None})
        body.update(sampling.options)
        return body

    def chat(self, request: Request, cancel: CancelToken) -> Iterator[Chunk]:
        """Yield the answer; usage may follow the chunk with the finish reason."""
        body = self.chat_body(request)
        is_complete = False
        with self._opened(
            "POST", self.chat_path, body, cancel=cancel, model=request.model
        ) as reply:
            is_first = True
            for events in self._batches(reply):
                is_done = bool(events) and events[-1].data.strip() == b"[DONE]"
                for chunk in self._chunks(events, request.model, is_first):
                    yield chunk
                    is_first = is_first and not chunk.deltas
                    is_complete = is_complete or chunk.is_complete
                if is_done:
                    break
        if not is_complete:
            raise IncompleteError(
                f"{self._endpoint} ended its answer without a finish reason"
            )

    def models(self, *, timeout_s: float) -> list[Model]:
        """Return the models of /v1/models."""
        document = self._call("GET", "/models", timeout_s=timeout_s)
        return [_model(entry) for entry in objects_at(document, "data")]

    def _batches(self, reply: ByteStream) -> Iterator[list[Event]]:
        """Yield the events that each read brought, up to `[DONE]`.

        A reply that is one JSON document after all (an error, a proxy that ignores
        `stream`) is one event.
        """
        if reply.media_type == "application/json":
            yield [Event("", reply.read_all())]
            return
        if reply.media_type in ("text/html", "application/xhtml+xml"):
            raise ProtocolError(f"{self._endpoint} answered with an HTML page")
        decoder = EventDecoder(self._settings.line_limit_bytes)
        start = b""
        has_events = False
        for piece in reply.pieces():
            if len(start) < _SHOWN_BYTES:
                start += piece[:_SHOWN_BYTES]
            if events := _until_done(decoder.feed(piece)):
                has_events = True
                yield events
            if decoder.error:
                raise decoder.error
        if events := _until_done(decoder.flush()):
            has_events = True
            yield self._whole_events(events)
        if not has_events and _is_no_event(start):
            shown = start[:_SHOWN_BYTES].decode("utf-8", "replace")
            raise ProtocolError(f"{self._endpoint} sent no event stream: {shown!r}")

    def _whole_events(self, events: list[Event]) -> list[Event]:
        """Return events that came without their blank line, if they are whole."""
        try:
            for event in events:
                if event.data.strip() not in (b"[DONE]", b""):
                    parse_json(event.data)
        except ProtocolError as error:
            raise IncompleteError(
                f"{self._endpoint} broke off in the middle of an event"
            ) from error
        return events

    def _chunks(
        self, events: list[Event], model: str, is_first: bool
    ) -> Iterator[Chunk]:
        """Yield the chunks of one read, with what came before an error first."""
        merger = DeltaMerger()
        named_error = any(event.name == "error" for event in events)
        documents: Iterable[Json] = parse_documents(
            [e.data for e in events if e.data.strip() and e.data[:6] != b"[DONE]"]
        )
        try:
            for document in documents:
                if not isinstance(document, dict):
                    raise ProtocolError(f"the reply has {document!r:.40} for a chunk")
                if is_first and merger.is_empty:
                    merger.model = string_at(document, "model") or None
                if text := _plain_text(document):
                    merger.add_text(text)
                    continue
                if not document.get("choices"):
                    is_first = is_first and merger.is_empty
                    self._raise_reported(document, model, is_first, named_error)
                yield from self._read_chunk(document, merger)
        except LLMWrapError:
            yield from merger.take()
            raise
        yield from merger.take()

    def _raise_reported(
        self, document: JsonObject, model: str, is_first: bool, is_error_event: bool
    ) -> None:
        is_error_event = is_error_event and "message" in document
        if error := server_error(document, is_error_event=is_error_event):
            raise self._errors.reported_error(error, model, is_first=is_first)

    def _read_chunk(self, document: JsonObject, merger: DeltaMerger) -> Iterator[Chunk]:
        reason = ""
        if choices := objects_at(document, "choices"):
            choice = choices[0]
            delta = object_at(choice, "delta") or object_at(choice, "message")
            thinking = string_at(delta, "reasoning_content")
            if thinking := thinking or string_at(delta, "reasoning"):
                yield from merger.add_thinking(thinking)
            if text := string_at(delta, "content"):
                merger.add_text(text)
            reason = string_at(choice, "finish_reason")
        if reason in _BROKEN_ENDS:
            raise IncompleteError(f"{self._endpoint} gave up the answer: '{reason}'")
        usage, server = _usage(document), _server_timings(document)
        if reason or usage or server:
            yield from merger.take()
            yield Chunk(
                deltas=0,
                model=string_at(document, "model") or None,
                finish_reason=reason or None,
                usage=usage,
                server=server,
            )


def _plain_text(document: JsonObject) -> str:
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
            and not fields.get("usage")
            and "timings" not in fields
            and "stats" not in fields
        )
    except (KeyError, TypeError, ValueError):
        return ""
    return text if is_plain else ""


def _is_no_event(start: bytes) -> bool:
    """Tell whether what a reply began with belongs to no event stream."""
    lines = start.replace(b"\r", b"\n").split(b"\n")
    fields = [line.partition(b":")[0] for line in lines if line[:1] not in (b"", b":")]
    # A reply may have ended within the very first word.
    return bool(fields) and not any(known.startswith(fields[0]) for known in _FIELDS)


def _until_done(events: list[Event]) -> list[Event]:
    for index, event in enumerate(events):
        if event.data[:6] == b"[DONE]":
            return events[: index + 1]
    return events


def _message(message: Message) -> JsonObject:
    if not message.images:
        return {"role": message.role, "content": message.content}
    parts: list[Json] = [{"type": "text", "text": message.content}]
    for image in message.images:
        encoded = base64.b64encode(image.data).decode()
        url = f"data:{image.media_type};base64,{encoded}"
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


def _model(entry: JsonObject) -> Model:
    meta = entry.get("meta")
    details = meta if isinstance(meta, dict) else {}
    status = entry.get("status")
    state = status.get("value") if isinstance(status, dict) else None
    return Model(
        name=string_at(entry, "id"),
        is_loaded=None if state is None else state == "loaded",
        size_bytes=count_at(details, "size"),
        context_tokens=count_at(details, "n_ctx") or count_at(entry, "max_model_len"),
    )
