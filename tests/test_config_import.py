"""The configuration is on the way of every run, so it loads nothing it can leave."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import llmwrap

ROOT = Path(llmwrap.__file__).parents[1]
HEAVY = {"tomllib", "json", "difflib", "pathlib", "dataclasses", "urllib", "ipaddress"}

PROGRAM = """
import __future__, typing, sys  # typing itself needs re and more
before = set(sys.modules)
from llmwrap.config import Config
Config.load({path!r}, {environ!r})
print(*sorted(set(sys.modules) - before))
"""


def loaded(path: str | None, environ: dict[str, str]) -> set[str]:
    program = PROGRAM.format(path=path, environ=environ)
    command = [sys.executable, "-S", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "environ", [{}, {"LLMWRAP_CACHE_TTL": "2h", "LLMWRAP_API_KEY": "sk-1"}]
)
def test_a_run_without_a_file_imports_our_own_modules_only(
    environ: dict[str, str], tmp_path: Path
) -> None:
    modules = loaded(None, {"XDG_CONFIG_HOME": str(tmp_path), **environ})

    assert {name for name in modules if not name.startswith("llmwrap")} == set()
    assert not modules & {"llmwrap.config.show"}


def test_an_empty_file_costs_nothing() -> None:
    assert not loaded("/dev/null", {}) & HEAVY


def test_a_file_costs_tomllib_and_nothing_else_of_weight(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[backends.ollama]\nbase_url = "http://localhost:1"')

    modules = loaded(str(file), {})

    assert modules & HEAVY == {"tomllib"}
