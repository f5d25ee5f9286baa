"""What models and servers say never drives the terminal, in either drawn front."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import pytest

from llmwrap.repl.chat_front import ChatFront
from llmwrap.repl.front import Front
from llmwrap.repl.screen_front import ScreenFront

from .drawing import Stage, Step, alien_in, play, seen, stage
from .fakeserver import HOSTILE_NAMES, TERMINAL_SEQUENCES, FakeServer, json_error
from .runner import Home

pytestmark = pytest.mark.untraced

both = pytest.mark.parametrize("front", [ChatFront, ScreenFront])


class Seen(NamedTuple):
    """What a front wrote for one sequence, until the next was asked for."""

    sequence: str
    written: str

    @property
    def is_harmless(self) -> bool:
        """Tell whether nothing in it drives the terminal."""
        return alien_in(self.written) == "" and "\x1b[8m" not in self.written


def asked_for_each(
    front: type[Front],
    on: Stage,
    prepare: Callable[[str], object],
    *more: Callable[[str, str], Step],
) -> list[Seen]:
    """Ask a question for each sequence, all in one chat; return what was seen.

    `prepare` is called with a sequence before it is asked for; each of `more` makes a
    step of a question and a sequence, for when it was.
    """
    starts: list[int] = []
    steps: list[Step] = []

    def prepared(sequence: str) -> Step:
        def step(text: str) -> bool:
            starts.append(len(on.screen.raw))
            prepare(TERMINAL_SEQUENCES[sequence])
            return True

        return step

    for number, sequence in enumerate(TERMINAL_SEQUENCES):
        question = f"Question {number:02}"
        steps += [prepared(sequence), f"{question}\r"]
        steps += [step(question, TERMINAL_SEQUENCES[sequence]) for step in more]
    play(front, on, *steps)
    written = on.screen.raw
    ends = [*starts[1:], len(written)]
    return [
        Seen(sequence, written[start:end])
        for sequence, start, end in zip(TERMINAL_SEQUENCES, starts, ends, strict=True)
    ]


def is_whole_there(question: str, sequence: str) -> Step:
    """Return a step: behind the question stand all escapes, and figures in the bar."""

    def is_there(text: str) -> bool:
        behind = text.partition(f"> {question}")[2]
        return "TTFT" in text and behind.count("^[") >= sequence.count("\x1b")

    return is_there


def is_answered(question: str, sequence: str) -> Step:
    """Return a step: the bar has the figures of the answer."""
    return seen("TTFT")


def is_refused(question: str, sequence: str) -> Step:
    """Return a step: the question came back into the line, behind an error."""

    def is_there(text: str) -> bool:
        behind = text.partition(f"> {question}")[2]
        return "error:" in behind and f"> {question}" in behind

    return is_there


def clear(question: str, sequence: str) -> Step:
    """Return a step: a conversation begins anew."""
    return "/clear\r"


def is_cleared(question: str, sequence: str) -> Step:
    """Return a step: the bar has no figures any more."""
    return lambda text: "TTFT" not in text


def empty(question: str, sequence: str) -> Step:
    """Return a step: what is in the line is erased."""
    return "\x15"


@both
@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "by character"])
def test_no_answer_drives_the_terminal(
    home: Home,
    server: FakeServer,
    front: type[Front],
    subtests: pytest.Subtests,
    *,
    is_whole: bool,
) -> None:
    def answer(text: str) -> None:
        server.answer = [text] if is_whole else list(text)

    with stage(home, server) as on:
        found = asked_for_each(front, on, answer, is_whole_there, clear, is_cleared)

    for one in found:
        with subtests.test(one.sequence):
            assert one.is_harmless


@both
def test_no_reasoning_drives_the_terminal(
    home: Home, server: FakeServer, front: type[Front], subtests: pytest.Subtests
) -> None:
    def think(text: str) -> None:
        server.thinking = list(text)

    with stage(home, server) as on:
        found = asked_for_each(front, on, think, is_answered, clear, is_cleared)

    for one in found:
        with subtests.test(one.sequence):
            assert one.is_harmless


@both
def test_no_error_drives_the_terminal(
    home: Home, server: FakeServer, front: type[Front], subtests: pytest.Subtests
) -> None:
    def refuse(text: str) -> None:
        server.script("/api/chat", json_error(400, {"error": text}))

    with stage(home, server) as on:
        found = asked_for_each(front, on, refuse, is_refused, empty)

    for one in found:
        with subtests.test(one.sequence):
            assert one.is_harmless


@both
@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: ascii(name)[:12])
def test_no_name_drives_the_terminal(home: Home, front: type[Front], name: str) -> None:
    with (
        FakeServer(models=[name]) as server,
        stage(home, server, size=(140, 24)) as on,
    ):
        on.room.talk.settings = on.room.talk.settings._replace(model=name or None)
        listed = re.compile(r"^model\b|aaaa", re.MULTILINE)
        play(front, on, "/model\r", listed.search)

        assert on.screen.alien == ""
        assert "\x1b[8m" not in on.screen.raw
