"""A backend of another package: that of the docs, built and installed for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from .asking import error, lines
from .direct import left_records
from .readme import BACKENDS, blocks
from .runner import ROOT, Home, Result, Runner

FILES = {
    text.partition("\n")[0].removeprefix("# "): text
    for _, text, _ in blocks("python", "toml", text=BACKENDS)
}
CONFIG = FILES["~/.config/llmwrap/config.toml"]


def pip(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", *argv],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory that the README's package is installed in."""
    directory = tmp_path_factory.mktemp("echo")
    for name in ("echo_backend.py", "pyproject.toml"):
        (directory / name).write_text(FILES[name])
    wanted = ["--quiet", "--no-deps", "--target", str(directory / "site")]
    # The first that builds wheels by itself; an older one must be fetched a newer.
    if tuple(map(int, version("setuptools").split(".")[:2])) >= (70, 1):
        wanted.append("--no-build-isolation")
    elif pip("download", "--no-deps", "-d", str(directory), "setuptools").returncode:
        pytest.skip("no package index, and setuptools is too old to do without")

    done = pip("install", *wanted, str(directory))

    assert done.returncode == 0, done.stderr
    return directory / "site"


@pytest.fixture
def parrot(cli: Runner, home: Home, installed: Path) -> Runner:
    """Give what runs command lines where the package is installed and configured."""
    home.configure(CONFIG)
    home.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(installed)])
    return cli


def run(cli: Runner, *argv: str) -> Result:
    path = cli.home.environ["PYTHONPATH"]
    return cli.spawn(*argv, environ={"PYTHONPATH": path})


def test_the_readme_shows_it_in_thirty_lines() -> None:
    assert len(FILES["echo_backend.py"].splitlines()) <= 30


@pytest.mark.parametrize("argv", [["-b", "parrot"], ["-m", "parrot/parrot"], []])
def test_it_answers(parrot: Runner, argv: list[str]) -> None:
    result = run(parrot, *argv, "say this again")

    assert (result.status, result.text) == (0, "say this again \n")
    assert lines(result, "error") == []


def test_it_answers_in_json(parrot: Runner) -> None:
    result = run(parrot, "-b", "parrot", "--json", "say this again")

    answer = json.loads(result.stdout)
    assert (answer["backend"], answer["model"]) == ("parrot", "parrot")
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 3}
    assert answer["finish_reason"] == "stop"


def test_it_is_listed_with_its_models(parrot: Runner) -> None:
    backends = run(parrot, "backends", "--json")
    models = run(parrot, "models", "-b", "parrot", "--json")

    (row,) = (
        row
        for row in json.loads(backends.stdout)["backends"]
        if row["name"] == "parrot"
    )
    assert (row["kind"], row["reachable"], row["models"]) == ("echo", True, ["parrot"])
    (model,) = json.loads(models.stdout)["models"]
    assert (model["name"], model["backend"]) == ("parrot", "parrot")


def test_what_it_cannot_do_is_a_usage_error(parrot: Runner) -> None:
    result = run(parrot, "-b", "parrot", "--dry-run", "Hello")

    assert result.status == 2
    assert "echo" in error(result)


def test_the_library_finds_it_too(parrot: Runner, home: Home) -> None:
    program = (
        "from llmwrap import LLMWrapper; print(LLMWrapper().chat('a b').completion)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=home.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert "text='a b '" in done.stdout


# What goes wrong


def entry_point(directory: Path, name: str, module: str) -> None:
    """Install a package whose one module holds `module` as Python."""
    metadata = directory / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[llmwrap.backends]\n{name} = {name}_module:Backend\n"
    )
    (directory / f"{name}_module.py").write_text(module)


def test_an_unknown_type_is_status_3_and_says_which_there_are(
    parrot: Runner, home: Home
) -> None:
    home.configure('[backends.mine]\nbackend_type = "ecko"\n')

    result = run(parrot, "Hello")

    assert result.status == 3
    said = error(result)
    assert "'ecko'" in said
    assert "ollama, lmstudio, openai, embedded, echo" in said


