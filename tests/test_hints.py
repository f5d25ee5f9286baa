"""Each hint about a server is followed, and leads to another outcome.

In each way in which a backend can be chosen: what helps in one is no help in another.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from llmwrap.backends.ollama_host import parse_ollama_host

from .asking import chats, error
from .fakeserver import (
    Body,
    EndBody,
    FakeServer,
    Head,
    Silence,
    json_error,
    json_reply,
    redirect,
)
from .runner import Result, Runner

_KINDS = {"ollama": "", "openai": "/v1", "lmstudio": "/v1"}
_PATHS = {
    "ollama": "/api/chat",
    "openai": "/v1/chat/completions",
    "lmstudio": "/v1/chat/completions",
}


class Asked(NamedTuple):
    """A question: the command line, variables and the file behind it."""

    argv: tuple[str, ...] = ()
    environ: Mapping[str, str | None] = {}
    toml: str = ""
    model: str = "alpha"

    def run(self, cli: Runner) -> Result:
        """Ask."""
        cli.home.configure(self.toml)
        named = ("-m", self.model) if self.model else ()
        return cli.run(*named, *self.argv, "--retries", "0", "hi", environ=self.environ)


def chosen(way: str, kind: str, url: str) -> Asked:
    """Return a question to the server of a kind at a URL, chosen in a way."""
    address = url + _KINDS[kind]
    table = f'[backends.box]\nbackend_type = "{kind}"\nbase_url = "{address}"\n'
    variable = {"ollama": "OLLAMA_HOST", "openai": "OPENAI_BASE_URL"}.get(kind, "")
    match way:
        case "address":
            named = ("-b", kind) if kind == "lmstudio" else ()
            return Asked((*named, "--base-url", address))
        case "table":
            return Asked(toml=table)
        case "option":
            return Asked(("-b", "box"), toml=table)
        case "prefix":
            return Asked(toml=table, model="box/alpha")
        case "moved":
            there = {"LLMWRAP_BACKENDS_BOX_BASE_URL": address}
            away = table.replace(url, "http://127.0.0.1:9")
            return Asked(environ=there, toml=away)
        case "variable":
            return Asked(environ={variable: address, "LLMWRAP_BACKEND": kind})
    return Asked(environ={"OLLAMA_HOST": None, variable: address})


_WAYS = ("address", "table", "option", "prefix", "moved", "variable", "discovery")
EVERY = [
    pytest.param(way, kind, id=f"{kind}-{way}")
    for kind in _KINDS
    for way in _WAYS
    if kind != "lmstudio" or way not in ("variable", "discovery")
]
"""Each kind of server, chosen in each way in which it can be."""


def followed(cli: Runner, asked: Asked, hint: str) -> Asked:
    """Return the question as a hint wants it asked; runs what it says to run."""
    hint = re.sub(r" \(if .*\)$", "", hint)  # how the whole of a split name is named
    if command := re.search(r"'llmwrap ([^']*)'", hint):
        result = cli.run(*shlex.split(command[1]), environ=asked.environ)
        assert result.status == 0, result.stderr
        return asked
    if setting := re.search(r'base_url = "(\S+)" in \[backends\.box\]', hint):
        toml = re.sub(r'base_url = "\S+"', f'base_url = "{setting[1]}"', asked.toml)
        return asked._replace(toml=toml)
    if variable := re.search(r"(\w+)=(http\S+) leads", hint):
        environ = {**asked.environ, variable[1]: variable[2]}
        return asked._replace(environ=environ)
    if variable := re.search(r"(\w+_API_KEY) holds its key", hint):
        return asked._replace(environ={**asked.environ, variable[1]: "k-1"})
    if "api_key_env or api_key_file in [backends.box]" in hint:
        environ = {**asked.environ, "BOX_KEY": "k-1"}
        return asked._replace(
            environ=environ, toml=f'{asked.toml}api_key_env = "BOX_KEY"\n'
        )
    return with_options(asked, hint)


def with_options(asked: Asked, hint: str) -> Asked:
    """Return a question with the options that a hint names."""
    named = re.findall(r"(?<!\S)(-[mob]|--base-url) ([^\s';]+)", hint)
    assert named, hint
    for option, value in named:
        if option == "-m":
            asked = asked._replace(model=value)
            continue
        argv = list(asked.argv)
        if option in argv and option != "-o":
            argv[argv.index(option) + 1] = value
        else:
            argv += (option, value)
        asked = asked._replace(argv=tuple(argv))
    return asked


def hint_of(result: Result) -> str:
    """Return the hint of the one error, empty without any."""
    return error(result).partition("; ")[2]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Give a server that has alpha, and nothing named like it."""
    with FakeServer(models=("alpha:latest", "nothing-like-it:7b")) as server:
        yield server


