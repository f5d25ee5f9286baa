"""Direct mode and stdin: nothing is taken that belongs to another.

What direct mode reads and cannot use, the ordinary way gets.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from .asking import address, chats
from .direct import Answered, answered, in_a_shell, left_records
from .fakeserver import FakeServer
from .runner import Runner

_ORDINARY: dict[str, str | None] = {"LLMWRAP_DIRECT": "0"}
_WAIT_S = 30.0
_LOOP = 'printf "a\\nb\\nc\\n" | while read -r word; do "$@" "$word"; done'


@pytest.fixture
def argv(cli: Runner, server: FakeServer) -> tuple[str, ...]:
    """Give an invocation that was answered, its stdin being `one`."""
    server.answer = ["first"]
    found = (*address(server), "Why?")
    answered(cli, *found, stdin=b"one")
    server.answer = ["second"]
    return found


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Give both ends of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass  # The test closed it.


def _prompts(server: FakeServer) -> list[str]:
    return [one.json["messages"][-1]["content"] for one in chats(server)]


def test_stdin_is_part_of_the_question(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    assert answered(cli, *argv, stdin=b"one") == Answered(0, b"first\n", "", True)
    other = answered(cli, *argv, stdin=b"two")
    assert other == Answered(0, b"second\n", "", is_direct=False)
    assert answered(cli, *argv, stdin=b"two") == other._replace(is_direct=True)

    assert _prompts(server) == ["Why?\n\none", "Why?\n\ntwo"]


def test_a_list_that_a_loop_reads_is_not_eaten(cli: Runner, server: FakeServer) -> None:
    for _ in range(2):
        server.answer = ["an answer"]
        looped = in_a_shell(cli, _LOOP, *address(server), "-n")

    assert looped == Answered(0, b"an answer\n" * 3, "", is_direct=True)
    assert _prompts(server) == ["a", "b", "c"]


def test_without_n_a_loop_loses_its_list_either_way(
    cli: Runner, server: FakeServer
) -> None:
    """That is what the option is for: direct mode takes no more and no less."""
    argv = address(server)

    for _ in range(2):
        looped = in_a_shell(cli, _LOOP, *argv)

    assert looped.stdout.count(b"\n") == 1
    assert _prompts(server) == ["a\n\nb\nc"]


@pytest.mark.parametrize("size", [0, 1, 65_536, (1 << 20) - 1, 1 << 20, 1_500_000])
def test_what_was_read_ahead_is_handed_over_once(
    cli: Runner, server: FakeServer, argv: tuple[str, ...], size: int
) -> None:
    text = "".join(f"{number:07}," for number in range(size // 8 + 1))[:size]

    for _ in range(2):
        again = answered(cli, *argv, stdin=text.encode())

    assert again.stdout == b"second\n"
    assert again.is_direct == (size < 1 << 20)
    assert _prompts(server)[1:] == [f"Why?\n\n{text}" if text else "Why?"]


def test_a_slow_stdin_is_waited_for_by_the_ordinary_way(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    slow = '(printf tw; sleep 0.8; printf o) | "$@"'

    again = in_a_shell(cli, slow, *argv)

    assert again == Answered(0, b"second\n", "", is_direct=False)
    assert _prompts(server)[1:] == ["Why?\n\ntwo"]


def test_a_stdin_with_a_short_pause_is_read_directly(
    cli: Runner, argv: tuple[str, ...]
) -> None:
    again = in_a_shell(cli, '(printf on; sleep 0.1; printf e) | "$@"', *argv)

    assert again == Answered(0, b"first\n", "", is_direct=True)


@pytest.mark.parametrize(
    "redirection", ["<&-", "</dev/null", "<one"], ids=["closed", "null", "file"]
)
def test_every_stdin_without_an_end_to_wait_for_is_fine(
    cli: Runner, server: FakeServer, argv: tuple[str, ...], redirection: str
) -> None:
    """A directory is none: Python itself does not start with it."""
    (cli.home.path / "one").write_bytes(b"two")
    for _ in range(2):
        again = in_a_shell(cli, f'"$@" {redirection}', *argv)

    assert again == Answered(0, b"second\n", "", is_direct=True)
    assert len(chats(server)) == 2


def test_a_closed_stdin_is_no_empty_one(
    cli: Runner, server: FakeServer, argv: tuple[str, ...]
) -> None:
    """Who closed it has not said that nothing belongs to the question."""
    before = left_records(cli.home)
    in_a_shell(cli, '"$@" <&-', *argv)
    in_a_shell(cli, '"$@" </dev/null', *argv)

    assert left_records(cli.home) > before
    assert _prompts(server)[1:] == ["Why?"]


def test_a_stdin_that_does_not_block_is_read_to_its_end(
    cli: Runner, argv: tuple[str, ...], pipe: tuple[int, int]
) -> None:
    reader, writer = pipe
    os.set_blocking(reader, False)
    process = cli.start(*argv, stdin=reader)
    os.write(writer, b"o")
    time.sleep(0.05)  # not waited for: either way the answer is the same
    os.write(writer, b"ne")
    os.close(writer)

    assert process.communicate(timeout=_WAIT_S) == (b"first\n", b"")
    assert process.returncode == 0


def test_signals_end_it_while_it_waits_for_stdin(
    cli: Runner, argv: tuple[str, ...]
) -> None:
    process = cli.start(*argv)
    assert process.stdin
    process.stdin.write(b"one")
    process.stdin.flush()

    process.send_signal(signal.SIGTERM)

    assert process.wait(_WAIT_S) == -signal.SIGTERM
    with process:
        process.stdin.close()


def test_nothing_that_stays_behind_holds_a_pipe(
    cli: Runner, argv: tuple[str, ...]
) -> None:
    with cli.start(*argv, stderr=subprocess.DEVNULL) as process:
        stdout, _ = process.communicate(b"one", _WAIT_S)

    assert stdout == b"first\n"


def test_a_stdin_that_is_too_long_is_named(cli: Runner, server: FakeServer) -> None:
    limit: dict[str, str | None] = {"LLMWRAP_LIMITS_PROMPT": "30"}
    argv = (*address(server), "Why?")
    assert answered(cli, *argv, stdin=b"short", environ=limit).status == 0

    both = [
        answered(cli, *argv, stdin=b"a" * 50, environ={**limit, **more})
        for more in ({}, _ORDINARY)
    ]

    assert both[0] == both[1]
