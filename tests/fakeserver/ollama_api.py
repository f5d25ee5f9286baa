"""Answer Ollama's native API as a server that has nothing wrong with it.

`/`, `/api/version`, `/api/tags`, `/api/ps`, `/api/show`, `/api/chat`, `/api/pull`.
Errors, statuses and content types are those recorded from Ollama 0.33.

See: Ollama docs/api.md, docs/api/errors.mdx.
"""

from collections.abc import Iterable, Mapping

from .ollama_speech import (
    CONTEXT_LENGTH,
    CREATED_AT,
    LOADED_CONTEXT_LENGTH,
    OllamaSpeech,
    digest,
    model_details,
    model_size_bytes,
)
from .received import ReceivedRequest
from .speech import Answer, whole_reply
from .stage import ModelShelf, Question, Stage, answer_to, full_name, pace_of
from .steps import Body, EndBody, Reply
from .wire import DATE, go_json_bytes, line

VERSION = "0.33.0"
_METHODS = {
    "/": ("GET", "HEAD"),
    "/api/version": ("GET", "HEAD"),
    "/api/tags": ("GET", "HEAD"),
    "/api/ps": ("GET",),
    "/api/show": ("POST",),
    "/api/chat": ("POST",),
    "/api/pull": ("POST",),
}
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]", "")
_THINK_LEVELS = ("high", "medium", "low", "max")
_SPEECH = OllamaSpeech()
_JSON = _SPEECH.whole_type


class Refusal(Exception):
    """Carry the status and the text of an error reply out of the checks."""

    def __init__(self, status: int, text: str) -> None:
        """Take the HTTP status and the error text."""
        super().__init__(text)
        self.status = status
        self.text = text


def ollama_response(request: ReceivedRequest, stage: Stage) -> Reply | None:
    """Answer a request of the native API; None when the path is none of it."""
    methods = _METHODS.get(request.path)
    if methods is None:
        return None
    if "origin" in request.headers or not _is_local(request.headers.get("host", "")):
        return whole_reply(b"", status=403, headers=(DATE,))
    if request.method not in methods:
        allow = ("Allow", ", ".join(methods))
        return whole_reply(b"405 method not allowed", "text/plain", 405, (allow, DATE))
    try:
        return _answered(request, stage)
    except Refusal as refusal:
        return _SPEECH.refusal(refusal.text, refusal.status)


def _answered(request: ReceivedRequest, stage: Stage) -> Reply:
    match request.path:
        case "/":
            text = "text/plain; charset=utf-8"
            return whole_reply(b"Ollama is running", text, headers=(DATE,))
        case "/api/version":
            return _SPEECH.reply({"version": VERSION})
        case "/api/tags":
            return _SPEECH.reply(_SPEECH.listing(stage.shelf.names))
        case "/api/ps":
            return _SPEECH.reply({"models": [_running(n) for n in stage.shelf.loaded]})
    body = json_object(request)
    match request.path:
        case "/api/show":
            return _show(body, stage.shelf)
        case "/api/pull":
            return _pull(body, stage.shelf)
    return _chat(body, stage)


def json_object(request: ReceivedRequest) -> Mapping[str, object]:
    """Return the JSON object a request carries.

    Raises:
        Refusal: it carries none; the text is Go's.
    """
    if not request.body:
        raise Refusal(400, "missing request body")
    try:
        body = request.json
    except ValueError:
        first = request.body.lstrip()[:1].decode("latin-1")
        raise Refusal(
            400, f"invalid character '{first}' looking for beginning of value"
        ) from None
    if not isinstance(body, dict):
        raise Refusal(400, "json: cannot unmarshal into Go value of type ChatRequest")
    return body


def _chat(body: Mapping[str, object], stage: Stage) -> Reply:
    name = _model(body, stage.shelf)
    is_thinking = _thinks(body.get("think"), name, bool(stage.thinking))
    messages = body.get("messages") or []
    speech = OllamaSpeech(name)
    if not messages:
        return _loaded_or_not(body, speech, stage.shelf)
    stage.shelf.load(name)
    options = body.get("options")
    limit = options.get("num_predict") if isinstance(options, dict) else None
    answer = answer_to(
        Question(
            prompt_text(messages),
            limit if isinstance(limit, int) and limit >= 0 else None,
            is_thinking,
        ),
        stage,
    )
    if body.get("stream", True):
        return speech.stream(answer, pace_of(stage))
    return speech.reply(speech.whole(answer))


