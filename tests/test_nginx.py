"""A real nginx in front of the server: ways in, and what comes back of its own."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .asking import OLLAMA, OPENAI, chats, error
from .fakeserver import FakeServer, Silence, ollama_reply
from .runner import Result, Runner

_NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(
    not (_NGINX and shutil.which("openssl")), reason="nginx or openssl is not installed"
)

_WAIT_S = 20.0
_CONF = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_max_body_size 2k;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  gzip on; gzip_min_length 1; gzip_proxied any; gzip_types *;
  proxy_http_version 1.1; proxy_set_header Connection "";
  server {{
    listen 127.0.0.1:{plain};
    location / {{ proxy_pass {upstream}; }}
    location /prefix/ {{ proxy_pass {upstream}/; }}
    location /basic/ {{
      auth_basic "models"; auth_basic_user_file {folder}/users;
      proxy_pass {upstream}/;
    }}
    location /buffered/ {{ proxy_buffering on; proxy_pass {upstream}/; }}
    location /impatient/ {{
      proxy_buffering off; proxy_read_timeout 1s; proxy_pass {upstream}/;
    }}
    location /down/ {{ proxy_pass {closed}/; }}
    location /key/ {{
      if ($http_x_api_key != "k-1") {{ return 401; }}
      proxy_pass {upstream}/;
    }}
    location /query/ {{
      if ($arg_api_version != "7") {{ return 404; }}
      proxy_pass {upstream}/;
    }}
  }}
  server {{
    listen 127.0.0.1:{tls} ssl;
    ssl_certificate {certificates}/server.pem;
    ssl_certificate_key {certificates}/server.key;
    location / {{ proxy_pass {upstream}; }}
  }}
  server {{
    listen 127.0.0.1:{mutual} ssl;
    ssl_certificate {certificates}/server.pem;
    ssl_certificate_key {certificates}/server.key;
    ssl_client_certificate {certificates}/ca.pem; ssl_verify_client on;
    location / {{ proxy_pass {upstream}; }}
  }}
}}
"""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Front(NamedTuple):
    """Where nginx listens, and the folder with its certificates."""

    plain: str
    tls: str
    mutual: str
    folder: Path


def _openssl(folder: Path, *argv: str) -> None:
    subprocess.run(
        ("openssl", *argv), cwd=folder, capture_output=True, check=True, timeout=60
    )


