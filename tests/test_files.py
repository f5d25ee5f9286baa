"""Private files are written whole or not at all, and locked."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from llmwrap.errors import ConfigError, OutputError, UsageError
from llmwrap.files import (
    NewFile,
    is_current,
    lock,
    lock_byte,
    lock_file,
    open_private,
    unlock_byte,
    write_private,
    write_whole,
)

from .runner import ROOT


def test_file_and_directories_are_private(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    mask = os.umask(0)

    try:
        write_whole(str(path), b"x", is_replaced=False)
    finally:
        os.umask(mask)

    modes = [stat.S_IMODE(p.stat().st_mode) for p in (path.parent.parent, path.parent)]
    assert (path.read_bytes(), modes) == (b"x", [0o700, 0o700])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["c"]


def test_what_exists_stays_unless_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    with pytest.raises(UsageError, match="exists already; --force replaces it"):
        write_whole(str(path), b"new", is_replaced=False)
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["a"])
    write_whole(str(path), b"new", is_replaced=True)

    assert path.read_bytes() == b"new"


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    link = tmp_path / "link"
    link.symlink_to(victim)

    write_whole(str(link), b"new", is_replaced=True)

    assert victim.read_bytes() == b"precious"
    assert not link.is_symlink()


def test_a_directory_in_its_place_is_an_error_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    (tmp_path / "a" / "inner").mkdir(parents=True)

    with pytest.raises(OutputError, match="cannot write"):
        write_whole(str(tmp_path / "a"), b"new", is_replaced=True)

    assert os.listdir(tmp_path) == ["a"]


def test_a_file_in_the_place_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")

    with pytest.raises(ConfigError, match="cannot create"):
        write_whole(str(tmp_path / "a" / "b"), b"new", is_replaced=True)


def test_it_is_safe_on_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    moments: list[tuple[int, bytes]] = []

    def sync(number: int) -> None:
        moments.append((os.fstat(number).st_size, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", sync)

    write_whole(str(path), b"a new one", is_replaced=True)

    assert moments == [(9, b"old")]
    assert path.read_bytes() == b"a new one"


def test_a_disk_that_cannot_keep_it_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(OutputError, match="No space left"):
        write_whole(str(path), b"new", is_replaced=True)

    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["a"])


def test_a_new_file_that_is_not_put_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    with NewFile(str(path)) as new:
        new.write(b"half")
        assert len(os.listdir(tmp_path)) == 2

    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["a"])


def test_a_lock_ends_with_the_last_copy_of_its_descriptor(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    number = lock_file(path)
    assert number is not None
    copy = os.dup(number)

    os.close(number)
    assert lock_file(path) is None
    os.close(copy)
    again = lock_file(path)

    assert again is not None
    os.close(again)


def test_a_file_that_was_replaced_is_locked_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    first = lock_file(path)
    assert first is not None
    write_private(path, b"new", is_synced=False)

    second = lock_file(path)

    assert second is not None
    assert (is_current(first, path), is_current(second, path)) == (False, True)
    os.close(first)
    os.close(second)


def test_a_shared_lock_only_looks(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    held = lock_file(path)
    assert held is not None
    with open(path, "rb") as one, open(path, "rb") as two:
        assert not lock(one.fileno(), is_shared=True)
        os.close(held)

        looks = [lock(file.fileno(), is_shared=True) for file in (one, two)]

    assert looks == [True, True]


_LOCKED_ELSEWHERE = """
import fcntl, sys
if sys.argv[2] == "process's":
    del fcntl.F_OFD_SETLK  # as on other systems than Linux
from llmwrap.files import lock_byte, open_private
number = open_private(sys.argv[1])
print([lock_byte(number, at) for at in (5, 6)])
"""


@pytest.mark.parametrize("whose", ["file's", "process's"])
def test_a_byte_is_locked_by_one_process_at_a_time(tmp_path: Path, whose: str) -> None:
    path = str(tmp_path / "locks")
    argv = [sys.executable, "-c", _LOCKED_ELSEWHERE, path, whose]
    number = open_private(path)

    seen = []
    for kind in ("locked", "shared", "free"):
        unlock_byte(number, 5)
        assert kind == "free" or lock_byte(number, 5, is_shared=kind == "shared")
        seen.append(subprocess.check_output(argv, text=True, cwd=ROOT).strip())
    os.close(number)

    assert seen == ["[False, True]", "[False, True]", "[True, True]"]
    assert os.path.getsize(path) == 0


def test_a_byte_that_is_locked_twice_in_a_process_is_so_by_one_of_them(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "locks")
    one, other = open_private(path), open_private(path)
    assert lock_byte(one, 5)
    assert not lock_byte(other, 5, is_shared=True)

    os.close(other)
    third = open_private(path)
    assert not lock_byte(third, 5)
    os.close(one)

    assert lock_byte(third, 5)
    os.close(third)


def test_only_a_regular_file_is_locked(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="no regular file"):
        lock_file(str(tmp_path / "pipe"))
    with pytest.raises(OSError, match="no regular file"):
        open_private(str(tmp_path / "pipe"))


def test_a_disk_that_fails_at_the_end_leaves_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a network says only when it is closed that it could not be kept."""
    really_close = os.close

    def close(number: int) -> None:
        really_close(number)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with NewFile(str(tmp_path / "a")) as new:
        new.write(b"new")
        monkeypatch.setattr(os, "close", close)
        with pytest.raises(OSError, match="quota"):
            new.put()
        monkeypatch.undo()

    assert os.listdir(tmp_path) == []
