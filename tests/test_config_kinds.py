"""Values are strict: each key says what it wants, in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmwrap.config import Config
from llmwrap.config.schema import SECTIONS
from llmwrap.errors import ConfigError

DURATION = "a duration such as 30, 250ms, 1.5s, 2m, 1h30m, 7d is wanted"
SIZE = "a size such as 4096, 64KiB, 16MiB, 1GB is wanted"
JSON_ONLY = "only text, numbers, true, false, lists and tables go here"

REFUSED = [
    ("cache.enabled", "1", "1", "true or false is wanted"),
    ("cache.enabled", "'true'", "'true'", "true or false is wanted"),
    ("cache.max_memory_entries", "true", "true", "a whole number from 1 to 100000000"),
    ("cache.max_memory_entries", "'9'", "'9'", "a whole number from 1 to 100000000"),
    ("cache.max_memory_entries", "9.0", "9.0", "a whole number from 1 to 100000000"),
    ("cache.max_memory_entries", "0", "0", "a whole number from 1 to 100000000"),
    ("streaming.max_concurrent_streams", "10001", "10001", "a whole number from 1"),
    ("streaming.max_concurrent_streams", "0", "0", "a whole number from 1"),
    ("streaming.buffer_size", "-1", "-1", "a whole number from 1 to 1000000"),
    ("cache.ttl", "'soon'", "'soon'", DURATION),
    ("cache.ttl", "true", "true", DURATION),
    ("cache.ttl", "false", "false", DURATION),
    ("cache.ttl", "-1", "-1", DURATION),
    ("cache.ttl", "inf", "inf", DURATION),
    ("cache.ttl", "nan", "nan", DURATION),
    ("cache.ttl", "1e300", "1e+300", DURATION),
    ("cache.ttl", "01:00:00", "01:00:00", DURATION),
    ("cache.ttl", "['1h']", "a list", DURATION),
    ("streaming.total_timeout", "0", "0", "a time-out is longer than 0"),
    ("limits.line", "true", "true", SIZE),
    ("limits.line", "1.5", "1.5", SIZE),
    ("limits.line", "-1", "-1", SIZE),
    ("limits.line", "'big'", "'big'", SIZE),
    ("limits.line", "'0 KiB'", "'0 KiB'", "a size is at least 1 byte"),
    ("cache.memory_pressure_threshold", "1.1", "1.1", "a number from 0 to 1"),
    ("cache.memory_pressure_threshold", "-0.1", "-0.1", "a number from 0 to 1"),
    ("cache.memory_pressure_threshold", "nan", "nan", "a number from 0 to 1"),
    ("cache.memory_pressure_threshold", "true", "true", "a number from 0 to 1"),
    ("cache.memory_pressure_threshold", "'0.8'", "'0.8'", "a number from 0 to 1"),
    ("defaults.model", "' '", "' '", "a name is wanted"),
    ("defaults.model", "3", "3", "a name is wanted"),
    ("defaults.model", '"a\\nb"', "'a\\nb'", "a name is wanted"),
    ("defaults.system", "3", "3", "text in quotes is wanted"),
    ("defaults.options", "3", "3", "a table is wanted"),
    ("defaults.options", "{ a = 2020-01-01 }", "a table", JSON_ONLY),
    ("defaults.options", "{ a = [inf] }", "a table", JSON_ONLY),
    ("defaults.options", "{ a = { b = nan } }", "a table", JSON_ONLY),
    ("logging.level", "'wanring'", "'wanring'", "did you mean 'warning'?"),
    ("logging.level", "3", "3", "choose from debug, info, warning, error"),
    ("logging.format", "'xml'", "'xml'", "choose from text, json"),
    ("logging.output", "''", "''", "a path is wanted"),
    ("logging.output", "['stderr']", "a list", "a path is wanted"),
    ("cache.path", '"a\\u0000b"', "'a\\x00b'", "a path is wanted"),
    ("templates.template_dir", "{}", "a table", "a path is wanted"),
    ("ui.models", "'a'", "'a'", "a list of at most 4 names is wanted"),
    ("ui.models", "['a','b','c','d','e']", "a list", "a list of at most 4 names"),
    ("ui.models", "[1]", "a list", "a name is wanted"),
    ("ui.keys", "['a']", "a list", "a table of names is wanted"),
    ("ui.keys", "{ quit = 1 }", "a table", "a name is wanted"),
    ("backends.ollama.retry_attempts", "-1", "-1", "a whole number from 0 to 100"),
    ("backends.ollama.timeout", "'0s'", "'0s'", "a time-out is longer than 0"),
    (
        "backends.ollama.base_url",
        "'localhost:1'",
        "'localhost:1'",
        "did you mean 'http://localhost:1'?",
    ),
    ("backends.ollama.base_url", "1", "1", "an address with http or https such as"),
    ("backends.ollama.proxy", "'ftp://x'", "'ftp://x'", "an address with http, https,"),
    ("backends.ollama.backend_type", "''", "''", "a name is wanted"),
]


@pytest.mark.parametrize(("key", "toml", "shown", "hint"), REFUSED)
def test_a_bad_value_names_file_key_value_and_what_is_wanted(
    key: str, toml: str, shown: str, hint: str, tmp_path: Path
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"{key} = {toml}")

    with pytest.raises(ConfigError) as caught:
        Config.load(file, {})

    assert caught.value.message == f"'{file}': bad value {shown} for '{key}'"
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("api_key_env", "sk-abcdef", "abcdef"),
        ("base_url", "http://user:hunter2@box", "hunter2"),
        ("base_url", "http://box/?key=hunter2", "hunter2"),
        ("proxy", "ftp://user:hunter2@box", "hunter2"),
    ],
)
def test_a_bad_value_that_holds_a_secret_is_not_shown(
    key: str, value: str, secret: str, tmp_path: Path
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"backends.openai.{key} = '{value}'")

    with pytest.raises(ConfigError) as caught:
        Config.load(file, {})

    assert secret not in str(caught.value)
    assert "***" in str(caught.value)


def test_a_long_value_is_cut_in_the_message(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"logging.level = '{'x' * 5000}'")

    with pytest.raises(ConfigError) as caught:
        Config.load(file, {})

    assert caught.value.message.endswith(f"'{'x' * 60}…' for 'logging.level'")


@pytest.mark.parametrize(
    ("key", "toml"),
    [
        ("cache.memory_pressure_threshold", "0"),
        ("cache.memory_pressure_threshold", "1"),
        ("cache.max_memory_entries", "1"),
        ("streaming.max_concurrent_streams", "1"),
        ("streaming.max_concurrent_streams", "10000"),
        ("backends.ollama.retry_attempts", "100"),
        ("limits.line", "1"),
        ("ui.models", "['a', 'b', 'c', 'd']"),
        ("defaults.options", "{ a = " + "[" * 15 + "1" + "]" * 15 + " }"),
        ("defaults.options", "{ a = " + "{ b = " * 15 + "1" + "}" * 15 + " }"),
    ],
)
def test_the_ends_of_a_range_belong_to_it(key: str, toml: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"{key} = {toml}")

    config = Config.load(file, {})

    assert config.origins[key] == f"file {file}"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{ b = ", "}")])
def test_options_may_not_be_deeper(opening: str, closing: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"defaults.options.a = {opening * 16}1{closing * 16}")

    with pytest.raises(ConfigError, match="no more than 16 tables in each other"):
        Config.load(file, {})


@pytest.mark.parametrize(
    ("toml", "seconds"), [("30", 30.0), ("1.5", 1.5), ("'30'", 30.0), ("0.25", 0.25)]
)
def test_a_duration_may_be_a_number_of_seconds(
    toml: str, seconds: float, tmp_path: Path
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"cache.ttl = {toml}")

    assert Config.load(file, {}).cache.ttl_s == seconds


ODD = ["-1", "0", "1e400", "9" * 500, "nan", "true", "''", "'x'", '"\\n"', "[1]", "{}"]


@pytest.mark.parametrize(
    ("section", "key"),
    [
        (f"{section}.ollama" if section == "backends" else section, key.name)
        for section, keys in SECTIONS.items()
        for key in keys
    ],
)
def test_odd_values_are_taken_or_refused_in_one_line(
    section: str, key: str, tmp_path: Path
) -> None:
    file = tmp_path / "c.toml"
    refusals = []
    for toml in ODD:
        file.write_text(f"[{section}]\n{key} = {toml}")
        variable = f"LLMWRAP_{section}_{key}".upper().replace(".", "_")
        for path, environ in ((file, {}), (os.devnull, {variable: toml})):
            try:
                Config.load(path, environ)
            except ConfigError as error:
                refusals.append(str(error))

    assert refusals
    assert all(refusal.isprintable() for refusal in refusals)
