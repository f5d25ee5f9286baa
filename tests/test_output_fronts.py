"""The fronts of an answer: what is over is said once."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from llmwrap.cli.fronts import EventsFront, Front, JsonFront, TextFront, Write
from llmwrap.errors import Interrupted
from llmwrap.messages import Chunk, Completion, Timing, Usage

Make = Callable[[Write], Front]


def written(make: Make, text: str, *, is_whole: bool = True) -> bytes:
    """Return what a front writes of an answer that a signal strikes or follows."""
    parts: list[bytes] = []
    front = make(parts.append)
    front.show(Chunk(text=text))
    if is_whole:
        front.finish(Completion(text, "", "alpha", "ollama", "stop", Usage(), Timing()))
    front.fail(Interrupted(signal.SIGTERM), text)
    return b"".join(parts)


@pytest.mark.parametrize("make", [JsonFront, EventsFront])
def test_a_signal_behind_the_answer_adds_no_second_object(make: Make) -> None:
    *before, last = map(json.loads, written(make, "Yes").splitlines())

    assert last["finish_reason"] == "stop"
    assert all(event["type"] == "text" for event in before)


@pytest.mark.parametrize("make", [JsonFront, EventsFront])
def test_a_signal_within_the_answer_is_its_last_object(make: Make) -> None:
    last = json.loads(written(make, "Yes", is_whole=False).splitlines()[-1])

    assert "interrupted" in (last.get("kind"), last.get("error", {}).get("kind"))


@pytest.mark.parametrize("is_whole", [True, False], ids=["behind", "within"])
@pytest.mark.parametrize(
    ("text", "shown"), [("Yes", b"Yes\n"), ("Yes\n", b"Yes\n"), ("a\n\n", b"a\n\n")]
)
def test_a_signal_leaves_one_newline_at_the_end(
    text: str, shown: bytes, *, is_whole: bool
) -> None:
    assert written(TextFront, text, is_whole=is_whole) == shown


def test_a_signal_before_any_text_adds_no_newline() -> None:
    parts: list[bytes] = []

    TextFront(parts.append).fail(Interrupted(signal.SIGTERM), "")

    assert parts == []
