"""All backends are asked at once, and one that fails is a value like the others."""

from __future__ import annotations

import time

import pytest

from llmwrap.backends.base import Model
from llmwrap.config import Config
from llmwrap.engine import Choice, Engine
from llmwrap.errors import (
    ConfigError,
    DeadlineError,
    LLMWrapError,
    RefusedError,
    UnreachableError,
)
from llmwrap.upkeep.listing import completable_models, model_rows, outlined
from llmwrap.upkeep.survey import (
    BackendReport,
    all_candidates,
    chosen_candidate,
    failure,
    find_model,
    first_choice,
    limited,
    named_candidate,
    survey,
)

from .fakeserver import FakeServer
from .fakeserver.replies import json_error
from .fakeserver.steps import Silence
from .runner import Home

TWO = """
[backends.box]
backend_type = "Ollama"
base_url = "{box}"
[backends.far]
backend_type = "OpenAI"
base_url = "{far}/v1"
"""


def load(home: Home, toml: str = "", **environ: str) -> Config:
    home.environ |= environ
    home.configure(toml)
    return Config.load(environ=home.environ)


def ask(
    home: Home, config: Config, choice: Choice = Choice(), timeout_s: float = 10.0
) -> list[BackendReport]:
    candidates = all_candidates(config, choice, home.environ)
    with Engine(config, environ=home.environ, choice=choice) as engine:
        return survey(engine, candidates, timeout_s=timeout_s)


def report(
    name: str,
    *models: str,
    kind: str = "ollama",
    error: LLMWrapError | None = None,
    is_configured: bool = False,
) -> BackendReport:
    found = tuple(Model(model) for model in models)
    return BackendReport(name, kind, "http://x", is_configured, error, None, found)


def test_without_a_file_the_built_in_ones_are_asked(home: Home) -> None:
    config = load(home)

    found = all_candidates(config, Choice(), {})

    assert [(c.backend.name, c.is_configured) for c in found] == [
        ("ollama", False),
        ("lmstudio", False),
        ("embedded", False),
    ]


def test_the_variables_of_their_owners_configure_a_backend(home: Home) -> None:
    environ = {"OLLAMA_HOST": "box:1", "OPENAI_BASE_URL": "http://far/v1"}

    found = all_candidates(load(home), Choice(), environ)

    configured = {c.backend.name: c.backend.base_url for c in found if c.is_configured}
    assert configured == {"ollama": "http://box:1", "openai": "http://far/v1"}


def test_tables_come_first_and_take_the_place_of_built_in_ones(home: Home) -> None:
    config = load(home, '[backends.Ollama]\nbase_url = "http://box:1"')

    found = all_candidates(config, Choice(), {})

    assert [c.backend.name for c in found] == ["Ollama", "lmstudio", "embedded"]
    assert found[0].is_first_choice
    assert first_choice(found) == "Ollama"


def test_a_server_is_not_asked_twice_under_two_names(home: Home) -> None:
    config = load(
        home, '[backends.box]\nbackend_type = "Ollama"\nbase_url = "http://h:1"'
    )

    found = all_candidates(config, Choice(), {"OLLAMA_HOST": "h:1"})

    assert [c.backend.name for c in found] == ["box", "embedded"]


def test_a_table_without_an_address_is_a_candidate_with_an_error(home: Home) -> None:
    config = load(home, '[backends.far]\nbackend_type = "OpenAI"')

    first = all_candidates(config, Choice(), home.environ)[0]

    assert isinstance(first.error, ConfigError)
    assert "far" in first.error.message


def test_a_broken_variable_spoils_its_own_backend_only(
    home: Home, server: FakeServer
) -> None:
    config = load(
        home,
        f'[backends.box]\nbackend_type = "Ollama"\nbase_url = "{server.url}"',
        OLLAMA_HOST="user:word@box",
    )

    box, ollama, *_ = ask(home, config)

    assert box.is_reachable
    assert isinstance(ollama.error, ConfigError)


def test_beside_a_file_a_variable_configures_nothing(home: Home) -> None:
    config = load(home, TWO.format(box="http://box", far="http://far"))

    found = all_candidates(config, Choice(), {"OLLAMA_HOST": "other"})

    assert {c.backend.name: c.is_configured for c in found} == {
        "box": True,
        "far": True,
        "ollama": False,
        "embedded": False,
    }


def test_what_nobody_named_is_left_out_where_a_variable_names_another(
    home: Home,
) -> None:
    config = load(home)

    def names(**environ: str) -> list[str]:
        found = all_candidates(config, Choice(), environ)
        return [candidate.backend.name for candidate in found]

    assert names() == ["ollama", "lmstudio", "embedded"]
    assert names(OLLAMA_HOST="h:1") == ["ollama", "embedded"]
    assert names(OPENAI_BASE_URL="http://far/v1") == ["openai", "embedded"]


