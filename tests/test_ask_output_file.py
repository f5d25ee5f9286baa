"""`ask -O FILE`: the answer complete in its file, or nothing changed at all."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from llmwrap.cli.output_file import AtomicFile
from llmwrap.errors import DeadlineError, OutputError

from .asking import OLLAMA, address, ask, chats, error
from .fakeserver import FakeServer, Silence, ollama_reply
from .runner import Runner

ANSWER = "Hello from the fake server.\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Give an empty directory."""
    path = tmp_path / "here"
    path.mkdir()
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("argv", [[], ["--no-stream"], ["--raw"]])
def test_the_answer_goes_to_the_file_and_nothing_to_stdout(
    cli: Runner, server: FakeServer, directory: Path, argv: list[str]
) -> None:
    result = ask(cli, server, "-O", str(directory / "out"), *argv, "Hello")

    assert (result.status, result.stdout, result.stderr) == (0, b"", "")
    assert (directory / "out").read_text() == ANSWER
    assert names(directory) == ["out"]


@pytest.mark.parametrize("kind", ["json", "events"])
def test_every_format_goes_to_the_file(
    cli: Runner, server: FakeServer, directory: Path, kind: str
) -> None:
    ask(cli, server, "--output", str(directory / "out"), "--format", kind, "Hello")

    *_, last = (directory / "out").read_text().splitlines()
    assert json.loads(last)["finish_reason"] == "stop"


def test_a_file_on_a_terminal_gets_plain_text(
    cli: Runner, server: FakeServer, directory: Path
) -> None:
    server.answer = ["**Hi** \x1b[2J"]

    result = ask(cli, server, "-O", str(directory / "out"), "Hello", tty=True)

    assert result.stdout == b""
    assert (directory / "out").read_text() == "**Hi** \x1b[2J\n"


def test_a_new_file_has_the_mode_of_the_umask(
    cli: Runner, server: FakeServer, directory: Path
) -> None:
    before = os.umask(0o027)
    try:
        ask(cli, server, "-O", str(directory / "out"), "Hello")
    finally:
        os.umask(before)

    assert mode(directory / "out") == 0o640


def test_a_look_at_the_umask_changes_none(directory: Path) -> None:
    before = os.umask(0o027)
    try:
        AtomicFile(str(directory / "out"))
        found = os.umask(0o027)
    finally:
        os.umask(before)

    assert found == 0o027


def test_a_file_that_is_there_keeps_its_mode(
    cli: Runner, server: FakeServer, directory: Path
) -> None:
    out = directory / "out"
    out.write_text("old")
    out.chmod(0o604)

    ask(cli, server, "-O", str(out), "Hello")

    assert (mode(out), out.read_text()) == (0o604, ANSWER)


def test_a_link_stays_and_its_target_is_written(
    cli: Runner, server: FakeServer, directory: Path
) -> None:
    target = directory / "target"
    target.write_text("old")
    (directory / "link").symlink_to("target")

    ask(cli, server, "-O", str(directory / "link"), "Hello")

    assert (directory / "link").is_symlink()
    assert target.read_text() == ANSWER


def test_a_link_to_nothing_makes_its_target(
    cli: Runner, server: FakeServer, directory: Path
) -> None:
    (directory / "link").symlink_to("target")

    ask(cli, server, "-O", str(directory / "link"), "Hello")

    assert (directory / "target").read_text() == ANSWER


@pytest.mark.parametrize(
    "name",
    ["x" * 255, "é" * 127, "\U0001f44b" * 63, "-dash"],
    ids=["ascii", "latin", "emoji", "dash"],
)
def test_any_name_a_file_can_have_is_good(
    cli: Runner, server: FakeServer, directory: Path, name: str
) -> None:
    result = ask(cli, server, "-O", name, "Hello", cwd=directory)

    assert result.status == 0
    assert (directory / name).read_text() == ANSWER


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", "it is a directory"),
        ("missing/out", "No such file or directory"),
        ("file/out", "Not a directory"),
        ("x" * 256, "File name too long"),
        ("/proc/out", "cannot write '/proc/out'"),
    ],
)
def test_what_cannot_be_written_is_status_12_before_anything_is_asked(
    cli: Runner, server: FakeServer, directory: Path, name: str, reason: str
) -> None:
    (directory / "file").write_text("old")

    result = ask(cli, server, "-O", name, "Hello", cwd=directory)

    assert (result.status, result.stdout, server.requests) == (12, b"", [])
    assert reason in error(result)
    assert names(directory) == ["file"]


