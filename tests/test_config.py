"""Config.load: file, variables and defaults become one value."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

import pytest

from llmwrap.config import Config, Secret, config_path
from llmwrap.errors import ConfigError

HOME = {"HOME": "/home/user"}

SPECIFICATION = """
[cache]
max_memory_entries = 1000
ttl = "1h"
enable_persistence = true
memory_pressure_threshold = 0.8

[ui]
theme = "default"
syntax_highlighting = true
auto_scroll = true
high_contrast = false

[templates]
template_dir = "templates"
auto_reload = true

[logging]
level = "info"
format = "json"
output = "stdout"

[streaming]
max_concurrent_streams = 10
buffer_size = 8192

[backends.ollama]
backend_type = "Ollama"
base_url = "http://localhost:11434"
timeout = "30s"
retry_attempts = 3
"""


def load(tmp_path: Path, toml: str, environ: Mapping[str, str] | None = None) -> Config:
    file = tmp_path / "config.toml"
    file.write_text(toml, encoding="utf-8")
    return Config.load(file, {**HOME, **(environ or {})})


def test_the_file_of_the_specification_loads_as_it_stands(tmp_path: Path) -> None:
    config = load(tmp_path, SPECIFICATION)

    ollama = config.backends["ollama"]
    assert (ollama.kind, ollama.base_url) == ("ollama", "http://localhost:11434")
    assert (ollama.timeout_s, ollama.retry_attempts) == (30.0, 3)
    assert config.templates.template_dir == str(tmp_path / "templates")
    assert config.logging == ("info", "json", "stdout")
    assert config.warnings == ()


def test_a_backend_without_a_time_out_waits_longer_for_the_first_token() -> None:
    backend = Config.load(os.devnull, HOME).backend("ollama")

    assert (backend.first_token_timeout_s, backend.idle_timeout_s) == (300.0, 120.0)
    assert (backend.connect_timeout_s, backend.retry_attempts) == (5.0, 2)


def test_a_time_out_of_a_backend_is_for_both_silences(tmp_path: Path) -> None:
    config = load(tmp_path, "[backends.ollama]\ntimeout = 7")

    backend = config.backends["ollama"]
    assert (backend.first_token_timeout_s, backend.idle_timeout_s) == (7.0, 7.0)


def test_variables_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[cache]\nttl = "2h"\nmax_memory_entries = 5\n',
        {"LLMWRAP_CACHE_TTL": "3h"},
    )

    assert config.cache.ttl_s == 3 * 3600
    assert config.cache.max_memory_entries == 5
    assert config.origins["cache.ttl"] == "LLMWRAP_CACHE_TTL"
    assert config.origins["cache.max_memory_entries"] == (
        f"file {tmp_path / 'config.toml'}"
    )
    assert config.origins["cache.sync"] == "default"


def test_a_bad_value_is_an_error_even_where_a_variable_wins(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cache\.ttl"):
        load(tmp_path, "[cache]\nttl = true", {"LLMWRAP_CACHE_TTL": "3h"})


def test_backends_keep_the_order_of_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, "[backends.openai]\n[backends.ollama]\n[backends.lmstudio]")

    assert list(config.backends) == ["openai", "ollama", "lmstudio"]
    assert config.first_backend is config.backends["openai"]


def test_relative_paths_start_at_the_directory_of_the_file(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        [templates]
        template_dir = "../shared"
        [cache]
        path = "cache"
        [logging]
        output = "run.log"
        [backends.ollama]
        api_key_file = "key"
        ca_bundle = "ca.pem"
        """,
    )

    assert config.templates.template_dir == f"{tmp_path}/../shared"
    assert config.cache.path == f"{tmp_path}/cache"
    assert config.logging.output == f"{tmp_path}/run.log"
    backend = config.backends["ollama"]
    assert backend.api_key_file == f"{tmp_path}/key"
    assert backend.ca_bundle == f"{tmp_path}/ca.pem"


def test_a_file_named_relatively_is_the_start_of_its_paths_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.toml").write_text('[cache]\npath = "x"')
    monkeypatch.chdir(tmp_path)

    config = Config.load("sub/c.toml", HOME)

    assert config.cache.path == f"{tmp_path}/sub/x"
    assert config.path == f"{tmp_path}/sub/c.toml"


def test_a_tilde_is_the_home_of_the_given_environment(tmp_path: Path) -> None:
    config = load(tmp_path, '[cache]\npath = "~/c"\n[logging]\noutput = "~"')

    assert config.cache.path == "/home/user/c"
    assert config.logging.output == "/home/user"


def test_the_home_of_another_user_is_known_to_the_system(tmp_path: Path) -> None:
    config = load(tmp_path, '[cache]\npath = "~root/c"')

    assert config.cache.path == f"{pwd.getpwnam('root').pw_dir}/c"