@pytest.mark.parametrize(("way", "kind"), EVERY)
def test_the_key_is_named_where_it_goes(
    cli: Runner, server: FakeServer, way: str, kind: str
) -> None:
    server.script(_PATHS[kind], json_error(401, {"error": "no key"}))
    asked = chosen(way, kind, server.url)
    first = asked.run(cli)

    second = followed(cli, asked, hint_of(first)).run(cli)

    assert (first.status, second.status) == (5, 0)
    assert chats(server)[-1].headers["authorization"] == "Bearer k-1"


@pytest.mark.parametrize(("way", "kind"), EVERY)
def test_where_a_redirect_leads_is_an_address(
    cli: Runner, server: FakeServer, way: str, kind: str
) -> None:
    with FakeServer() as elsewhere:
        path = _PATHS[kind]
        server.script(path, redirect(307, elsewhere.url + path))
        asked = chosen(way, kind, server.url)
        first = asked.run(cli)

        second = followed(cli, asked, hint_of(first)).run(cli)

        assert (first.status, second.status) == (5, 0)
        assert path not in hint_of(first)
        assert len(chats(elsewhere)) == 1


@pytest.mark.parametrize("target", ["/login", "https://sso.example/?next=/api/chat"])
def test_a_redirect_to_a_page_is_no_address(
    cli: Runner, server: FakeServer, target: str
) -> None:
    server.script("/api/chat", redirect(307, target))

    result = chosen("address", "ollama", server.url).run(cli)

    assert (result.status, hint_of(result)) == (5, "")


@pytest.mark.parametrize(
    ("way", "kind"),
    [param for param in EVERY if "ollama" in str(param.id)],
)
def test_a_model_that_is_not_there_is_pulled(
    cli: Runner, server: FakeServer, way: str, kind: str
) -> None:
    asked = chosen(way, kind, server.url)
    asked = asked._replace(model=asked.model.replace("alpha", "qwen3:8b"))
    first = asked.run(cli)

    second = followed(cli, asked, hint_of(first)).run(cli)

    assert (first.status, second.status) == (5, 0)
    assert "llmwrap models pull" in hint_of(first)


@pytest.mark.parametrize(("way", "kind"), EVERY)
def test_the_nearest_name_is_named_and_answers(
    cli: Runner, way: str, kind: str
) -> None:
    with FakeServer(flavour="ollama") as server:
        asked = chosen(way, kind, server.url)
        asked = asked._replace(model=asked.model.replace("alpha", "alpah"))
        first = asked.run(cli)

        second = followed(cli, asked, hint_of(first)).run(cli)

    assert (first.status, second.status) == (5, 0)
    assert hint_of(first).startswith("it has -m ")


@pytest.mark.parametrize(
    ("way", "kind"), [param for param in EVERY if "ollama" not in str(param.id)]
)
def test_where_nothing_is_near_the_list_is_that_of_the_server(
    cli: Runner, way: str, kind: str
) -> None:
    with FakeServer(models=("qwen3:8b",), flavour="ollama") as server:
        asked = chosen(way, kind, server.url)
        result = asked.run(cli)

        command = re.search(r"'llmwrap ([^']*)' lists", hint_of(result))
        assert command
        listed = cli.run(*shlex.split(command[1]), environ=asked.environ)

    assert "qwen3:8b" in listed.text


