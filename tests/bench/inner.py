"""The inner paths, measured by pytest-benchmark: what a run does many times.

    python -m pytest tests/bench/inner.py

Not named as pytest looks for tests: these take their time and hold nothing.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from llmwrap import Config
from llmwrap.cache.fingerprint import Place, asked, key_of
from llmwrap.cli.words import take_apart
from llmwrap.engine.folding import Folder
from llmwrap.journal.records import RecordFormat
from llmwrap.log import SILENT
from llmwrap.messages import Chunk, Message, Request
from llmwrap.metrics.classes import packed
from llmwrap.metrics.histogram import Histogram
from llmwrap.metrics.recorder import Recorder
from llmwrap.metrics.run import Run
from llmwrap.terminal.sanitize import visible
from llmwrap.transport.framing import EventDecoder, LineDecoder, parse_documents

TOKENS = 1000
PIECE_BYTES = 4096
LIMIT_BYTES = 1 << 24
QUESTION = "Why do people like small programs that do one thing well? " * 20
DRAW = random.Random(1)
GAPS_S = [DRAW.lognormvariate(-4, 0.5) for _ in range(TOKENS)]


def pieces(data: bytes) -> list[bytes]:
    starts = range(0, len(data), PIECE_BYTES)
    return [data[start : start + PIECE_BYTES] for start in starts]


def test_ndjson_of_1000_tokens(benchmark: BenchmarkFixture) -> None:
    line = json.dumps({"message": {"content": " small"}, "done": False}).encode()
    read = pieces((line + b"\n") * TOKENS)

    def run() -> int:
        decoder = LineDecoder(LIMIT_BYTES)
        return sum(len(list(parse_documents(decoder.feed(piece)))) for piece in read)

    assert benchmark(run) == TOKENS


def test_sse_of_1000_tokens(benchmark: BenchmarkFixture) -> None:
    delta = json.dumps({"choices": [{"delta": {"content": " small"}}]}).encode()
    read = pieces((b"data: " + delta + b"\n\n") * TOKENS)

    def run() -> int:
        decoder = EventDecoder(LIMIT_BYTES)
        return sum(len(decoder.feed(piece)) for piece in read)

    assert benchmark(run) == TOKENS


def test_folding_1000_chunks(benchmark: BenchmarkFixture) -> None:
    chunks = [Chunk(text=" small")] * TOKENS

    def run() -> str:
        folder = Folder("model", LIMIT_BYTES)
        for chunk in chunks:
            folder.add(chunk)
        return folder.text

    assert len(benchmark(run)) == TOKENS * len(" small")


def test_key_of_a_question_of_1_kb(benchmark: BenchmarkFixture) -> None:
    request = Request("llama3.2", (Message("user", QUESTION),))
    place = Place("ollama", "http://127.0.0.1:11434")

    def key() -> bytes:
        return key_of(asked(request, place), place, b"digest")

    assert len(benchmark(key)) == 32


def test_finding_40_records_among_400_kb(benchmark: BenchmarkFixture) -> None:
    """Many, and always the same: how fast one is found depends on its key."""
    kind = RecordFormat("bench", 32)
    keys = [DRAW.randbytes(32) for _ in range(400)]
    data = b"".join(kind.record(key, bytes(1000)) for key in keys)

    def run() -> int:
        return sum(kind.find(data, key) is not None for key in keys[::10])

    assert benchmark(run) == 40


def test_taking_a_command_line_apart(benchmark: BenchmarkFixture) -> None:
    argv = ["-m", "llama3.2", "-q", "--temperature", "0", "ask", "Why?"]

    assert benchmark(take_apart, argv).command == "ask"


def test_loading_a_configuration(benchmark: BenchmarkFixture) -> None:
    environ = {"HOME": "/", "LLMWRAP_CACHE_TTL": "2h"}

    assert benchmark(Config.load, os.devnull, environ).cache.ttl_s == 7200


def test_making_control_characters_visible_in_1_kb(benchmark: BenchmarkFixture) -> None:
    assert benchmark(visible, QUESTION) == QUESTION


def test_recording_a_run(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    recorder = Recorder({"HOME": str(tmp_path)}, SILENT)
    gaps = tuple(packed(GAPS_S))
    run = Run(time.time(), 0.001, 0.1, 2.0, model="llama3.2", gaps=gaps)

    benchmark(recorder.record, run)


def test_counting_1000_gaps(benchmark: BenchmarkFixture) -> None:
    assert benchmark(packed, GAPS_S)[0] == 0


def test_1000_values_to_a_histogram(benchmark: BenchmarkFixture) -> None:
    def run() -> int:
        histogram = Histogram()
        histogram.add_all(GAPS_S)
        return histogram.count

    assert benchmark(run) == TOKENS


def test_adding_two_histograms(benchmark: BenchmarkFixture) -> None:
    one, other = Histogram(), Histogram()
    other.add_all(GAPS_S)

    benchmark(one.merge, other)
