"""Chunks to a completion."""

from __future__ import annotations

import pytest

from llmwrap.engine.folding import Folder, cut_error, has_own_limit, suspected_cut
from llmwrap.errors import LimitError
from llmwrap.messages import Chunk, Image, Json, Message, Request, Sampling, Usage
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


def test_the_first_finish_reason_counts() -> None:
    folder = Folder("m", 100)
    folder.add(Chunk(deltas=0, finish_reason="length"))
    folder.add(Chunk(deltas=0, finish_reason="stop"))

    assert folder.finish_reason == "length"


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


@pytest.mark.parametrize(
    ("sampling", "is_limited"),
    [
        (Sampling(), False),
        (Sampling(max_tokens=5), True),
        (Sampling(options={"num_predict": 5}), True),
        (Sampling(options={"num_predict": -1}), False),
        (Sampling(options={"max_completion_tokens": 5}), True),
        (Sampling(options={"num_ctx": 5}), False),
    ],
)
def test_a_limit_counts_as_the_users_own_when_it_bounds(
    sampling: Sampling, is_limited: bool
) -> None:
    assert has_own_limit(_request(sampling)) is is_limited


@pytest.mark.parametrize(
    ("prompt_tokens", "is_suspected"),
    [(None, False), (0, False), (10, True), (624, True), (625, False), (2500, False)],
)
def test_fewer_tokens_than_any_text_has_is_suspected(
    prompt_tokens: int | None, is_suspected: bool
) -> None:
    warning = suspected_cut(_request(content="x" * 10_000), Usage(prompt_tokens, 1))

    assert (warning is not None) is is_suspected


def test_images_make_the_comparison_meaningless() -> None:
    message = Message("user", "x" * 10_000, (Image(b"", "image/png"),))

    assert suspected_cut(Request("m", (message,)), Usage(10, 1)) is None


def test_the_error_of_a_cut_answer_names_the_way_out() -> None:
    completion = Folder("m", 9).completion("ollama", Stopwatch(0.0), 1)

    assert "--max-tokens" in str(cut_error(completion))


def test_options_are_typed_as_json() -> None:
    options: dict[str, Json] = {"num_predict": "many"}

    assert not has_own_limit(_request(Sampling(options=options)))