def test_an_unknown_default_backend_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, '[defaults]\nbackend = "gup"\n[backends.gpu]\nbackend_type="x"')

    assert str(caught.value) == (
        f"'{tmp_path}/config.toml': bad value 'gup' for 'defaults.backend'; "
        "did you mean 'gpu'?"
    )


def test_a_table_without_a_kind_must_be_called_as_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, '[backends.gpu]\nbase_url = "http://gpu"')

    assert str(caught.value) == (
        f"'{tmp_path}/config.toml': 'backends.gpu.backend_type' is missing; "
        "choose from ollama, lmstudio, openai, embedded"
    )


@pytest.mark.parametrize("name", ["LMStudio", "lm-studio", "lm_studio"])
def test_a_table_called_as_a_kind_needs_no_type(name: str, tmp_path: Path) -> None:
    config = load(tmp_path, f"[backends.{name}]")

    assert config.backends[name].kind == "lmstudio"


def test_a_backend_is_found_by_its_name_in_any_case(tmp_path: Path) -> None:
    config = load(tmp_path, '[backends.GPU]\nbackend_type = "ollama"')

    assert config.backend("gpu") is config.backends["GPU"]
    assert config.backend("OpenAI").kind == "openai"


def test_an_unknown_backend_is_refused_with_the_nearest(tmp_path: Path) -> None:
    config = load(tmp_path, "")

    with pytest.raises(ConfigError, match="'olama'; did you mean 'ollama'"):
        config.backend("olama")


def test_a_higher_floor_can_refuse_a_value_with_its_origin(tmp_path: Path) -> None:
    config = load(tmp_path, '[ui]\ntheme = "drak"')

    error = config.bad_value("ui.theme", config.ui.theme, ("default", "dark"))
    of_default = Config.load(os.devnull, HOME).bad_value("ui.theme", "x", ("a", "b"))

    assert str(of_default) == "bad value 'x' for 'ui.theme'; choose from a, b"
    assert str(error) == (
        f"'{tmp_path}/config.toml': bad value 'drak' for 'ui.theme'; "
        "did you mean 'dark'?"
    )


def test_the_users_file_is_read_and_may_be_missing(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert Config.load(None, environ).path is None

    (tmp_path / "llmwrap").mkdir()
    (tmp_path / "llmwrap" / "config.toml").write_text("[history]\nask = true")
    config = Config.load(None, environ)

    assert config.history.ask
    assert config.path == f"{tmp_path}/llmwrap/config.toml"


def test_a_file_in_the_working_directory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("enhanced-config.toml", "config.toml", "llmwrap.toml"):
        (tmp_path / name).write_text("[history]\nask = true")
    monkeypatch.chdir(tmp_path)

    config = Config.load(None, {"XDG_CONFIG_HOME": str(tmp_path / "none")})

    assert not config.history.ask


def test_a_given_file_wins_over_the_variable_and_that_over_the_users(
    tmp_path: Path,
) -> None:
    environ = {"XDG_CONFIG_HOME": "/xdg", "LLMWRAP_CONFIG": "/variable.toml"}

    assert config_path("/given.toml", environ) == "/given.toml"
    assert config_path(None, environ) == "/variable.toml"
    assert config_path(None, {"XDG_CONFIG_HOME": "/xdg"}) == "/xdg/llmwrap/config.toml"
    assert config_path(None, {**HOME, "LLMWRAP_CONFIG": "~/c"}) == "/home/user/c"


def test_the_environment_of_the_process_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("LLMWRAP_CACHE_TTL", "5s")

    assert Config.load().cache.ttl_s == 5.0


def test_a_key_is_not_in_the_repr_of_the_configuration() -> None:
    config = Config.load(
        os.devnull,
        {
            **HOME,
            "LLMWRAP_API_KEY": "sk-1234",
            "LLMWRAP_BACKENDS_OLLAMA_PROXY": "http://user:hunter2@proxy",
        },
    )

    assert config.api_key == Secret("sk-1234")
    assert config.backends["ollama"].proxy == "http://user:hunter2@proxy"
    for shown in (repr(config), str(config.api_key), f"{config.backends}"):
        assert "1234" not in shown
        assert "hunter2" not in shown


def test_a_backend_shows_everything_else_of_itself() -> None:
    backend = Config.load(os.devnull, HOME).backend("ollama")

    assert repr(backend) == (
        "BackendConfig(name='ollama', kind='ollama', base_url=None, timeout_s=None, "
        "connect_timeout_s=5.0, retry_attempts=2, api_key_env=None, "
        "api_key_file=None, api_key_header=None, user=None, password_env=None, "
        "password_file=None, headers={}, query={}, client_certificate=None, "
        "client_key=None, proxy=None, ca_bundle=None, explicit=frozenset())"
    )


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    config = load(tmp_path, "[backends.ollama]\n[defaults.options]\na = 1")

    for mapping in (config.backends, config.origins, config.defaults.options):
        with pytest.raises(TypeError):
            mapping["x"] = 1  # type: ignore[index]  # what is being tested
