"""`doctor` finds what is wrong, and knows what a question would end with."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from llmwrap.backends.base import Model
from llmwrap.backends.ollama_words import trained_context_tokens
from llmwrap.config import Config
from llmwrap.engine import Choice
from llmwrap.errors import ConfigError
from llmwrap.messages import Message, Request, Sampling
from llmwrap.upkeep.checks import (
    Finding,
    Severity,
    context_findings,
    directory_findings,
    proxy_findings,
)
from llmwrap.upkeep.diagnosis import (
    Diagnosis,
    Surroundings,
    diagnose,
    diagnose_without_config,
)

from .asking import chats, error
from .fakeserver import Body, EndBody, FakeServer, Head, Silence
from .fakeserver.replies import json_error, json_reply
from .fakeserver.steps import Step
from .runner import Home, Runner

NOT_FOUND = json_error(404, {"error": "404 page not found"})
EVERYWHERE = ("/api/version", "/api/tags", "/api/ps", "/api/show", "/api/chat")
ANSWER = json_reply(
    {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
)
PAGE: list[Step] = [Head(), Body(b"<title>Hello</title>"), EndBody()]
TABLE = """
[backends.box]
backend_type = "{kind}"
base_url = "{url}"
{more}
"""


def diagnosed(
    home: Home, toml: str = "", choice: Choice = Choice(), **environ: str
) -> Diagnosis:
    home.environ |= environ
    home.configure(toml)
    config = Config.load(environ=home.environ)
    sampling = Sampling(max_tokens=1, options=config.defaults.options)
    request = Request("", (Message("user", "Hi"),), sampling)
    around = Surroundings(choice, home.environ, str(home.path), request=request)
    return diagnose(config, around)


def table(url: str, kind: str = "Ollama", more: str = "") -> str:
    return TABLE.format(url=url, kind=kind, more=more)


def said(findings: Sequence[Finding], subject: str, *severities: Severity) -> list[str]:
    return [
        f"{finding.message}; {finding.hint}"
        for finding in findings
        if finding.subject == subject
        and (not severities or finding.severity in severities)
    ]


def complaints(diagnosis: Diagnosis) -> list[str]:
    """Return the subjects that are not as they should be."""
    return [f.subject for f in diagnosis.findings if f.severity in ("warning", "error")]


# What ask would end with


def test_nothing_is_wrong_with_a_loaded_model_that_can_do_all_it_could(
    home: Home, server: FakeServer
) -> None:
    server.script("/api/show", json_reply({"model_info": {"x.context_length": 4096}}))
    server.shelf.load("alpha:latest")

    found = diagnosed(home, OLLAMA_HOST=server.url)

    assert (found.error, found.exit_status) == (None, 0)
    assert complaints(found) == []
    assert said(found.findings, "choice", "note") == [
        f"using ollama at {server.url}; ",
        "using model 'alpha:latest'; ",
    ]
    assert said(found.findings, "model", "ok") == [
        f"'alpha:latest' on ollama at {server.url} is loaded; ",
        "'alpha:latest' answered a question; ",
    ]


def test_no_server_is_status_4(home: Home) -> None:
    found = diagnosed(home)

    assert found.exit_status == 4
    (error,) = said(found.findings, "backend", "error")
    assert "connection refused" in error


def test_a_server_that_is_down_is_status_4_and_said_once(
    home: Home, server: FakeServer
) -> None:
    found = diagnosed(home, table(server.refused_url()), Choice(model="alpha"))

    assert found.exit_status == 4
    (complaint,) = said(found.findings, "backend", "warning", "error")
    assert complaint.endswith("ollama serve' starts it")


def test_a_model_that_is_missing_is_status_5(home: Home, server: FakeServer) -> None:
    found = diagnosed(home, table(server.url), Choice(model="gamma"))

    assert found.exit_status == 5
    assert "'gamma' not found" in said(found.findings, "model", "error")[0]


def test_a_server_without_models_is_status_5(home: Home) -> None:
    with FakeServer(models=()) as server:
        found = diagnosed(home, table(server.url))

    assert found.exit_status == 5


def test_an_unknown_backend_is_status_3(home: Home, server: FakeServer) -> None:
    found = diagnosed(home, table(server.url), Choice(backend="nix"))

    assert found.exit_status == 3
    assert "unknown backend 'nix'" in said(found.findings, "backend", "error")[0]


def test_a_server_that_breaks_ends_as_it_would_for_a_question(
    home: Home, server: FakeServer
) -> None:
    server.script("/api/chat", json_error(500, {"error": "no room"}), times=None)
    server.shelf.load("alpha")

    found = diagnosed(home, table(server.url), Choice(model="alpha", retries=0))

    assert found.exit_status == 6


def test_a_server_that_is_loading_is_waited_for_by_ask(
    home: Home, server: FakeServer
) -> None:
    loading = {"error": {"code": 503, "message": "Loading model"}}
    server.script("/v1/models", json_error(503, loading), times=None)

    found = diagnosed(home, table(f"{server.url}/v1", "OpenAI"), Choice(model="alpha"))

    assert found.exit_status == 0
    assert "Loading model" in said(found.findings, "model", "warning")[0]


def test_a_model_that_only_embeds_is_status_5(home: Home, server: FakeServer) -> None:
    tag = {"name": "alpha:latest", "capabilities": ["embedding"]}
    server.script("/api/tags", json_reply({"models": [tag]}), times=None)

    found = diagnosed(home, table(server.url), Choice(model="alpha"))

    assert found.exit_status == 5
    assert "cannot chat: it is for embedding" in said(found.findings, "model")[0]


def test_a_model_not_in_the_list_of_an_openai_server_is_status_5(
    home: Home, server: FakeServer
) -> None:
    found = diagnosed(home, table(f"{server.url}/v1", "OpenAI"), Choice(model="gamma"))

    assert found.exit_status == 5


def test_a_server_of_one_model_may_answer_to_any_name(home: Home) -> None:
    with FakeServer(models=("only",)) as server:
        server.script("/v1/chat/completions", ANSWER, times=None)
        toml = table(f"{server.url}/v1", "OpenAI")
        found = diagnosed(home, toml, Choice(model="gpt-4"))

    assert found.exit_status == 0
    assert "take -m only" in said(found.findings, "model", "warning")[0]
    assert "'gpt-4' answered a question; " in said(found.findings, "model", "ok")


def test_nothing_is_asked_and_nothing_loaded(home: Home, server: FakeServer) -> None:
    diagnosed(home, table(server.url), Choice(model="alpha"))

    paths = {request.path for request in server.wait_for_requests(5)}
    assert paths <= {"/api/version", "/api/tags", "/api/ps", "/api/show"}
    assert server.shelf.loaded == ()


def test_the_embedded_model_that_is_missing_is_status_5(home: Home) -> None:
    found = diagnosed(home, choice=Choice(backend="embedded"))

    assert found.exit_status == 5
    assert "models install" in said(found.findings, "backend", "error")[0]


def test_the_embedded_model_is_found_by_its_path(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF")

    found = diagnosed(home, choice=Choice(model=str(file)))

    # The library is an extra, so what it ends with depends on the machine.
    assert found.exit_status in (0, 3)
    assert not (home.path / "state" / "llmwrap" / "embedded").exists()


def test_an_embedded_model_is_only_noted_to_be_missing(
    home: Home, server: FakeServer
) -> None:
    without = diagnosed(home, table(server.url), Choice(model="alpha"))
    models = home.path / "data" / "llmwrap" / "models"
    models.mkdir(mode=0o700, parents=True)
    (models / "tiny.gguf").write_bytes(b"GGUF")
    having = diagnosed(home, table(server.url), Choice(model="alpha"))

    note = "no embedded model is installed; 'llmwrap models install' fetches"
    assert note in " ".join(said(without.findings, "backend", "note"))
    assert note not in " ".join(said(having.findings, "backend"))


# Everything else is a warning


def test_other_backends_that_are_down_are_warnings(
    home: Home, server: FakeServer
) -> None:
    toml = table(server.url) + (
        f'[backends.far]\nbackend_type = "OpenAI"\nbase_url = "{server.refused_url()}"'
    )

    found = diagnosed(home, toml, Choice(model="alpha"))

    assert found.exit_status == 0
    assert "connection refused" in said(found.findings, "backend", "warning")[0]


def test_built_in_ones_that_nobody_configured_are_not_missed(
    home: Home, server: FakeServer
) -> None:
    found = diagnosed(home, table(server.url), Choice(model="alpha"))

    assert "lmstudio" not in " ".join(said(found.findings, "backend", "warning"))


def test_a_model_that_is_not_loaded_is_a_warning(
    home: Home, server: FakeServer
) -> None:
    found = diagnosed(home, table(server.url), Choice(model="alpha"))

    (warning,) = said(found.findings, "model", "warning")
    assert warning == (
        f"'alpha:latest' on box at {server.url} is not loaded: the first answer waits"
        " for it; 'llmwrap models warm alpha:latest' loads it"
    )


def test_a_context_shorter_than_the_trained_one_is_a_warning(
    home: Home, server: FakeServer
) -> None:
    server.shelf.load("alpha")

    found = diagnosed(home, table(server.url), Choice(model="alpha"))

    (warning,) = said(found.findings, "context", "warning")
    assert "4096 tokens in force, of 8192" in warning
    assert "-o num_ctx=8192" in warning


def test_the_context_that_the_configuration_asks_for_is_what_counts(
    home: Home, server: FakeServer
) -> None:
    server.shelf.load("alpha")
    toml = "[defaults]\noptions = { num_ctx = 8192 }\n" + table(server.url)

    found = diagnosed(home, toml, Choice(model="alpha"))

    assert said(found.findings, "context") == []


def test_warnings_of_the_configuration_are_findings(
    home: Home, server: FakeServer
) -> None:
    found = diagnosed(
        home, table(server.url), Choice(model="alpha"), LLMWRAP_CASHE_TTL="1h"
    )

    assert "LLMWRAP_CASHE_TTL" in said(found.findings, "configuration", "warning")[0]


def test_the_file_in_force_is_named(home: Home, server: FakeServer) -> None:
    found = diagnosed(home, table(server.url), Choice(model="alpha"))

    assert str(home.config_file) in said(found.findings, "configuration", "ok")[0]


def test_the_file_of_the_specification_is_not_read(
    home: Home, server: FakeServer
) -> None:
    (home.path / "enhanced-config.toml").touch()

    found = diagnosed(home, table(server.url), Choice(model="alpha"))

    (warning,) = said(found.findings, "configuration", "warning")
    assert warning == (
        "'enhanced-config.toml' in the working directory is not read; give --config"
        " enhanced-config.toml, or set LLMWRAP_CONFIG to its path"
    )


def test_the_file_of_the_specification_is_read_when_it_is_named(
    home: Home, server: FakeServer
) -> None:
    file = home.path / "enhanced-config.toml"
    file.write_text(table(server.url))
    config = Config.load(file, home.environ)

    found = diagnose(
        config, Surroundings(Choice(model="alpha"), home.environ, str(home.path))
    )

    assert said(found.findings, "configuration", "warning") == []


def test_a_key_file_that_others_may_read_is_said_once(
    home: Home, server: FakeServer
) -> None:
    key = home.path / "key"
    key.write_text("secret")
    key.chmod(0o644)

    found = diagnosed(
        home,
        table(server.url, more=f'api_key_file = "{key}"'),
        Choice(model="alpha"),
    )

    everything = [f"{f.message}; {f.hint}" for f in found.findings]
    assert sum("chmod 600" in text for text in everything) == 1
    assert "secret" not in str(found)


def test_a_key_file_that_is_missing_ends_a_question(
    home: Home, server: FakeServer
) -> None:
    found = diagnosed(
        home, table(server.url, more='api_key_file = "gone"'), Choice(model="alpha")
    )

    assert found.exit_status == 3
    everything = [f.message for f in found.findings]
    assert sum("cannot read the API key file" in text for text in everything) == 1


def test_without_a_configuration_the_rest_is_looked_at_all_the_same(
    home: Home,
) -> None:
    (home.path / "enhanced-config.toml").touch()
    (home.path / "cache").touch()
    error = ConfigError("'x': broken TOML", hint="mend it")

    found = diagnose_without_config(error, home.environ, str(home.path))

    assert (found.error, found.exit_status) == (error, 3)
    assert complaints(found) == ["configuration", "configuration", "directory"]
    assert said(found.findings, "configuration", "error") == [
        "'x': broken TOML; mend it"
    ]


# Proxies


def proxies(
    home: Home, url: str, more: str = "", **environ: str
) -> list[tuple[Severity, str]]:
    home.configure(table(url, more=more))
    backend = Config.load(environ=home.environ).backend("box")
    return [
        (finding.severity, f"{finding.message}; {finding.hint}")
        for finding in proxy_findings(backend, environ)
    ]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    variable: str, home: Home
) -> None:
    ((severity, text),) = proxies(
        home, "http://127.0.0.1:1", **{variable: "http://proxy"}
    )

    assert severity == "note"
    assert f"{variable} is set; 'box' at http://127.0.0.1:1 is on this machine" in text


def test_a_proxy_of_the_environment_may_be_missed_elsewhere(home: Home) -> None:
    ((severity, text),) = proxies(home, "http://far", https_proxy="http://proxy")

    assert severity == "warning"
    assert "set backends.box.proxy" in text


def test_a_proxy_for_this_machine_is_in_the_way(home: Home) -> None:
    ((severity, text),) = proxies(
        home, "http://localhost:1", more='proxy = "http://user:word@proxy:3128"'
    )

    assert severity == "warning"
    assert "remove backends.box.proxy" in text
    assert "word" not in text.replace("password", "")


@pytest.mark.parametrize("more", ["", 'proxy = "http://proxy:3128"'])
def test_a_proxy_for_another_machine_is_as_it_should_be(more: str, home: Home) -> None:
    assert proxies(home, "http://far", more=more) == []


def test_a_proxy_that_is_set_is_told_of_the_backend_that_would_be_asked(
    home: Home, server: FakeServer
) -> None:
    toml = table(server.url) + (
        '[backends.far]\nbackend_type = "OpenAI"\nbase_url = "http://127.0.0.1:1/v1"\n'
        'proxy = "http://proxy:3128"'
    )

    found = diagnosed(home, toml, Choice(model="alpha"), HTTP_PROXY="http://proxy")

    (note,) = said(found.findings, "proxy", "note")
    (warning,) = said(found.findings, "proxy", "warning")
    assert f"HTTP_PROXY is set; 'box' at {server.url}" in note
    assert "remove backends.far.proxy" in warning


# Directories


def test_directories_that_are_missing_are_fine(home: Home) -> None:
    assert [f.severity for f in directory_findings(home.environ)] == ["ok"]


@pytest.mark.parametrize(
    ("name", "mode", "complaint"),
    [
        ("cache", 0o755, "is open to others"),
        ("state", 0o710, "is open to others"),
        ("data", 0o700, None),
        ("config", 0o755, None),
        ("config", 0o775, "is open to others"),
    ],
)
def test_directories_are_private(
    name: str, mode: int, complaint: str | None, home: Home
) -> None:
    directory = home.path / name / "llmwrap"
    directory.mkdir(parents=True)
    directory.chmod(mode)

    found = said(list(directory_findings(home.environ)), "directory", "warning")

    assert bool(found) == bool(complaint)
    if complaint:
        assert f"'{directory}' {complaint}; run 'chmod 700' on it" in found[0]


def test_a_file_in_the_place_of_a_directory_is_a_warning(home: Home) -> None:
    (home.path / "state").mkdir()
    (home.path / "state" / "llmwrap").touch()

    (found,) = said(list(directory_findings(home.environ)), "directory", "warning")

    assert "is no directory" in found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_is_not_writable_is_a_warning(home: Home) -> None:
    home.path.chmod(0o500)

    found = said(list(directory_findings(home.environ)), "directory", "warning")

    home.path.chmod(0o700)
    assert len(found) == 4
    assert f"cannot be made in '{home.path}'" in found[0]


def test_the_cache_is_where_the_configuration_says(home: Home, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.touch()

    found = said(
        list(directory_findings(home.environ, str(cache))), "directory", "warning"
    )

    assert [text.partition("; ")[0] for text in found] == [
        f"the cache directory '{cache}' is no directory"
    ]


# Contexts


@pytest.mark.parametrize(
    ("is_loaded", "context", "trained", "asked", "warning"),
    [
        (True, 4096, 131072, None, "4096 tokens in force, of 131072"),
        (True, 8192, 131072, None, None),
        (True, 4096, 4096, None, None),
        (True, 2048, 2048, None, "only 2048 tokens"),
        (True, 4096, 131072, 32768, None),
        (True, 32768, 131072, 2048, "2048 tokens in force, of 131072"),
        (True, 8192, 8192, 16384, "was trained for 8192"),
        (False, 131072, None, None, None),
        (False, 2048, None, None, "only 2048 tokens"),
        (False, 131072, 131072, 4096, "4096 tokens in force, of 131072"),
        (None, 4096, None, None, None),
        (None, 1024, None, None, "only 1024 tokens"),
        (None, None, None, None, None),
        (False, None, None, 4096, None),
        (False, None, 8192, None, None),
    ],
)
def test_a_small_context_is_a_warning(
    is_loaded: bool | None,
    context: int | None,
    trained: int | None,
    asked: int | None,
    warning: str | None,
) -> None:
    model = Model("x", is_loaded=is_loaded, context_tokens=context)

    found = list(context_findings(model, trained, asked, "num_ctx"))

    assert bool(found) == bool(warning)
    if warning:
        assert warning in found[0].message


def test_without_an_option_the_server_must_load_it_with_more() -> None:
    model = Model("x", is_loaded=True, context_tokens=4096)

    (found,) = context_findings(model, 8192, None, "")

    assert found.hint == "load it with a longer context"


@pytest.mark.parametrize(
    "details",
    [{}, {"model_info": None}, {"model_info": {"x.context_length": "8192"}}],
)
def test_a_server_need_not_say_what_a_model_was_trained_for(
    details: dict[str, None],
) -> None:
    assert trained_context_tokens(details) is None


# As `ask` would end


BROKEN: dict[str, tuple[str, str, list[tuple[str, Sequence[Step]]]]] = {
    "wrong key, public list": (
        "/v1",
        "alpha:latest",
        [("/v1/chat/completions", json_error(401, {"error": "Invalid API Key"}))],
    ),
    "no list": ("/v1", "alpha:latest", [("/v1/models", NOT_FOUND)]),
    "a list that fails": (
        "/v1",
        "alpha:latest",
        [("/v1/models", json_error(500, {"error": "no idea"}))],
    ),
    "a list for others": (
        "/v1",
        "alpha:latest",
        [("/v1/models", json_error(403, {"error": "forbidden"}))],
    ),
    "a list that is none": (
        "/v1",
        "alpha:latest",
        [("/v1/models", PAGE)],
    ),
    "no list of what is loaded": ("", "alpha:latest", [("/api/ps", NOT_FOUND)]),
    "neither list": (
        "",
        "alpha:latest",
        [("/api/ps", NOT_FOUND), ("/api/tags", NOT_FOUND)],
    ),
    "no word of the model": ("", "alpha:latest", [("/api/show", NOT_FOUND)]),
    "a gateway whose server is down": (
        "",
        "alpha:latest",
        [(path, json_error(502, {"error": "bad gateway"})) for path in EVERYWHERE],
    ),
    "everything fails": (
        "",
        "alpha:latest",
        [(path, json_error(500, {"error": "no idea"})) for path in EVERYWHERE],
    ),
    "everything wants a key": (
        "",
        "alpha:latest",
        [(path, json_error(401, {"error": "no key"})) for path in EVERYWHERE],
    ),
    "no such path": (
        "/v1",
        "alpha:latest",
        [("/v1/chat/completions", json_error(404, {"error": "404 page not found"}))],
    ),
    "a page where the API should be": (
        "/v1",
        "alpha:latest",
        [(path, PAGE) for path in ("/v1/chat/completions", "/v1/models")],
    ),
    "nothing wrong": ("/v1", "alpha:latest", []),
    "no such model": ("", "gamma", []),
    "no such model at /v1": ("/v1", "gamma", []),
    "a wildcard of a gateway": (
        "/v1",
        "openai/x",
        [
            ("/v1/models", json_reply({"data": [{"id": "openai/*"}, {"id": "other"}]})),
            ("/v1/chat/completions", ANSWER),
        ],
    ),
    "an alias that no list has": (
        "/v1",
        "fast",
        [
            ("/v1/models", json_reply({"data": [{"id": "one"}, {"id": "other"}]})),
            ("/v1/chat/completions", ANSWER),
        ],
    ),
}


@pytest.mark.parametrize(("suffix", "model", "script"), BROKEN.values(), ids=BROKEN)
def test_the_status_is_that_of_ask(
    cli: Runner,
    server: FakeServer,
    suffix: str,
    model: str,
    script: list[tuple[str, Sequence[Step]]],
) -> None:
    for path, reply in script:
        server.script(path, reply, times=None)
    argv = ("--base-url", server.url + suffix, "-m", model, "--retries", "0")

    looked = cli.run("doctor", *argv)
    loaded = server.shelf.loaded
    asked = cli.run(*argv, "hi")

    assert looked.status == asked.status
    assert not loaded


def test_the_words_are_those_of_ask(cli: Runner, server: FakeServer) -> None:
    argv = ("--base-url", f"{server.url}/v1", "-m", "gamma")

    looked, asked = cli.run("doctor", *argv), cli.run(*argv, "hi")

    assert error(looked) == error(asked)


def test_ollamas_v1_that_has_one_model_has_no_other(cli: Runner) -> None:
    with FakeServer(models=("only",), flavour="ollama") as server:
        argv = ("--base-url", f"{server.url}/v1", "-m", "gamma")

        looked, asked = cli.run("doctor", *argv), cli.run(*argv, "hi")

    assert (looked.status, asked.status) == (5, 5)


def test_what_only_a_question_could_tell_is_unknown(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/v1/models", NOT_FOUND, times=None)

    result = cli.run("doctor", "--base-url", f"{server.url}/v1", "-m", "alpha")

    assert result.status == 0
    assert "unknown whether openai" in result.text
    assert "is there" not in result.text
    assert all("messages" not in chat.json for chat in chats(server))


# What is asked


@pytest.mark.parametrize("loaded", [False, True])
def test_one_token_is_asked_for_where_the_model_is_loaded(
    cli: Runner, server: FakeServer, loaded: bool
) -> None:
    if loaded:
        server.shelf.load("alpha")

    cli.run("doctor", "--base-url", server.url, "-m", "alpha")

    limits = [chat.json["options"]["num_predict"] for chat in chats(server)]
    assert limits == ([1] if loaded else [])


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ("{ num_ctx = 4096 }", 1),
        ("{ num_ctx = 8192 }", 0),
        ("{ keep_alive = 0 }", 0),
        ("{ num_gpu = 3 }", 0),
        ("{ temperature = 0 }", 1),
    ],
)
def test_what_is_loaded_is_not_loaded_anew_nor_unloaded(
    cli: Runner, home: Home, server: FakeServer, options: str, asked: int
) -> None:
    """It was loaded with a context of 4,096 tokens."""
    home.configure(f"[defaults]\noptions = {options}\n{table(server.url)}")
    server.shelf.load("alpha")

    result = cli.run("doctor", "-m", "alpha")

    assert (result.status, len(chats(server))) == (0, asked)
    assert server.shelf.loaded == ("alpha:latest",)


def test_a_model_elsewhere_gets_no_token_unasked(
    cli: Runner, server: FakeServer
) -> None:
    tag = {"name": "alpha:latest", "remote_host": "https://example.com"}
    server.script("/api/tags", json_reply({"models": [tag]}), times=None)
    server.shelf.load("alpha")

    result = cli.run("doctor", "--base-url", server.url, "-m", "alpha")

    assert (result.status, chats(server)) == (0, [])
    assert "runs at https://example.com: the prompt goes there" in result.text


def test_who_is_slower_than_the_time_outs_is_too_slow_for_ask(
    cli: Runner, server: FakeServer
) -> None:
    server.script("/api/chat", Silence(), times=None)
    server.shelf.load("alpha")
    argv = ("--base-url", server.url, "-m", "alpha", "--first-token-timeout", "50ms")

    looked, asked = cli.run("doctor", *argv), cli.run(*argv, "hi")

    assert (looked.status, asked.status) == (124, 124)


def test_asking_asks_what_ask_would(
    cli: Runner, home: Home, server: FakeServer
) -> None:
    toml = """
        [defaults]
        backend = "box"
        system = "Be brief."
        options = { num_ctx = 1024 }
        [aliases]
        quick = { model = "box/alpha:latest", options = { keep_alive = "1h" } }
        """
    home.configure(f"{toml}{table(server.url)}")

    result = cli.run("doctor", "--ask", "-m", "quick")
    (looked,) = chats(server)
    cli.run("-m", "quick", "--max-tokens", "1", "Hi")

    assert (result.status, looked.json) == (0, chats(server)[-1].json)
    assert "answered a question" in result.text


def test_no_question_of_it_is_kept_or_counted(cli: Runner, server: FakeServer) -> None:
    argv = ("--base-url", server.url, "-m", "alpha")
    cli.run("doctor", "--ask", *argv)

    counted = json.loads(cli.run("stats", "--json").text)
    kept = json.loads(cli.run("cache", "stats", "--json").text)

    assert "alpha" not in json.dumps(counted)
    assert kept["entries"] == 0


@pytest.mark.parametrize("model", ["alpha", "gamma"])
def test_a_system_prompt_that_cannot_be_read_is_status_3_as_for_ask(
    cli: Runner, home: Home, server: FakeServer, model: str
) -> None:
    home.configure(f'[defaults]\nsystem = "@none.txt"\n{table(server.url)}')

    looked, asked = cli.run("doctor", "-m", model), cli.run("-m", model, "hi")

    assert error(looked) == error(asked)
    assert (looked.status, asked.status) == (3, 3)
