"""The way to public files: redirects, proxies, status, errors."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from llmwrap.errors import (
    BackendFailedError,
    ConfigError,
    DeadlineError,
    LLMWrapError,
    RefusedError,
    UnreachableError,
    UsageError,
)
from llmwrap.models.download import fetch_page
from llmwrap.models.fetch import FetchSettings, public_url

from .fileserver import File, FileServer

SETTINGS = FetchSettings({})


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Give a file server."""
    server = FileServer()
    yield server
    server.close()


def fetched(
    server: FileServer, *, url: str = "/file", settings: FetchSettings = SETTINGS
) -> bytes:
    """Fetch a page of the server."""
    url = server.url + url if url.startswith("/") else url
    return fetch_page(url, settings, accept="*/*").body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_within_an_origin_are_followed(
    server: FileServer, status: int
) -> None:
    server.files["/file"] = File(status=status, headers=(("Location", "/there"),))
    server.files["/there"] = File(b"there")

    assert fetched(server) == b"there"


def test_a_redirect_elsewhere_without_https_is_refused(server: FileServer) -> None:
    location = (("Location", "http://localhost:1/there"),)
    server.files["/file"] = File(status=302, headers=location)

    with pytest.raises(RefusedError, match="which is not https"):
        fetched(server)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_to_another_scheme_is_refused(
    server: FileServer, location: str
) -> None:
    server.files["/file"] = File(status=302, headers=(("Location", location),))

    with pytest.raises(RefusedError):
        fetched(server)


def test_a_loop_of_redirects_ends(server: FileServer) -> None:
    server.files["/file"] = File(status=302, headers=(("Location", "/file"),))

    with pytest.raises(RefusedError, match="without an end"):
        fetched(server)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, RefusedError),
        (404, RefusedError),
        (408, BackendFailedError),
        (429, BackendFailedError),
        (500, BackendFailedError),
        (503, BackendFailedError),
    ],
)
def test_a_status_becomes_our_error(
    server: FileServer, status: int, kind: type[LLMWrapError]
) -> None:
    server.files["/file"] = File(b"no", status=status)

    with pytest.raises(kind, match=f"answered {status}"):
        fetched(server)


def test_nobody_there_is_unreachable(server: FileServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(UnreachableError, match="refused"):
        fetched(server, url=f"http://127.0.0.1:{port}/file")


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "file:///etc/passwd", "x.gguf", "http://"]
)
def test_what_is_no_http_url_is_a_usage_error(server: FileServer, url: str) -> None:
    with pytest.raises(UsageError):
        fetched(server, url=url)


def test_silence_ends_by_the_deadline(server: FileServer) -> None:
    answer = threading.Event()
    server.before_answer = lambda: answer.wait(30)
    settings = FetchSettings({}, silence_s=0.05)

    try:
        with pytest.raises(DeadlineError):
            fetched(server, settings=settings)
    finally:
        answer.set()


def test_a_page_is_read_whole(server: FileServer) -> None:
    headers = (("Content-Type", "Text/HTML; charset=x"),)
    server.files["/page"] = File(b"<a>", headers=headers)

    page = fetch_page(server.url + "/page", SETTINGS, accept="text/html")

    assert (page.media_type, page.body) == ("text/html", b"<a>")
    assert page.url == server.url + "/page"
    assert server.requests[0].headers["accept"] == "text/html"


def test_user_and_password_of_a_url_are_sent_and_never_shown(
    server: FileServer,
) -> None:
    url = server.url.replace("//", "//me:secret@") + "/page?token=secret"

    with pytest.raises(RefusedError) as caught:
        fetch_page(url, SETTINGS, accept="*/*")

    assert server.requests[0].headers["authorization"].startswith("Basic ")
    assert "secret" not in str(caught.value)


def test_a_public_url_keeps_what_is_not_secret() -> None:
    url = "https://me:pw@host:81/a/b.gguf?sig=1#sha256=2"

    assert public_url(url) == "https://host:81/a/b.gguf"


def test_the_proxy_of_the_environment_is_used(server: FileServer) -> None:
    server.files["http://models.example/page"] = File(b"by proxy")
    settings = FetchSettings({"http_proxy": server.url})

    page = fetch_page("http://models.example/page", settings, accept="*/*")

    assert page.body == b"by proxy"


@pytest.mark.parametrize("no_proxy", ["example", ".models.example", "*", "a, example"])
def test_no_proxy_exempts_hosts(server: FileServer, no_proxy: str) -> None:
    environ = {"HTTP_PROXY": server.url, "NO_PROXY": no_proxy}
    settings = FetchSettings(environ, connect_timeout_s=2.0)

    with pytest.raises((UnreachableError, DeadlineError)):
        fetch_page("http://models.example/page", settings, accept="*/*")

    assert server.requests == []


def test_loopback_is_never_proxied(server: FileServer) -> None:
    server.files["/page"] = File(b"direct")
    settings = FetchSettings({"http_proxy": "http://127.0.0.1:1"})

    assert fetch_page(server.url + "/page", settings, accept="*/*").body == b"direct"


def test_a_ca_bundle_that_is_missing_is_named(server: FileServer) -> None:
    settings = FetchSettings({}, ca_bundle="/nowhere/ca.pem")

    with pytest.raises(ConfigError, match=r"'/nowhere/ca\.pem' does not exist"):
        fetch_page(server.url, settings, accept="*/*")