@pytest.mark.parametrize("argv", [[], ["--json"], ["--format", "events"]])
@pytest.mark.parametrize("has_file", [True, False], ids=["old", "new"])
def test_a_failure_leaves_file_and_stdout_as_they_were(
    cli: Runner, server: FakeServer, directory: Path, argv: list[str], has_file: bool
) -> None:
    out = directory / "out"
    if has_file:
        out.write_text("old")
    server.script(OLLAMA.path, ollama_reply(["one"], done_reason=None))

    result = ask(cli, server, "-O", str(out), *argv, "Hello")

    assert (result.status, result.stdout) == (8, b"")
    assert names(directory) == (["out"] if has_file else [])
    assert not has_file or out.read_text() == "old"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_trace(
    cli: Runner, server: FakeServer, directory: Path, number: signal.Signals
) -> None:
    server.script(OLLAMA.path, ollama_reply(["one", " two"])[:1], Silence())
    argv = [*address(server), "-n", "-O", str(directory / "out"), "Hello"]

    with cli.start(*argv) as process:
        server.wait_for_silence()
        process.send_signal(number)
        stdout, _ = process.communicate(timeout=10)

    assert (process.returncode, stdout) == (-number, b"")
    assert names(directory) == []
    assert chats(server)[0].disconnected.wait(10)


# What is no regular file


def test_stdout_can_be_named(cli: Runner, server: FakeServer) -> None:
    assert ask(cli, server, "-O", "-", "Hello").text == ANSWER

    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        result = cli.spawn(*address(server), "-O", name, "Hello")
        assert (result.status, result.text, result.stderr) == (0, ANSWER, "")


def test_a_stdout_that_is_appended_to_loses_nothing(
    cli: Runner, server: FakeServer, directory: Path
) -> None:
    out = directory / "out"
    out.write_text("old\n")
    argv = [*address(server), "-n", "-O", "/dev/stdout", "Hello"]

    with out.open("ab") as file, cli.start(*argv, stdout=file) as process:
        process.communicate(timeout=30)

    assert out.read_text() == f"old\n{ANSWER}"
    assert names(directory) == ["out"]


def test_a_fifo_gets_the_answer_when_it_is_complete(
    cli: Runner, server: FakeServer, directory: Path
) -> None:
    fifo = directory / "fifo"
    os.mkfifo(fifo)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_text()))
    reader.start()

    result = ask(cli, server, "-O", str(fifo), "Hello")
    reader.join(10)

    assert (result.status, read) == (0, [ANSWER])
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_fifo_nobody_reads_ends_with_the_deadline(
    cli: Runner, server: FakeServer, directory: Path
) -> None:
    os.mkfifo(directory / "fifo")

    result = ask(
        cli, server, "-O", str(directory / "fifo"), "--timeout", "300ms", "Hello"
    )

    assert result.status == 124


def test_a_fifo_whose_reader_stops_ends_with_the_deadline(directory: Path) -> None:
    fifo = directory / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with AtomicFile(str(fifo), until=time.monotonic()) as file:
            file.write(b"x" * (1 << 20))  # more than a pipe holds

            with pytest.raises(DeadlineError):
                file.commit(lambda: None)
    finally:
        os.close(reader)


@pytest.mark.parametrize(("name", "status"), [("/dev/null", 0), ("/dev/full", 12)])
def test_a_device_is_written_as_it_is(
    cli: Runner, server: FakeServer, name: str, status: int
) -> None:
    result = ask(cli, server, "-O", name, "Hello")

    assert (result.status, result.stdout) == (status, b"")
    assert stat.S_ISCHR(os.stat(name).st_mode)


def test_a_file_larger_than_allowed_leaves_the_old_one(
    cli: Runner, server: FakeServer, directory: Path
) -> None:
    out = directory / "out"
    out.write_text("old")
    server.answer = ["x" * 4096]
    # 2 blocks of 512 bytes, as dash counts them.
    limited = ["sh", "-c", 'ulimit -f 2; exec "$@"', "sh"]

    with cli.start(
        *address(server), "-n", "-O", str(out), "Hello", through=limited
    ) as process:
        stdout, _ = process.communicate(timeout=30)

    assert (process.returncode, stdout) == (12, b"")
    assert out.read_text() == "old"
    assert names(directory) == ["out"]


# What a power cut leaves


def test_an_answer_is_safe_on_disk_before_it_takes_its_place(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = directory / "out"
    out.write_text("old")
    moments: list[tuple[str, int, str]] = []

    def sync(number: int) -> None:
        moments.append(("sync", os.fstat(number).st_size, out.read_text()))

    monkeypatch.setattr(os, "fsync", sync)

    with AtomicFile(str(out)) as file:
        file.write(b"a new ")
        file.write(b"one")
        file.commit(lambda: moments.append(("settle", 0, out.read_text())))

    assert moments == [("sync", 9, "old"), ("settle", 0, "old")]
    assert out.read_text() == "a new one"


def test_a_disk_that_cannot_keep_the_answer_leaves_the_file_as_it_was(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = directory / "out"
    out.write_text("old")

    def fail(number: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)

    with AtomicFile(str(out)) as file:
        file.write(b"a new one")
        with pytest.raises(OutputError, match="cannot write"):
            file.commit(lambda: None)

        assert names(directory) == ["out"]
    assert out.read_text() == "old"


def test_a_file_that_is_left_without_an_answer_is_as_it_was(directory: Path) -> None:
    with AtomicFile(str(directory / "out")) as file:
        file.write(b"a new one")
        (temporary,) = directory.iterdir()
        assert mode(temporary) == 0o600

    assert names(directory) == []
