"""Names and paths of the embedded backend's models, and their digest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from llmwrap.errors import RefusedError
from llmwrap.models.installed import (
    DEFAULT_MODEL,
    gguf_sha256,
    installed_models,
    model_path,
    models_dir,
)

from .asking import error
from .runner import Home, Runner

REAL_MODEL = os.environ.get("LLMWRAP_TEST_MODEL", "")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a user without any model."""
    return {"HOME": str(tmp_path / "home"), "XDG_DATA_HOME": str(tmp_path / "data")}


def install(environ: dict[str, str], name: str) -> str:
    directory = Path(models_dir(environ))
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(b"GGUF")
    return str(directory / name)


@pytest.mark.parametrize("name", ["", DEFAULT_MODEL.name, DEFAULT_MODEL.file_name])
def test_the_default_model_is_found_when_installed(
    environ: dict[str, str], name: str
) -> None:
    installed = install(environ, DEFAULT_MODEL.file_name)

    assert model_path(name, environ) == installed


@pytest.mark.parametrize("name", ["", DEFAULT_MODEL.name, DEFAULT_MODEL.file_name])
def test_the_default_model_is_refused_with_what_to_do(
    environ: dict[str, str], name: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        model_path(name, environ)

    assert (
        caught.value.message == f"model '{name or DEFAULT_MODEL.name}' is not installed"
    )
    assert caught.value.hint == "run 'llmwrap models install'"


@pytest.mark.parametrize("name", ["other", "other.gguf"])
def test_installed_models_are_found_by_name(environ: dict[str, str], name: str) -> None:
    installed = install(environ, "other.gguf")

    assert model_path(name, environ) == installed


def test_an_unknown_name_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match=r"'other' is not installed; .*install URL"):
        model_path("other", environ)


def test_paths_may_be_absolute_relative_or_under_home(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "m.gguf").write_bytes(b"GGUF")
    monkeypatch.chdir(home)

    for path in ("m.gguf", "./m.gguf", "~/m.gguf", str(home / "m.gguf")):
        assert model_path(path, environ) == str(home / "m.gguf")


def test_an_installed_model_goes_before_a_file_here(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = install(environ, "m.gguf")
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    monkeypatch.chdir(tmp_path)

    assert model_path("m.gguf", environ) == installed
    assert model_path("./m.gguf", environ) == str(tmp_path / "m.gguf")


def test_a_path_needs_no_suffix(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"GGUF")

    assert model_path(str(tmp_path / "blob"), environ) == str(tmp_path / "blob")


@pytest.mark.parametrize("path", ["/nowhere/m.gguf", "./m.gguf", "../etc/passwd"])
def test_a_missing_path_is_refused(environ: dict[str, str], path: str) -> None:
    with pytest.raises(RefusedError, match="not found"):
        model_path(path, environ)


def test_a_name_cannot_leave_the_directory(
    environ: dict[str, str], tmp_path: Path
) -> None:
    install(environ, "m.gguf")
    (tmp_path / "data" / "secret.gguf").write_bytes(b"GGUF")

    for name in ("..", ".", "..gguf", "m\0"):
        with pytest.raises(RefusedError):
            model_path(name, environ)


def test_installed_models_are_listed_the_default_first(
    environ: dict[str, str],
) -> None:
    assert installed_models(environ) == []
    for name in ("b.gguf", "a.gguf", DEFAULT_MODEL.file_name):
        install(environ, name)
    for name in (".hidden.gguf", "a.gguf.part", "a.gguf.part.json", "readme"):
        install(environ, name)
    (Path(models_dir(environ)) / "dir.gguf").mkdir()

    found = installed_models(environ)

    assert [model.name for model in found] == [DEFAULT_MODEL.name, "a", "b"]
    assert found[1].size_bytes == 4


def test_a_digest_is_remembered_with_the_identity_of_the_file(tmp_path: Path) -> None:
    model, state_dir = tmp_path / "m.gguf", str(tmp_path / "state")
    model.write_bytes(b"GGUF one")
    digest = gguf_sha256(str(model), state_dir)
    [record] = (tmp_path / "state" / "embedded").iterdir()
    record.write_text(record.read_text().replace(digest, "0" * 64))

    remembered = gguf_sha256(str(model), state_dir)

    assert digest == hashlib.sha256(b"GGUF one").hexdigest()
    assert remembered == "0" * 64
    assert record.stat().st_mode & 0o777 == 0o600


def test_a_file_that_changed_is_hashed_again(tmp_path: Path) -> None:
    model, state_dir = tmp_path / "m.gguf", str(tmp_path / "state")
    model.write_bytes(b"GGUF one")
    status = model.stat()
    gguf_sha256(str(model), state_dir)

    # Another file of the same size and, by intent, with the same time.
    (tmp_path / "new").write_bytes(b"GGUF two")
    (tmp_path / "new").replace(model)
    os.utime(model, ns=(status.st_atime_ns, status.st_mtime_ns))

    digest = gguf_sha256(str(model), state_dir)
    assert digest == hashlib.sha256(b"GGUF two").hexdigest()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff", b'{"sha256": 1}'])
def test_a_damaged_memory_is_ignored(tmp_path: Path, damage: bytes) -> None:
    model, state_dir = tmp_path / "m.gguf", str(tmp_path / "state")
    model.write_bytes(b"GGUF")
    digest = gguf_sha256(str(model), state_dir)
    [record] = (tmp_path / "state" / "embedded").iterdir()
    record.write_bytes(damage)

    assert gguf_sha256(str(model), state_dir) == digest


def test_a_place_that_cannot_remember_is_no_failure(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"GGUF")
    (tmp_path / "state").write_text("a file in the way")

    digest = gguf_sha256(str(model), str(tmp_path / "state"))

    assert digest == hashlib.sha256(b"GGUF").hexdigest()


def test_a_missing_file_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be read"):
        gguf_sha256(str(tmp_path / "absent.gguf"), str(tmp_path))


@pytest.mark.skipif(not REAL_MODEL, reason="LLMWRAP_TEST_MODEL names no GGUF file")
def test_the_real_default_model_has_the_digest_we_install_by(tmp_path: Path) -> None:
    if os.path.getsize(REAL_MODEL) != 98_362_432:
        pytest.skip("LLMWRAP_TEST_MODEL is another model than the default one")

    assert gguf_sha256(REAL_MODEL, str(tmp_path)) == DEFAULT_MODEL.sha256


def test_the_embedded_model_refuses_an_image(cli: Runner, home: Home) -> None:
    Path(home.path, "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
    Path(home.path, "a.gguf").write_bytes(b"GGUF" + bytes(64))

    result = cli.run("-b", "embedded", "-m", "./a.gguf", "-i", "a.png", "what?")

    assert result.status == 5
    assert "takes no images" in error(result)
