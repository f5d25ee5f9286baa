"""Which model is asked when none is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .asking import chats, error, lines
from .fakeserver import FakeServer, Silence, json_error, json_reply
from .runner import Home, Runner


def model_asked(cli: Runner, server: FakeServer, suffix: str = "") -> Any:
    result = cli.run("--base-url", server.url + suffix, "Hello")
    (chat,) = chats(server)
    assert lines(result, "note") == [f"using model '{chat.json['model']}'"]
    return chat.json["model"]


def test_the_model_that_is_loaded_is_taken(cli: Runner, server: FakeServer) -> None:
    server.shelf.load("beta:7b")

    assert model_asked(cli, server) == "beta:7b"


@pytest.mark.parametrize(
    "times",
    [
        ("2026-11-22T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00.100000001Z"),
        ("0001-01-01T00:00:00Z", "2026-11-23T10:00:00Z"),
        ("2026-11-23T10:00:00.5+02:00", "2026-11-23T09:00:00.319173205Z"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T02:10:00+01:00"),
        ("", "2026-11-23T10:00:00Z"),
        ("yesterday", "2026-11-23T10:00:00Z"),
    ],
)
def test_else_the_newest_is(
    cli: Runner, server: FakeServer, times: tuple[str, str]
) -> None:
    older, newer = times
    models = [
        {"name": "alpha:latest", "modified_at": older},
        {"name": "beta:7b", "modified_at": newer},
        {"name": "embed", "modified_at": "2027", "capabilities": ["embedding"]},
    ]
    server.script("/api/tags", json_reply({"models": models}))

    assert model_asked(cli, server) == "beta:7b"


def test_else_the_first_of_the_list_is(cli: Runner, server: FakeServer) -> None:
    assert model_asked(cli, server, "/v1") == "alpha:latest"


def test_lm_studio_says_itself_what_is_loaded(cli: Runner, server: FakeServer) -> None:
    server.shelf.load("beta:7b")

    cli.run("-b", "lmstudio", "--base-url", f"{server.url}/v1", "Hello")

    assert chats(server)[0].json["model"] == "beta:7b"


@pytest.mark.parametrize(
    ("suffix", "hint"), [("", "llmwrap models pull"), ("/v1", "name one with -m")]
)
def test_no_model_at_all_is_status_5_with_what_to_do(
    cli: Runner, suffix: str, hint: str
) -> None:
    with FakeServer(models=[]) as server:
        result = cli.run("--base-url", server.url + suffix, "Hello")

    assert result.status == 5
    assert f"at {server.url}{suffix} has no model to chat with; " in error(result)
    assert hint in error(result)
    # "Pull one" is no advice for a server that cannot.
    assert ("llmwrap models pull" in error(result)) is (suffix == "")


EMBEDDER = {"name": "nomic:v1", "details": {"family": "nomic-bert"}}
NOT_TAKEN: dict[str, dict[str, Any]] = {
    "capabilities": {"name": "e:v1", "capabilities": ["embedding"]},
    "family": EMBEDDER,
    "name": {"name": "mxbai-embed-large:latest"},
    "remote": {"name": "big", "remote_host": "https://ollama.com:443"},
    "cloud": {"name": "gpt-oss:120b-cloud"},
}


@pytest.mark.parametrize("entry", NOT_TAKEN.values(), ids=NOT_TAKEN)
@pytest.mark.parametrize("is_loaded", [False, True])
def test_no_embedding_and_no_cloud_model_is_taken_unasked(
    cli: Runner, server: FakeServer, entry: dict[str, Any], is_loaded: bool
) -> None:
    models = [
        {**entry, "modified_at": "2027-01-01T00:00:00Z"},
        {"name": "alpha:latest", "modified_at": "2026-01-01T00:00:00Z"},
    ]
    server.script("/api/tags", json_reply({"models": models}))
    server.script("/api/ps", json_reply({"models": models[:1] * is_loaded}))

    assert model_asked(cli, server) == "alpha:latest"


def test_where_the_list_does_not_say_the_model_itself_is_asked(
    cli: Runner, server: FakeServer
) -> None:
    newest = {"name": "plain", "modified_at": "2027-01-01T00:00:00Z"}
    models = [newest, {"name": "alpha:latest", "capabilities": ["completion"]}]
    server.script("/api/tags", json_reply({"models": models}))
    server.script("/api/show", json_reply({"capabilities": ["embedding"]}))

    assert model_asked(cli, server) == "alpha:latest"


@pytest.mark.parametrize("entry", NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_only_such_models_are_no_model(
    cli: Runner, server: FakeServer, entry: dict[str, Any]
) -> None:
    server.script("/api/tags", json_reply({"models": [entry]}))

    result = cli.run("--base-url", server.url, "Hello")

    assert (result.status, chats(server)) == (5, [])


def test_no_embedding_model_of_v1_is_taken_unasked(
    cli: Runner, server: FakeServer
) -> None:
    models = [{"id": "text-embedding-3-small"}, {"id": "bge-m3"}, {"id": "beta"}]
    server.script("/v1/models", json_reply({"data": models}))

    assert model_asked(cli, server, "/v1") == "beta"


# Lists are read entry by entry


@pytest.mark.parametrize("odd", [{"id": 7}, 7, None, ["x"], {}, {"id": ""}], ids=repr)
def test_an_odd_entry_costs_that_entry_with_a_warning(
    cli: Runner, server: FakeServer, odd: Any
) -> None:
    listing = {"data": [odd, {"id": "alpha"}]}
    server.script("/v1/models", json_reply(listing), times=2)
    address = ("--base-url", f"{server.url}/v1")
    warning = f"1 entry of the models of openai at {server.url}/v1 could not be read"

    result = cli.run(*address, "Hello")
    listed = cli.run("models", "--json", *address)

    assert (result.status, lines(result, "warning")) == (0, [warning])
    assert (listed.status, lines(listed, "warning")) == (0, [warning])
    assert [row["name"] for row in json.loads(listed.text)["models"]] == ["alpha"]


def test_a_bare_list_is_a_list(cli: Runner, server: FakeServer) -> None:
    server.script("/v1/models", json_reply([{"id": "alpha"}]))

    assert model_asked(cli, server, "/v1") == "alpha"


def test_what_is_loaded_need_not_be_told(cli: Runner, server: FakeServer) -> None:
    server.script("/api/ps", json_error(404, {"error": "not found"}), times=2)

    listed = cli.run("models", "--json", "--base-url", server.url)

    assert listed.status == 0
    assert {row["loaded"] for row in json.loads(listed.text)["models"]} == {None}
    assert model_asked(cli, server) == "alpha:latest"


@pytest.mark.parametrize("suffix", ["", "/v1"])
def test_a_list_that_cannot_be_had_costs_nothing_where_the_model_was_named(
    cli: Runner, server: FakeServer, suffix: str
) -> None:
    for path in ("/v1/models", "/api/tags", "/api/ps"):
        server.script(path, json_error(404, {"error": "not found"}), times=None)

    result = cli.run("--base-url", server.url + suffix, "-m", "alpha", "Hello")

    assert (result.status, result.stderr) == (0, "")


# Names with slashes, names that are paths


def named(cli: Runner, server: FakeServer, *argv: str, **environ: str) -> Any:
    environ = {"OPENAI_BASE_URL": f"{server.url}/v1", "OLLAMA_HOST": "", **environ}
    result = cli.run(*argv, "Hello", environ=environ)
    return result, [chat.json["model"] for chat in chats(server)]


def test_a_whole_name_with_the_backends_prefix_is_taken_where_its_list_has_it(
    cli: Runner, server: FakeServer
) -> None:
    whole = "openai/gpt-oss-20b"
    server.script("/v1/models", json_reply({"data": [{"id": whole}]}), times=None)
    environ = {"OPENAI_BASE_URL": f"{server.url}/v1", "OLLAMA_HOST": ""}
    cli.run("models", environ=environ)

    _, models = named(cli, server, "-m", whole)

    assert models == [whole]


def test_else_it_is_split_and_nobody_is_asked_for_that(
    cli: Runner, server: FakeServer
) -> None:
    _, models = named(cli, server, "-m", "openai/gpt-oss-20b")

    assert models == ["gpt-oss-20b"]
    # What follows the refusal is for the hint.
    assert server.requests[0].path == "/v1/chat/completions"


def test_a_split_name_that_is_unknown_says_how_to_name_the_whole(
    cli: Runner, server: FakeServer
) -> None:
    missing = {"error": {"message": "The model 'x' does not exist", "code": 404}}
    server.script("/v1/chat/completions", json_error(404, missing))

    result, _ = named(cli, server, "-m", "openai/x")

    assert result.status == 5
    assert "if 'openai/x' is its whole name: -b openai -m openai/x" in error(result)


def test_a_table_of_the_file_keeps_the_prefix_of_a_variable_whole(
    cli: Runner, home: Home, server: FakeServer
) -> None:
    """Neither the prompt nor the key goes where OPENAI_BASE_URL says."""
    table = f'backend_type = "OpenAI"\nbase_url = "{server.url}/v1"\n'
    home.configure("[backends.local]\n" + table)
    with FakeServer() as stranger:
        environ = {"OPENAI_BASE_URL": f"{stranger.url}/v1", "OPENAI_API_KEY": "k"}
        _, models = named(cli, server, "-m", "openai/gpt-oss-20b", **environ)

        assert models == ["openai/gpt-oss-20b"]
        assert stranger.requests == []


def test_a_path_that_the_servers_list_has_is_the_servers(cli: Runner) -> None:
    path = "/srv/models/tiny.gguf"
    with FakeServer(models=[path]) as server:
        for _ in range(2):  # The second time it is remembered.
            result, models = named(cli, server, "--no-cache", "-m", path)

        assert (result.status, models) == (0, [path, path])
        assert len(server.requests) == 3


@pytest.mark.parametrize("name", ["/srv/a.gguf", "a.gguf"])
def test_a_prefix_stands_before_a_path_too(cli: Runner, home: Home, name: str) -> None:
    with FakeServer(models=(name,), dialects=("openai",)) as server:
        url = f"{server.url}/v1"
        home.configure(
            "[backends.first]\nbackend_type = 'Ollama'\nbase_url = 'http://127.0.0.1:9'\n"
            f"[backends.box]\nbackend_type = 'OpenAI'\nbase_url = '{url}'\n"
        )
        result = cli.run("-m", f"box/{name}", "hi")

        assert (result.status, chats(server)[0].json["model"]) == (0, name)


def test_a_path_that_no_list_has_is_the_embedded_backends(
    cli: Runner, server: FakeServer
) -> None:
    result, models = named(cli, server, "-m", "/srv/none.gguf")

    assert (result.status, models) == (5, [])
    assert "/srv/none.gguf" in error(result)


# The configured one


@pytest.mark.parametrize(
    ("model", "url", "asked"),
    [
        ("lmstudio/m", "http://127.0.0.1:1234/v1/chat/completions", "m"),
        ("embedded/m", None, None),
        ("there/is/none.gguf", None, None),
    ],
)
def test_the_model_of_the_file_may_name_its_backend_where_the_file_names_none(
    cli: Runner, home: Home, model: str, url: str | None, asked: str | None
) -> None:
    home.configure(f'[defaults]\nmodel = "{model}"\n')

    result = cli.run("--dry-run", "Hello")

    if url is None:  # The embedded backend has none of them.
        assert result.status == 5
        assert "not installed" in error(result) or "not found" in error(result)
    else:
        request = json.loads(result.stdout)
        assert (request["url"], request["body"]["model"]) == (url, asked)


def test_the_model_of_the_file_is_a_name_to_the_backend_of_the_file(
    cli: Runner, home: Home, server: FakeServer
) -> None:
    # As LiteLLM names its models.
    table = f'[backends.proxy]\nbackend_type = "OpenAI"\nbase_url = "{server.url}/v1"\n'
    home.configure(f'[defaults]\nmodel = "ollama/llama3"\n{table}')

    result = cli.run("--dry-run", "Hello")

    assert json.loads(result.stdout)["body"]["model"] == "ollama/llama3"


def test_a_list_that_does_not_come_is_not_needed_for_what_is_remembered(
    cli: Runner, server: FakeServer
) -> None:
    """As long as it takes to connect is waited for it, and no bound of its own."""
    cli.run("--base-url", server.url, "Hello")
    server.script("/api/ps", Silence())
    argv = ("--base-url", server.url, "--no-cache", "--connect-timeout", "300ms")

    result = cli.run(*argv, "Hello")

    assert result.status == 0
    assert "using 'alpha:latest', the one of last time" in lines(result, "warning")[0]


def test_a_list_is_waited_for_as_long_as_the_time_outs_say(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/ps", Silence())

    result = cli.run("--base-url", server.url, "--first-token-timeout", "200ms", "hi")

    assert result.status == 124
    assert "did not name its models within 200ms" in error(result)
