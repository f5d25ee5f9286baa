"""The fronts of an answer: what is over is said once."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from llmwrap.cli.fronts import EventsFront, JsonFront, Paper, Presenter, TextFront
from llmwrap.errors import Interrupted
from llmwrap.messages import Chunk, Completion, Timing, Usage

from .runner import MemoryContext, Runner

Make = Callable[[Paper], Presenter]


@pytest.fixture
def context(cli: Runner) -> MemoryContext:
    """Return a context that collects what is written."""
    return cli.context()


def written(
    context: MemoryContext, make: Make, text: str, *, is_whole: bool = True
) -> bytes:
    """Return what a front writes of an answer that a signal strikes or follows."""
    front = make(context.output)
    front.show(Chunk(text=text))
    if is_whole:
        front.finish(Completion(text, "", "alpha", "ollama", "stop", Usage(), Timing()))
    front.fail(Interrupted(signal.SIGTERM), text)
    return bytes(context.stdout.written)


@pytest.mark.parametrize("make", [JsonFront, EventsFront])
def test_a_signal_behind_the_answer_adds_no_second_object(
    context: MemoryContext, make: Make
) -> None:
    *before, last = map(json.loads, written(context, make, "Yes").splitlines())

    assert last["finish_reason"] == "stop"
    assert all(event["type"] == "text" for event in before)


@pytest.mark.parametrize("make", [JsonFront, EventsFront])
def test_a_signal_within_the_answer_is_its_last_object(
    context: MemoryContext, make: Make
) -> None:
    last = json.loads(written(context, make, "Yes", is_whole=False).splitlines()[-1])

    assert "interrupted" in (last.get("kind"), last.get("error", {}).get("kind"))


@pytest.mark.parametrize("is_whole", [True, False], ids=["behind", "within"])
@pytest.mark.parametrize(
    ("text", "shown"), [("Yes", b"Yes\n"), ("Yes\n", b"Yes\n"), ("a\n\n", b"a\n\n")]
)
def test_a_signal_leaves_one_newline_at_the_end(
    context: MemoryContext, text: str, shown: bytes, *, is_whole: bool
) -> None:
    assert written(context, TextFront, text, is_whole=is_whole) == shown


def test_a_signal_before_any_text_adds_no_newline(context: MemoryContext) -> None:
    TextFront(context.output).fail(Interrupted(signal.SIGTERM), "")

    assert context.stdout.written == b""