def test_the_first_table_of_the_file_is_no_choice_for_a_list(home: Home) -> None:
    config = load(home, TWO.format(box="http://box", far="http://far"))

    assert chosen_candidate(config, Choice(), {}) is None


@pytest.mark.parametrize(
    ("toml", "environ", "choice", "chosen"),
    [
        ("", {}, Choice(backend="ollama"), "ollama"),
        ("", {}, Choice(base_url="http://h/v1"), "openai"),
        ("", {"LLMWRAP_BACKEND": "lmstudio"}, Choice(), "lmstudio"),
        ('[defaults]\nbackend = "lmstudio"', {}, Choice(), "lmstudio"),
        ('[defaults]\nbackend = "lmstudio"', {}, Choice(backend="ollama"), "ollama"),
    ],
)
def test_options_variables_and_defaults_choose(
    toml: str, environ: dict[str, str], choice: Choice, chosen: str, home: Home
) -> None:
    candidate = chosen_candidate(load(home, toml, **environ), choice, home.environ)

    assert candidate is not None
    assert (candidate.backend.name, candidate.is_configured) == (chosen, True)


def test_only_options_name_a_backend_for_the_list_of_backends(home: Home) -> None:
    config = load(home, '[defaults]\nbackend = "lmstudio"')

    assert named_candidate(config, Choice(), home.environ) is None


def test_what_answers_is_told_with_version_models_and_latency(
    home: Home, server: FakeServer
) -> None:
    server.shelf.load("beta:7b")

    found = ask(home, load(home, OLLAMA_HOST=server.url))[0]

    assert (found.name, found.address) == ("ollama", server.url)
    assert found.is_reachable
    assert found.version == "0.33.0"
    assert [(m.name, m.is_loaded) for m in found.models] == [
        ("alpha:latest", False),
        ("beta:7b", True),
    ]
    assert found.latency_s is not None
    assert found.latency_s > 0


def test_one_that_fails_does_not_keep_the_others_from_being_told(
    home: Home, server: FakeServer
) -> None:
    config = load(home, TWO.format(box=server.refused_url(), far=server.url))

    box, far, *_ = ask(home, config)

    assert isinstance(box.error, UnreachableError)
    assert box.reason == "connection refused"
    assert (far.is_reachable, far.reason) == (True, "")


def test_all_are_asked_before_any_has_answered(home: Home) -> None:
    with FakeServer() as slow, FakeServer() as other:
        slow.script("/api/version", Silence())
        other.script("/v1/models", Silence())
        config = load(home, TWO.format(box=slow.url, far=other.url))

        box, far, *_ = ask(home, config, timeout_s=0.3)

        assert isinstance(box.error, DeadlineError)
        assert isinstance(far.error, DeadlineError)
        # Had one been waited for, no time would have been left for the other.
        assert slow.wait_for_requests(1)
        assert other.wait_for_requests(1)


def test_a_reply_that_is_none_is_an_error_of_its_backend(
    home: Home, server: FakeServer
) -> None:
    server.script("/api/version", json_error(401, {"error": "who are you?"}))

    found = ask(home, load(home, OLLAMA_HOST=server.url))[0]

    assert isinstance(found.error, RefusedError)


def test_the_key_for_the_first_choice_goes_nowhere_else(home: Home) -> None:
    with FakeServer() as box, FakeServer() as far:
        config = load(
            home, TWO.format(box=box.url, far=far.url), LLMWRAP_API_KEY="secret"
        )

        ask(home, config)

        assert {r.headers.get("authorization") for r in box.wait_for_requests(3)} == {
            "Bearer secret"
        }
        assert {r.headers.get("authorization") for r in far.wait_for_requests(1)} == {
            None
        }


def test_a_key_file_that_is_missing_is_an_error_of_its_backend(
    home: Home, server: FakeServer
) -> None:
    config = load(
        home,
        f'[backends.box]\nbackend_type = "Ollama"\nbase_url = "{server.url}"\n'
        'api_key_file = "gone"',
    )

    assert isinstance(ask(home, config)[0].error, ConfigError)


def test_nothing_is_started_for_the_embedded_backend(home: Home) -> None:
    models = home.path / "data" / "llmwrap" / "models"
    models.mkdir(parents=True)
    (models / "tiny.gguf").write_bytes(b"GGUF")

    found = ask(home, load(home))[-1]

    assert (found.kind, found.address, found.latency_s) == ("embedded", "", None)
    assert [(m.name, m.is_loaded) for m in found.models] == [("tiny", False)]
    assert not (home.path / "state" / "llmwrap" / "embedded").exists()