def install_broken(home: Home, tmp_path: Path, module: str) -> None:
    """Install and configure a backend of this module."""
    entry_point(tmp_path, "broken", module)
    home.configure('[backends.mine]\nbackend_type = "broken"\n')
    home.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(tmp_path)])


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import nowhere", "No module named 'nowhere'"),
        ("raise ImportError('no library')", "no library"),
        ("Other = 1", "Backend"),
        ("def (", "invalid syntax"),
        ("raise RuntimeError('out of order')", "out of order"),
        ("1 / 0", "division by zero"),
        ("Backend = 5", "not callable"),
        ("class Backend:\n    def __init__(self): pass", "argument"),
        ("def Backend(settings): raise KeyError('region')", "region"),
    ],
)
def test_one_that_cannot_be_loaded_is_status_3_and_says_why(
    cli: Runner, home: Home, tmp_path: Path, module: str, reason: str
) -> None:
    install_broken(home, tmp_path, module)

    result = run(cli, "-m", "x", "Hello")

    assert result.status == 3
    assert "'broken'" in error(result)
    assert reason in error(result)


def test_one_that_cannot_be_loaded_hurts_nobody_else(
    cli: Runner, home: Home, tmp_path: Path
) -> None:
    install_broken(home, tmp_path, "1 / 0")

    listing = run(cli, "backends")
    diagnosis = run(cli, "doctor")

    assert listing.status == 0
    assert "division by zero" in listing.text
    assert "ollama" in listing.text
    assert diagnosis.status == 3
    assert "Traceback" not in diagnosis.stderr


# Whose its answers are


NAMED = """
import os
from llmwrap.backends.base import Backend as Base
from llmwrap.messages import Chunk
class Backend(Base):
    kind = "named"
    def __init__(self, settings):
        self.name, self.address = settings.name, settings.base_url
    def chat(self, request, cancel):
        yield Chunk(text=f"{self.name} at {self.address}")
        yield Chunk(deltas=0, finish_reason="stop")
    def models(self, *, timeout_s):
        return []
"""
OF_A_TENANT = """
    @property
    def place(self):
        return os.environ.get("TENANT") or self.address
"""
TABLES = """
[backends.alpha]
backend_type = "named"
[backends.beta]
backend_type = "named"
[backends.here]
backend_type = "named"
base_url = "http://127.0.0.1:9"
[backends.there]
backend_type = "named"
base_url = "http://localhost:9"
"""


@pytest.fixture
def named(cli: Runner, home: Home, tmp_path: Path) -> Path:
    """Give where a backend is installed that answers with its name and address."""
    entry_point(tmp_path, "named", NAMED)
    os.utime(home.configure(TABLES), (1, 1))
    home.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(tmp_path)])
    return tmp_path


def test_two_tables_without_an_address_share_nothing(cli: Runner, named: Path) -> None:
    texts = [run(cli, "-b", name, "-m", "m", "Hi").text for name in ("alpha", "beta")]

    assert texts == ["alpha at \n", "beta at \n"]
    for name, text in zip(("alpha", "beta"), texts, strict=True):
        assert run(cli, "-b", name, "-m", "m", "--cache-only", "Hi").text == text


def test_two_tables_of_one_address_share(cli: Runner, named: Path) -> None:
    first = run(cli, "-b", "here", "-m", "m", "Hi")

    assert run(cli, "-b", "there", "-m", "m", "Hi").text == first.text


def test_one_that_says_what_its_place_is_is_believed(cli: Runner, named: Path) -> None:
    """And leaves no record for direct mode, which would not ask it again."""
    (named / "named_module.py").write_text(NAMED + OF_A_TENANT)
    argv = ("-b", "here", "-m", "m", "--cache-only", "Hi")
    run(cli, "-b", "here", "-m", "m", "Hi")
    cli.home.environ["TENANT"] = "a"

    assert run(cli, *argv).status == 11

    del cli.home.environ["TENANT"]
    assert run(cli, *argv).status == 0
    assert left_records(cli.home) == 0
