"""Who gets which key, header and certificate, and that nobody sees them."""

from __future__ import annotations

import importlib.util
import json

import pytest

from llmwrap.cli.main import main
from llmwrap.config.api_key import without_secrets

from .asking import OPENAI, chats, error, lines
from .fakeserver import FakeServer, Respond, json_error
from .relay import Relay
from .runner import Home, Result, Runner

_KEY = "sk-7Yq2mZx9-very-secret"


def sent(server: FakeServer) -> list[str | None]:
    return [one.headers.get("authorization") for one in server.requests]


def configured(cli: Runner, url: str, more: str = "") -> None:
    cli.home.configure(f'[backends.ollama]\nbase_url = "{url}"\n{more}')


def asked(cli: Runner, *argv: str, **environ: str | None) -> Result:
    return cli.run(*argv, "-m", "alpha", "--no-cache", "hi", environ=environ)


@pytest.mark.parametrize("key", [f"{_KEY}\n", f" {_KEY} ", f"\t{_KEY}\r\n"], ids=repr)
@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
        ("OLLAMA_API_KEY", "OLLAMA_HOST"),
        ("LLMWRAP_API_KEY", "OLLAMA_HOST"),
    ],
)
def test_white_space_at_a_keys_ends_is_dropped(
    cli: Runner, server: FakeServer, key: str, variable: str, place: str
) -> None:
    url = server.url + (OPENAI.suffix if place == "OPENAI_BASE_URL" else "")
    environ = {"OLLAMA_HOST": "", place: url, variable: key}

    result = asked(cli, **environ)

    assert (result.status, sent(server)) == (0, [f"Bearer {_KEY}"])


@pytest.mark.parametrize(
    "variable", ["OPENAI_API_KEY", "OLLAMA_API_KEY", "LLMWRAP_API_KEY"]
)
@pytest.mark.parametrize("command", [("-m", "a", "hi"), ("models",), ("doctor",)])
def test_a_key_that_no_header_can_hold_is_3_and_is_not_shown(
    cli: Runner, server: FakeServer, variable: str, command: tuple[str, ...]
) -> None:
    place, suffix = "OLLAMA_HOST", ""
    if variable == "OPENAI_API_KEY":
        place, suffix = "OPENAI_BASE_URL", "/v1"
    environ = {"OLLAMA_HOST": "", place: server.url + suffix, variable: f"{_KEY}\nX: y"}

    result = cli.run(*command, environ=environ)

    assert (result.status, server.requests) == (3, [])
    assert _KEY not in result.stderr + result.text
    assert variable in error(result)


@pytest.mark.parametrize(
    ("variable", "is_sent"), [("OLLAMA_API_KEY", False), ("OPENAI_API_KEY", False)]
)
def test_an_owners_key_goes_nowhere_else(
    cli: Runner, server: FakeServer, variable: str, is_sent: bool
) -> None:
    environ = {variable: _KEY, "OLLAMA_HOST": "http://127.0.0.1:9"}

    asked(cli, "--base-url", server.url, **environ)

    assert (sent(server) != [None]) is is_sent


def test_our_own_key_goes_before_what_the_table_names(
    cli: Runner, server: FakeServer
) -> None:
    configured(cli, server.url, 'api_key_env = "TABLE"\n')

    asked(cli, TABLE="t", LLMWRAP_API_KEY="l")

    assert sent(server) == ["Bearer l"]


MORE = (
    'api_key_env = "TABLE"\nheaders = { X-Team = "blue" }\nquery = { v = "1" }\n'
    'api_key_header = "X-Key"\nproxy = "http://127.0.0.1:9"\n'
)


@pytest.mark.parametrize("how", ["option", "variable"])
def test_nothing_of_a_table_goes_to_another_address(
    cli: Runner, server: FakeServer, how: str
) -> None:
    configured(cli, "http://127.0.0.1:9", MORE)
    argv = ("-b", "ollama", "--base-url", server.url) if how == "option" else ()
    variable = {"LLMWRAP_BACKENDS_OLLAMA_BASE_URL": server.url}

    result = asked(cli, *argv, **({} if argv else variable), TABLE=_KEY)

    (chat,) = chats(server)
    assert result.status == 0
    assert not {"x-team", "x-key", "authorization"} & {*map(str.lower, chat.headers)}
    assert chat.target == "/api/chat"


def test_a_key_that_a_variable_says_beside_the_address_goes_with_it(
    cli: Runner, server: FakeServer
) -> None:
    configured(cli, "http://127.0.0.1:9", MORE)
    start = "LLMWRAP_BACKENDS_OLLAMA_"

    asked(
        cli,
        **{f"{start}BASE_URL": server.url, f"{start}API_KEY_ENV": "MINE"},
        MINE="m",
    )

    assert sent(server) == ["Bearer m"]


# -H


def test_headers_go_with_the_request(cli: Runner, server: FakeServer) -> None:
    file = cli.home.path / "headers"
    file.write_text(f"Authorization: Basic {_KEY}\n\nX-B: 2\n")
    file.chmod(0o600)

    result = asked(
        cli, "--base-url", server.url, "-H", "X-A: 1", "-H", f"@{file}", "-vv"
    )

    (chat,) = chats(server)
    assert (chat.headers["x-a"], chat.headers["x-b"]) == ("1", "2")
    assert chat.headers["authorization"] == f"Basic {_KEY}"
    assert _KEY not in result.stderr


