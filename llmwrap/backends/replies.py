"""What servers say when something is wrong, as our errors.

What an error object says is read in server_errors.py; here it becomes the error of
errors.py that the contract asks for, and every error learns whom it is about. Shared
by the backends that speak HTTP.
"""

from __future__ import annotations

from typing import TypeVar

from ..config import mask_secrets
from ..errors import (
    UNLIMITED,
    BackendFailedError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
)
from ..transport.endpoint import Endpoint
from .server_errors import ServerError, error_of_body, is_about_schema

TYPE_CHECKING = False  # a question goes out before requests is imported
if TYPE_CHECKING:
    from ..errors import Trouble
    from ..transport.client import ByteStream

_RETRYABLE = frozenset({408, 429, 502, 503, 504, 529})
_REDIRECTS = frozenset({300, 301, 302, 303, 305, 306, 307, 308})
_UNSAID = ("no explanation", "not found", "404 not found", "method not allowed")
_SHOWN_CHARACTERS = 300
_SHORTEST_PART = 8
_SHORTEST_SECRET = 4
_PASTED = ("/chat/completions", "/completions", "/api/chat", "/api/generate", "/models")
_GATEWAYS = {
    502: ": the server behind it gave no usable answer",
    504: ": the server behind it took too long",
}
_GATEWAY_NAMES = frozenset(
    (
        *("nginx", "openresty", "caddy", "cloudflare", "envoy", "istio-envoy"),
        *("haproxy", "traefik", "apache", "awselb", "varnish", "kong", "squid", "gws"),
    )
)
_LONGEST_WAIT_S = 365 * 86400.0
_ERROR_BODY_BYTES = 64 * 1024


