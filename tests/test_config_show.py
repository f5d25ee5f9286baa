"""What is in force is shown whole, with origins, and without secrets."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from llmwrap.config import Config
from llmwrap.config.show import InForce, rows

FULL = """
[defaults]
backend = "box"
model = 'a "quoted" \\ name'
system = "two\\nlines\\u0007\\u202e\\U000E0001 é 🙂"
options = { num_ctx = 8192, stop = ["a", "b"], deep = { "odd key" = [1.5, true] } }
[limits]
line = 1000
[backends.box]
backend_type = "MyPlugin"
base_url = "http://box:8080/v1"
timeout = "90s"
connect_timeout = "250ms"
api_key_env = "BOX_KEY"
api_key_file = "box.key"
[backends.lmstudio]
timeout = "1.0005s"
[streaming]
total_timeout = "7d"
[cache]
ttl = "0"
memory_pressure_threshold = 1
path = "with 'quotes' and blanks"
[ui]
models = ["a", "b/c"]
keys = { quit = "c-x" }
"""


def load(tmp_path: Path, toml: str, environ: Mapping[str, str]) -> Config:
    file = tmp_path / "c.toml"
    file.write_text(toml, encoding="utf-8")
    return Config.load(file, {"HOME": "/home/user", **environ})


def row(config: Config, key: str) -> InForce:
    return next(row for row in rows(config) if row.key == key)


@pytest.mark.parametrize("toml", [FULL, ""])
def test_what_is_shown_loads_to_the_same_configuration(
    toml: str, tmp_path: Path
) -> None:
    config = load(tmp_path, toml, {})

    shown = "\n".join(row.line for row in rows(config))

    again = load(tmp_path, shown, {})
    assert [b[:-1] for b in again.backends.values()] == [
        b[:-1] for b in config.backends.values()
    ]
    assert again._replace(backends={}, origins={}) == config._replace(
        backends={}, origins={}
    )


def test_values_can_be_written_as_json_in_base_units(tmp_path: Path) -> None:
    config = load(tmp_path, FULL, {})

    shown = json.loads(json.dumps({row.key: row.value for row in rows(config)}))

    assert shown["streaming.total_timeout"] == 604800.0
    assert shown["cache.ttl"] == 0
    assert shown["cache.max_disk_bytes"] == 1 << 30
    assert shown["ui.models"] == ["a", "b/c"]
    assert shown["defaults.options"]["deep"] == {"odd key": [1.5, True]}
    assert shown["templates.template_dir"] is None


def test_each_value_says_where_it_came_from(tmp_path: Path) -> None:
    config = load(tmp_path, FULL, {"LLMWRAP_UI_THEME": "dark"})

    assert row(config, "ui.theme").line == 'ui.theme = "dark"  # LLMWRAP_UI_THEME'
    assert row(config, "ui.plain").origin == "default"
    assert row(config, "cache.ttl").origin == f"file {tmp_path / 'c.toml'}"
    assert row(config, "templates.template_dir").line == (
        "# templates.template_dir is not set"
    )


@pytest.mark.parametrize(
    ("toml", "shown"),
    [
        ("'2h'", '"2h"'),
        ("'90m'", '"90m"'),
        ("'24h'", '"1d"'),
        ("1.25", '"1.25"'),
        ("'250ms'", '"0.25"'),
        ("'0'", '"0"'),
    ],
)
def test_durations_are_shown_as_people_write_them(
    toml: str, shown: str, tmp_path: Path
) -> None:
    config = load(tmp_path, f"cache.ttl = {toml}", {})

    assert row(config, "cache.ttl").line.startswith(f"cache.ttl = {shown}  # ")


@pytest.mark.parametrize(
    ("toml", "shown"),
    [("'1GiB'", "1GiB"), ("'1 MB'", "1000000"), ("1536", "1536"), ("2048", "2KiB")],
)
def test_sizes_are_shown_as_people_write_them(
    toml: str, shown: str, tmp_path: Path
) -> None:
    config = load(tmp_path, f"limits.line = {toml}", {})

    assert row(config, "limits.line").line.startswith(f'limits.line = "{shown}"  # ')


def test_secrets_are_masked() -> None:
    config = Config.load(
        os.devnull,
        {
            "LLMWRAP_API_KEY": "sk-hunter2",
            "LLMWRAP_BACKENDS_OLLAMA_PROXY": "http://user:hunter2@proxy:3128",
        },
    )

    shown = list(rows(config))

    assert "hunter2" not in repr(shown)
    assert row(config, "LLMWRAP_API_KEY").value == "***"
    assert row(config, "backends.ollama.proxy").value == "http://***@proxy:3128"


def test_the_choice_of_the_environment_comes_first() -> None:
    config = Config.load(
        os.devnull, {"LLMWRAP_BACKEND": "ollama", "LLMWRAP_MODEL": "x"}
    )

    first, second, *_ = rows(config)

    assert first == InForce(
        "LLMWRAP_BACKEND", "ollama", "environment", '# LLMWRAP_BACKEND = "ollama"'
    )
    assert second.key == "LLMWRAP_MODEL"


def test_a_line_stays_a_line_whatever_the_path_is(tmp_path: Path) -> None:
    directory = tmp_path / "two\nlines"
    directory.mkdir()

    config = load(directory, "[history]\nask = true", {})

    assert all(row.line.isprintable() for row in rows(config))
