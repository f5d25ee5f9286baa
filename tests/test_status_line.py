"""The progress bar stays small and leaves nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llmwrap.backends.base import Progress
from llmwrap.cli.status_line import ProgressBar, progress_line
from llmwrap.cli.tables import cells
from llmwrap.errors import Interrupted

from .runner import MemoryContext, Runner

MIB = 1 << 20


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


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
    with ProgressBar(terminal.output, clock=clock) as bar:
        bar.show(Progress("pulling", 25 * MIB, 100 * MIB))

    assert drawn() == [
        "pulling [#######.......................]  25%  25.0 MiB of 100.0 MiB",
        "",
    ]


def test_the_bar_is_redrawn_a_few_times_a_second_only(
    terminal: MemoryContext, clock: Clock, drawn: Callable[[], list[str]]
) -> None:
    with ProgressBar(terminal.output, clock=clock) as bar:
        for done in range(1000):
            clock.now_s += 0.001
            bar.show(Progress("pulling", done, 1000))

    assert 10 <= len(drawn()) <= 13


def test_a_new_label_is_shown_at_once(
    terminal: MemoryContext, clock: Clock, drawn: Callable[[], list[str]]
) -> None:
    with ProgressBar(terminal.output, clock=clock) as bar:
        bar.show(Progress("pulling manifest"))
        bar.show(Progress("verifying"))

    assert drawn() == ["pulling manifest", "verifying", ""]


def test_speed_counts_from_where_the_download_began(
    terminal: MemoryContext, clock: Clock, drawn: Callable[[], list[str]]
) -> None:
    with ProgressBar(terminal.output, clock=clock) as bar:
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

    context.output.is_quiet = is_quiet

    with ProgressBar(context.output) as bar:
        bar.show(Progress("pulling", 1, 2))

    assert context.stderr.written == b""


def test_the_bar_is_gone_when_a_signal_ends_the_run(
    terminal: MemoryContext, drawn: Callable[[], list[str]]
) -> None:
    bar = ProgressBar(terminal.output)
    bar.show(Progress("pulling", 1, 2))

    with pytest.raises(Interrupted), bar:
        raise Interrupted(2)

    assert drawn()[-1] == ""


@pytest.mark.parametrize("label", ["pulling 0123456789ab", "下载模型下载模型"])
def test_the_line_never_wraps(label: str) -> None:
    progress = Progress(label, 5 * MIB, 7 * MIB)

    lines = [progress_line(progress, 1e6, width) for width in range(120)]

    assert all(cells(line) <= width for width, line in enumerate(lines))


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