def test_the_list_is_asked_for_with_the_same_file(cli: Runner, tmp_path: Path) -> None:
    with FakeServer(models=("qwen3:8b",), flavour="ollama") as server:
        file = tmp_path / "other.toml"
        file.write_text(chosen("table", "openai", server.url).toml)
        result = cli.run("--config", str(file), "-m", "alpha", "hi")

        command = re.search(r"'llmwrap ([^']*)' lists", hint_of(result))
        assert command
        listed = cli.run(*shlex.split(command[1]))

    assert "qwen3:8b" in listed.text


def test_what_is_behind_a_gateway_does_not_have_the_model(
    cli: Runner, server: FakeServer
) -> None:
    said = "litellm.NotFoundError: Ollama_chatException - model 'nosuch' not found"
    server.script(_PATHS["openai"], json_error(404, {"error": {"message": said}}))
    asked = chosen("address", "openai", server.url)._replace(model="alpha:latest")

    result = asked.run(cli)

    assert result.status == 5
    assert f"has 'alpha:latest', but the server behind it says: {said}" in error(result)


@pytest.mark.parametrize("way", ["address", "option", "prefix", "table", "discovery"])
@pytest.mark.parametrize(("kind", "other"), [("ollama", "/v1"), ("openai", "")])
def test_an_address_that_lacks_its_path_is_completed(
    cli: Runner, way: str, kind: str, other: str
) -> None:
    """Ollama's own API is asked of llama.cpp, and OpenAI's of a bare address."""
    with FakeServer(dialects=("openai",), flavour="llamacpp") as server:
        asked = chosen(way, kind, server.url)
        if kind == "openai":
            bare = f'{server.url}"'
            asked = Asked(
                tuple(word.removesuffix("/v1") for word in asked.argv),
                {k: v and v.removesuffix("/v1") for k, v in asked.environ.items()},
                asked.toml.replace(f'{server.url}/v1"', bare),
                asked.model,
            )
            if way == "address":
                asked = asked._replace(argv=("-b", "openai", *asked.argv))
        if way == "discovery" and kind == "ollama":
            pytest.skip("discovery takes nothing for Ollama that is not")
        first = asked.run(cli)

        second = followed(cli, asked, hint_of(first)).run(cli)

    assert (first.status, second.status) == (5, 0)


PASTED = {
    "/v1/chat/completions": "/v1",
    "/api/chat": "",
    "/api": "",
}


@pytest.mark.parametrize("model", ["alpha", ""])
@pytest.mark.parametrize(("pasted", "meant"), PASTED.items())
def test_the_address_of_a_request_leads_to_that_of_its_server(
    cli: Runner, pasted: str, meant: str, model: str
) -> None:
    with FakeServer(flavour="ollama") as server:
        asked = Asked(("--base-url", server.url + pasted), model=model)
        first = asked.run(cli)

        second = followed(cli, asked, hint_of(first)).run(cli)

    assert (first.status, second.status) == (5, 0)
    assert f"--base-url {server.url}{meant} leads" in hint_of(first)


def test_a_server_that_a_variable_names_keeps_the_key_of_that_variable(
    cli: Runner, server: FakeServer
) -> None:
    environ = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k-2"}
    asked = Asked(environ={"OLLAMA_HOST": None, **environ}, model="")
    server.script("/models", json_error(404, {"error": "404 page not found"}))
    first = asked.run(cli)

    second = followed(cli, asked, hint_of(first)).run(cli)

    assert (first.status, second.status) == (5, 0)
    assert chats(server)[-1].headers["authorization"] == "Bearer k-2"


def test_where_no_list_can_be_had_a_model_is_named(cli: Runner) -> None:
    with FakeServer(dialects=("openai",)) as server:
        server.script("/v1/models", json_error(404, {"error": "404 page not found"}))
        asked = Asked(("--base-url", f"{server.url}/v1"), model="")
        first = asked.run(cli)

        assert hint_of(first) == "name one with -m"
        assert asked._replace(model="alpha:latest").run(cli).status == 0


