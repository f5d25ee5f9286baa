"""Tables are aligned and harmless; the progress bar stays small and leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from llmwrap.backends.base import Progress
from llmwrap.cli.tables import (
    Column,
    ProgressBar,
    errors_as_json,
    progress_line,
    table,
    write_rows,
)
from llmwrap.errors import Interrupted, LLMWrapError, RefusedError, UsageError

from .runner import MemoryContext, Runner

COLUMNS = (Column("NAME"), Column("SIZE", is_right=True), Column("STATE"))
MIB = 1 << 20


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_columns_are_aligned_and_numbers_stand_on_the_right() -> None:
    text = table(COLUMNS, [["alpha:latest", "93.8 MiB", "up"], ["b", "1 B", "down"]])

    assert text == (
        "NAME              SIZE  STATE\n"
        "alpha:latest  93.8 MiB  up\n"
        "b                  1 B  down\n"
    )


def test_an_empty_cell_is_a_dash_and_no_line_ends_in_blanks() -> None:
    text = table(COLUMNS, [["", "", ""], ["a-long-name", "12", "x"]])

    assert text.splitlines()[1] == "-               -  -"
    assert all(line == line.rstrip() for line in text.splitlines())


def test_without_rows_there_are_the_titles() -> None:
    assert table(COLUMNS, []) == "NAME  SIZE  STATE\n"


def test_without_titles_there_are_only_the_rows() -> None:
    assert (
        table((Column(""), Column("")), [["a", "b"], ["cc", "d"]]) == "a   b\ncc  d\n"
    )


def test_a_table_without_titles_and_rows_is_empty() -> None:
    assert table((Column(""), Column("")), []) == ""


def test_a_long_cell_is_neither_wrapped_nor_cut() -> None:
    long = "x" * 500

    assert table((Column("A"), Column("B")), [[long, "b"]]).splitlines()[1] == (
        f"{long}  b"
    )


def test_wide_characters_count_twice_and_combining_ones_not_at_all() -> None:
    text = table((Column("A"), Column("B")), [["模型", "x"], ["e\u0301", "y"]])

    assert text == "A     B\n模型  x\ne\u0301     y\n"


@pytest.mark.parametrize("bad", ["a\x1b[2Jb", "a\nb", "a\x9bb", "a\u202eb", "a\tb"])
def test_a_name_can_neither_drive_the_terminal_nor_break_the_line(bad: str) -> None:
    text = table((Column("NAME"),), [[bad]])

    assert len(text.splitlines()) == 2
    assert text.replace("\n", "").isprintable()


def test_rows_are_one_json_object_under_the_name_of_the_group(cli: Runner) -> None:
    context = cli.context()

    write_rows(context, "models", [{"name": "ä"}], more=1)

    line = context.stdout.written
    assert json.loads(line) == {"version": 1, "models": [{"name": "ä"}], "more": 1}
    assert line.count(b"\n") == 1


def test_an_error_is_put_on_stdout_for_who_reads_json(cli: Runner) -> None:
    context = cli.context()

    with pytest.raises(RefusedError), errors_as_json(context, is_wanted=True):
        raise RefusedError("model 'x' not found", hint="run 'llmwrap models'")

    assert json.loads(context.stdout.written) == {
        "version": 1,
        "error": {
            "kind": "refused",
            "message": "model 'x' not found; run 'llmwrap models'",
            "exit_status": 5,
        },
    }


@pytest.mark.parametrize(
    ("error", "is_wanted"), [(UsageError("x"), True), (RefusedError("x"), False)]
)
def test_a_usage_error_and_one_nobody_wants_as_json_are_not(
    error: LLMWrapError, is_wanted: bool, cli: Runner
) -> None:
    context = cli.context()

    with pytest.raises(LLMWrapError), errors_as_json(context, is_wanted=is_wanted):
        raise error

    assert context.stdout.written == b""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def terminal(cli: Runner) -> MemoryContext:
    return cli.context(tty=("stderr",))


@pytest.fixture
def drawn(terminal: MemoryContext) -> Callable[[], list[str]]:
    """Return the lines drawn so far."""

    def lines() -> list[str]:
        return terminal.stderr.written.decode().split("\r\x1b[K")[1:]

    return lines


def test_the_bar_shows_how_far_it_is_and_is_gone_at_the_end(
    terminal: MemoryContext, clock: Clock, drawn: Callable[[], list[str]]
) -> None:
    with ProgressBar(terminal, clock=clock) as bar:
        bar.show(Progress("pulling", 25 * MIB, 100 * MIB))

    assert drawn() == [
        "pulling [#######.......................]  25%  25.0 MiB of 100.0 MiB",
        "",
    ]


def test_the_bar_is_redrawn_a_few_times_a_second_only(
    terminal: MemoryContext, clock: Clock, drawn: Callable[[], list[str]]
) -> None:
    with ProgressBar(terminal, clock=clock) as bar:
        for done in range(1000):
            clock.now_s += 0.001
            bar.show(Progress("pulling", done, 1000))

    assert 10 <= len(drawn()) <= 13


def test_a_new_label_is_shown_at_once(
    terminal: MemoryContext, clock: Clock, drawn: Callable[[], list[str]]
) -> None:
    with ProgressBar(terminal, clock=clock) as bar:
        bar.show(Progress("pulling manifest"))
        bar.show(Progress("verifying"))

    assert drawn() == ["pulling manifest", "verifying", ""]


def test_speed_counts_from_where_the_download_began(
    terminal: MemoryContext, clock: Clock, drawn: Callable[[], list[str]]
) -> None:
    with ProgressBar(terminal, clock=clock) as bar:
        bar.show(Progress("pulling", 50 * MIB, 100 * MIB))
        clock.now_s += 2
        bar.show(Progress("pulling", 60 * MIB, 100 * MIB))

    assert drawn()[1].endswith("60%  60.0 MiB of 100.0 MiB  5.0 MiB/s")


@pytest.mark.parametrize(
    ("tty", "term", "is_quiet"),
    [((), "xterm", False), (("stderr",), "dumb", False), (("stderr",), "xterm", True)],
)
def test_there_is_no_bar_where_nobody_would_see_one(
    tty: tuple[str, ...], term: str, is_quiet: bool, cli: Runner
) -> None:
    context = cli.context(tty=tty, environ={"TERM": term})

    with ProgressBar(context, is_quiet=is_quiet) as bar:
        bar.show(Progress("pulling", 1, 2))

    assert context.stderr.written == b""


def test_the_bar_is_gone_when_a_signal_ends_the_run(
    terminal: MemoryContext, drawn: Callable[[], list[str]]
) -> None:
    bar = ProgressBar(terminal)
    bar.show(Progress("pulling", 1, 2))

    with pytest.raises(Interrupted), bar:
        raise Interrupted(2)

    assert drawn()[-1] == ""


def test_the_line_never_wraps() -> None:
    progress = Progress("pulling 0123456789ab", 5 * MIB, 7 * MIB)

    lengths = [len(progress_line(progress, 1e6, width)) for width in range(120)]

    assert all(length <= width for width, length in enumerate(lengths))


def test_what_the_server_calls_its_step_cannot_drive_the_terminal() -> None:
    assert progress_line(Progress("a\x1b]0;x\x07\nb", 0, None), None, 79).isprintable()


@pytest.mark.parametrize(
    ("done_bytes", "total_bytes", "shown"),
    [(0, 0, "x"), (5, None, "x  5 B"), (9, 4, "100%"), (-1, 4, "0%")],
)
def test_odd_counts_do_no_harm(
    done_bytes: int, total_bytes: int | None, shown: str
) -> None:
    assert shown in progress_line(Progress("x", done_bytes, total_bytes), None, 79)