REFUSED = UnreachableError("cannot reach it")
BROKEN = RefusedError("no")


def test_a_single_backend_fails_with_its_own_error() -> None:
    assert failure([report("a", error=BROKEN)]) is BROKEN


def test_the_error_of_the_first_configured_one_counts_when_all_fail() -> None:
    reports = [
        report("ollama", error=REFUSED),
        report("box", error=BROKEN, is_configured=True),
        report("far", error=REFUSED, is_configured=True),
    ]

    assert failure(reports) is BROKEN


def test_where_nobody_configured_any_no_server_answers() -> None:
    found = failure(
        [
            report("ollama", error=REFUSED),
            report("lmstudio", error=BROKEN),
            report("embedded", kind="embedded"),
        ]
    )

    assert isinstance(found, UnreachableError)
    assert "ollama at http://x, lmstudio at http://x" in found.message
    assert "models install" in found.hint


@pytest.mark.parametrize(
    "answering",
    [report("ollama"), report("embedded", "tiny", kind="embedded")],
)
def test_one_answer_is_enough(answering: BackendReport) -> None:
    assert failure([report("a", error=REFUSED, is_configured=True), answering]) is None


def test_the_embedded_backend_alone_and_empty_is_no_failure() -> None:
    assert failure([report("embedded", kind="embedded", is_configured=True)]) is None


@pytest.mark.parametrize("name", ["x", "X:LATEST", "x:latest"])
def test_a_model_is_found_as_ollama_finds_it(name: str) -> None:
    models = [Model("x:7b"), Model("x:latest")]

    assert find_model(models, name) == Model("x:latest")


def test_a_port_in_a_registry_is_no_tag() -> None:
    models = [Model("host:5000/x:latest")]

    assert find_model(models, "host:5000/x") == models[0]
    assert find_model(models, "host") is None


def test_a_deadline_shortens_a_call() -> None:
    now = time.monotonic()

    assert limited(10.0, None) == 10.0
    assert limited(10.0, now + 1e6) == 10.0
    assert 0 < limited(10.0, now + 5) <= 5
    assert 0 < limited(10.0, now - 5) < 0.1


def test_names_reach_the_backend_that_has_the_model() -> None:
    reports = [report("ollama", "a:1"), report("lmstudio", "b", "ollama/c")]

    assert completable_models(reports, "ollama") == [
        "a:1",
        "lmstudio/b",
        "lmstudio/ollama/c",
    ]
    assert completable_models(reports, "lmstudio") == [
        "ollama/a:1",
        "b",
        "lmstudio/ollama/c",
    ]


def test_without_a_choice_the_first_that_answers_has_the_plain_names() -> None:
    reports = [
        report("ollama", error=REFUSED),
        report("lmstudio", "b"),
        report("embedded", "tiny", kind="embedded"),
    ]

    assert completable_models(reports, None) == ["b", "embedded/tiny"]


def test_a_named_backend_has_plain_names_only() -> None:
    assert completable_models([report("ollama", "ollama/c")], "ollama") == ["ollama/c"]


def test_no_report_means_no_name() -> None:
    assert completable_models([], None) == []


@pytest.mark.parametrize(
    "name",
    ["$(reboot)", "a b", "a;b", "-x", "a'b", "a\nb", "`a`", "a\x1b[2J", "~a", ""],
)
def test_what_a_shell_could_misread_is_no_name(name: str) -> None:
    assert completable_models([report("ollama", name, "fine")], "ollama") == ["fine"]


def test_rows_keep_the_order_of_the_servers() -> None:
    rows = model_rows([report("b", "z", "a"), report("a", "y")])

    assert [(row.model.name, row.backend) for row in rows] == [
        ("z", "b"),
        ("a", "b"),
        ("y", "a"),
    ]


def test_an_outline_has_a_line_for_everything_that_is_told() -> None:
    outline = outlined(
        {
            "license": "MIT\nPermission\nis",
            "details": {"family": "llama", "families": ["llama", "x"], "empty": ""},
            "info": {"n": 8192, "ok": True, "none": None, "list": []},
            "tensors": [{"name": "a"}, {"name": "b"}],
        }
    )

    assert dict(outline) == {
        "license": "MIT (and 2 more lines)",
        "details.family": "llama",
        "details.families": "llama, x",
        "info.n": "8192",
        "info.ok": "true",
        "tensors": "2 items",
    }