def test_an_address_where_nothing_better_answers_has_no_hint(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/chat", json_error(404, {"error": "404 page not found"}))

    result = cli.run("--base-url", f"{server.url}/deep", "-m", "alpha", "hi")

    assert (result.status, hint_of(result)) == (5, "")


def _overflow(needed: int, available: int) -> dict[str, object]:
    return {
        "error": {
            "code": 400,
            "message": f"request ({needed} tokens) exceeds the available context size",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": needed,
            "n_ctx": available,
        }
    }


@pytest.mark.parametrize(
    ("way", "kind"), [param for param in EVERY if "ollama" in str(param.id)]
)
def test_a_longer_context_is_one_that_the_model_can_take(
    cli: Runner, server: FakeServer, way: str, kind: str
) -> None:
    """The fake model was trained for 8,192 tokens."""
    server.script("/api/chat", json_error(400, _overflow(7500, 4096)))
    asked = chosen(way, kind, server.url)
    first = asked.run(cli)

    second = followed(cli, asked, hint_of(first)).run(cli)

    assert (first.status, second.status) == (5, 0)
    assert hint_of(first) == "ask with -o num_ctx=8192"
    assert chats(server)[-1].json["options"] == {"num_ctx": 8192}


def test_no_context_is_named_that_does_not_hold_the_prompt(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/chat", json_error(400, _overflow(9000, 4096)))

    result = chosen("address", "ollama", server.url).run(cli)

    assert hint_of(result) == "shorten it: the model takes 8192 tokens at most"


def test_a_context_that_was_asked_for_is_not_advised_again(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/chat", json_error(400, _overflow(5000, 4096)))
    asked = chosen("address", "ollama", server.url)

    result = asked._replace(argv=(*asked.argv, "-o", "num_ctx=8192")).run(cli)

    assert hint_of(result) == "shorten it"


@pytest.mark.parametrize(("way", "kind"), EVERY)
def test_a_shorter_context_is_advised_where_a_request_sets_it(
    cli: Runner, server: FakeServer, way: str, kind: str
) -> None:
    body = {"error": "model requires more system memory (9 GiB) than is available"}
    server.script(_PATHS[kind], json_error(500, body))
    asked = chosen(way, kind, server.url)
    first = asked.run(cli)

    assert first.status == 6
    assert ("num_ctx" in hint_of(first)) == (kind == "ollama")
    if kind == "ollama":
        assert followed(cli, asked, hint_of(first)).run(cli).status == 0
        assert chats(server)[-1].json["options"] == {"num_ctx": 2048}


@pytest.mark.parametrize("way", ["address", "table", "option", "variable"])
def test_ollama_is_started_where_it_is_asked(
    cli: Runner, server: FakeServer, way: str
) -> None:
    url = server.refused_url()
    asked = chosen(way, "ollama", url)

    result = asked.run(cli)

    start = re.search(r"'(?:OLLAMA_HOST=(\S+) )?ollama serve' starts it", error(result))
    assert start
    host = start[1] or asked.environ.get("OLLAMA_HOST") or ""
    assert parse_ollama_host(host) == url


@pytest.mark.parametrize("kind", ["openai", "lmstudio"])
def test_nobody_else_is_started_as_ollama(
    cli: Runner, server: FakeServer, kind: str
) -> None:
    url = server.refused_url()

    result = chosen("table", kind, url).run(cli)

    port = url.rpartition(":")[2]
    starts = f"'lms server start --port {port}' starts it"
    assert hint_of(result) == (starts if kind == "lmstudio" else "")


def test_a_server_elsewhere_is_not_started_here(cli: Runner) -> None:
    result = cli.run("--base-url", "http://nosuch.invalid:1", "-m", "alpha", "hi")

    assert result.status == 4
    assert "starts it" not in error(result)


@pytest.mark.parametrize(
    ("way", "kind"), [param for param in EVERY if "ollama" in str(param.id)]
)
def test_a_server_without_models_pulls_one(cli: Runner, way: str, kind: str) -> None:
    with FakeServer(models=()) as server:
        asked = chosen(way, kind, server.url)._replace(model="")
        if way == "prefix":
            pytest.skip("a prefix stands before a model")
        first = asked.run(cli)

        second = followed(cli, asked, hint_of(first)).run(cli)

    assert (first.status, second.status) == (5, 0)


def test_a_dead_proxy_is_left_out_and_not_the_server_s_fault(
    cli: Runner, server: FakeServer
) -> None:
    asked = chosen("table", "ollama", server.url)
    proxy = f'proxy = "{server.refused_url()}"\n'
    first = asked._replace(toml=asked.toml + proxy).run(cli)

    assert (first.status, asked.run(cli).status) == (4, 0)
    assert hint_of(first) == "without proxy in [backends.box] it is asked directly"


def test_a_number_in_the_address_is_no_answer_of_the_proxy(
    cli: Runner, server: FakeServer
) -> None:
    asked = chosen("table", "ollama", "http://box407.test:40790")
    proxy = f'proxy = "{server.refused_url()}"\n'

    result = asked._replace(toml=asked.toml + proxy).run(cli)

    assert result.status == 4
    assert "does not work" in error(result)


def test_a_tunnel_that_wants_a_password_is_the_proxys(
    cli: Runner, server: FakeServer
) -> None:
    server.script(None, json_error(407, {"error": "who are you?"}))
    asked = chosen("table", "ollama", "https://box.test")

    result = asked._replace(toml=f'{asked.toml}proxy = "{server.url}"\n').run(cli)

    assert result.status == 5
    assert f"the proxy {server.url} does not let us reach box at" in error(result)


def test_a_proxy_that_wants_a_password_is_the_one_that_spoke(
    cli: Runner, server: FakeServer
) -> None:
    with FakeServer() as proxy:
        proxy.script(
            f"{server.url}/api/chat", json_error(407, {"error": "who are you?"})
        )
        asked = chosen("table", "ollama", server.url)
        result = asked._replace(toml=f'{asked.toml}proxy = "{proxy.url}"\n').run(cli)

    assert result.status == 5
    assert error(result).startswith(f"the proxy {proxy.url} does not let us reach")


def test_where_an_address_holds_a_secret_no_hint_shows_it(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/chat", json_error(404, {"error": "404 page not found"}))
    asked = Asked(environ={"LLMWRAP_BACKENDS_OLLAMA_BASE_URL": server.url})

    assert "***" not in asked.run(cli).stderr


@pytest.mark.parametrize(
    "body", [{"error": 'option "num_ctx" must be of type integer'}]
)
def test_a_bad_option_is_refused_and_not_tried_again(
    cli: Runner, server: FakeServer, body: dict[str, str]
) -> None:
    """Ollama answers 500, which elsewhere is worth another attempt."""
    server.script("/api/chat", json_error(500, body), times=3)
    asked = chosen("address", "ollama", server.url)

    result = cli.run(*asked.argv, "-m", "alpha", "-o", "num_ctx=big", "hi")

    assert (result.status, len(chats(server))) == (5, 1)


def test_a_list_that_answers_nothing_has_no_hint(
    cli: Runner, server: FakeServer
) -> None:
    server.script(_PATHS["openai"], json_error(404, {"error": "model not found"}))
    server.script("/v1/models", json_reply({"data": []}), times=9)

    result = chosen("address", "openai", server.url).run(cli)

    assert (result.status, hint_of(result)) == (5, "")


def test_a_time_out_of_a_model_that_loads_says_so(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/chat", Silence())
    asked = chosen("address", "ollama", server.url)

    result = cli.run(*asked.argv, "-m", "alpha", "--first-token-timeout", "200ms", "hi")

    assert result.status == 124
    assert "; it still loads 'alpha': --first-token-timeout" in error(result)


def test_a_time_out_of_lm_studio_that_loads_says_so(
    cli: Runner, server: FakeServer
) -> None:
    server.script(_PATHS["lmstudio"], Silence())
    asked = chosen("address", "lmstudio", server.url)._replace(model="alpha:latest")

    short = ("--first-token-timeout", "200ms")
    result = asked._replace(argv=(*asked.argv, *short)).run(cli)

    assert result.status == 124
    assert hint_of(result).startswith("it still loads 'alpha'")


def test_a_time_out_of_a_server_that_loads_says_so(
    cli: Runner, server: FakeServer
) -> None:
    loading = {"error": {"code": 503, "message": "Loading model"}}
    server.script(_PATHS["openai"], json_error(503, loading), times=None)
    asked = chosen("address", "openai", server.url)

    result = cli.run(*asked.argv, "-m", "alpha", "--first-token-timeout", "1s", "hi")

    assert result.status == 124
    assert "still loads its model after 1s" in error(result)
    assert hint_of(result) == "--first-token-timeout waits longer"


def test_num_ctx_where_no_request_sets_it_is_warned_of(
    cli: Runner, server: FakeServer
) -> None:
    asked = chosen("address", "openai", server.url)

    result = cli.run(*asked.argv, "-m", "alpha", "-o", "num_ctx=8192", "hi")

    assert result.status == 0
    assert "'num_ctx' is no option that openai is known to have" in result.stderr


@pytest.mark.parametrize("kind", ["ollama", "lmstudio"])
def test_only_what_can_be_loaded_ahead_is_advised_so(
    cli: Runner, server: FakeServer, kind: str
) -> None:
    cli.home.configure(chosen("table", kind, server.url).toml)

    said = cli.run("doctor", "-m", "alpha:latest").text

    assert ("models warm" in said) == (kind == "ollama")


def test_an_empty_stream_says_what_may_show_why(
    cli: Runner, server: FakeServer
) -> None:
    """llama-cpp-python does so with a prompt that is too long."""
    head = Head(200, (("Content-Type", "text/event-stream"),))
    server.script(_PATHS["openai"], head, EndBody())
    server.script(_PATHS["openai"], json_error(400, _overflow(5000, 2048)))
    asked = chosen("address", "openai", server.url)
    first = asked.run(cli)

    second = asked._replace(argv=(*asked.argv, "--no-stream")).run(cli)

    assert (first.status, second.status) == (8, 5)
    assert hint_of(first) == "--no-stream may show why"


_SPEAKERS = {
    "a page": (
        502,
        b"<title>502 Bad Gateway</title>",
        "nginx/1.22",
        "gateway, nginx, speaks",
    ),
    "nothing": (504, b"", "", "(a gateway speaks: the server behind it took too long)"),
    "words": (502, b"Bad Gateway", "Caddy", "(a gateway, Caddy, speaks: the server"),
    "json": (502, b'{"error": "upstream"}', "uvicorn", "upstream (a gateway speaks: "),
    "no server": (503, b"<h1>No server</h1>", "", "(a gateway speaks, not the server)"),
    "a proxy": (
        407,
        b"who are you?",
        "",
        "(a proxy on the way speaks: it wants a user",
    ),
    "the server": (503, b'{"error": "busy"}', "", "answered 503: busy"),
}


@pytest.mark.parametrize("kind", ["ollama", "openai"])
@pytest.mark.parametrize(
    ("status", "body", "name", "said"), _SPEAKERS.values(), ids=_SPEAKERS
)
def test_who_spoke_is_named(
    cli: Runner,
    server: FakeServer,
    kind: str,
    status: int,
    body: bytes,
    name: str,
    said: str,
) -> None:
    headers = (("Server", name),) if name else ()
    server.script(_PATHS[kind], Head(status, headers), Body(body), EndBody())

    result = chosen("address", kind, server.url).run(cli)

    assert said in error(result)
    assert ("speaks" in error(result)) == ("speaks" in said)
