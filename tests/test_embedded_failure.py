"""Why an embedded server did not start, read from what llama.cpp left behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from llmwrap.backends.embedded.failure import start_failure
from llmwrap.backends.embedded.state import ModelFile, ServerFiles

MODEL = ModelFile("/models/m.gguf", 1, 1, 1)
LOADING = "0.00.004.047 I srv    load_model: loading model '/models/m.gguf'\n"


def reason(directory: Path, log: str | None, wait_status: int | None = None) -> str:
    """Return what is said of a log and a process's end."""
    place = ServerFiles("", "", str(directory / "log"), "")
    if log is not None:
        (directory / "log").write_text(log)
    message = start_failure(MODEL, place, wait_status).message
    return message.removeprefix("the embedded server cannot load 'm.gguf': ")


CUT_FILE = """\
0.00.023.637 E llama_model_load: error loading model: tensor 'x' is not in the file
0.00.023.736 E llama_model_load_from_file_impl: failed to load model
0.00.045.665 E cmn  common_init_: failed to load model '/models/m.gguf'
"""
BAD_HEADER = """\
0.00.005.461 E gguf_init_from_reader: failed to read key-value pairs
0.00.005.599 E llama_model_load: error loading model: no loader
"""
NO_THREADS = "\nlibgomp: Thread creation failed\n"
TRACEBACK = "Traceback (most recent call last):\n  x\nKeyError: 'x'\n"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (LOADING + CUT_FILE, "tensor 'x' is not in the file"),
        (LOADING + BAD_HEADER, "failed to read key-value pairs"),
        (LOADING + NO_THREADS, "libgomp: Thread creation failed"),
        (TRACEBACK, "KeyError: 'x'"),
        ("", "it ended without a word"),
        (None, "it ended without a word"),
        ("\x1b[31mred\x07\n", "[31mred"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_the_most_exact_line_of_the_log_is_told(
    tmp_path: Path, log: str | None, expected: str
) -> None:
    assert reason(tmp_path, log) == expected


def test_a_signal_is_told_beside_the_log(tmp_path: Path) -> None:
    told = reason(tmp_path, "what():  std::bad_alloc\n", signal.SIGABRT)

    assert told == "what():  std::bad_alloc, ended by a signal: Aborted"


def test_a_kill_is_explained(tmp_path: Path) -> None:
    told = reason(tmp_path, "", signal.SIGKILL)

    assert told.startswith("ended by a signal: Killed, which is how a kernel short of")


def test_an_exit_status_is_no_signal(tmp_path: Path) -> None:
    assert reason(tmp_path, "the end\n", 1 << 8) == "the end"
