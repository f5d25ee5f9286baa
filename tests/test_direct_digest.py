"""What tells invocations from each other, and when one may leave a record."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwrap.direct
from llmwrap.direct import Invocation, Pointer
from llmwrap.paths import config_dir, state_dir

Place: TypeAlias = Callable[[dict[str, str]], Path]

_ARGV = ["-m", "alpha", "Why?"]
_LATER_NS = 10**10


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    found = {"HOME": str(tmp_path)}
    for directory in (config_dir(found), state_dir(found)):
        Path(directory).mkdir(parents=True)
    return found


def _config(environ: dict[str, str]) -> Path:
    return Path(config_dir(environ), "config.toml")


def _discovered(environ: dict[str, str]) -> Path:
    return Path(state_dir(environ), "discovered.json")


def _key(environ: dict[str, str], argv: list[str] = _ARGV) -> bytes:
    return Invocation(argv, environ).key


def test_the_same_invocation_has_the_same_key(environ: dict[str, str]) -> None:
    _config(environ).write_text("[cache]\n")

    assert _key(environ) == _key({**environ, "PWD": "/", "TERM": "dumb"})


def test_words_tell_invocations_apart(environ: dict[str, str]) -> None:
    lines: list[list[str]] = [
        _ARGV,
        _ARGV[:-1],
        [*_ARGV, ""],
        ["-m", "alpha Why?"],
        _ARGV[::-1],
        [],
    ]

    keys = {_key(environ, argv) for argv in lines}

    assert len(keys) == len(lines)


def test_words_are_no_variables(environ: dict[str, str]) -> None:
    """`llmwrap Why? LLMWRAP_MODEL beta` asks another model for something else."""
    bare = {name: value for name, value in environ.items() if name != "HOME"}
    named = {**bare, "LLMWRAP_MODEL": "beta"}

    assert _key(named) != _key(bare, [*_ARGV, "LLMWRAP_MODEL", "beta"])


def test_the_version_tells_invocations_apart(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _key(environ)
    monkeypatch.setattr(llmwrap.direct, "__version__", "0.0.0")

    assert _key(environ) != before


@pytest.mark.parametrize(
    "name",
    [
        "HOME",
        "LLMWRAP_CACHE_TTL",
        "LLMWRAP_MODEL",
        "LLMWRAP_UNKNOWN",
        "OLLAMA_HOST",
        "OPENAI_BASE_URL",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
    ],
)
def test_variables_that_matter_tell_invocations_apart(
    environ: dict[str, str], name: str
) -> None:
    keys = [_key({**environ, name: value}) for value in ("/one", "/two", "")]

    assert len({_key(environ), *keys}) == 4


def test_bytes_that_are_no_text_are_told_apart(environ: dict[str, str]) -> None:
    bad = [os.fsdecode(b"\xff"), os.fsdecode(b"\xfe"), "\N{REPLACEMENT CHARACTER}"]

    assert len({_key(environ, [word]) for word in bad}) == len(bad)


@pytest.mark.parametrize("place", [_config, _discovered])
def test_every_state_of_a_file_is_another(
    environ: dict[str, str], place: Place
) -> None:
    file = place(environ)
    keys = [_key(environ)]
    file.write_text("one")
    before = file.stat()
    keys.append(_key(environ))
    while file.stat().st_ctime_ns == before.st_ctime_ns:
        file.write_text("two")  # within one tick of the kernel's clock
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    keys.append(_key(environ))
    file.with_name("other").write_text("one")
    os.utime(file.with_name("other"), ns=(before.st_atime_ns, before.st_mtime_ns))
    file.with_name("other").rename(file)
    keys.append(_key(environ))
    file.unlink()
    file.mkdir()
    keys.append(_key(environ))
    file.rmdir()
    file.symlink_to(file)
    keys.append(_key(environ))

    assert all(one != other for one, other in combinations(keys, 2))
    file.unlink()
    assert _key(environ) == keys[0]


def test_a_file_that_is_out_of_reach_is_not_missing(environ: dict[str, str]) -> None:
    missing = _key(environ)
    config = Path(config_dir(environ))
    config.rmdir()
    config.symlink_to(config)

    assert _key(environ) != missing


def test_the_named_configuration_counts(environ: dict[str, str]) -> None:
    named = {**environ, "LLMWRAP_CONFIG": str(_config(environ).with_name("other"))}
    before = _key(named)
    _config(environ).write_text("not this")
    assert _key(named) == before

    Path(named["LLMWRAP_CONFIG"]).write_text("this")

    assert _key(named) != before


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_stdin_tells_invocations_apart(one: bytes, other: bytes) -> None:
    invocation = Invocation(_ARGV, {"HOME": "/nowhere"})

    keys = {invocation.key_with(one), invocation.key_with(other), invocation.key}

    assert len(keys) == 2 + (one != other)


def _old(environ: dict[str, str]) -> Invocation:
    invocation = Invocation(_ARGV, environ)
    invocation.started_ns += _LATER_NS
    return invocation


def test_young_files_are_not_settled(environ: dict[str, str]) -> None:
    assert Invocation(_ARGV, environ).is_settled
    _config(environ).write_text("")

    assert not Invocation(_ARGV, environ).is_settled
    assert _old(environ).is_settled


def test_a_time_of_change_that_was_set_does_not_make_a_file_old(
    environ: dict[str, str],
) -> None:
    _config(environ).write_text("")
    os.utime(_config(environ), (0, 0))

    assert not Invocation(_ARGV, environ).is_settled


def test_what_is_no_file_is_never_settled(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """A pipe as configuration is another one each time it is read."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    os.utime(fifo, (0, 0))

    assert not _old({**environ, "LLMWRAP_CONFIG": str(fifo)}).is_settled
    assert _old({**environ, "LLMWRAP_CONFIG": os.devnull}).is_settled


@pytest.mark.parametrize("place", [_config, _discovered])
def test_a_file_that_came_or_went_meanwhile_is_not_settled(
    environ: dict[str, str], place: Place
) -> None:
    """The answer may be made of what came; the digest is that of what was there."""
    came = _old(environ)
    place(environ).write_text("")
    assert not came.is_settled

    went = _old(environ)
    place(environ).unlink()
    assert not went.is_settled


@pytest.mark.parametrize("ttl_ns", [None, 0, 1, 3600 * 10**9])
def test_a_pointer_is_read_as_it_was_packed(ttl_ns: int | None) -> None:
    place = ("/röot", "/röot/models/ab", b"sha256:1")
    pointer = Pointer(bytes(range(32)), ttl_ns, 1800.5, place, (b"before", b"after"))

    found = Pointer.parse(pointer.packed())

    assert found is not None
    for name in Pointer.__slots__:
        assert getattr(found, name) == getattr(pointer, name)


@given(st.binary(max_size=99))
def test_whatever_is_read_is_a_pointer_or_none(data: bytes) -> None:
    for payload in (data, b"A" + data):
        found = Pointer.parse(payload)

        assert found is None or payload[:1] == b"A"
