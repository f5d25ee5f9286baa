"""GET from public servers: redirects, proxies, errors of the way there.

Not for talking to backends (client.py): what travels here is public. So redirects are
followed (to https, or within one origin; never from https down to http), and the
user's `https_proxy` and `no_proxy` hold, as they do for curl. No key of the
configuration ever comes this way, and .netrc is not read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
import urllib3.exceptions
from requests.exceptions import InvalidProxyURL, InvalidSchema, InvalidURL

from .. import __version__
from ..errors import (
    BackendFailedError,
    ConfigError,
    DeadlineError,
    IncompleteError,
    LLMWrapError,
    ProtocolError,
    RefusedError,
    UnreachableError,
    UsageError,
)
from ..units import format_duration

_MOST_REDIRECTS = 10
_CHUNK_BYTES = 256 * 1024
_WANTED = (200, 206, 416)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class FetchSettings(NamedTuple):
    """How public files are fetched.

    `until` is on the monotonic `clock`. `ca_bundle` and `proxy` win over what
    `environ` says.
    """

    environ: Mapping[str, str]
    connect_timeout_s: float = 10.0
    silence_s: float = 60.0
    until: float | None = None
    ca_bundle: str = ""
    proxy: str = ""
    clock: Callable[[], float] = time.monotonic

    def timeouts(self, where: str) -> tuple[float, float]:
        """Return how long to connect and to stand silence. Raises: DeadlineError."""
        if self.until is None:
            return self.connect_timeout_s, self.silence_s
        left_s = self.until - self.clock()
        if left_s <= 0:
            raise DeadlineError(f"'{where}' was not fetched in time")
        return min(left_s, self.connect_timeout_s), min(left_s, self.silence_s)


class Reply:
    """An answer with status 200, 206 or 416; one thread reads it, once."""

    def __init__(self, response: requests.Response, settings: FetchSettings) -> None:
        self._response = response
        self._settings = settings
        self.url = response.url
        self.where = public_url(response.url)
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        length = self.headers.get("Content-Length", "")
        self.length_bytes = (
            int(length) if length.isdecimal() and len(length) < 19 else None
        )

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes, ending only where it is whole.

        Raises: IncompleteError when it broke off, ProtocolError when it is
        compressed though nobody asked, DeadlineError.
        """
        if self.headers.get("Content-Encoding", "identity") != "identity":
            raise ProtocolError(f"'{self.where}' sent the file compressed")
        read_bytes = 0
        while chunk := self._read():
            read_bytes += len(chunk)
            yield chunk
        if self.length_bytes is not None and read_bytes < self.length_bytes:
            raise self._broken()

    def _read(self) -> bytes:
        _, silence_s = self._settings.timeouts(self.where)
        connection = getattr(self._response.raw, "connection", None)
        if sock := getattr(connection, "sock", None):
            sock.settimeout(silence_s)  # Less and less, when there is a deadline.
        try:
            # Not iter_content: it waits until a whole chunk is there.
            return self._response.raw.read1(_CHUNK_BYTES, decode_content=False)
        except urllib3.exceptions.TimeoutError as error:
            raise DeadlineError(
                f"'{self.where}' fell silent for {format_duration(silence_s)}",
                hint="run it again",
            ) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._broken() from error

    def _broken(self) -> IncompleteError:
        return IncompleteError(f"'{self.where}' broke off", hint="run it again")


def public_url(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    return urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path) + ("",) * 2
    )


@contextmanager
def fetch(
    url: str, settings: FetchSettings, headers: Mapping[str, str]
) -> Iterator[Reply]:
    """Open a URL, following redirects, and close it afterwards.

    Raises: UsageError for what is no http URL, UnreachableError, DeadlineError,
    RefusedError, BackendFailedError.
    """
    with requests.Session() as session:
        session.trust_env = False
        session.verify = _ca_bundle(settings)
        session.headers["User-Agent"] = f"llmwrap/{__version__}"
        response = _follow(session, url, settings, headers)
        try:
            _check_status(response)
            yield Reply(response, settings)
        finally:
            response.close()


