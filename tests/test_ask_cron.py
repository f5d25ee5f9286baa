"""`--lock`, `--lock-wait`, `--skip-empty`, `--if-changed`: what cron jobs live on."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmwrap.files import lock_file

from .asking import OLLAMA, address, ask, chats, error, lines, prompt
from .fakeserver import FakeServer, OllamaSpeech, WaitFor, ended, json_error, spoken
from .runner import Home, Runner

RUNS = 20
HELD = "another run holds the lock 'gpu': nothing is asked"
EMPTY = "stdin is empty: nothing is asked"


@pytest.fixture
def out(home: Home) -> Path:
    """Give the name of a file that is not there."""
    return home.path / "out"


@pytest.fixture
def lock(home: Home) -> Path:
    """Give the lock `gpu`, which nobody holds."""
    path = home.path / "state/llmwrap/locks/gpu"
    path.parent.mkdir(mode=0o700, parents=True)
    return path


@pytest.fixture
def held(lock: Path) -> Iterator[int]:
    """Give the descriptor by which somebody holds the lock."""
    number = lock_file(str(lock))
    assert number is not None
    yield number
    try:
        os.close(number)
    except OSError:
        pass  # The test let go of it.


# Locks


def test_of_twenty_runs_one_asks_and_the_others_read_nothing(
    cli: Runner, server: FakeServer, out: Path
) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    said = (spoken(speech, ["one"]), WaitFor(gate), ended(speech, ["one"]))
    server.script(OLLAMA.path, *said)
    argv = (*address(server), "--lock", "gpu", "-O", str(out), "Sum up")
    (cli.home.path / "lines").write_text("lines")
    (cli.home.path / "others").write_text("other lines")

    with (cli.home.path / "lines").open("rb") as stdin:
        first = cli.start(*argv, stdin=stdin)
    server.wait_for_requests(1)
    with (cli.home.path / "others").open("rb") as stdin:
        others = [cli.start(*argv, stdin=stdin) for _ in range(RUNS - 1)]
        ends = [other.communicate() for other in others]
        # They share its offset, which no one has moved.
        assert os.lseek(stdin.fileno(), 0, os.SEEK_CUR) == 0
    assert not out.exists()
    gate.set()

    assert (first.communicate(), first.returncode) == ((b"", b""), 0)
    assert ends == [(b"", b"")] * (RUNS - 1)
    assert [other.returncode for other in others] == [0] * (RUNS - 1)
    assert prompt(server) == "Sum up\n\nlines"
    assert out.read_text() == "one\n"


def test_runs_that_wait_ask_one_after_the_other(
    cli: Runner, server: FakeServer, out: Path
) -> None:
    argv = (*address(server), "--lock", "gpu", "--lock-wait", "10m", "--no-cache")

    runs = [cli.start(*argv, "-O", str(out), "-n", f"Question {n}") for n in range(5)]
    ends = [run.communicate() for run in runs]

    assert ends == [(b"", b"")] * 5
    assert [run.returncode for run in runs] == [0] * 5
    assert (len(chats(server)), server.max_in_flight) == (5, 1)


def test_the_lock_is_held_until_the_answer_is_in_its_place(
    cli: Runner, server: FakeServer, lock: Path, out: Path
) -> None:
    os.mkfifo(out)

    run = cli.start(*address(server), "--lock", "gpu", "-O", str(out), "-n", "Hello")
    server.wait_for_requests(1)[0].answered.wait()
    assert lock_file(str(lock)) is None
    text = out.read_text()
    run.communicate()
    number = lock_file(str(lock))

    assert text == "Hello from the fake server.\n"
    assert number is not None
    os.close(number)


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(
    ("argv", "stdout"),
    [
        ([], b""),
        (["--format", "json"], b'{"version": 1, "skipped": "lock"}\n'),
        (["--format", "events"], b""),
        (["--dry-run"], b""),
        (["--json", "-O", "out"], b""),
    ],
)
def test_a_run_that_finds_the_lock_held_does_nothing(
    cli: Runner, server: FakeServer, argv: list[str], stdout: bytes
) -> None:
    context = cli.context(stdin=b"lines")

    result = cli.run_in(context, *address(server), "--lock", "gpu", *argv, "Sum up")

    assert (result.status, result.stdout, result.stderr) == (0, stdout, "")
    assert (context.stdin.data, server.requests) == (b"lines", [])
    assert not (cli.home.path / "out").exists()


@pytest.mark.usefixtures("held")
def test_it_is_told_with_v_only(cli: Runner, server: FakeServer) -> None:
    result = ask(cli, server, "-v", "--lock", "gpu", "Hello")

    assert lines(result, "info") == [HELD]


@pytest.mark.usefixtures("held")
def test_other_locks_are_others(cli: Runner, server: FakeServer) -> None:
    assert ask(cli, server, "--lock", "gpu.2", "Hello").stdout


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("wait", ["0", "10ms"])
def test_a_wait_that_is_over_is_a_time_out(
    cli: Runner, server: FakeServer, wait: str
) -> None:
    argv = ("--json", "--lock", "gpu", "--lock-wait", wait, "Hello")
    result = ask(cli, server, *argv)

    assert result.status == 124
    assert "another run held the lock 'gpu' for" in error(result)
    assert json.loads(result.stdout)["error"]["kind"] == "timeout"
    assert server.requests == []


def test_waiting_for_the_lock_is_no_part_of_the_time_out(
    cli: Runner, server: FakeServer, held: int
) -> None:
    """The time-out is past when the lock is free, and the run begins."""
    argv = ("--lock", "gpu", "--lock-wait", "10m", "--timeout", "20", "-n", "Hello")
    context = cli.context()
    context.started_at -= 3600
    free = threading.Timer(0.1, os.close, [held])
    free.start()

    result = cli.run_in(context, *address(server), *argv)

    free.join()
    assert result.text == "Hello from the fake server.\n"


def test_an_interrupted_wait_ends_at_once(
    cli: Runner, server: FakeServer, held: int
) -> None:
    run = cli.start(
        *address(server), "--lock", "gpu", "--lock-wait", "10m", "-n", "Hello"
    )
    name = os.readlink(f"/proc/self/fd/{held}")
    wait_until_open(run.pid, name)
    run.terminate()

    assert (run.communicate()[0], run.returncode) == (b"", -15)
    assert server.requests == []


def wait_until_open(pid: int, name: str) -> None:
    """Wait until a process has a file open."""
    while not any(link == name for link in links_of(pid)):
        pass


def links_of(pid: int) -> Iterator[str]:
    """Yield the names of the files that a process has open."""
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            yield os.readlink(f"/proc/{pid}/fd/{number}")
    except OSError:
        pass  # It was closed just now.


def test_the_lock_is_private_and_stays(
    cli: Runner, server: FakeServer, lock: Path
) -> None:
    lock.parent.rmdir()

    for _ in range(2):
        assert ask(cli, server, "--lock", "gpu", "Hello").status == 0

    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    assert stat.S_IMODE(lock.parent.stat().st_mode) == 0o700


def test_no_program_that_is_started_inherits_a_lock(lock: Path) -> None:
    """The embedded server lives on when the run that started it has ended."""
    number = lock_file(str(lock))
    assert number is not None
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        os.close(number)
        again = lock_file(str(lock))
        assert child.stdin
        child.stdin.close()

    assert again is not None
    os.close(again)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("other")])
def test_a_lock_that_cannot_be_locked_is_a_status(
    cli: Runner, server: FakeServer, lock: Path, make: Callable[[Path], None]
) -> None:
    make(lock)

    result = ask(cli, server, "--lock", "gpu", "Hello")

    assert (result.status, server.requests) == (11, [])
    assert f"cannot lock '{lock}'" in error(result)


def test_a_state_directory_that_cannot_be_made_is_a_status(
    cli: Runner, server: FakeServer, home: Home
) -> None:
    (home.path / "state").write_bytes(b"")

    assert ask(cli, server, "--lock", "gpu", "Hello").status == 11


@pytest.mark.parametrize(
    "argv",
    [
        ("--lock", "a/b"),
        ("--lock", ""),
        ("--lock", ".."),
        ("--lock", "x" * 65),
        ("--lock-wait", "1s"),
        ("--lock", "a", "--lock-wait", "soon"),
        ("--if-changed",),
        ("--if-changed", "-O", "-"),
        ("--skip-empty", "-n"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_a_usage_error(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    result = ask(cli, server, *argv, "Hello")

    assert (result.status, result.stdout, server.requests) == (2, b"", [])


# Empty input


@pytest.mark.parametrize(
    "stdin", [b"", b"\n", b" \t\r\n\x0b\x0c", b"\xef\xbb\xbf\r\n", b"\xff\xfe\r\0\n\0"]
)
@pytest.mark.parametrize(
    "argv", [["Sum up"], ["-"], [], ["-f", "-", "Sum up"], ["--vars", "-", "-t", "x"]]
)
def test_a_quiet_night_costs_nothing(
    cli: Runner, server: FakeServer, out: Path, stdin: bytes, argv: list[str]
) -> None:
    out.write_text("what was there")

    result = ask(cli, server, "--skip-empty", "-v", "-O", str(out), *argv, stdin=stdin)

    assert (result.status, result.stdout) == (0, b"")
    assert lines(result, "info") == [EMPTY]
    assert (server.requests, out.read_text()) == ([], "what was there")


def test_a_skipped_run_is_silent_and_says_so_in_json(
    cli: Runner, server: FakeServer
) -> None:
    silent = ask(cli, server, "--skip-empty", "Sum up")
    told = ask(cli, server, "--skip-empty", "--json", "Sum up")

    assert (silent.status, silent.stdout, silent.stderr) == (0, b"", "")
    assert json.loads(told.stdout) == {"version": 1, "skipped": "empty"}


@pytest.mark.parametrize("stdin", [b"x", b" " * 100 + b"\nx\n\n", b"\xff"])
def test_what_was_looked_at_is_asked_whole(
    cli: Runner, server: FakeServer, stdin: bytes
) -> None:
    ask(cli, server, "--skip-empty", "Sum up", stdin=stdin)

    text = stdin.decode("utf-8", "replace").removesuffix("\n")
    assert prompt(server) == f"Sum up\n\n{text}"


@pytest.mark.parametrize("argv", [("-f", "notes"), ("-f", "notes", "-f", "-")])
def test_a_file_is_something_to_ask_about(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    (cli.home.path / "notes").write_text("")

    assert ask(cli, server, "--skip-empty", *argv, "Sum up").stdout


def test_a_terminal_is_not_empty(cli: Runner, server: FakeServer) -> None:
    assert ask(cli, server, "--skip-empty", "Hello", tty=["stdin"]).stdout


def test_a_closed_stdin_is_empty(cli: Runner, server: FakeServer) -> None:
    context = cli.context()
    context.stdin.is_open = False

    result = cli.run_in(context, *address(server), "--skip-empty", "Hello")

    assert (result.status, result.stdout, server.requests) == (0, b"", [])


def test_blanks_without_end_are_a_limit(cli: Runner, server: FakeServer) -> None:
    cli.home.configure('[limits]\nprompt = "1KiB"\n')

    result = ask(cli, server, "--skip-empty", "Sum up", stdin=b" " * 5000)

    assert (result.status, server.requests) == (9, [])


@pytest.mark.parametrize(("piped", "count"), [("printf ''", 0), ("echo oops", 1)])
def test_a_real_pipe_is_looked_at(
    cli: Runner, server: FakeServer, piped: str, count: int
) -> None:
    through = ("/bin/sh", "-c", f'{piped} | "$@"', "sh")

    run = cli.start(*address(server), "--skip-empty", "Sum up", through=through)
    run.communicate()

    assert (run.returncode, len(chats(server))) == (0, count)


# The same answer


def test_the_same_bytes_leave_the_file_alone(
    cli: Runner, server: FakeServer, out: Path
) -> None:
    argv = ("--if-changed", "-O", str(out), "-v", "--no-cache", "Hello")
    first = ask(cli, server, *argv)
    os.utime(out, (1, 1))
    out.chmod(0o640)
    before = out.stat()

    second = ask(cli, server, *argv)

    said = f"'{out}' is as it was"
    assert said not in first.stderr
    assert said in lines(second, "info")
    after = out.stat()
    assert (second.status, after.st_mtime_ns, after.st_ctime_ns) == (
        0,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert sorted(os.listdir(out.parent)) == ["out", "state"]


@pytest.mark.parametrize("old", ["", "Hello", "Hello from the fake server.\n\n"])
def test_other_bytes_are_replaced(
    cli: Runner, server: FakeServer, out: Path, old: str
) -> None:
    out.write_text(old)

    ask(cli, server, "--if-changed", "-O", str(out), "Hello")

    assert out.read_text() == "Hello from the fake server.\n"


def test_what_cannot_be_compared_is_written(
    cli: Runner, server: FakeServer, out: Path
) -> None:
    os.mkfifo(out)
    reader = threading.Thread(target=out.read_bytes)
    reader.start()

    result = ask(cli, server, "--if-changed", "-O", str(out), "Hello")

    reader.join()
    assert (result.status, result.stderr) == (0, "")


def test_a_failed_run_leaves_the_file_alone(
    cli: Runner, server: FakeServer, out: Path
) -> None:
    out.write_text("old")
    server.script(OLLAMA.path, json_error(400, {"error": "no"}))

    result = ask(cli, server, "--if-changed", "-O", str(out), "Hello")

    assert (result.status, out.read_text()) == (5, "old")