def test_a_secret_header_on_the_command_line_is_warned_of(
    cli: Runner, server: FakeServer
) -> None:
    told = asked(cli, "--base-url", server.url, "-H", f"X-Token: {_KEY}")
    plain = asked(cli, "--base-url", server.url, "-H", "X-Team: blue")

    (warning,) = lines(told, "warning")
    assert "-H @FILE" in warning
    assert _KEY not in told.stderr
    assert plain.stderr == ""


def test_a_file_of_headers_that_others_may_open_is_status_3(
    cli: Runner, server: FakeServer
) -> None:
    file = cli.home.path / "headers"
    file.write_text("X-B: 2\n")
    file.chmod(0o644)

    result = asked(cli, "--base-url", server.url, "-H", f"@{file}")

    assert (result.status, server.requests) == (3, [])


@pytest.mark.parametrize("header", ["none", "a b: c", "X: a\r\nY: b", ": x"])
def test_what_is_no_header_is_status_2(
    cli: Runner, server: FakeServer, header: str
) -> None:
    result = asked(cli, "--base-url", server.url, "-H", header)

    assert (result.status, server.requests) == (2, [])


def test_a_server_that_sends_a_header_back_does_not_show_it(
    cli: Runner, server: FakeServer
) -> None:
    server.script(
        "/api/chat",
        Respond(lambda got: json_error(400, {"error": got.headers["x-token"]})),
    )

    result = asked(cli, "--base-url", server.url, "-H", f"X-Token: {_KEY}")

    assert result.status == 5
    assert _KEY not in result.stderr


def test_a_dry_run_masks_secret_headers(cli: Runner, server: FakeServer) -> None:
    argv = ("-H", f"Cookie: {_KEY}", "-H", "X-Team: blue", "--dry-run")

    result = asked(cli, "--base-url", server.url, *argv)

    headers = json.loads(result.text)["headers"]
    assert (headers["Cookie"], headers["X-Team"]) == ("***", "blue")


def test_two_headers_never_share_an_answer(cli: Runner, server: FakeServer) -> None:
    for value in ("a", "b", "a"):
        argv = ("--base-url", server.url, "-m", "alpha", "-H", f"X-Team: {value}")
        cli.run(*argv, "hi")

    assert [one.headers["x-team"] for one in chats(server)] == ["a", "b"]


def test_a_user_and_a_key_cannot_share_a_header(
    cli: Runner, server: FakeServer
) -> None:
    configured(cli, server.url, 'user = "me"\napi_key_env = "TABLE"\n')

    result = asked(cli, TABLE="t")

    assert (result.status, server.requests) == (3, [])
    assert "api_key_header" in error(result)


def test_the_configuration_is_shown_without_them(cli: Runner) -> None:
    more = f'headers = {{ X-Token = "{_KEY}" }}\nquery = {{ sig = "{_KEY}" }}\n'
    configured(cli, "http://127.0.0.1:9", more)

    for argv in (("config", "show"), ("config", "show", "--json"), ("backends",)):
        result = cli.run(*argv)
        assert _KEY not in result.text + result.stderr


# What is told


@pytest.mark.parametrize(
    ("options", "suffix", "right"),
    [
        ((), "/v1/chat/completions", "/v1"),
        ((), "/api/chat", ""),
        (("-b", "ollama"), "/v1", ""),
    ],
)
def test_an_address_with_a_path_too_many_is_told_and_the_right_one_named(
    cli: Runner, server: FakeServer, options: tuple[str, ...], suffix: str, right: str
) -> None:
    result = asked(cli, *options, "--base-url", server.url + suffix)

    assert result.status == 5
    assert f"--base-url {server.url}{right} " in error(result)


def test_a_407_is_the_proxys(cli: Runner, server: FakeServer) -> None:
    server.script(None, json_error(407, {"error": "proxy"}), times=None)
    with Relay(server.port, is_proxy=True) as proxy:
        address = f"http://{proxy.address}"
        configured(cli, server.url, f'proxy = "{address}"\n')
        result = asked(cli)

    assert result.status == 5
    assert f"the proxy {address} " in error(result)


# The last handler


def test_a_bugs_report_shows_no_secret() -> None:
    environ = {"SOME_TOKEN": _KEY, "PATH": "/usr/bin"}

    said = without_secrets(f"bad 'Bearer abc' and {_KEY} in /usr/bin", environ)

    assert said == "bad 'Bearer ***' and *** in /usr/bin"


def test_the_last_handler_masks_what_it_prints(cli: Runner, home: Home) -> None:
    context = cli.context(environ={"SOME_TOKEN": _KEY, "LLMWRAP_DEBUG": "1"})

    class Broken(dict[str, str]):
        def get(self, *_: object) -> str:
            raise RuntimeError(f"Authorization: Bearer {_KEY}")

    context.environ = Broken(context.environ)
    main(["config", "path"], context)

    said = context.stderr.written.decode()
    assert "a bug in llmwrap" in said
    assert _KEY not in said


def test_a_socks_proxy_says_what_it_needs(cli: Runner, server: FakeServer) -> None:
    if importlib.util.find_spec("socks"):
        pytest.skip("PySocks is there")
    configured(cli, server.url, 'proxy = "socks5://127.0.0.1:9"\n')

    result = cli.run("ask", "-n", "hi")

    assert result.status == 3
    assert "needs the package PySocks" in error(result)
