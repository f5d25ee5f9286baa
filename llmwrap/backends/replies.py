"""What servers say when something is wrong, as our errors.

What an error object says is read in server_errors.py; here it becomes the error of
errors.py that the contract asks for, and every error learns whom it is about. Shared
by the backends that speak HTTP.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TypeVar

from ..errors import (
    UNLIMITED,
    BackendFailedError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
)
from ..transport.client import ByteStream
from ..transport.endpoint import Endpoint
from .server_errors import ServerError, error_of_body, is_about_schema

_RETRYABLE = frozenset({408, 429, 502, 503, 504, 529})
_REDIRECTS = frozenset({300, 301, 302, 303, 305, 306, 307, 308})
_KEY_HINT = "api_key_env or api_key_file of the backend names its key"
_PATH_HINT = "is the address, '/v1' included, right?"
_MEMORY_HINT = "a smaller model or a shorter context needs less memory"
_STATUS_HINTS = {401: _KEY_HINT, 403: _KEY_HINT, 404: _PATH_HINT, 405: _PATH_HINT}
_SHOWN_CHARACTERS = 300
_SHORTEST_PART = 8
_LONGEST_WAIT_S = 365 * 86400.0
_ERROR_BODY_BYTES = 64 * 1024


class ErrorReader:
    """Turn the error replies of one server into our errors.

    `context_option` is the option that sets the context length, `""` where a request
    cannot.
    """

    def __init__(self, endpoint: Endpoint, context_option: str = "") -> None:
        self._endpoint = endpoint
        self._context_option = context_option

    def status_error(self, reply: ByteStream, model: str = "") -> LLMWrapError:
        """Return our error for a reply whose HTTP status is not one of success."""
        endpoint, status = self._endpoint, reply.status
        if status in _REDIRECTS:
            target = shown(reply.headers.get("Location", "elsewhere"), endpoint)
            return RefusedError(
                f"{endpoint} redirects to '{target}'",
                hint="set base_url to where the server is",
            )
        if status < 400:
            return ProtocolError(f"{endpoint} answered {status}, which is no answer")
        reported = error_of_body(reply.read_some(_ERROR_BODY_BYTES))
        if reported.kind == "too_long" and not _is_own_memory(reported, status):
            return self.overflow_error(reported)
        words = shown(reported.message, endpoint)
        what = f"{endpoint} answered {status}: {words}"
        if status in _RETRYABLE or status >= 500:
            return _failed_error(what, reply, reported)
        if reported.kind == "unknown_model" and model and status not in (401, 403):
            return self.unknown_model_error(model)
        hint = _kind_hint(reported) or _STATUS_HINTS.get(status, "")
        return _about(reported, RefusedError(what, hint=hint))

    def reported_error(
        self, error: ServerError, model: str, *, is_first: bool
    ) -> LLMWrapError:
        """Return our error for an error object in a reply with a status of success.

        `is_first` says that no piece of the answer came before it.
        """
        what = f"{self._endpoint} reports: {shown(error.message, self._endpoint)}"
        if is_first and error.kind == "too_long":
            return self.overflow_error(error)
        if is_first and error.kind == "unknown_path":
            return RefusedError(what, hint=_PATH_HINT)
        if is_first and error.kind == "unknown_model":
            return self.unknown_model_error(model)
        return _about(error, BackendFailedError(what, hint=_kind_hint(error)))

    def unknown_model_error(self, model: str) -> RefusedError:
        """Return the error for a model the server does not have."""
        return RefusedError(
            f"model '{model}' not found on {self._endpoint}",
            hint="run 'llmwrap models'",
        )

    def overflow_error(self, error: ServerError) -> RefusedError:
        """Return the error for a prompt that is longer than the model's context."""
        refused = self._overflow(error)
        refused.is_too_long = True
        return refused

    def _overflow(self, error: ServerError) -> RefusedError:
        needed, available = error.prompt_tokens, error.context_tokens
        hint = "shorten it or load the model with a longer context"
        if needed is None or available is None:
            words = shown(error.message, self._endpoint)
            return RefusedError(
                f"the prompt is too long for the model's context on {self._endpoint}:"
                f" {words}",
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


def _kind_hint(error: ServerError) -> str:
    if error.kind == "out_of_memory":
        return _MEMORY_HINT
    if error.kind == "unauthorized" and error.address:
        return f"visit {error.address}"
    return ""


def _is_own_memory(reported: ServerError, status: int) -> bool:
    """Tell whether it is the server's memory that ran out, not the prompt's fault.

    llama.cpp says so when several slots share a context.
    """
    return status >= 500 and "has been exceeded" in reported.message.lower()


_Error = TypeVar("_Error", RefusedError, BackendFailedError)


def _failed_error(
    what: str, reply: ByteStream, reported: ServerError
) -> BackendFailedError:
    retries = UNLIMITED if reply.status in _RETRYABLE else 0
    if reply.status == 500:
        retries = 1
    error = BackendFailedError(
        what,
        hint=_kind_hint(reported),
        retries_allowed=retries,
        retry_after_s=retry_after_s(reply.headers.get("Retry-After", "")),
    )
    error.is_loading = reply.status == 503 and reported.kind == "loading"
    return _about(reported, error)


def _about(reported: ServerError, error: _Error) -> _Error:
    error.is_about_schema = is_about_schema(reported)
    return error


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
