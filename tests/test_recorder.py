"""The journal of runs: small, shared by all processes, and never in the way."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from llmwrap.files import LockedFile
from llmwrap.journal.packing import pack
from llmwrap.log import LEVELS, SILENT, Log, Sink
from llmwrap.metrics.layout import LARGEST_BYTES, OLDEST_S, runs_path
from llmwrap.metrics.recorder import Recorder
from llmwrap.metrics.rollup import roll_up, rolled_up
from llmwrap.metrics.run import Run, moved_run, pack_run, unpack_record
from llmwrap.metrics.tally import read_tally

from .recorded import ALL, DAY_S, HOUR_S, NOW, journal, runs


def test_a_record_is_small_and_holds_what_was_measured() -> None:
    run = Run(NOW, 0.1, 0.2, 0.3, template="summary", rendering_s=0.004, gaps=(1, 9))

    packed = pack_run(run)

    assert len(packed) < 120
    assert unpack_record(packed) == [1, *run[:-4], [1, 9], "", 0, ""]


def test_a_name_without_end_does_not_make_a_record_without_end() -> None:
    assert len(pack_run(Run(NOW, model="m" * 1_000_000))) < 400


def test_durations_can_be_put_into_a_packed_run() -> None:
    """Direct mode does so."""
    run = Run(1.0, 2.0, 3.0, 4.0, queued_s=0.0, outcome="hit", model="alpha")
    before, after = moved_run(pack_run(run._replace(started_at=9.0, e2e_s=9.0)))

    floats = pack([1.0, 2.0, 3.0, 4.0])[1:]

    assert before + floats + after == pack_run(run)


@pytest.mark.slow
def test_the_journal_of_a_recorder_does_not_outgrow_its_bound(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    recorder = Recorder(environ, SILENT)
    recorder.record(Run(time.time(), model="first"))
    path = Path(runs_path(environ))
    payload = runs(at=time.time(), model="x" * 100)[0]
    many = LARGEST_BYTES // len(journal([payload])) + 1
    path.write_bytes(path.read_bytes() + journal([payload] * many))

    recorder.record(Run(time.time(), model="last"))

    assert path.stat().st_size < LARGEST_BYTES // 2
    found = read_tally(environ)
    assert found.total().runs == many + 2
    models = {labels.model for labels in found.series}
    assert models == {"first", "x" * 100, "last"}


@pytest.mark.parametrize("is_rolled_up", [False, True])
def test_a_small_journal_loses_what_is_too_old(
    tmp_path: Path, *, is_rolled_up: bool
) -> None:
    environ = {"HOME": str(tmp_path)}
    then = time.time() - OLDEST_S - 31 * DAY_S
    old = [*runs(at=then, model="old"), *runs(at=time.time() - HOUR_S)]
    if is_rolled_up:
        old = rolled_up(journal(old), then, ALL)
    path = Path(runs_path(environ))
    path.parent.mkdir(mode=0o700, parents=True)
    path.write_bytes(journal(old))

    Recorder(environ, SILENT).record(Run(time.time(), model="new"))

    content = path.read_bytes()
    assert b"old" not in content
    assert b"alpha" in content
    assert b"new" in content


def test_one_that_is_only_just_too_old_is_not_worth_a_rewrite(tmp_path: Path) -> None:
    """Else each run would write everything anew, for one record."""
    environ = {"HOME": str(tmp_path)}
    path = Path(runs_path(environ))
    path.parent.mkdir(mode=0o700, parents=True)
    path.write_bytes(journal(runs(at=time.time() - OLDEST_S - DAY_S)))
    inode = path.stat().st_ino

    Recorder(environ, SILENT).record(Run(time.time()))

    assert path.stat().st_ino == inode


def large_journal(environ: dict[str, str]) -> int:
    """Make a journal that is too long; return how many runs it has."""
    path = Path(runs_path(environ))
    path.parent.mkdir(mode=0o700, parents=True)
    path.write_bytes(journal(runs(LARGEST_BYTES // 100, at=time.time())))
    return LARGEST_BYTES // 100


@pytest.mark.slow
def test_runs_that_are_recorded_meanwhile_are_kept(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    many = large_journal(environ)
    rolling = threading.Thread(target=roll_up, args=(runs_path(environ), time.time()))

    rolling.start()
    recorder, recorded = Recorder(environ, SILENT), 0
    while rolling.is_alive():
        recorder.record(Run(time.time()))
        recorded += 1
    rolling.join()

    assert read_tally(environ).total().runs == many + recorded
    assert Path(runs_path(environ)).stat().st_size < LARGEST_BYTES


def test_only_one_process_rolls_up(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    large_journal(environ)
    path = runs_path(environ)
    size = Path(path).stat().st_size

    with LockedFile(f"{path}.lock", is_synced=False):
        roll_up(path, time.time())

    assert Path(path).stat().st_size == size


def test_a_journal_that_is_busy_for_once_is_written_the_next_time(
    tmp_path: Path,
) -> None:
    environ = {"HOME": str(tmp_path)}
    recorder = Recorder(environ, SILENT)
    recorder.record(Run(time.time()))

    with LockedFile(runs_path(environ), is_synced=False):
        recorder.record(Run(time.time()))
    recorder.record(Run(time.time()))

    assert read_tally(environ).total().runs == 2


def test_a_journal_that_could_not_be_written_is_tried_again(tmp_path: Path) -> None:
    """A full disk has room again, and a process may live for weeks."""
    environ = {"HOME": str(tmp_path)}
    said: list[str] = []
    sink = Sink(LEVELS["info"], lambda record: said.append(record.message))
    recorder = Recorder(environ, Log(sink))
    path = Path(runs_path(environ))
    path.mkdir(parents=True)
    for _ in range(2):
        recorder.record(Run(time.time(), outcome="hit"))

    path.rmdir()
    recorder.record(Run(time.time(), outcome="hit"))

    assert read_tally(environ).count("hit") == 1
    assert len(said) == 1


def test_runs_that_are_gathered_are_written_at_the_end(tmp_path: Path) -> None:
    """A batch makes hundreds a second, and each writing costs as much as an answer."""
    environ = {"HOME": str(tmp_path)}
    recorder = Recorder(environ, SILENT, is_gathering=True)
    for _ in range(3):
        recorder.record(Run(time.time()))

    recorder.close()
    recorder.record(Run(time.time()))

    assert read_tally(environ).total().runs == 4


def test_what_is_gathered_is_written_once_by_a_process_that_forks(
    tmp_path: Path,
) -> None:
    environ = {"HOME": str(tmp_path)}
    recorder = Recorder(environ, SILENT, is_gathering=True)
    for _ in range(3):
        recorder.record(Run(time.time()))

    recorder.start_anew()
    recorder.close()

    assert read_tally(environ).total().runs == 1
