"""What was entered in chats is kept for the next one: private, and not without end."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from llmwrap.paths import state_dir
from llmwrap.repl.input_history import InputHistory

from .runner import Home

KEPT = 1000
LONGEST = 64 * 1024
MOST_BYTES = 4 << 20


def path(home: Home) -> Path:
    return Path(state_dir(home.environ)) / "chat-input"


def put(home: Home, *lines: str) -> Path:
    """Write the file as chats before have left it."""
    path(home).parent.mkdir(parents=True)
    path(home).write_text("".join(f"{line}\n" for line in lines))
    return path(home)


def entered(home: Home) -> list[str]:
    """Return what a new chat finds, the newest first."""
    return list(InputHistory(home.environ).load_history_strings())


def lines(home: Home) -> int:
    return len(path(home).read_bytes().splitlines())


def test_the_newest_comes_first(home: Home) -> None:
    history = InputHistory(home.environ)

    for text in ("one", "two\nlines", "é\u2028\ud800"):
        history.store_string(text)

    assert entered(home) == ["é\u2028\ud800", "two\nlines", "one"]


def test_what_is_entered_is_found_in_this_chat_too(home: Home) -> None:
    history = InputHistory(home.environ, is_kept=False)

    history.append_string("one")

    assert history.get_strings() == ["one"]


def test_only_its_owner_can_read_it(home: Home) -> None:
    mask = os.umask(0)
    try:
        InputHistory(home.environ).store_string("secret")
    finally:
        os.umask(mask)

    modes = [stat.S_IMODE(p.stat().st_mode) for p in (path(home).parent, path(home))]
    assert modes == [0o700, 0o600]


def test_nothing_is_kept_when_that_is_wanted(home: Home) -> None:
    InputHistory(home.environ).store_string("before")

    history = InputHistory(home.environ, is_kept=False)
    history.store_string("secret")

    assert entered(home) == ["before"]


@pytest.mark.parametrize(("length", "count"), [(LONGEST, 1), (LONGEST + 1, 0)])
def test_what_is_too_long_is_not_kept(home: Home, length: int, count: int) -> None:
    InputHistory(home.environ).store_string("x" * length)

    assert len(entered(home)) == count


@pytest.mark.parametrize(("count", "left"), [(2000, 2000), (2001, 1000)])
def test_a_file_with_twice_as_many_lines_is_shortened(
    home: Home, count: int, left: int
) -> None:
    put(home, *(f'"{number}"' for number in range(count)))

    found = entered(home)

    assert found == [str(number) for number in range(count - 1, count - 1 - KEPT, -1)]
    assert lines(home) == left
    assert entered(home) == found


def test_a_file_of_long_lines_is_shortened_to_the_newest(home: Home) -> None:
    texts = [f"{number:03}" + "x" * 60_000 for number in range(200)]
    put(home, *map(json.dumps, texts))

    found = entered(home)

    assert found == texts[: -len(found) - 1 : -1]
    assert MOST_BYTES - 61_000 < path(home).stat().st_size <= MOST_BYTES
    assert entered(home) == found


def test_what_was_shortened_is_private_and_alone(home: Home) -> None:
    put(home, *["1"] * 2001).chmod(0o644)

    entered(home)

    assert stat.S_IMODE(path(home).stat().st_mode) == 0o600
    assert os.listdir(path(home).parent) == ["chat-input"]


def test_lines_of_others_are_left_out(home: Home) -> None:
    put(home, '"one"', "", "x", "[1]", "7", '"torn', '""', '"two"')

    assert entered(home) == ["two", "one"]


def test_what_is_no_file_keeps_nothing(home: Home) -> None:
    path(home).parent.mkdir(parents=True)
    os.mkfifo(path(home))

    InputHistory(home.environ).store_string("Hello")

    assert entered(home) == []


def test_a_place_that_cannot_be_written_keeps_nothing(home: Home) -> None:
    path(home).mkdir(parents=True)

    InputHistory(home.environ).store_string("Hello")

    assert entered(home) == []
