"""The transport over TLS and through a proxy: what goes out, what is trusted."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwrap.errors import CancelledError, UnreachableError
from llmwrap.transport.cancel import CancelToken
from llmwrap.transport.client import HttpClient
from llmwrap.transport.endpoint import Endpoint

from .asking import DIALECTS, Dialect, chats, error
from .fakeserver import Close, FakeServer, Raw, Silence, Step, ollama_reply
from .relay import Relay
from .runner import Result, Runner

_WAIT_S = 10.0
_MAKE = (
    *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test"),
    *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem"),
    *("-out", "cert.pem"),
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a certificate of our own for 127.0.0.1; its key is beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    folder = tmp_path_factory.mktemp("tls")
    made = subprocess.run(_MAKE, cwd=folder, capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"openssl cannot make a certificate: {made.stderr[-200:]!r}")
    return folder / "cert.pem"


@pytest.fixture
def tls(certificate: Path, server: FakeServer) -> Iterator[Relay]:
    """Give a TLS server in front of the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with Relay(server.port, tls=context) as relay:
        yield relay


@pytest.fixture
def trusting(tls: Relay, certificate: Path) -> Iterator[HttpClient]:
    """Give a client that trusts the TLS server."""
    url = f"https://{tls.address}"
    client = HttpClient(Endpoint("b", url, ca_bundle=str(certificate)))
    yield client
    client.close()


def _asked(cli: Runner, dialect: Dialect, url: str, more: str = "") -> Result:
    """Ask the backend that a table of the configuration describes."""
    base_url = f'base_url = "{url}{dialect.suffix}"\n'
    cli.home.configure(f"[backends.{dialect}]\n{base_url}retry_attempts = 0\n{more}")
    environ = {"KEY": "k-1"}
    return cli.run("-b", dialect.name, "-m", "alpha", "hi", environ=environ)


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_a_certificate_that_is_named_is_trusted(
    cli: Runner, server: FakeServer, tls: Relay, certificate: Path, dialect: Dialect
) -> None:
    bundle = f'ca_bundle = "{certificate}"\napi_key_env = "KEY"\n'

    result = _asked(cli, dialect, f"https://{tls.address}", bundle)

    assert (result.status, result.text) == (0, "".join(server.answer) + "\n")
    assert server.requests[0].headers["authorization"] == "Bearer k-1"


def test_a_certificate_that_is_not_is_unreachable(
    cli: Runner, server: FakeServer, tls: Relay
) -> None:
    result = _asked(cli, DIALECTS[0], f"https://{tls.address}")

    assert (result.status, server.requests, tls.connections) == (4, [], 1)
    assert "TLS: " in error(result)
    assert "CERTIFICATE_VERIFY_FAILED" in error(result)
    hint = "; ca_bundle in [backends.ollama] names the certificates to trust"
    assert error(result).endswith(hint)


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "broken"])
def test_a_bundle_that_is_unusable_is_a_bad_configuration(
    cli: Runner, tls: Relay, tmp_path: Path, content: str | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)

    result = _asked(
        cli, DIALECTS[0], f"https://{tls.address}", f'ca_bundle = "{bundle}"'
    )

    assert result.status == 3
    assert f"'{bundle}'" in error(result)


def test_no_tls_where_tls_is_asked_for_is_unreachable(
    cli: Runner, server: FakeServer
) -> None:
    server.script_connection(Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Close())

    result = _asked(cli, DIALECTS[0], server.url.replace("http:", "https:"))

    assert (result.status, chats(server)) == (4, [])
    assert "does not speak TLS" in error(result)
    assert f'base_url = "{server.url}" in [backends.ollama]' in error(result)


def test_a_handshake_that_never_ends_is_a_connect_timeout(
    cli: Runner, server: FakeServer
) -> None:
    server.script_connection(Silence())
    url = server.url.replace("http:", "https:")

    result = _asked(cli, DIALECTS[0], url, 'connect_timeout = "200ms"')

    assert result.status == 124
    assert f"cannot connect to ollama at {url} within 200ms" in error(result)


def test_a_tls_connection_is_kept(
    trusting: HttpClient, tls: Relay, server: FakeServer
) -> None:
    for _ in range(3):
        reply = trusting.open("GET", "/api/version")
        reply.read_all()
        reply.close()

    assert (tls.connections, len(server.requests)) == (1, 3)


def test_a_new_tls_connection_found_dead_is_not_replaced(
    trusting: HttpClient, tls: Relay, server: FakeServer
) -> None:
    """It is connected before the request is sent, and is new all the same."""
    server.script(None, Close(), times=None)

    with pytest.raises(UnreachableError, match="closed the connection before it"):
        trusting.open("GET", "/api/version")

    assert (tls.connections, len(server.requests)) == (1, 1)


@pytest.mark.parametrize(
    "steps", [(), (ollama_reply(["one"])[:1])], ids=["head", "body"]
)
def test_a_tls_request_can_be_cancelled(
    trusting: HttpClient, server: FakeServer, steps: tuple[Step, ...]
) -> None:
    server.script(None, *steps, Silence())
    token = CancelToken()
    errors: list[Exception] = []

    def read() -> None:
        try:
            reply = trusting.open("POST", "/api/chat", b"{}", cancel=token)
            try:
                list(reply.pieces())
            finally:
                reply.close()
        except CancelledError as raised:
            errors.append(raised)

    reader = threading.Thread(target=read)
    reader.start()
    server.wait_for_silence()
    token.cancel()
    reader.join(_WAIT_S)

    assert not reader.is_alive()
    assert len(errors) == 1
    assert server.requests[0].disconnected.wait(_WAIT_S)


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_a_configured_proxy_is_used(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    with Relay(0, is_proxy=True) as proxy:
        result = _asked(cli, dialect, server.url, f'proxy = "http://{proxy.address}"')

        assert (result.status, result.text) == (0, "".join(server.answer) + "\n")
        head, *others = proxy.heads
        assert head.startswith(f"POST {server.url}{dialect.path} HTTP/1.1".encode())
        assert all(b"/api/ps " in other for other in others)  # for the cache


def test_tls_goes_through_a_tunnel(
    cli: Runner, server: FakeServer, tls: Relay, certificate: Path
) -> None:
    """The proxy sees where the request goes, and nothing of it."""
    with Relay(0, is_proxy=True) as proxy:
        more = f'proxy = "http://{proxy.address}"\nca_bundle = "{certificate}"\n'

        result = _asked(
            cli, DIALECTS[0], f"https://{tls.address}", more + 'api_key_env = "KEY"'
        )

        assert result.status == 0
        for head in proxy.heads:
            assert head.startswith(f"CONNECT {tls.address} HTTP/1.".encode())
            assert b"k-1" not in head
        assert server.requests[0].headers["authorization"] == "Bearer k-1"


def test_a_proxy_that_does_not_work_is_unreachable(
    cli: Runner, server: FakeServer
) -> None:
    url = server.refused_url().replace("http://", "http://user:secret@")

    result = _asked(cli, DIALECTS[0], server.url, f'proxy = "{url}"')

    assert (result.status, server.requests) == (4, [])
    assert "the proxy http://***@127.0.0.1" in error(result)
    assert "secret" not in result.stderr
