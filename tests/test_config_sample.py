"""The sample and the manual's list are the schema, and the sample loads."""

from __future__ import annotations

import re
from pathlib import Path

from llmwrap.config import Config
from llmwrap.config.schema import NAMED, SECTIONS
from llmwrap.config.show import SECTION_DOCS, reference, rows, sample

HOME = {"HOME": "/home/user"}


def load(tmp_path: Path, toml: str) -> Config:
    file = tmp_path / "c.toml"
    file.write_text(toml, encoding="utf-8")
    return Config.load(file, HOME)


def uncommented() -> str:
    return re.sub(r"^#(?=[a-z\[])", "", sample(), flags=re.MULTILINE)


def test_the_sample_as_it_is_changes_nothing(tmp_path: Path) -> None:
    config = load(tmp_path, sample())

    assert config._replace(path=None) == load(tmp_path, "")._replace(path=None)


def test_the_sample_with_every_setting_shown_sets_every_key(tmp_path: Path) -> None:
    config = load(tmp_path, uncommented())

    origins = {row.key: row.origin for row in rows(config)}
    assert set(origins.values()) == {f"file {tmp_path / 'c.toml'}"}
    assert len(origins) == sum(len(keys) for keys in SECTIONS.values())


def test_the_sample_shows_the_defaults(tmp_path: Path) -> None:
    shown = load(tmp_path, uncommented())
    default = load(tmp_path, "[backends.ollama]")

    values = {row.key: row.value for row in rows(shown)}
    defaults = {row.key: row.value for row in rows(default) if row.value is not None}
    del defaults["cache.path"]  # depends on the environment, so it is an example

    assert {key: values[key] for key in defaults} == defaults


def test_each_setting_of_the_sample_has_a_line_of_explanation() -> None:
    lines = sample().splitlines()

    settings = [n for n, line in enumerate(lines) if re.match("#[a-z]", line)]
    assert len(settings) == sum(len(keys) for keys in SECTIONS.values())
    assert all(re.match("# .{8,}", lines[n - 1]) for n in settings)
    assert max(len(line) for line in lines) <= 88


def test_the_manual_gets_every_setting_with_its_default_and_meaning() -> None:
    listed = {entry.key: entry for entry in reference()}

    assert list(listed) == [
        f"{section}.{'NAME.' if section in NAMED else ''}{key.name}"
        for section, keys in SECTIONS.items()
        for key in keys
    ]
    assert listed["cache.ttl"].default == '"1h"'
    assert listed["defaults.model"].default == ""
    assert listed["backends.NAME.base_url"].variable == (
        "LLMWRAP_BACKENDS_NAME_BASE_URL"
    )
    assert all(entry.doc and entry.kind for entry in listed.values())


def test_each_section_has_its_line() -> None:
    assert list(SECTION_DOCS) == list(SECTIONS)