def prompt_text(messages: object) -> str:
    """Join the texts of messages, those in lists of parts too.

    Raises:
        Refusal: they are no messages.
    """
    if not isinstance(messages, list):
        raise Refusal(400, "json: cannot unmarshal into Go struct field messages")
    texts: list[str] = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list):
            texts += [str(part.get("text", "")) for part in content]
    return " ".join(texts)


def _thinks(think: object, name: str, can_think: bool) -> bool:
    if isinstance(think, str) and think not in _THINK_LEVELS:
        levels = '"high", "medium", "low", "max", true, or false'
        raise Refusal(400, f'invalid think value: "{think}" (must be {levels})')
    if think and not can_think:
        raise Refusal(400, f'"{name}" does not support thinking')
    return think is None or bool(think)


def _loaded_or_not(
    body: Mapping[str, object], speech: OllamaSpeech, shelf: ModelShelf
) -> Reply:
    is_leaving = body.get("keep_alive") in (0, "0")
    change, reason = (shelf.unload, "unload") if is_leaving else (shelf.load, "load")
    change(speech.model)
    return speech.reply(speech.whole(Answer((), (), reason, usage=None)))


def _model(body: Mapping[str, object], shelf: ModelShelf, is_full: bool = False) -> str:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Refusal(400, "model is required")
    if shelf.find(name) is None:
        raise Refusal(404, f"model '{full_name(name) if is_full else name}' not found")
    return name


def _show(body: Mapping[str, object], shelf: ModelShelf) -> Reply:
    name = full_name(_model(body, shelf, is_full=True))
    template = "{{- range .Messages }}{{ .Content }}{{ end }}"
    return _SPEECH.reply(
        {
            "modelfile": f"# Modelfile\nFROM {name}\nTEMPLATE {template}\n",
            "parameters": 'stop                           "<|im_end|>"',
            "template": template,
            "details": model_details(),
            "model_info": {
                "general.architecture": "llama",
                "general.parameter_count": 134515008,
                "llama.context_length": CONTEXT_LENGTH,
                "llama.embedding_length": 576,
                "tokenizer.ggml.tokens": None,
            },
            "tensors": [{"name": "output_norm.weight", "type": "F32", "shape": [576]}],
            "capabilities": ["completion"],
            "modified_at": CREATED_AT,
        }
    )


def _pull(body: Mapping[str, object], shelf: ModelShelf) -> Reply:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Refusal(400, "model is required")
    shelf.add(name)
    if body.get("stream", True):
        return pull_reply(name)
    return _SPEECH.reply({"status": "success"})


def pull_reply(
    name: str = "alpha:latest",
    completed: Iterable[int] = (0, 12_459_008, 55_057_408, 83_886_080),
    error: str | None = None,
) -> Reply:
    """Return the progress of a pull, and its success or its error.

    `completed` are the byte counts of the one layer that is named; 0 is left out, as
    Ollama does.
    """
    layer = digest(name)
    named: dict[str, object] = {
        "status": f"pulling {layer[:12]}",
        "digest": f"sha256:{layer}",
        "total": model_size_bytes(),
    }
    lines: list[dict[str, object]] = [{"status": "pulling manifest"}]
    if not error:
        lines += [named | ({"completed": n} if n else {}) for n in completed]
    last = ("verifying sha256 digest", "writing manifest", "success")
    lines += [{"error": error}] if error else [{"status": one} for one in last]
    return (
        _SPEECH.head(),
        *(Body(line(go_json_bytes(one))) for one in lines),
        EndBody(),
    )


def _running(name: str) -> dict[str, object]:
    return {
        "name": name,
        "model": name,
        "size": 209_505_483,
        "digest": digest(name),
        "details": model_details(),
        "expires_at": "2026-11-23T16:12:30.792165354Z",
        "size_vram": 0,
        "context_length": LOADED_CONTEXT_LENGTH,
    }


def _is_local(host: str) -> bool:
    name = host.rpartition(":")[0] if host[-1:].isdigit() else host
    return name in _LOCAL_HOSTS or host in _LOCAL_HOSTS