class ErrorReader:
    """Turn the error replies of one server into our errors."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def status_error(self, reply: ByteStream, model: str = "") -> LLMWrapError:
        """Return our error for a reply whose HTTP status is not one of success."""
        endpoint, status = self._endpoint, reply.status
        if status in _REDIRECTS:
            target = shown(reply.headers.get("Location", "elsewhere"), endpoint)
            return RefusedError(
                f"{endpoint} redirects to '{target}'", trouble="redirect", about=target
            )
        if status < 400:
            return ProtocolError(f"{endpoint} answered {status}, which is no answer")
        if status == 407 and endpoint.proxy:
            from ..transport.faults import proxy_login_error  # late: it knows requests

            return proxy_login_error(endpoint)
        body = reply.read_some(_ERROR_BODY_BYTES)
        reported = error_of_body(body)
        if reported.kind == "too_long" and not _is_own_memory(reported, status):
            return self.overflow_error(reported)
        words = shown(reported.message, endpoint)
        what = f"{endpoint} answered {status}: {words}{self._speaker(reply, body)}"
        if reported.kind == "bad_option":
            return RefusedError(what)
        if status in _RETRYABLE or status >= 500:
            return _failed_error(what, reply, reported)
        if reported.kind == "unknown_model" and model and status not in (401, 403):
            return self.unknown_model_error(model, words)
        return _about(reported, self._refused(what, status, reported))

    def _speaker(self, reply: ByteStream, body: bytes) -> str:
        """Return who spoke where it was not the server itself, empty else.

        See: RFC 9110 sections 15.5.8, 15.6.3 and 15.6.5. Model servers send no pages.
        """
        status = reply.status
        if status == 407:
            return " (a proxy on the way speaks: it wants a user and a password)"
        is_page = body.lstrip()[:1] == b"<" and (status >= 500 or status == 413)
        if not (status in _GATEWAYS or is_page):
            return ""
        known = reply.headers.get("Server", "").partition("/")[0]
        who = f"a gateway, {known}," if known.lower() in _GATEWAY_NAMES else "a gateway"
        if proxy := self._endpoint.proxy:
            who = f"the proxy {mask_secrets(proxy)} or {who}"
        return f" ({who} speaks{_GATEWAYS.get(status, ', not the server')})"

    def _refused(self, what: str, status: int, reported: ServerError) -> RefusedError:
        error = RefusedError(what, trouble=_status_trouble(status, reported))
        error.is_unauthorized = status in (401, 403)
        if reported.kind == "unauthorized" and reported.address:
            error.hint = f"visit {reported.address}"
        if status == 400 and _wants_tls(reported):
            secure = self._endpoint.base_url.replace("http://", "https://", 1)
            error.hint = f"is it {secure}?"
        return error

    def reported_error(
        self, error: ServerError, model: str, *, is_first: bool
    ) -> LLMWrapError:
        """Return our error for an error object in a reply with a status of success.

        `is_first` says that no piece of the answer came before it.
        """
        words = shown(error.message, self._endpoint)
        what = f"{self._endpoint} reports: {words}"
        if is_first and error.kind == "too_long":
            return self.overflow_error(error)
        if is_first and error.kind == "unknown_path":
            return RefusedError(what, trouble="path")
        if is_first and error.kind == "unknown_model":
            return self.unknown_model_error(model, words)
        if error.kind == "out_of_memory":
            return BackendFailedError(what, trouble="memory")
        hint = f"visit {error.address}" if error.kind == "unauthorized" else ""
        failed = BackendFailedError(what, hint=hint if error.address else "")
        return _about(error, failed)

    def unknown_model_error(self, model: str, words: str) -> RefusedError:
        """Return the error for a model the server does not have, as it says."""
        error = RefusedError(
            f"model '{model}' not found on {self._endpoint}",
            trouble="model",
            about=model,
        )
        error.said = words
        error.is_unknown_model = True
        return error

    def overflow_error(self, error: ServerError) -> RefusedError:
        """Return the error for a prompt that is longer than the model's context."""
        needed, available = error.prompt_tokens, error.context_tokens
        what = (
            f"the prompt has {needed} tokens and the context of {self._endpoint} has"
            f" {available}"
        )
        if needed is None or available is None:
            words = shown(error.message, self._endpoint)
            what = (
                f"the prompt is too long for the model's context on {self._endpoint}:"
                f" {words}"
            )
        refused = RefusedError(what, trouble="context")
        refused.is_too_long = True
        refused.prompt_tokens, refused.context_tokens = needed, available
        return refused


def _status_trouble(status: int, reported: ServerError) -> Trouble:
    if status == 401 or (status == 403 and reported.kind == "unauthorized"):
        return "key"
    is_unsaid = reported.message.lower().strip(".") in _UNSAID
    if reported.kind == "unknown_path" or (status in (404, 405) and is_unsaid):
        return "path"
    return "memory" if reported.kind == "out_of_memory" else ""


def _wants_tls(reported: ServerError) -> bool:
    """Tell whether a server was asked in the clear where it speaks TLS."""
    said = reported.message.lower()
    return "https port" in said or "https server" in said


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
        trouble="memory" if reported.kind == "out_of_memory" else "",
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
    for secret in _secrets(endpoint):
        text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def without_key(text: str, endpoint: Endpoint) -> str:
    """Return a message of ours without our secrets, even where one was cut off.

    It may quote what a server sent, and a server may send back what it got. A dummy
    key such as `ollama`, which is part of the endpoint's own name, is left alone.
    """
    for secret in _secrets(endpoint):
        if secret in str(endpoint):
            continue
        shortest = min(len(secret), _SHORTEST_PART)
        for size in range(len(secret), shortest - 1, -1):
            text = text.replace(secret[:size], "***")
    return text


def _secrets(endpoint: Endpoint) -> list[str]:
    """Return what may not be shown, what is longer first."""
    key = [endpoint.api_key] if endpoint.api_key else []
    more = [text for text in endpoint.secrets if len(text) >= _SHORTEST_SECRET]
    return sorted({*key, *more}, key=len, reverse=True)


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
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(value)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
