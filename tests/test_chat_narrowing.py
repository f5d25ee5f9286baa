"""An answer streams while the window of the line front becomes narrower."""

from __future__ import annotations

import math
import os
import random
import re
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from llmwrap.repl.chat_front import ChatFront

from .drawing import Stage, Step, play, stage
from .fakeserver import FakeServer, OllamaSpeech, WaitFor, spoken
from .runner import Home

ROUNDS = int(os.environ.get("LLMWRAP_TEST_ROUNDS", "1"))

UNITS = 120
UNCACHED = "[cache]\nenabled = false\n"
_UNIT = re.compile(r"u(\d{4})u")


class Found(NamedTuple):
    """How many units of an answer are missing, and how many rows are there again."""

    lost: int
    doubled: int


def found(text: str) -> Found:
    """Count in all rows of a screen."""
    seen: set[str] = set()
    doubled = 0
    for row in text.splitlines():
        names = set(_UNIT.findall(row))
        doubled += bool(names & seen)
        seen |= names
    # A row that was wrapped again may end within a unit.
    return Found(UNITS - len(set(_UNIT.findall(text.replace("\n", "")))), doubled)


def name_of(number: int) -> str:
    return f"u{number:04}u"


def is_there(number: int) -> Step:
    """Return a step that waits for a unit, wherever it is wrapped."""
    return lambda shown: name_of(number) in shown.replace("\n", "")


def pieces(kind: str) -> Iterator[str]:
    """Yield an answer of numbered units: words, lines of code, rows of a table."""
    head = "| unit | what it is | why it is so |\n|---|---|---|\n"
    yield {"code": "```python\n", "table": head, "prose": ""}[kind]
    for number in range(UNITS):
        name = name_of(number)
        if kind == "prose":
            yield f"{name} words" + ("\n\n" if number % 90 == 89 else " ")
        elif kind == "code":
            yield f"{name} = call({'x' * (number % 40)}) # why\n"
        else:
            yield f"| {name} | {'some words ' * (1 + number % 3)}"
            yield f"| {'and why ' * (1 + number % 4)}|\n"


@pytest.mark.parametrize("kind", ["prose", "code", "table"])
@pytest.mark.parametrize("sizes", [(80, 60), (200, 80), (100, 40)], ids=str)
def test_no_row_is_lost_or_doubled(
    home: Home, server: FakeServer, sizes: tuple[int, int], kind: str
) -> None:
    (wide, narrow), speech = sizes, OllamaSpeech()
    answer = list(pieces(kind))
    steps = list(spoken(speech, answer))
    chosen = random.Random(f"{sizes}{kind}")
    results = []
    for _ in range(ROUNDS):
        gate, at = threading.Event(), chosen.randrange(5, UNITS - 20)
        until = next(n for n, one in enumerate(answer) if name_of(at + 2) in one)
        server.script("/api/chat", *steps[:until], WaitFor(gate), *steps[until:])
        with stage(home, server, size=(wide, 24), toml=UNCACHED) as on:

            def narrows(
                shown: str, on: Stage = on, gate: threading.Event = gate
            ) -> bool:
                on.screen.narrow(narrow)
                gate.set()
                return True

            play(ChatFront, on, "go\r", is_there(at), narrows, is_there(UNITS - 1))
            results.append(found(on.screen.text()))

    assert sum(one.lost for one in results) == 0
    # A line that went out in the moment of the change may be there again, and is as
    # many rows now.
    assert sum(one.doubled for one in results) <= math.ceil(wide / narrow)