def _ca_bundle(settings: FetchSettings) -> str | bool:
    variables = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    named = [settings.environ.get(variable) for variable in variables]
    found = next(filter(None, [settings.ca_bundle, *named]), None)
    if found and not os.path.exists(found):
        raise ConfigError(f"the CA bundle '{found}' does not exist")
    return found or True


def _proxies(url: str, settings: FetchSettings) -> dict[str, str]:
    parts = urlsplit(url)
    if (parts.hostname or "") in _LOOPBACK:
        return {}
    environ = {name.lower(): value for name, value in settings.environ.items()}
    if _is_exempt(parts.hostname or "", environ.get("no_proxy", "")):
        return {}
    named = (environ.get(f"{parts.scheme}_proxy"), environ.get("all_proxy"))
    found = next(filter(None, [settings.proxy, *named]), None)
    return {parts.scheme: found} if found else {}


def _is_exempt(host: str, no_proxy: str) -> bool:
    names = no_proxy.lower().replace(",", " ").split()
    return any(
        name == "*" or f".{host}".endswith("." + name.lstrip(".")) for name in names
    )


def _follow(
    session: requests.Session,
    url: str,
    settings: FetchSettings,
    headers: Mapping[str, str],
) -> requests.Response:
    for _ in range(_MOST_REDIRECTS + 1):
        response = _get(session, url, settings, headers)
        location = session.get_redirect_target(response)
        if not location:
            return response
        response.close()
        url = _redirected(url, location)
    raise RefusedError(f"'{public_url(url)}' redirects without an end")


def _redirected(url: str, location: str) -> str:
    target = urljoin(url, location)
    before, after = urlsplit(url), urlsplit(target)
    is_same_origin = (before.scheme, before.netloc) == (after.scheme, after.netloc)
    if after.scheme != "https" and not is_same_origin:
        raise RefusedError(
            f"'{public_url(url)}' redirects to '{public_url(target)}', which is not"
            " https"
        )
    return target


def _get(
    session: requests.Session,
    url: str,
    settings: FetchSettings,
    headers: Mapping[str, str],
) -> requests.Response:
    where = public_url(url)
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"'{where}' is no http or https URL")
    try:
        return session.get(
            url,
            headers={"Accept-Encoding": "identity", **headers},
            timeout=settings.timeouts(where),
            proxies=_proxies(url, settings),
            allow_redirects=False,
            stream=True,
        )
    except (InvalidProxyURL, InvalidSchema, InvalidURL, UnicodeError) as error:
        raise UsageError(f"'{where}' is no usable address: {error}") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _connect_error(where, error) from error


def _connect_error(where: str, error: Exception) -> LLMWrapError:
    if isinstance(error, requests.Timeout):
        return DeadlineError(f"'{where}' did not answer in time")
    if isinstance(error, requests.exceptions.ProxyError):
        return UnreachableError(f"cannot reach '{where}': the proxy does not work")
    cause = _innermost(error)
    reason = getattr(cause, "strerror", None) or str(cause)
    if isinstance(error, requests.exceptions.SSLError):
        return UnreachableError(
            f"cannot reach '{where}': TLS: {reason}",
            hint="SSL_CERT_FILE names the certificates to trust",
        )
    return UnreachableError(f"cannot reach '{where}': {reason}")


def _innermost(error: BaseException) -> BaseException:
    """Return the error under all wrappers: the one that says what happened."""
    for inner in (getattr(error, "reason", None), *error.args):
        if isinstance(inner, BaseException):
            return _innermost(inner)
    return error.__cause__ or error.__context__ or error


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status in _WANTED:
        return
    message = f"'{public_url(response.url)}' answered {status} {response.reason}"
    if status in (408, 429) or status >= 500:
        raise BackendFailedError(message)
    raise RefusedError(message)
