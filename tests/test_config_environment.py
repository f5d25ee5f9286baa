"""LLMWRAP_* variables set what the file could, under names of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmwrap.config import Config, Secret
from llmwrap.errors import ConfigError


def load(**variables: str) -> Config:
    environ = {f"LLMWRAP_{name}": text for name, text in variables.items()}
    return Config.load(os.devnull, {"HOME": "/home/user", **environ})


EVERY_VARIABLE = [
    ("DEFAULTS_BACKEND", "lmstudio", "defaults", "backend", "lmstudio"),
    ("DEFAULTS_MODEL", "qwen3:8b", "defaults", "model", "qwen3:8b"),
    ("DEFAULTS_SYSTEM", "Be\nbrief", "defaults", "system", "Be\nbrief"),
    ("DEFAULTS_OPTIONS", '{"a": [1]}', "defaults", "options", {"a": [1]}),
    ("LIMITS_LINE", "1KiB", "limits", "line_bytes", 1024),
    ("LIMITS_BODY", "2048", "limits", "body_bytes", 2048),
    ("LIMITS_ANSWER", "3k", "limits", "answer_bytes", 3072),
    ("LIMITS_PROMPT", "4 KiB", "limits", "prompt_bytes", 4096),
    (
        "STREAMING_MAX_CONCURRENT_STREAMS",
        "3",
        "streaming",
        "max_concurrent_streams",
        3,
    ),
    ("STREAMING_BUFFER_SIZE", "16", "streaming", "buffer_chunks", 16),
    ("STREAMING_TOTAL_TIMEOUT", "2m", "streaming", "total_timeout_s", 120.0),
    ("CACHE_ENABLED", "no", "cache", "enabled", False),
    ("CACHE_MAX_MEMORY_ENTRIES", "7", "cache", "max_memory_entries", 7),
    ("CACHE_TTL", "2h", "cache", "ttl_s", 7200.0),
    ("CACHE_ENABLE_PERSISTENCE", "0", "cache", "enable_persistence", False),
    ("CACHE_CACHE_PERSISTENCE", "0", "cache", "enable_persistence", False),
    ("CACHE_MEMORY_PRESSURE_THRESHOLD", "0.5", "cache", "memory_pressure_ratio", 0.5),
    ("CACHE_MAX_DISK_BYTES", "5MiB", "cache", "max_disk_bytes", 5 << 20),
    ("CACHE_PATH", "~/c", "cache", "path", "/home/user/c"),
    ("CACHE_SYNC", "False", "cache", "sync", False),
    ("TEMPLATES_TEMPLATE_DIR", "/srv/t", "templates", "template_dir", "/srv/t"),
    ("TEMPLATES_AUTO_RELOAD", "no", "templates", "auto_reload", False),
    ("UI_THEME", "dark", "ui", "theme", "dark"),
    ("UI_SYNTAX_HIGHLIGHTING", "NO", "ui", "syntax_highlighting", False),
    ("UI_AUTO_SCROLL", "false", "ui", "auto_scroll", False),
    ("UI_HIGH_CONTRAST", "1", "ui", "high_contrast", True),
    ("UI_MODELS", '["a", "b"]', "ui", "models", ("a", "b")),
    ("UI_KEYS", '{"quit": "c-x"}', "ui", "keys", {"quit": "c-x"}),
    ("UI_PLAIN", "yes", "ui", "plain", True),
    ("LOGGING_LEVEL", "debug", "logging", "level", "debug"),
    ("LOGGING_FORMAT", "json", "logging", "format", "json"),
    ("LOGGING_OUTPUT", "/var/l", "logging", "output", "/var/l"),
    ("HISTORY_ENABLED", "false", "history", "enabled", False),
    ("HISTORY_ASK", "true", "history", "ask", True),
]


@pytest.mark.parametrize(("name", "text", "section", "field", "value"), EVERY_VARIABLE)
def test_every_key_has_a_variable(
    name: str, text: str, section: str, field: str, value: object
) -> None:
    config = load(**{name: text})

    assert getattr(getattr(config, section), field) == value
    assert f"LLMWRAP_{name}" in config.origins.values()
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("CACHE_TTL", "soon", "a duration such as 30"),
        ("CACHE_ENABLED", "maybe", "true or false is wanted"),
        ("CACHE_MAX_MEMORY_ENTRIES", "1_000", "a whole number"),
        ("CACHE_MAX_MEMORY_ENTRIES", "-5", "a whole number"),
        ("CACHE_MAX_MEMORY_ENTRIES", "9" * 50, "a whole number"),
        ("CACHE_MEMORY_PRESSURE_THRESHOLD", "half", "a number from 0 to 1"),
        ("CACHE_MEMORY_PRESSURE_THRESHOLD", "nan", "a number from 0 to 1"),
        ("UI_MODELS", "a,b", 'JSON such as ["a", "b"]'),
        ("UI_MODELS", "[" * 50_000, 'JSON such as ["a", "b"]'),
        ("DEFAULTS_OPTIONS", '{"a": NaN}', "only text, numbers"),
        ("DEFAULTS_OPTIONS", '{"a": null}', "only text, numbers"),
        ("DEFAULTS_SYSTEM", "caf\udce9", "text in UTF-8 is wanted"),
        ("DEFAULTS_BACKEND", "olama", "did you mean 'ollama'?"),
        ("BACKEND", "a\nb", "a name is wanted"),
        ("MODEL", " ", "a name is wanted"),
    ],
)
def test_a_bad_value_names_the_variable(name: str, text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(**{name: text})

    assert caught.value.message.startswith(f"'LLMWRAP_{name}': bad value ")
    assert caught.value.hint.startswith(hint)
    assert "\n" not in str(caught.value)


def test_an_empty_variable_counts_as_not_set() -> None:
    config = load(
        CACHE_TTL="", BACKEND="", MODEL="", API_KEY="", CACHE_TLL="", CONFIG=""
    )

    assert config.origins["cache.ttl"] == "default"
    assert config.chosen_backend is None
    assert config.chosen_model is None
    assert config.api_key is None
    assert config.warnings == ()


def test_names_of_their_own_are_kept_apart_from_the_defaults() -> None:
    config = load(BACKEND="lmstudio", MODEL="ollama/x", API_KEY="sk-1\n", DEBUG="1")

    assert (config.chosen_backend, config.chosen_model) == ("lmstudio", "ollama/x")
    assert (config.defaults.backend, config.defaults.model) == (None, None)
    assert config.api_key is not None
    assert config.api_key.reveal() == "sk-1"
    assert config.warnings == ()


def test_a_key_that_no_header_can_hold_is_refused_unseen() -> None:
    with pytest.raises(ConfigError) as caught:
        load(API_KEY="sk-1\nX-Evil: 1")

    assert str(caught.value).startswith("'LLMWRAP_API_KEY': the key holds")
    assert "sk-1" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("CACHE_TLL", "LLMWRAP_CACHE_TTL"),
        ("BACKENDS", "LLMWRAP_BACKEND"),
        ("cache_ttl", "LLMWRAP_CACHE_TTL"),
        ("BACKENDS_TIMEOUT", "LLMWRAP_BACKENDS_OPENAI_TIMEOUT"),
        ("BACKENDS_OLLAMA_TIMOUT", "LLMWRAP_BACKENDS_OLLAMA_TIMEOUT"),
    ],
)
def test_an_unknown_variable_is_a_warning_with_the_nearest(
    name: str, nearest: str
) -> None:
    config = load(**{name: "1"})

    assert config.warnings == (
        f"unknown variable 'LLMWRAP_{name}' is ignored; did you mean '{nearest}'?",
    )


@pytest.mark.parametrize("name", ["Z" * 30, "Z" * 60 + "_TIMEOUT"])
def test_an_unknown_variable_like_no_other_is_a_warning_alone(name: str) -> None:
    config = load(**{name: "secret"})

    (warning,) = config.warnings
    assert warning.startswith("unknown variable 'LLMWRAP_ZZZ")
    assert warning.endswith("' is ignored")


def test_variables_of_the_tests_and_of_others_are_left_alone() -> None:
    config = Config.load(
        os.devnull, {"LLMWRAP_TEST_X": "1", "LLMWRAPPER": "1", "llmwrap_x": "1"}
    )

    assert config.warnings == ()


def test_a_variable_reaches_a_table_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        """
        [backends.my-box]
        backend_type = "Ollama"
        timeout = 3
        [backends.lmstudio]
        """
    )

    config = Config.load(
        file, {"LLMWRAP_BACKENDS_MY_BOX_BASE_URL": "http://variable:1/"}
    )

    box = config.backends["my-box"]
    assert (box.base_url, box.timeout_s) == ("http://variable:1", 3.0)
    assert box.explicit == {"backend_type", "timeout", "base_url"}
    assert list(config.backends) == ["my-box", "lmstudio"]


def test_a_variable_makes_a_table_of_a_built_in_kind() -> None:
    config = load(BACKENDS_LM_STUDIO_BASE_URL="http://x/v1")

    backend = config.backends["lm_studio"]
    assert (backend.kind, backend.base_url) == ("lmstudio", "http://x/v1")


def test_a_variable_with_a_type_makes_any_table() -> None:
    config = load(
        BACKENDS_MY_BOX_CONNECT_TIMEOUT="1s", BACKENDS_MY_BOX_BACKEND_TYPE="openai"
    )

    box = config.backends["my_box"]
    assert (box.kind, box.connect_timeout_s) == ("openai", 1.0)


def test_a_variable_without_a_type_makes_no_table_of_another_name() -> None:
    config = load(BACKENDS_OLAMA_BASE_URL="http://x")

    assert dict(config.backends) == {}
    (warning,) = config.warnings
    assert warning == (
        "'LLMWRAP_BACKENDS_OLAMA_BASE_URL' is ignored, there is no backend 'olama'; "
        "did you mean 'LLMWRAP_BACKENDS_OLLAMA_BASE_URL'?"
    )


def test_a_variable_prefers_the_table_that_exists(tmp_path: Path) -> None:
    """`FOO_CONNECT_TIMEOUT` can be read in two ways."""
    file = tmp_path / "c.toml"
    variable = {"LLMWRAP_BACKENDS_FOO_CONNECT_TIMEOUT": "9"}

    file.write_text('[backends.foo]\nbackend_type = "ollama"')
    assert Config.load(file, variable).backends["foo"].connect_timeout_s == 9.0

    file.write_text('[backends.foo-connect]\nbackend_type = "ollama"')
    assert Config.load(file, variable).backends["foo-connect"].timeout_s == 9.0


def test_a_variable_that_means_two_tables_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        'backends.a-b.backend_type = "ollama"\nbackends.a_b.backend_type = "ollama"'
    )

    with pytest.raises(ConfigError, match="may mean the backends 'a-b' and 'a_b'"):
        Config.load(file, {"LLMWRAP_BACKENDS_A_B_TIMEOUT": "9"})


def test_a_time_out_in_a_variable_chooses_no_backend_but_an_address_does() -> None:
    assert load(BACKENDS_OPENAI_TIMEOUT="3").first_backend is None

    chosen = load(
        BACKENDS_OLLAMA_TIMEOUT="3", BACKENDS_OPENAI_BASE_URL="http://x/v1"
    ).first_backend

    assert chosen is not None
    assert chosen.name == "openai"


def test_the_order_of_the_variables_does_not_matter() -> None:
    names = {"BACKENDS_OPENAI_TIMEOUT": "1", "BACKENDS_LMSTUDIO_TIMEOUT": "2"}

    forward = load(**names)
    backward = load(**dict(reversed(names.items())))

    assert list(forward.backends) == list(backward.backends) == ["lmstudio", "openai"]


def test_a_secret_is_equal_to_the_same_secret_only() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
