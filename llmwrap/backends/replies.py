"""What servers say when something is wrong, as our errors. Floor F3.

Each server has its own shape of an error object; here they become one, and the error
of errors.py that the contract asks for. Shared by the backends that speak HTTP.
"""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from ..errors import (
    UNLIMITED,
    BackendFailedError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
)
from ..messages import Json
from ..transport.client import ByteStream
from ..transport.endpoint import Endpoint

_RETRYABLE = frozenset({408, 429, 502, 503, 504, 529})
_STATUS_HINTS = {
    401: "api_key_env or api_key_file of the backend names its key",
    403: "api_key_env or api_key_file of the backend names its key",
    404: "is the address, '/v1' included, right?",
    405: "is the address, '/v1' included, right?",
}
_SHOWN_CHARACTERS = 300
_SHORTEST_PART = 8
_LONGEST_WAIT_S = 365 * 86400.0
_ERROR_BODY_BYTES = 64 * 1024
_CONTEXT_PHRASES = (
    "exceed_context_size_error",
    "exceeds the available context size",
    "context size has been exceeded",
    "maximum context length",
    "does not fit in context length",
    "tokens to keep",
    "context length",
)
_UNKNOWN_MODEL_PHRASES = (
    "not found, try pulling",
    "does not exist",
    "no models loaded",
    "model not found",
    "unknown model",
)
_UNKNOWN_PATH_PHRASES = ("unexpected endpoint", "file not found", "404 page not found")


class ServerError(NamedTuple):
    """An error object of a server, whatever its shape was."""

    message: str
    type: str = ""
    details: dict[str, Json] = {}  # noqa: RUF012  never written to

    @property
    def is_context_overflow(self) -> bool:
        """Tell whether the prompt was too long for the model's context."""
        text = f"{self.type} {self.message}".lower()
        return any(phrase in text for phrase in _CONTEXT_PHRASES)

    @property
    def is_unknown_model(self) -> bool:
        """Tell whether the model is what the server does not know."""
        text = self.message.lower()
        if "model" in text and "not found" in text:
            return True
        return any(phrase in text for phrase in _UNKNOWN_MODEL_PHRASES)

    @property
    def is_unknown_path(self) -> bool:
        """Tell whether the path is what the server does not know."""
        text = self.message.lower()
        return any(phrase in text for phrase in _UNKNOWN_PATH_PHRASES)


def server_error(document: Json, *, is_error_event: bool = False) -> ServerError | None:
    """Return the error that a parsed object reports, None when it reports none.

    Ollama may nest JSON text in its error string; old vLLM and old llama.cpp have no
    `error` around it (`is_error_event`: the event was named so).
    """
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if not error:
        if is_error_event or document.get("object") == "error":
            error = document
        else:
            return None
    for _ in range(3):
        if not isinstance(error, str):
            break
        try:
            inner = json.loads(error)
        except (ValueError, RecursionError):
            return ServerError(error)
        if not isinstance(inner, dict):
            return ServerError(error)
        error = inner.get("error", inner)
    if isinstance(error, dict):
        message = error.get("message") or json.dumps(error)
        return ServerError(str(message), str(error.get("type") or ""), error)
    return ServerError(str(error))


