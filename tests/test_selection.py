"""Which backend, which model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from llmwrap.backends.base import OWN, BackendSettings
from llmwrap.config import BackendConfig, Config
from llmwrap.engine.access import Access
from llmwrap.engine.choice import Choice
from llmwrap.engine.selection import Selector
from llmwrap.errors import ConfigError

_TABLES = """
[backends.fast]
backend_type = "OpenAI"
base_url = "http://127.0.0.1:8000/v1"
api_key_env = "FAST_KEY"

[backends.ollama]
backend_type = "Ollama"
base_url = "http://127.0.0.1:9999"
timeout = "7s"
"""


def _selector(
    tmp_path: Path,
    text: str = "",
    environ: Mapping[str, str] = {},
    **choice: str,
) -> Selector:
    path = tmp_path / "config.toml"
    path.write_text(text)
    world = {"HOME": str(tmp_path), **environ}
    return Selector(Config.load(path, world), Choice(**choice), world)  # type: ignore[arg-type]


def _chosen(selector: Selector) -> tuple[str | None, str | None, str | None]:
    selection = selector.selection()
    backend = selection.backend
    if backend is None:
        return None, None, selection.model
    return backend.name, backend.base_url, selection.model


_OLLAMA = "http://127.0.0.1:11434"
_FAST = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("text", "environ", "choice", "chosen"),
    [
        # nothing said: discovery
        ("", {}, {}, (None, None, None)),
        ("", {}, {"model": "llama3.2"}, (None, None, "llama3.2")),
        ("", {"LLMWRAP_MODEL": "m"}, {}, (None, None, "m")),
        ('[defaults]\nmodel = "m"', {}, {}, (None, None, "m")),
        # options over environment over file
        ("", {}, {"backend": "ollama"}, ("ollama", _OLLAMA, None)),
        (_TABLES, {}, {}, ("fast", _FAST, None)),
        (_TABLES, {"LLMWRAP_BACKEND": "ollama"}, {},
         ("ollama", "http://127.0.0.1:9999", None)),
        (_TABLES, {"LLMWRAP_BACKEND": "ollama"}, {"backend": "fast"},
         ("fast", _FAST, None)),
        (
            '[defaults]\nbackend = "ollama"\nmodel = "d"\n' + _TABLES,
            {},
            {},
            ("ollama", "http://127.0.0.1:9999", "d"),
        ),
        # the file's model is for the file's backend
        (
            '[defaults]\nbackend = "ollama"\nmodel = "d"\n' + _TABLES,
            {},
            {"backend": "fast"},
            ("fast", _FAST, None),
        ),
        ('[defaults]\nmodel = "d"\n' + _TABLES, {}, {}, ("fast", _FAST, "d")),
        (
            '[defaults]\nmodel = "d"\n' + _TABLES,
            {"LLMWRAP_MODEL": "e"},
            {},
            ("fast", _FAST, "e"),
        ),
        # BACKEND/M
        ("", {}, {"model": "ollama/m:7b"}, ("ollama", _OLLAMA, "m:7b")),
        (_TABLES, {}, {"model": "fast/org/m"}, ("fast", _FAST, "org/m")),
        ("", {}, {"model": "org/m"}, (None, None, "org/m")),
        ("", {}, {"model": "openai/m"}, (None, None, "openai/m")),
        (
            "",
            {"OPENAI_BASE_URL": "http://h:1/v1"},
            {"model": "openai/m"},
            ("openai", "http://h:1/v1", "m"),
        ),
        ("", {}, {"model": "embedded/m"}, ("embedded", "", "m")),
        ("", {}, {"model": "ollama/m", "backend": "lmstudio"},
         ("lmstudio", "http://127.0.0.1:1234/v1", "ollama/m")),
        ("", {}, {"model": "/x/y.gguf"}, ("embedded", "", "/x/y.gguf")),
        ("", {"LLMWRAP_MODEL": "ollama/m"}, {}, ("ollama", _OLLAMA, "m")),
        ("", {"LLMWRAP_MODEL": "ollama/m", "LLMWRAP_BACKEND": "lmstudio"}, {},
         ("lmstudio", "http://127.0.0.1:1234/v1", "ollama/m")),
        (_TABLES, {}, {"model": "lmstudio/m"}, ("fast", _FAST, "lmstudio/m")),
        (_TABLES, {}, {"model": "embedded/m"}, ("embedded", "", "m")),
        (_TABLES, {"OPENAI_BASE_URL": "http://h:1/v1"}, {"model": "openai/m"},
         ("fast", _FAST, "openai/m")),
        ("", {"OPENAI_BASE_URL": "nonsense"}, {"model": "openai/m",
         "backend": "ollama"}, ("ollama", _OLLAMA, "openai/m")),
        # what a variable of its own programs gives
        ("", {"OLLAMA_HOST": "h:7"}, {}, ("ollama", "http://h:7", None)),
        ("", {"OPENAI_BASE_URL": "http://h:1/v1"}, {"model": "m"},
         ("openai", "http://h:1/v1", "m")),
        ("", {"OPENAI_BASE_URL": "http://h:1/v1", "OLLAMA_HOST": "h:7"}, {},
         ("ollama", "http://h:7", None)),
        (_TABLES, {"OLLAMA_HOST": "h:7"}, {}, ("fast", _FAST, None)),
        # addresses
        ("", {}, {"base_url": "http://h:1"}, ("ollama", "http://h:1", None)),
        ("", {}, {"base_url": "http://h:1/v1/"}, ("openai", "http://h:1/v1", None)),
        ("", {}, {"base_url": "http://h:1/v1", "model": "ollama/m"},
         ("openai", "http://h:1/v1", "ollama/m")),
        (_TABLES, {"LLMWRAP_BACKEND": "fast"}, {"base_url": "http://h:1"},
         ("ollama", "http://h:1", None)),
        ("", {"OLLAMA_HOST": "h:7"}, {"backend": "ollama"},
         ("ollama", "http://h:7", None)),
        (_TABLES, {"OLLAMA_HOST": "h:7"}, {"backend": "ollama"},
         ("ollama", "http://127.0.0.1:9999", None)),
    ],
)  # fmt: skip
def test_the_rules_of_the_contract(
    tmp_path: Path,
    text: str,
    environ: dict[str, str],
    choice: dict[str, str],
    chosen: tuple[str | None, str | None, str | None],
) -> None:
    assert _chosen(_selector(tmp_path, text, environ, **choice)) == chosen


def test_openai_without_an_address_says_where_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="OPENAI_BASE_URL"):
        _selector(tmp_path, backend="openai").selection()


def test_an_unknown_backend_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'olama'"):
        _selector(tmp_path, backend="olama").selection()


def test_a_bad_address_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--base-url 'nonsense'"):
        _selector(tmp_path, base_url="nonsense").selection()


def _key(selector: Selector, tmp_path: Path, environ: Mapping[str, str]) -> str | None:
    backend = selector.selection().backend
    assert backend is not None
    config = Config.load(tmp_path / "config.toml", {"HOME": str(tmp_path), **environ})
    access = Access(config, Choice(), environ, is_reused=False)
    settings = access.reached(backend).settings
    return settings.api_key


@pytest.mark.parametrize(
    ("choice", "environ", "key"),
    [
        ({"backend": "fast"}, {"FAST_KEY": "k"}, "k"),
        ({"backend": "fast", "base_url": "http://other/v1"}, {"FAST_KEY": "k"}, None),
        ({"base_url": "http://127.0.0.1:8000/v1"}, {"FAST_KEY": "k"}, None),
        ({"backend": "ollama"}, {"LLMWRAP_API_KEY": "l"}, "l"),
        ({"backend": "ollama"}, {"OPENAI_API_KEY": "o"}, None),
        (
            {"backend": "openai"},
            {"OPENAI_API_KEY": "o", "OPENAI_BASE_URL": "http://h/v1"},
            "o",
        ),
        (
            {"base_url": "http://other/v1"},
            {"OPENAI_API_KEY": "o", "OPENAI_BASE_URL": "http://h/v1"},
            None,
        ),
    ],
)
def test_keys_go_where_they_belong_and_nowhere_else(
    tmp_path: Path, choice: dict[str, str], environ: dict[str, str], key: str | None
) -> None:
    selector = _selector(tmp_path, _TABLES, environ, **choice)

    assert _key(selector, tmp_path, environ) == key


def test_the_key_is_in_no_repr(tmp_path: Path) -> None:
    environ = {"FAST_KEY": "secret-key"}
    backend = _selector(tmp_path, _TABLES, environ, backend="fast").selection().backend
    assert backend is not None
    config = Config.load(tmp_path / "config.toml", {"HOME": str(tmp_path)})
    access = Access(config, Choice(), environ, is_reused=False)
    settings = access.reached(backend).settings

    assert settings.api_key == "secret-key"
    assert "secret-key" not in repr(settings)


def test_a_tables_time_out_is_the_longest_silence(tmp_path: Path) -> None:
    selector = _selector(tmp_path, _TABLES)
    config = Config.load(tmp_path / "config.toml", {"HOME": str(tmp_path)})
    table = selector.backend("ollama")
    access = Access(config, Choice(idle_timeout_s=1.0), {}, is_reused=True)

    waiting = access.patience(table, called_at=100.0)

    assert waiting.first_token_s == 7.0
    assert waiting.idle_s == 1.0
    assert waiting.until == 100.0 + 30 * 60
    assert waiting.retries == 2


def test_at_another_address_a_table_has_its_kind_time_outs_and_certificates_only(
    tmp_path: Path,
) -> None:
    held = {"name", "kind", "timeout_s", "connect_timeout_s", "retry_attempts"}
    held |= {"ca_bundle", "base_url"}
    values = {name: f"x-{name}" for name in BackendConfig._fields}
    full = BackendConfig(**values)  # type: ignore[arg-type]

    elsewhere = full.elsewhere()._asdict()

    kept = {name for name, value in elsewhere.items() if value}
    assert kept == held - {"base_url"}


def test_who_was_not_named_gets_nothing_of_the_users_own() -> None:
    own = dict.fromkeys(OWN, "x")
    settings = BackendSettings("b", "ollama", "http://h", {}, **own)  # type: ignore[arg-type]

    assert settings.own
    assert settings.without_own().own == ()
