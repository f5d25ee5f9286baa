"""What went wrong on the wire, as our errors.

requests wraps urllib3's errors, which wrap those of http.client and of the operating
system, in other ways from version to version; so the whole chain is looked at, and
the most telling link of it wins.
"""

from __future__ import annotations

import http.client
import socket
import ssl

import requests
import urllib3.exceptions

from ..config import mask_secrets
from ..errors import (
    UNLIMITED,
    ConfigError,
    DeadlineError,
    IncompleteError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
    UnreachableError,
)
from ..units import format_duration
from .endpoint import Endpoint

TYPE_CHECKING = False

_UNTRUSTED = (18, 19, 20, 21)  # X509_V_ERR_*: nobody we trust signed it
_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "record layer failure",
    "HTTP_REQUEST",
    "UNKNOWN_PROTOCOL",
)
_TLS_ALERT = "\x15\x03"
_NO_TUNNEL = "Tunnel connection failed: 407"  # the words of http.client and urllib3


def _cause(error: BaseException) -> BaseException:
    """Return the innermost error: the one that says what happened."""
    seen = {id(error)}
    while True:
        inner = error.__cause__ or error.__context__
        for argument in (getattr(error, "reason", None), *error.args):
            if isinstance(argument, BaseException):
                inner = argument
        if inner is None or id(inner) in seen:
            return error
        seen.add(id(inner))
        error = inner


def _causes(error: BaseException) -> list[BaseException]:
    found = [error]
    for parent in found:
        inner = [parent.__cause__, parent.__context__, *parent.args]
        inner.append(getattr(parent, "reason", None))
        found += [e for e in inner if isinstance(e, BaseException) and e not in found]
    return found


def connect_error(
    endpoint: Endpoint, error: Exception, *, is_connected: bool
) -> LLMWrapError:
    """Return our error for a request that got no response headers."""
    causes = _causes(error)

    def is_any(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    within = format_duration(endpoint.connect_timeout_s)
    # urllib3 2.8 derives NewConnectionError from ConnectTimeoutError.
    is_new = is_any(urllib3.exceptions.NewConnectionError)
    is_late = is_any(urllib3.exceptions.ReadTimeoutError, TimeoutError)
    if (is_any(urllib3.exceptions.ConnectTimeoutError) and not is_new) or (
        is_late and not is_connected
    ):
        return DeadlineError(
            f"cannot connect to {endpoint} within {within}",
            hint="is the address right? --connect-timeout waits longer",
        )
    if is_late:
        return DeadlineError(
            f"{endpoint} sent nothing for {format_duration(endpoint.silence_s)}"
        )
    if is_any(socket.gaierror):
        return UnreachableError(
            f"cannot reach {endpoint}: the host name is not known",
            hint="check the address",
        )
    if is_any(urllib3.exceptions.ProxyError):
        return _proxy_error(endpoint, causes)
    if is_any(urllib3.exceptions.SSLError):
        return _tls_error(endpoint, causes)
    if "SOCKS support" in str(error):
        return ConfigError(
            f"{endpoint} has a SOCKS proxy, which needs the package PySocks",
            hint="install it, or name a proxy with http",
        )
    if is_any(requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
        return ConfigError(f"'{endpoint.base_url}' is no usable address")
    return _lost_error(endpoint, error, causes)


def proxy_login_error(endpoint: Endpoint) -> RefusedError:
    """Return the error for a proxy that wants another user or password."""
    proxy = mask_secrets(endpoint.proxy or "")
    return RefusedError(
        f"the proxy {proxy} does not let us reach {endpoint}: it wants another user or"
        " password (407)",
        trouble="proxy_login",
    )


def _tls_error(endpoint: Endpoint, causes: list[BaseException]) -> LLMWrapError:
    """Return what is wrong with TLS: nobody we trust, none at all, or who we are."""
    said = str(causes[-1]) if causes else ""
    if any(word in str(cause) for cause in causes for word in _NO_TLS):
        return UnreachableError(
            f"cannot reach {endpoint}: what answers there does not speak TLS",
            trouble="no_tls",
        )
    error = UnreachableError(f"cannot reach {endpoint}: TLS: {said}")
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            # A name that is not its own, or a day that has passed, no list mends.
            error.trouble = "certificate" if cause.verify_code in _UNTRUSTED else ""
    if "alert" in said.lower() and "certificate" in said.lower():
        error.hint = "client_certificate and client_key say who is asking"
    return error


def _proxy_error(endpoint: Endpoint, causes: list[BaseException]) -> LLMWrapError:
    # Not the number alone: what they say has the address in it too.
    if any(_NO_TUNNEL in str(cause) for cause in causes):
        return proxy_login_error(endpoint)
    proxy = mask_secrets(endpoint.proxy or "")
    return UnreachableError(
        f"cannot reach {endpoint}: the proxy {proxy} does not work",
        trouble="proxy",
        retries_allowed=UNLIMITED,
    )


def _lost_error(
    endpoint: Endpoint, error: Exception, causes: list[BaseException]
) -> LLMWrapError:
    for cause in causes:
        if isinstance(cause, ConnectionRefusedError):
            return UnreachableError(
                f"cannot reach {endpoint}: connection refused",
                trouble="down",
                retries_allowed=UNLIMITED,
            )
        if isinstance(cause, http.client.RemoteDisconnected | ConnectionError):
            return UnreachableError(
                f"{endpoint} closed the connection before it answered",
                retries_allowed=UNLIMITED,
            )
    for cause in causes:
        if isinstance(cause, http.client.BadStatusLine) and _TLS_ALERT in str(cause):
            secure = endpoint.base_url.replace("http://", "https://", 1)
            return ProtocolError(f"{endpoint} answered in TLS", hint=f"is it {secure}?")
        if isinstance(cause, http.client.HTTPException):
            return ProtocolError(f"{endpoint} did not answer in HTTP: {cause!r:.100}")
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return UnreachableError(f"cannot reach {endpoint}: {cause.strerror}")
    if isinstance(error, ValueError):
        return ConfigError(f"'{endpoint.base_url}' is no usable address: {error}")
    return UnreachableError(f"cannot reach {endpoint}: {_cause(error)}")


def read_error(endpoint: Endpoint, error: Exception) -> LLMWrapError:
    """Return our error for a body that could not be read to its end."""
    causes = _causes(error)
    if any(
        isinstance(cause, TimeoutError | urllib3.exceptions.ReadTimeoutError)
        for cause in causes
    ):
        return DeadlineError(f"{endpoint} fell silent in the middle of its reply")
    if any(isinstance(cause, urllib3.exceptions.DecodeError) for cause in causes):
        return ProtocolError(f"the compression of {endpoint}'s reply is broken")
    return IncompleteError(
        f"{endpoint} closed the connection in the middle of its reply"
    )