class ErrorReader:
    """Turn the error replies of one server into our errors.

    `context_option` is the option that sets the context length, `""` where a request
    cannot.
    """

    def __init__(self, endpoint: Endpoint, context_option: str = "") -> None:
        self._endpoint = endpoint
        self._context_option = context_option

    def status_error(self, reply: ByteStream, model: str = "") -> LLMWrapError:
        """Return our error for a reply whose HTTP status is not 200."""
        endpoint, status = self._endpoint, reply.status
        if status < 300:
            return ProtocolError(f"{endpoint} answered {status} where 200 belongs")
        if status < 400:
            target = shown(reply.headers.get("Location", "elsewhere"), endpoint)
            return RefusedError(
                f"{endpoint} redirects to '{target}'",
                hint="set base_url to where the server is",
            )
        reported = _error_in(reply, endpoint)
        # With a 5xx it is the server's memory that ran out (llama.cpp, several slots).
        if reported.is_context_overflow and status < 500:
            return self.overflow_error(reported)
        what = f"{endpoint} answered {status}: {reported.message}"
        if status in _RETRYABLE or status >= 500:
            return _failed_error(what, reply, reported)
        if reported.is_unknown_model and model:
            return self.unknown_model_error(model)
        return RefusedError(what, hint=_STATUS_HINTS.get(status, ""))

    def reported_error(
        self, error: ServerError, model: str, *, is_first: bool
    ) -> LLMWrapError:
        """Return our error for an error object in a reply with status 200.

        `is_first` says that no piece of the answer came before it.
        """
        error = error._replace(message=shown(error.message, self._endpoint))
        what = f"{self._endpoint} reports: {error.message}"
        if is_first and error.is_context_overflow:
            return self.overflow_error(error)
        if is_first and error.is_unknown_path:
            return RefusedError(what, hint=_STATUS_HINTS[404])
        if is_first and error.is_unknown_model:
            return self.unknown_model_error(model)
        return BackendFailedError(what)

    def unknown_model_error(self, model: str) -> RefusedError:
        """Return the error for a model the server does not have."""
        return RefusedError(
            f"model '{model}' not found on {self._endpoint}",
            hint="run 'llmwrap models'",
        )

    def overflow_error(self, error: ServerError) -> RefusedError:
        """Return the error for a prompt that is longer than the model's context."""
        needed = error.details.get("n_prompt_tokens")
        available = error.details.get("n_ctx")
        hint = "shorten it or load the model with a longer context"
        if not (isinstance(needed, int) and isinstance(available, int)):
            return RefusedError(
                f"the prompt is too long for the model's context: {error.message}",
                hint=hint,
            )
        if self._context_option:
            # Room for an answer, then rounded up as people write such numbers.
            fitting = -(-(needed + 1024) // 1024) * 1024
            hint = f"ask with -o {self._context_option}={fitting}"
        return RefusedError(
            f"the prompt has {needed} tokens and the context of {self._endpoint} has"
            f" {available}",
            hint=hint,
        )


def _failed_error(
    what: str, reply: ByteStream, reported: ServerError
) -> BackendFailedError:
    retries = UNLIMITED if reply.status in _RETRYABLE else 0
    if reply.status == 500:
        retries = 1
    error = BackendFailedError(
        what,
        retries_allowed=retries,
        retry_after_s=retry_after_s(reply.headers.get("Retry-After", "")),
    )
    error.is_loading = reply.status == 503 and "loading model" in (
        reported.message.lower()
    )
    return error


def _error_in(reply: ByteStream, endpoint: Endpoint) -> ServerError:
    body = reply.read_some(_ERROR_BODY_BYTES)
    text = body.decode("utf-8", "replace").strip()
    try:
        error = server_error(json.loads(text))
    except (ValueError, RecursionError):
        error = None
    if error is None:
        if "html" in reply.media_type or text[:1] == "<":
            text = "an HTML page"
        error = ServerError(text or "no explanation")
    return error._replace(message=shown(error.message, endpoint))


def shown(text: str, endpoint: Endpoint) -> str:
    """Return a server's words as a message may show them: short, without our key."""
    if endpoint.api_key:
        text = text.replace(endpoint.api_key, "***")
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def without_key(text: str, endpoint: Endpoint) -> str:
    """Return a message of ours without our key, even where it was cut off.

    It may quote what a server sent, and a server may send back what it got. A dummy
    key such as `ollama`, which is part of the endpoint's own name, is left alone.
    """
    key = endpoint.api_key or ""
    if key in str(endpoint):
        return text
    for size in range(len(key), min(len(key), _SHORTEST_PART) - 1, -1):
        text = text.replace(key[:size], "***")
    return text


def retry_after_s(value: str) -> float | None:
    """Return the seconds a `Retry-After` asks for; None for none and for nonsense.

    See: RFC 9110 section 10.2.3 (seconds or an HTTP date).
    """
    value = value.strip()
    if not value:
        return None
    if value.isascii() and value.replace(".", "", 1).isdigit():
        return min(float(value), _LONGEST_WAIT_S)  # a long number is infinite
    from datetime import UTC, datetime

    try:
        when = parsedate_to_datetime(value)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
