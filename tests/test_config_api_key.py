"""The key of a backend comes from its variable or a private file, unseen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmwrap.config import BackendConfig, Config
from llmwrap.config.api_key import read_api_key
from llmwrap.errors import ConfigError


def backend(*, env: str | None = None, file: Path | None = None) -> BackendConfig:
    openai = Config.load(os.devnull, {}).backend("openai")
    path = None if file is None else str(file)
    return openai._replace(api_key_env=env, api_key_file=path)


def key_file(tmp_path: Path, content: bytes, mode: int = 0o600) -> Path:
    file = tmp_path / "key"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def revealed(backend: BackendConfig, environ: dict[str, str]) -> str | None:
    found = read_api_key(backend, environ)
    assert found.warnings == ()
    return None if found.key is None else found.key.reveal()


def test_a_backend_without_a_source_has_no_key() -> None:
    assert revealed(backend(), {"OPENAI_API_KEY": "sk-1"}) is None


def test_a_variable_wins_over_a_file(tmp_path: Path) -> None:
    both = backend(env="KEY", file=key_file(tmp_path, b"from-file"))

    assert revealed(both, {"KEY": "from-variable"}) == "from-variable"
    assert revealed(both, {"KEY": ""}) == "from-file"
    assert revealed(both, {}) == "from-file"


def test_a_variable_that_is_not_set_is_a_warning() -> None:
    found = read_api_key(backend(env="KEY"), {})

    assert found.key is None
    assert found.warnings == (
        "the variable 'KEY' is not set; 'openai' is asked without a key",
    )


@pytest.mark.parametrize("content", [b"sk-1", b"sk-1\n", b"sk-1\r\n"])
def test_one_final_newline_of_the_file_does_not_count(
    content: bytes, tmp_path: Path
) -> None:
    assert revealed(backend(file=key_file(tmp_path, content)), {}) == "sk-1"


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"sk-1\nX: 1", b"sk 1", b"sk\0", b"sk\xe9"]
)
def test_a_key_that_no_header_can_hold_is_refused_unseen(
    content: bytes, tmp_path: Path
) -> None:
    file = key_file(tmp_path, content)

    with pytest.raises(ConfigError) as caught:
        read_api_key(backend(file=file), {})

    assert str(caught.value).startswith(f"the API key file '{file}': the key ")
    assert "sk" not in str(caught.value).replace(str(file), "")


def test_a_bad_key_in_a_variable_names_the_variable() -> None:
    with pytest.raises(ConfigError, match="the variable 'KEY': the key holds"):
        read_api_key(backend(env="KEY"), {"KEY": "sk-1\nX: 1"})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_a_file_that_others_may_open_is_a_warning(mode: int, tmp_path: Path) -> None:
    file = key_file(tmp_path, b"sk-1", mode)

    found = read_api_key(backend(file=file), {})

    assert found.key is not None
    assert found.warnings == (f"others may open '{file}'; run 'chmod 600' on it",)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_private_file_is_no_warning(mode: int, tmp_path: Path) -> None:
    file = key_file(tmp_path, b"sk-1", mode)

    assert revealed(backend(file=file), {}) == "sk-1"


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "none"

    with pytest.raises(ConfigError) as caught:
        read_api_key(backend(file=file), {})

    assert str(caught.value) == (
        f"cannot read the API key file '{file}': no such file or directory"
    )


def test_a_directory_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory"):
        read_api_key(backend(file=tmp_path), {})


def test_a_file_that_is_no_key_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError, match="it is too large"):
        read_api_key(backend(file=Path("/dev/zero")), {})


def test_what_was_found_does_not_show_the_key() -> None:
    found = read_api_key(backend(env="KEY"), {"KEY": "sk-1234"})

    assert "1234" not in repr(found)
