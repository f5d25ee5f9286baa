"""What is given away works: wheel and sdist are built, opened, installed and run.

In a copy of the tree, as building leaves traces. Needs a package index for what
builds it and for what it requires, so these tests are skipped without one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from llmwrap import __version__
from man.pages import ALIASES, page_names

from .fakeserver import FakeServer
from .runner import ROOT, Home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DIRECTORIES = (".ci", "bin", "llmwrap", "man", "templates", "tests")
PROGRAMS = ("llmwrap", "llm-wrapper", "llmwrap-loadtest", "load_test")
# Any day will do; without it the pages would carry that of their making.
ENVIRON = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}


class Dists(NamedTuple):
    """The sdist, the wheel made of it, and one made of the tree."""

    sdist: Path
    wheel: Path
    wheel_of_tree: Path


def run(
    *command: str | Path, cwd: Path = ROOT, environ: dict[str, str] = ENVIRON
) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def copy_of_tree(path: Path) -> Path:
    path.mkdir()
    ignore = shutil.ignore_patterns("__pycache__", "build")
    for name in DIRECTORIES:
        shutil.copytree(ROOT / name, path / name, ignore=ignore)
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, path)
    return path


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def made(path: Path, *wanted: str | Path) -> Path:
    """Make an environment of what is wanted and of nothing else; return its Python.

    By the pip of these tests, which need not compile what few programs import.
    """
    venv.create(path)
    python = path / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--quiet", "--no-compile", *wanted)
    return python


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a Python that has what building requires, and can build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    directory = tmp_path_factory.mktemp("builder")
    try:
        return made(directory / "made", "build", *project["build-system"]["requires"])
    except AssertionError as error:
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
        try:
            run(*pip, "--dest", directory, "setuptools")
        except AssertionError:
            pytest.skip(f"no package index: {str(error).strip().splitlines()[-1]}")
        raise


@pytest.fixture(scope="module")
def dists(builder: Path, tmp_path_factory: pytest.TempPathFactory) -> Dists:
    directory = tmp_path_factory.mktemp("dist")
    tree = copy_of_tree(directory / "tree")
    build = (builder, "-m", "build", "--no-isolation", "--outdir")
    # Of both, the first makes the sdist, and the wheel of what the sdist holds.
    run(*build, directory / "both", cwd=tree)
    run(*build, directory / "wheel", "--wheel", cwd=tree)
    (sdist,) = (directory / "both").glob("*.tar.gz")
    (wheel,) = (directory / "both").glob("*.whl")
    (wheel_of_tree,) = (directory / "wheel").glob("*.whl")
    return Dists(sdist, wheel, wheel_of_tree)


@pytest.fixture(scope="module")
def environment(dists: Dists, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A path with a blank, which no first line of a script can name.
    path = tmp_path_factory.mktemp("some environment")
    made(path, dists.wheel)
    return path


@pytest.fixture
def environ(environment: Path, home: Home) -> dict[str, str]:
    """Give what somebody has who put the environment's bin on the path."""
    places = [str(environment / "bin"), home.environ["PATH"]]
    return {**home.environ, "PATH": os.pathsep.join(places)}


def test_the_wheel_holds_programs_pages_templates_and_the_mark_of_types(
    dists: Dists,
) -> None:
    names = names_in(dists.wheel)

    data = f"llmwrap-{__version__}.data"
    wanted = {
        f"{data}/data/share/man/man{n[-1]}/{n}" for n in (*page_names(), *ALIASES)
    }
    wanted |= {
        f"llmwrap/builtin_templates/{file.name}" for file in ROOT.glob("templates/*")
    }
    wanted |= {"llmwrap/py.typed", f"llmwrap-{__version__}.dist-info/licenses/LICENSE"}
    assert wanted - names == set()


def test_the_wheel_holds_every_module_and_nothing_else_importable(
    dists: Dists,
) -> None:
    found = {name for name in names_in(dists.wheel) if name.endswith(".py")}

    files = (ROOT / "llmwrap").rglob("*.py")
    assert found == {file.relative_to(ROOT).as_posix() for file in files}


def test_the_sdist_makes_the_same_wheel(dists: Dists) -> None:
    with (
        zipfile.ZipFile(dists.wheel) as one,
        zipfile.ZipFile(dists.wheel_of_tree) as other,
    ):
        contents = [
            {name: archive.read(name) for name in archive.namelist()}
            for archive in (one, other)
        ]

    assert contents[0] == contents[1]


def test_the_sdist_holds_what_the_tests_need(dists: Dists) -> None:
    with tarfile.open(dists.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    tree = [*ROOT.glob("tests/**/*"), *ROOT.glob("man/*")]
    files = [file for file in tree if file.is_file() and file.suffix != ".pyc"]
    wanted = {file.relative_to(ROOT).as_posix() for file in files}
    wanted |= {"Makefile", "CHANGELOG.md", "CONTRIBUTING.md"}
    assert wanted - names == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_programs_run_where_nothing_else_is(
    program: str, environ: dict[str, str]
) -> None:
    assert run(program, "--version", environ=environ) == f"llmwrap {__version__}\n"


def test_a_checkout_has_programs_of_its_own(tmp_path: Path) -> None:
    """Whatever directory one is in, through a link too."""
    for program in PROGRAMS:
        link = tmp_path / program
        link.symlink_to(ROOT / "bin" / program)
        said = run(sys.executable, link, "--help", cwd=tmp_path)
        assert ("--arrival" in said) == ("load" in program)


def test_the_package_runs_where_nothing_else_is(
    environment: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    python = environment / "bin" / "python"

    said = run(python, "-m", "llmwrap", "--help", cwd=tmp_path, environ=environ)

    assert "usage: llmwrap" in said


def test_everything_an_answer_needs_is_required(
    environ: dict[str, str], server: FakeServer, tmp_path: Path
) -> None:
    server.answer = ["Hi", " there"]

    said = run(
        *("llmwrap", "-q", "--base-url", server.url, "-m", "alpha", "-n", "Hello"),
        cwd=tmp_path,
        environ=environ,
    )

    assert said == "Hi there\n"


def test_the_built_in_templates_are_found_where_they_are_installed(
    environ: dict[str, str], tmp_path: Path
) -> None:
    said = run(
        *("llmwrap", "template", "render", "greeting", "-n", "--var", "name=Al"),
        cwd=tmp_path,
        environ=environ,
    )

    assert said == "Hello Al!\n\n"


@pytest.mark.parametrize("name", ["llmwrap", "llmwrap-ask", "llmwrap.toml"])
def test_man_finds_the_pages_of_the_environment(
    name: str, environment: Path, environ: dict[str, str]
) -> None:
    if not shutil.which("man"):
        pytest.skip("man is not installed")

    found = run("man", "-w", name, environ=environ)

    assert found.startswith(str(environment / "share" / "man"))
