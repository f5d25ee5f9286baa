"""GGUF files: is it one, and how long a context was it trained for.

Only what is needed before llama.cpp gets the file; it checks the rest itself.

See: ggml docs/gguf.md, "File Structure".
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from ..errors import ConfigError, RefusedError

MAGIC = b"GGUF"
_KNOWN_VERSIONS = (2, 3)
_MOST_KEYS = 10_000
_LONGEST_KEY_BYTES = 65_535
_STRING, _ARRAY = 8, 9
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_INTEGERS = {2: "<H", 4: "<I", 5: "<i", 10: "<Q", 11: "<q"}


def check_gguf(path: str) -> None:
    """Check that the file at `path` begins as a GGUF does.

    Raises: RefusedError when there is none, ConfigError when it is something else or
    cannot be read.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(len(MAGIC))
    except FileNotFoundError as error:
        raise RefusedError(
            f"model file '{path}' not found", hint="run 'llmwrap models install'"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read model '{path}': {error.strerror}") from error
    if start != MAGIC:
        raise ConfigError(
            f"model '{path}' is no GGUF file", hint="llama.cpp reads no other format"
        )


CONTEXT_BOUND_TOKENS = 8192
"""The longest context that is reserved; what is trained may be far longer."""


def context_tokens(path: str) -> int:
    """Return how long a context a model of ours gets."""
    trained = trained_context_tokens(path) or CONTEXT_BOUND_TOKENS
    return min(trained, CONTEXT_BOUND_TOKENS)


def trained_context_tokens(path: str) -> int | None:
    """Return the context length a model was trained for, None if it does not say.

    A file that is damaged says nothing either: llama.cpp will tell what is wrong.
    """
    try:
        with open(path, "rb") as file:
            return _find_context_length(file)
    except (OSError, ValueError, struct.error):
        return None


def _find_context_length(file: BinaryIO) -> int | None:
    magic, version, _tensors, keys = struct.unpack("<4sIQQ", file.read(24))
    if magic != MAGIC or version not in _KNOWN_VERSIONS:
        return None
    for _ in range(min(keys, _MOST_KEYS)):
        name = _read_key(file)
        (kind,) = struct.unpack("<I", file.read(4))
        if name.endswith(b".context_length") and kind in _INTEGERS:
            return int(struct.unpack(_INTEGERS[kind], file.read(_SIZES[kind]))[0])
        _skip_value(file, kind)
    return None


def _read_key(file: BinaryIO) -> bytes:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _LONGEST_KEY_BYTES:
        raise ValueError(f"a key of {length} bytes")
    return file.read(length)


def _skip_value(file: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        (length,) = struct.unpack("<Q", file.read(8))
        file.seek(min(length, 1 << 62), 1)
    elif kind == _ARRAY:
        kind, count = struct.unpack("<IQ", file.read(12))
        if kind in _SIZES:
            file.seek(min(count, 1 << 60) * _SIZES[kind], 1)
            return
        if kind == _ARRAY:
            raise ValueError("an array of arrays, which llama.cpp does not read either")
        for _ in range(count):  # A cut file ends this with struct.error.
            _skip_value(file, kind)
    elif kind in _SIZES:
        file.seek(_SIZES[kind], 1)
    else:
        raise ValueError(f"a value of type {kind}")
