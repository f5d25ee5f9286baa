"""The fixtures every test may use: a home, a command line, a server."""

from __future__ import annotations

import compileall
import gc
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

from .fakeserver import FakeServer
from .fakeserver.ports import RefusedPort
from .runner import ROOT, Home, Runner
from .scheduling import QUICK, SLOW, Scheduling, sample, slow_first
from .shims import Shims, shims

if TYPE_CHECKING:
    from xdist.remote import Producer

_MEMORY = "/dev/shm"
_ROOM_BYTES = 2 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Compile llmwrap: thousands of programs are started, some of which may not.

    A hundred thousand files and directories are made and removed again; in memory that
    takes half as long, and no fsync waits for a disk. pytest looks into the variable.
    """
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(ROOT / "llmwrap", quiet=1)
        if _has_room(_MEMORY):
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _MEMORY)


def _has_room(directory: str) -> bool:
    """Tell whether files of all tests may be there, and programs be run."""
    if not os.access(directory, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(directory)
    may_run = not found.f_flag & os.ST_NOEXEC
    return may_run and found.f_bavail * found.f_frsize >= _ROOM_BYTES


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while ten thousand tests are made: there is none.

    Nor later among the tests and modules, each time that something else has grown.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what `make quick` has no time for, before it is even read."""
    is_quick = config.option.markexpr == QUICK
    return True if is_quick and collection_path.stem in SLOW else None


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Begin with what takes long; `make quick` runs a part of many that are alike."""
    items.sort(key=lambda item: slow_first(item.nodeid))
    if config.option.markexpr == QUICK:
        kept = sample([item.nodeid for item in items])
        config.hook.pytest_deselected(
            items=[item for item in items if item.nodeid not in kept]
        )
        items[:] = [item for item in items if item.nodeid in kept]


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> object:
    """Report a test once, not at six times, to the process that hands tests out.

    What takes no time to set up and take down waits longer for that than it runs.
    """
    if not hasattr(item.config, "workerinput"):
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Trace nothing of a test that does thousands of times what others do too.

    Not pytest-cov's mark no_cover: in the processes of pytest-xdist it has measured
    since before the session, and stopping one measurement resumes that other one.
    """
    if not item.get_closest_marker("untraced"):
        return (yield)
    tracers = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracers[0])
        threading.settrace(tracers[1])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Say which tests must not run side by side."""
    return Scheduling(config, log)


# An example may take as long as it likes: on a busy machine some do.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# A suite that was started by nohup or in the background has these ignored, and so would
# every program that it starts: they would not end by them, as they should not.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Give an empty home directory, where nothing answers as Ollama."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    with RefusedPort() as port:
        yield Home(path, port.url)


@pytest.fixture
def cli(home: Home) -> Runner:
    """Give what runs command lines in the home."""
    return Runner(home)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Give a server with the models alpha:latest and beta:7b that speaks all APIs."""
    with FakeServer() as running:
        yield running


@pytest.fixture
def programs() -> Iterator[Shims]:
    """Give what makes programs for a real shell that are forked, not started."""
    with shims() as one:
        yield one
