"""Answer OpenAI's `/v1` and LM Studio's `/api/v0/models` with nothing wrong.

`/v1/models`, `/v1/models/NAME` (Ollama's only), `/v1/chat/completions`, in one of two
accents: llama.cpp's (a router with several models) or Ollama's.

See: OpenAI API reference, "Chat completions", "Models"; LM Studio docs, "REST API v0".
"""

from collections.abc import Mapping
from typing import Literal

from .llamacpp_speech import LlamaCppSpeech
from .ollama_api import Refusal, json_object, prompt_text
from .openai_speech import OllamaV1Speech, OpenAISpeech, model_entry
from .received import ReceivedRequest
from .speech import Speech, whole_reply
from .stage import Question, Stage, answer_to, pace_of
from .steps import Reply
from .wire import json_bytes

Flavour = Literal["llamacpp", "ollama"]


def openai_speech(flavour: Flavour, model: str = "alpha:latest") -> OpenAISpeech:
    """Return the speech of a flavour."""
    return LlamaCppSpeech(model) if flavour == "llamacpp" else OllamaV1Speech(model)


def openai_response(
    request: ReceivedRequest, stage: Stage, flavour: Flavour
) -> Reply | None:
    """Answer a request of `/v1`; None when path or method are none of it."""
    speech = openai_speech(flavour)
    match request.method, request.path:
        case "GET", "/v1/models":
            return speech.reply(speech.listing(stage.shelf.names))
        case "GET", path if path.startswith("/v1/models/") and flavour == "ollama":
            name = path.removeprefix("/v1/models/")
            if stage.shelf.find(name) is None:
                return speech.refusal(f"model '{name}' not found", 404)
            return speech.reply(model_entry(name))
        case "POST", "/v1/chat/completions":
            try:
                return _chat(request, stage, flavour)
            except Refusal as refusal:
                return speech.refusal(refusal.text, refusal.status)
    return None


def _chat(request: ReceivedRequest, stage: Stage, flavour: Flavour) -> Reply:
    body = json_object(request)
    messages = body.get("messages")
    if not messages and flavour == "ollama":
        raise Refusal(400, "[] is too short - 'messages'")
    if messages is None:
        raise Refusal(400, "'messages' is required")
    name = _model(body, stage, flavour)
    stage.shelf.load(name)
    speech = openai_speech(flavour, name)
    question = Question(prompt_text(messages), _limit(body, flavour))
    if not body.get("stream"):
        return speech.reply(speech.whole(answer_to(question, stage)))
    options = body.get("stream_options")
    has_usage = isinstance(options, dict) and bool(options.get("include_usage"))
    return speech.stream(answer_to(question, stage, has_usage), pace_of(stage))


def _model(body: Mapping[str, object], stage: Stage, flavour: Flavour) -> str:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Refusal(
            400,
            "model is required"
            if flavour == "ollama"
            else "model name is missing from the request",
        )
    if stage.shelf.find(name) is None:
        # A llama.cpp router says 400 where others say 404.
        status = 404 if flavour == "ollama" else 400
        raise Refusal(status, f"model '{name}' not found")
    return name


def _limit(body: Mapping[str, object], flavour: Flavour) -> int | None:
    limit = body.get("max_tokens")
    if limit is None and flavour == "llamacpp":
        limit = body.get("max_completion_tokens")
    return limit if isinstance(limit, int) and limit >= 0 else None


def lmstudio_response(request: ReceivedRequest, stage: Stage) -> Reply | None:
    """Answer `/api/v0/models`; None when the request is for something else."""
    if (request.method, request.path) != ("GET", "/api/v0/models"):
        return None
    loaded = stage.shelf.loaded
    models = [_lmstudio_model(name, name in loaded) for name in stage.shelf.names]
    body = json_bytes({"data": models, "object": "list"})
    return whole_reply(body, "application/json; charset=utf-8", headers=_EXPRESS)


_EXPRESS = (("X-Powered-By", "Express"),)


def _lmstudio_model(name: str, is_loaded: bool) -> dict[str, object]:
    entry: dict[str, object] = {
        "id": name,
        "object": "model",
        "type": "llm",
        "publisher": "fake",
        "arch": "llama",
        "compatibility_type": "gguf",
        "quantization": "Q4_1",
        "state": "loaded" if is_loaded else "not-loaded",
        "max_context_length": 8192,
    }
    return entry | ({"loaded_context_length": 4096} if is_loaded else {})


def unknown_endpoint(request: ReceivedRequest, speaks: Speech | None) -> Reply:
    """Answer a path nobody knows, each server in its own way.

    Ollama (`speaks` its speech): 404 and a text; llama.cpp: 404 and JSON; LM Studio
    (None): status 200 and an error object.
    """
    if speaks is None:
        text = f"Unexpected endpoint or method. ({request.method} {request.path})"
        body = json_bytes({"error": text})
        return whole_reply(body, "application/json; charset=utf-8", headers=_EXPRESS)
    if speaks.dialect == "ollama":
        body = b"404 page not found"
        return whole_reply(body, "text/plain", 404, speaks.server_headers)
    return speaks.refusal("File Not Found", 404)
