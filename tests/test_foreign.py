"""Backends of other packages: whatever they do, the run ends in one line."""

from __future__ import annotations

import inspect
import json
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from llmwrap.backends.base import Backend, BackendSettings
from llmwrap.backends.foreign import ForeignBackend
from llmwrap.errors import ExhaustedError, LLMWrapError, ProtocolError
from llmwrap.messages import Chunk, Message, Request
from llmwrap.streams import StreamPool
from llmwrap.transport.cancel import CancelToken

from .asking import error, lines
from .runner import ROOT, Home, Result, Runner
from .test_plugin import entry_point

_LONG_S = 10.0
_QUESTION = Request("m", (Message("user", "Hi"),))
_SETTINGS = BackendSettings("mine", "odd", "", {})
_MODULE = """
import sys, threading
from llmwrap.backends.base import Backend as Base, Model
from llmwrap.messages import Chunk

class Backend(Base):
    kind = "odd"
    def __init__(self, settings):
        self.name, self.address = settings.name, ""
    def chat(self, request, cancel):
        yield Chunk("one ")
        {chat}
        yield Chunk("two")
        {end}
    def models(self, *, timeout_s):
        {models}
        return [Model("m", is_loaded=True)]
    def close(self):
        {close}
"""
_END = "yield Chunk(deltas=0, finish_reason='stop')"
FAULTS = {
    "sys.exit": "sys.exit(0)",
    "SystemExit with a text": "raise SystemExit('bye')",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "BaseException": "raise BaseException('odd')",
    "a bug": "1 / 0",
    "StopIteration": "raise StopIteration",
    "an error without words": "class E(Exception):\n            __str__ = None\n"
    "        raise E()",
    "an error of no kind": "from llmwrap.errors import LLMWrapError as E\n"
    "        raise E('odd')",
    "text for a chunk": "yield 'text'",
    "nothing for a chunk": "yield None",
    "bytes for text": "yield Chunk(b'bytes')",
    "a number for reasoning": "yield Chunk(thinking=1)",
}


def install(home: Home, tmp_path: Path, **parts: str) -> None:
    """Install and configure a backend beside Ollama's."""
    said = {"chat": "pass", "end": _END, "models": "pass", "close": "pass", **parts}
    entry_point(tmp_path, "odd", _MODULE.format(**said))
    home.configure('[backends.mine]\nbackend_type = "odd"\n')
    home.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(tmp_path)])


def run(cli: Runner, *argv: str) -> Result:
    path = cli.home.environ["PYTHONPATH"]
    return cli.spawn(*argv, environ={"PYTHONPATH": path})


def foreign(chat: Callable[[], Iterator[object]]) -> ForeignBackend:
    class Odd(Backend):
        name, kind, address = "mine", "odd", ""

        def chat(self, request: Request, cancel: CancelToken) -> Iterator[Chunk]:
            return chat()  # type: ignore[return-value]  # that is what is tested

    return ForeignBackend(Odd, _SETTINGS, "odd-package")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_whatever_an_answer_does_is_a_protocol_error_that_names_the_package(
    cli: Runner, home: Home, tmp_path: Path, fault: str
) -> None:
    install(home, tmp_path, chat=fault)

    result = run(cli, "-m", "m", "Hello")

    assert (result.status, result.text) == (7, "one \n")
    assert "package 'odd'" in error(result)
    assert error(result).startswith("mine ")
    assert result.stderr.count("\n") == 1


def test_an_answer_without_an_end_names_the_package(
    cli: Runner, home: Home, tmp_path: Path
) -> None:
    install(home, tmp_path, end="pass")

    result = run(cli, "-m", "m", "Hello")

    assert (result.status, result.text) == (8, "one two\n")
    assert "package 'odd'" in error(result)


