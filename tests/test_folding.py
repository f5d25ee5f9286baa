"""Chunks to a completion."""

from __future__ import annotations

import pytest

from llmwrap.engine.folding import Folder
from llmwrap.errors import LimitError
from llmwrap.messages import Chunk, Message, Request, Sampling, Usage
from llmwrap.metrics.timing import Stopwatch


def _request(sampling: Sampling = Sampling(), content: str = "hi") -> Request:
    return Request("m", (Message("user", content),), sampling)


def test_text_reasoning_usage_and_end_come_together() -> None:
    folder = Folder("asked", 100)
    folder.add(Chunk(thinking="hm"))
    folder.add(Chunk("a"))
    folder.add(Chunk("b", model="answered"))
    folder.add(Chunk(deltas=0, finish_reason="stop"))
    folder.add(Chunk(deltas=0, usage=Usage(3, 2)))
    completion = folder.completion("ollama", Stopwatch(0.0), attempts=2)

    assert completion.text == "ab"
    assert completion.thinking == "hm"
    assert completion.model == "answered"
    assert completion.finish_reason == "stop"
    assert completion.usage == Usage(3, 2)
    assert completion.attempts == 2


def test_the_last_finish_reason_counts() -> None:
    folder = Folder("m", 100)
    folder.add(Chunk("a", finish_reason="length"))
    folder.add(Chunk(deltas=0, finish_reason="stop"))

    assert folder.finish_reason == "stop"


@pytest.mark.parametrize("chunk", [Chunk("b"), Chunk(thinking="b")])
def test_what_comes_after_a_finish_reason_voids_it(chunk: Chunk) -> None:
    folder = Folder("m", 100)
    folder.add(Chunk("a", finish_reason="stop"))
    folder.add(chunk)

    assert folder.finish_reason is None
    assert folder.has_erred


def test_a_finish_reason_before_any_text_is_no_end() -> None:
    folder = Folder("m", 100)
    folder.add(Chunk(deltas=0, finish_reason="stop"))
    assert not folder.is_ended

    folder.add(Chunk("a", finish_reason="stop"))
    assert folder.is_ended


@pytest.mark.parametrize(
    ("chunk", "is_proved"),
    [
        (Chunk(deltas=0, finish_reason="stop", usage=Usage(1, 1)), True),
        (Chunk("b", finish_reason="stop", usage=Usage(1, 1)), False),
        (Chunk(deltas=0, finish_reason="stop"), False),
    ],
)
def test_counts_prove_an_end_unless_they_come_with_text(
    chunk: Chunk, *, is_proved: bool
) -> None:
    """Some gateways send marker and counts with every piece of text."""
    folder = Folder("m", 100)
    folder.add(Chunk("a"))
    folder.add(chunk)

    assert folder.is_proved is is_proved


def test_the_answer_limit_counts_bytes_of_text_and_reasoning() -> None:
    folder = Folder("m", 5)
    folder.add(Chunk("é", thinking="é"))

    with pytest.raises(LimitError, match="longer than 5 B"):
        folder.add(Chunk("ab"))
    assert folder.text == "é"


def test_reasoning_alone_is_a_piece_of_the_answer() -> None:
    folder = Folder("m", 100)

    folder.add(Chunk(thinking="x"))

    assert not folder.is_empty
