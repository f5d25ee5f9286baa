"""Each key of the file sets its own field, in base units; the rest are defaults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmwrap.config import Config

HOME = {"HOME": "/home/user"}

# Every key with a value that is no default, as a file says it, and what becomes of it.
EVERY_KEY = [
    ("defaults", "backend", '"lmstudio"', "defaults.backend", "lmstudio"),
    ("defaults", "model", '"qwen3:8b"', "defaults.model", "qwen3:8b"),
    ("defaults", "system", '"Be brief.\\n"', "defaults.system", "Be brief.\n"),
    ("defaults", "options", "{ stop = ['a'] }", "defaults.options", {"stop": ["a"]}),
    ("limits", "line", '"1KiB"', "limits.line_bytes", 1024),
    ("limits", "body", '"2KiB"', "limits.body_bytes", 2048),
    ("limits", "answer", '"3KiB"', "limits.answer_bytes", 3072),
    ("limits", "prompt", "4096", "limits.prompt_bytes", 4096),
    ("streaming", "max_concurrent_streams", "3", "streaming.max_concurrent_streams", 3),
    ("streaming", "buffer_size", "16", "streaming.buffer_chunks", 16),
    ("streaming", "total_timeout", '"2m"', "streaming.total_timeout_s", 120.0),
    ("cache", "enabled", "false", "cache.enabled", False),
    ("cache", "max_memory_entries", "7", "cache.max_memory_entries", 7),
    ("cache", "ttl", '"90s"', "cache.ttl_s", 90.0),
    ("cache", "ttl", '"0"', "cache.ttl_s", None),
    ("cache", "enable_persistence", "false", "cache.enable_persistence", False),
    ("cache", "cache_persistence", "false", "cache.enable_persistence", False),
    ("cache", "memory_pressure_threshold", "0.5", "cache.memory_pressure_ratio", 0.5),
    ("cache", "max_disk_bytes", '"5MiB"', "cache.max_disk_bytes", 5 << 20),
    ("cache", "path", '"/var/c"', "cache.path", "/var/c"),
    ("cache", "sync", "false", "cache.sync", False),
    ("templates", "template_dir", '"/srv/t"', "templates.template_dir", "/srv/t"),
    ("templates", "auto_reload", "false", "templates.auto_reload", False),
    ("ui", "theme", '"dark"', "ui.theme", "dark"),
    ("ui", "syntax_highlighting", "false", "ui.syntax_highlighting", False),
    ("ui", "auto_scroll", "false", "ui.auto_scroll", False),
    ("ui", "high_contrast", "true", "ui.high_contrast", True),
    ("ui", "models", "['a', 'b/c']", "ui.models", ("a", "b/c")),
    ("ui", "keys", "{ quit = 'c-x' }", "ui.keys", {"quit": "c-x"}),
    ("ui", "plain", "true", "ui.plain", True),
    ("logging", "level", '"WARN"', "logging.level", "warning"),
    ("logging", "level", '"debug"', "logging.level", "debug"),
    ("logging", "format", '"json"', "logging.format", "json"),
    ("logging", "output", '"/var/l"', "logging.output", "/var/l"),
    ("logging", "output", '"stdout"', "logging.output", "stdout"),
    ("history", "enabled", "false", "history.enabled", False),
    ("history", "ask", "true", "history.ask", True),
]

EVERY_BACKEND_KEY = [
    ("backend_type", '"OpenAI"', "kind", "openai"),
    ("backend_type", '"LM Studio"', "kind", "lmstudio"),
    ("backend_type", '"MyPlugin"', "kind", "MyPlugin"),
    ("base_url", '"http://BOX:8080/"', "base_url", "http://box:8080"),
    ("timeout", "30", "timeout_s", 30.0),
    ("connect_timeout", '"250ms"', "connect_timeout_s", 0.25),
    ("retry_attempts", "0", "retry_attempts", 0),
    ("api_key_env", '"BOX_KEY"', "api_key_env", "BOX_KEY"),
    ("api_key_file", '"/run/key"', "api_key_file", "/run/key"),
    ("proxy", '"http://u:p@proxy:3128"', "proxy", "http://u:p@proxy:3128"),
    ("ca_bundle", '"/etc/ca.pem"', "ca_bundle", "/etc/ca.pem"),
]


def load(tmp_path: Path, toml: str) -> Config:
    file = tmp_path / "config.toml"
    file.write_text(toml, encoding="utf-8")
    return Config.load(file, HOME)


def look_up(config: Config, field: str) -> object:
    section, _, name = field.partition(".")
    return getattr(getattr(config, section), name)


@pytest.mark.parametrize(("section", "key", "toml", "field", "value"), EVERY_KEY)
def test_a_key_of_the_file_sets_its_field_and_no_other(
    section: str, key: str, toml: str, field: str, value: object, tmp_path: Path
) -> None:
    config = load(tmp_path, f"[{section}]\n{key} = {toml}\n")

    default = load(tmp_path, "")
    assert look_up(config, field) == value
    others = {row[3] for row in EVERY_KEY} - {field}
    assert [look_up(config, o) for o in others] == [look_up(default, o) for o in others]


@pytest.mark.parametrize(("key", "toml", "field", "value"), EVERY_BACKEND_KEY)
def test_a_key_of_a_backend_sets_its_field(
    key: str, toml: str, field: str, value: object, tmp_path: Path
) -> None:
    config = load(tmp_path, f"[backends.ollama]\n{key} = {toml}\n")

    backend = config.backends["ollama"]
    assert getattr(backend, field) == value
    assert backend.explicit == {key}
    default = config._replace(backends={}).backend("ollama")
    differing = [
        n for n in backend._fields if getattr(backend, n) != getattr(default, n)
    ]
    assert differing == [field, "explicit"]


def test_defaults_are_those_of_the_manual() -> None:
    config = Config.load(os.devnull, HOME)

    mib = 1 << 20
    assert config.defaults == (None, None, None, {})
    assert config.limits == (16 * mib, 64 * mib, 8 * mib, 8 * mib)
    assert config.streaming == (10, 8192, 1800.0)
    cache = "/home/user/.cache/llmwrap"
    assert config.cache == (True, 1000, 3600.0, True, 0.8, 1024 * mib, cache, True)
    assert config.templates == (None, True)
    assert config.ui == ("default", True, True, False, (), {}, False, "ask")
    assert config.logging == ("warning", "text", "stderr")
    assert config.history == (True, False)
    assert config.backends == {}


def test_the_cache_of_the_default_is_in_the_xdg_place() -> None:
    config = Config.load(os.devnull, {"XDG_CACHE_HOME": "/fast"})

    assert config.cache.path == "/fast/llmwrap"