@pytest.mark.parametrize("fault", ["sys.exit(0)", "1 / 0", "return 5", "return ['m']"])
def test_one_whose_models_fail_hurts_nobody_else(
    cli: Runner, home: Home, tmp_path: Path, fault: str
) -> None:
    install(home, tmp_path, models=fault)

    models = run(cli, "models", "--json")
    backends = run(cli, "backends", "--json")
    doctor = run(cli, "doctor", "-m", "m")

    assert any("package 'odd'" in line for line in models.stderr.splitlines())
    assert "internal" not in models.stderr + backends.stderr + doctor.stderr
    rows = {row["name"]: row for row in json.loads(backends.stdout)["backends"]}
    assert not rows["mine"]["reachable"]
    assert "ollama" in rows
    assert (backends.status, doctor.status) == (0, 7)
    assert "Traceback" not in models.stderr + backends.stderr + doctor.stderr


def test_one_that_fails_to_close_has_answered(
    cli: Runner, home: Home, tmp_path: Path
) -> None:
    install(home, tmp_path, close="sys.exit(5)")

    result = run(cli, "-m", "m", "Hello")

    assert (result.status, result.text, result.stderr) == (0, "one two\n", "")


@pytest.mark.parametrize("module", ["import sys; sys.exit(0)", "raise BaseException"])
def test_one_that_leaves_while_it_is_loaded_is_status_3(
    cli: Runner, home: Home, tmp_path: Path, module: str
) -> None:
    entry_point(tmp_path, "odd", module)
    home.configure('[backends.mine]\nbackend_type = "odd"\n')
    home.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(tmp_path)])

    result = run(cli, "-m", "m", "Hello")

    assert result.status == 3
    assert "package 'odd'" in error(result)


def test_what_it_prints_is_no_part_of_the_answer(
    cli: Runner, home: Home, tmp_path: Path
) -> None:
    install(home, tmp_path, chat="print('LOADING', flush=True)")

    result = run(cli, "-m", "m", "Hello")
    loud = run(cli, "--no-cache", "-vv", "-m", "m", "Hello")

    assert (result.text, result.stderr) == ("one two\n", "")
    assert "printed: LOADING" in lines(loud, "debug")


def test_it_is_asked_for_all_that_a_backend_can() -> None:
    """A default of `Backend` would speak in the place of the package's own."""
    public = {
        name
        for name, value in inspect.getmembers(Backend, inspect.isfunction)
        if not name.startswith("_")
    }

    assert public <= set(vars(ForeignBackend))


def test_memory_that_runs_out_is_an_error_of_its_own() -> None:
    def chat() -> Iterator[object]:
        raise MemoryError
        yield

    with pytest.raises(ExhaustedError, match="out of memory"):
        list(foreign(chat).chat(_QUESTION, CancelToken()))


def test_no_worker_is_lost_to_one_that_leaves() -> None:
    def chat() -> Iterator[object]:
        raise SystemExit
        yield

    pool = StreamPool(max_streams=1, buffer_size=8)
    for _ in range(3):
        token = CancelToken()
        backend = foreign(chat)
        stream = pool.start(partial(backend.chat, _QUESTION, token), token)
        with pytest.raises(ProtocolError, match="SystemExit"):
            stream.next_chunk(_LONG_S)
    pool.close()


def test_no_worker_is_lost_to_one_that_hangs() -> None:
    """It listens to nothing; once it is left, another worker has its place."""
    release, token = threading.Event(), CancelToken()

    def chat() -> Iterator[object]:
        release.wait()
        yield Chunk("late")

    pool = StreamPool(max_streams=1, buffer_size=8)
    hanging = pool.start(lambda: foreign(chat).chat(_QUESTION, token), token)
    after = pool.start(lambda: iter([Chunk("after")]), CancelToken())
    with pytest.raises(TimeoutError):
        hanging.next_chunk(0.01)

    hanging.cancel()

    assert after.next_chunk(_LONG_S).text == "after"
    release.set()
    pool.close()


def test_errors_of_ours_pass_as_they_are() -> None:
    def chat() -> Iterator[object]:
        raise ExhaustedError("the graphics card is full", hint="wait")
        yield

    with pytest.raises(LLMWrapError, match="the graphics card is full; wait"):
        list(foreign(chat).chat(_QUESTION, CancelToken()))
