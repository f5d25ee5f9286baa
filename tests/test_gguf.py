"""What is read of a GGUF file before llama.cpp gets it."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from llmwrap.errors import ConfigError, RefusedError
from llmwrap.models.gguf import check_gguf, trained_context_tokens

REAL_MODEL = os.environ.get("LLMWRAP_TEST_MODEL", "")


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def gguf(*pairs: bytes, version: int = 3) -> bytes:
    """Return a GGUF file of metadata only."""
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs)) + b"".join(pairs)


NAME = text(b"general.name") + struct.pack("<I", 8) + text(b"a model")
NUMBERS = text(b"general.numbers") + struct.pack("<IIQ", 9, 4, 3) + bytes(12)
WORDS = text(b"tokenizer.words") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") * 2
LENGTH = text(b"llama.context_length") + struct.pack("<II", 4, 2048)
LONG_LENGTH = text(b"llama.context_length") + struct.pack("<IQ", 10, 1 << 17)


def tokens_of(directory: Path, content: bytes) -> int | None:
    path = directory / "model.gguf"
    path.write_bytes(content)
    return trained_context_tokens(str(path))


@pytest.mark.parametrize("version", [2, 3])
def test_the_context_length_is_found_behind_other_keys(
    tmp_path: Path, version: int
) -> None:
    content = gguf(NAME, NUMBERS, WORDS, LENGTH, version=version)

    assert tokens_of(tmp_path, content) == 2048


def test_the_context_length_may_have_eight_bytes(tmp_path: Path) -> None:
    assert tokens_of(tmp_path, gguf(LONG_LENGTH)) == 1 << 17


def test_a_model_that_does_not_tell_has_no_length(tmp_path: Path) -> None:
    assert tokens_of(tmp_path, gguf(NAME)) is None


def test_another_version_has_no_length(tmp_path: Path) -> None:
    assert tokens_of(tmp_path, gguf(LENGTH, version=1)) is None


def test_a_file_cut_anywhere_has_no_length_and_no_traceback(tmp_path: Path) -> None:
    whole = gguf(NAME, NUMBERS, WORDS, LENGTH)

    found = {tokens_of(tmp_path, whole[:size]) for size in range(len(whole))}

    assert found == {None}


def test_absurd_lengths_end_at_once(tmp_path: Path) -> None:
    huge_key = struct.pack("<Q", 1 << 63)
    huge_array = text(b"a") + struct.pack("<IIQ", 9, 8, 1 << 63)
    huge_text = text(b"a") + struct.pack("<IQ", 8, (1 << 64) - 1)
    odd_type = text(b"a") + struct.pack("<I", 99)

    for pair in (huge_key, huge_array, huge_text, odd_type):
        assert tokens_of(tmp_path, gguf(pair, LENGTH)) is None


def test_nested_arrays_do_not_exhaust_the_stack(tmp_path: Path) -> None:
    nested = text(b"a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 5000

    assert tokens_of(tmp_path, gguf(nested, LENGTH)) is None


def test_a_missing_file_has_no_length(tmp_path: Path) -> None:
    assert trained_context_tokens(str(tmp_path / "absent.gguf")) is None


def test_a_gguf_passes_the_check(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(LENGTH))

    check_gguf(str(path))


@pytest.mark.parametrize("content", [b"", b"GGU", b"GGML....", b"<html>"])
def test_anything_else_does_not_pass(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match="no GGUF file"):
        check_gguf(str(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="not found"):
        check_gguf(str(tmp_path / "absent.gguf"))


def test_a_directory_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        check_gguf(str(tmp_path))


@pytest.mark.skipif(not REAL_MODEL, reason="LLMWRAP_TEST_MODEL names no GGUF file")
def test_a_real_model_tells_its_context_length() -> None:
    assert (trained_context_tokens(REAL_MODEL) or 0) >= 512