def _certificates(folder: Path) -> None:
    _openssl(
        folder,
        *("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=private CA"),
        *("-keyout", "ca.key", "-out", "ca.pem"),
    )
    for name in ("server", "client"):
        (folder / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1\n")
        _openssl(
            folder,
            *("req", *_KEY, "-subj", f"/CN={name}"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        _openssl(
            folder,
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem"),
            *("-CAkey", "ca.key", "-CAcreateserial", "-days", "2"),
            *("-extfile", f"{name}.ext", "-out", f"{name}.pem"),
        )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a CA of our own, a server's certificate and a client's."""
    folder = tmp_path_factory.mktemp("certificates")
    _certificates(folder)
    return folder


@pytest.fixture
def front(server: FakeServer, certificates: Path, tmp_path: Path) -> Iterator[Front]:
    """Give a running nginx."""
    (tmp_path / "users").write_text("me:{PLAIN}pass word\n")
    process, ports = _started(server, certificates, tmp_path)
    at = [f"127.0.0.1:{port}" for port in ports]
    try:
        yield Front(
            f"http://{at[0]}", f"https://{at[1]}", f"https://{at[2]}", certificates
        )
    finally:
        process.terminate()
        process.wait(_WAIT_S)


def _started(
    server: FakeServer, certificates: Path, folder: Path
) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Start nginx, with other ports where somebody was faster."""
    conf = folder / "nginx.conf"
    for _ in range(5):
        ports = _free_ports(3)
        text = _CONF.format(
            folder=folder,
            certificates=certificates,
            upstream=server.url,
            closed=server.refused_url(),
            **dict(zip(("plain", "tls", "mutual"), ports, strict=True)),
        )
        conf.write_text(text)
        process = subprocess.Popen(
            (str(_NGINX), "-p", str(folder), "-c", str(conf)),
            stderr=subprocess.DEVNULL,
        )
        if all(_listens(port, process) for port in ports):
            return process, ports
        process.wait(_WAIT_S)
    pytest.skip("nginx does not run here")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until somebody listens at a port; tell whether anybody does."""
    while process.poll() is None:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return True
    return False


def _asked(cli: Runner, url: str, more: str = "", *argv: str, **environ: str) -> Result:
    table = f'base_url = "{url}"\nretry_attempts = 0\n{more}'
    cli.home.configure(f'[backends.box]\nbackend_type = "Ollama"\n{table}')
    return cli.run(*argv, "-m", "alpha", "hi", environ=environ)


def _is_answered(result: Result, server: FakeServer) -> bool:
    return (result.status, result.text) == (0, "".join(server.answer) + "\n")


@pytest.mark.parametrize("path", ["", "/prefix", "/buffered"])
@pytest.mark.parametrize("dialect", [OLLAMA, OPENAI], ids=str)
def test_an_answer_comes_through_prefix_gzip_and_buffers(
    cli: Runner, front: Front, server: FakeServer, path: str, dialect: object
) -> None:
    suffix = OPENAI.suffix if dialect is OPENAI else ""
    argv = ("--base-url", f"{front.plain}{path}{suffix}", "-H", "Accept-Encoding: gzip")

    result = cli.run(*argv, "-m", "alpha", "hi")

    assert _is_answered(result, server)


def test_basic_is_a_way_in(cli: Runner, front: Front, server: FakeServer) -> None:
    more = 'user = "me"\npassword_env = "PASS"\n'

    result = _asked(cli, f"{front.plain}/basic", more, PASS="pass word\n")

    assert _is_answered(result, server)


@pytest.mark.parametrize("password", ["", "other"])
def test_a_wrong_password_is_status_5(
    cli: Runner, front: Front, server: FakeServer, password: str
) -> None:
    more = 'user = "me"\npassword_env = "PASS"\n' if password else ""

    result = _asked(cli, f"{front.plain}/basic", more, PASS=password)

    assert (result.status, chats(server)) == (5, [])
    assert "401" in error(result)
    assert "<" not in error(result)


def test_a_key_may_have_a_header_of_its_own(
    cli: Runner, front: Front, server: FakeServer
) -> None:
    more = 'api_key_header = "X-Api-Key"\napi_key_env = "KEY"\n'

    result = _asked(cli, f"{front.plain}/key", more, KEY=" k-1 \n")

    assert _is_answered(result, server)
    assert "authorization" not in chats(server)[0].headers


def test_a_query_goes_with_each_request(
    cli: Runner, front: Front, server: FakeServer
) -> None:
    result = _asked(cli, f"{front.plain}/query", "query = { api_version = '7' }\n")

    assert _is_answered(result, server)


@pytest.mark.parametrize(
    "variable", [None, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]
)
def test_a_private_ca_is_trusted_where_it_is_named(
    cli: Runner, front: Front, server: FakeServer, variable: str | None
) -> None:
    bundle = str(front.folder / "ca.pem")
    more = "" if variable else f'ca_bundle = "{bundle}"\n'

    result = _asked(cli, front.tls, more, **({variable: bundle} if variable else {}))

    assert _is_answered(result, server)


def test_the_table_goes_before_the_variables(
    cli: Runner, front: Front, server: FakeServer
) -> None:
    more = f'ca_bundle = "{front.folder / "ca.pem"}"\n'

    result = _asked(cli, front.tls, more, REQUESTS_CA_BUNDLE="/none")

    assert _is_answered(result, server)


def test_a_private_ca_that_nobody_named_is_not_trusted(
    cli: Runner, front: Front, server: FakeServer
) -> None:
    result = _asked(cli, front.tls)

    assert (result.status, chats(server)) == (4, [])
    assert "CA_BUNDLE" in error(result).upper()
    assert error(result).endswith("names the certificates to trust")


def test_a_client_certificate_is_a_way_in(
    cli: Runner, front: Front, server: FakeServer
) -> None:
    folder = front.folder
    more = (
        f'ca_bundle = "{folder}/ca.pem"\n'
        f'client_certificate = "{folder}/client.pem"\n'
        f'client_key = "{folder}/client.key"\n'
    )

    assert _is_answered(_asked(cli, front.mutual, more), server)
    refused = _asked(cli, front.mutual, f'ca_bundle = "{folder}/ca.pem"\n')
    assert refused.status in (4, 5)
    assert "certificate" in error(refused).lower()


def test_a_client_key_that_is_none_is_status_3(cli: Runner, front: Front) -> None:
    folder = front.folder
    more = (
        f'client_certificate = "{folder}/client.pem"\nclient_key = "{folder}/ca.key"\n'
    )

    result = _asked(cli, front.mutual, more)

    assert result.status == 3
    assert "client_key" in error(result)


def test_plain_at_a_tls_port_is_told(cli: Runner, front: Front) -> None:
    url = front.tls.replace("https:", "http:")

    result = _asked(cli, url)

    assert result.status == 5
    assert error(result).endswith(f"is it {front.tls}?")


def test_tls_at_a_plain_port_is_told(cli: Runner, front: Front) -> None:
    result = _asked(cli, front.plain.replace("http:", "https:"))

    assert result.status == 4
    assert "does not speak TLS" in error(result)
    assert front.plain in error(result)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (
            "/down",
            6,
            "502 Bad Gateway (a gateway, nginx, speaks: the server behind it gave no",
        ),
        ("/impatient", 6, "(a gateway, nginx, speaks: the server behind it took too"),
        ("", 5, "(a gateway, nginx, speaks, not the server)"),
    ],
)
def test_nginxs_own_pages_are_words(
    cli: Runner, front: Front, server: FakeServer, path: str, status: int, words: str
) -> None:
    if path == "/impatient":
        server.script(OLLAMA.path, Silence())
    text = ("x" * 4000,) if status == 5 else ()

    result = _asked(cli, front.plain + path, "", *text)

    assert result.status == status
    assert words in error(result)
    assert "<" not in error(result)


def test_a_stream_that_nginx_cuts_is_incomplete(
    cli: Runner, front: Front, server: FakeServer
) -> None:
    server.script(OLLAMA.path, *ollama_reply(["some"])[:2], Silence())

    result = _asked(cli, f"{front.plain}/impatient")

    assert (result.status, result.text) == (8, "some\n")


def test_two_passwords_never_share_an_answer(
    cli: Runner, front: Front, server: FakeServer
) -> None:
    more = 'user = "me"\npassword_env = "PASS"\n'
    for password in ("one", "two", "one"):
        _asked(cli, front.plain, more, PASS=password)

    sent = [one.headers["authorization"] for one in chats(server)]
    pairs = [base64.b64decode(one.removeprefix("Basic ")) for one in sent]
    assert pairs == [b"me:one", b"me:two"]


def test_a_dry_run_shows_none_of_it(cli: Runner, front: Front) -> None:
    more = (
        'user = "me"\npassword_env = "PASS"\nquery = { sig = "secret-sig" }\n'
        '[backends.box.headers]\nX-Token = { env = "TOKEN" }\nX-Team = "blue"\n'
    )

    result = _asked(
        cli, front.plain, more, "--dry-run", PASS="secret-pass", TOKEN="secret-token"
    )  # fmt: skip

    assert "secret" not in result.text
    headers = json.loads(result.text)["headers"]
    assert (headers["Authorization"], headers["X-Team"]) == ("Basic ***", "blue")
