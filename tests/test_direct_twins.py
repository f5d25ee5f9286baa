"""Direct mode never gives another answer than the ordinary way.

The same steps are run in two equal homes, in one of them without direct mode: first
everything that may matter by itself, then lives that were made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .direct_steps import (
    CHANGES,
    CONFIG,
    ENVIRON,
    INPUTS,
    NOTES,
    OTHER_CONFIG,
    OTHER_WORDS,
    PLAIN_WORDS,
    PROMPTS,
    SELECTIONS,
    TEXTS,
    WAYS,
    Step,
)
from .twins import Ask, Shop, Twins

_LEAST_SHARE = 0.15
"""The part of the runs that direct mode has to answer, else nothing is compared."""

_LIVES = 4
_QUESTION = Ask(("Why?",))
_OTHER_QUESTION = Ask(("Why not?",))

T = TypeVar("T")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Shop() as running:
        yield running


@pytest.fixture
def twins(shop: Shop, tmp_path: Path) -> Iterator[Twins]:
    """Give twins, and see to it that direct mode answered often enough."""
    born = Twins(tmp_path, shop)
    yield born
    assert born.direct_runs > _LEAST_SHARE * born.runs


def test_no_word_gives_another_answer(twins: Twins) -> None:
    twins.write(OTHER_CONFIG, TEXTS[0])
    for words in (*SELECTIONS, *PLAIN_WORDS, *OTHER_WORDS, *PROMPTS):
        ask = Ask(("-m", "alpha", "Why?", *words))
        for _ in range(2):
            twins.ask(ask)
        if NOTES in words or f"@{NOTES}" in words or OTHER_CONFIG in words:
            twins.write(NOTES, f"note {twins.runs}")
            twins.write(OTHER_CONFIG, TEXTS[1])
            twins.ask(ask)


def test_no_variable_gives_another_answer(twins: Twins) -> None:
    twins.write(OTHER_CONFIG, TEXTS[0])
    for _ in range(3):
        twins.ask(_QUESTION)
    for variable in ENVIRON:
        ask = _QUESTION._replace(environ=(variable,))
        for cwd in (".", ".", "elsewhere"):
            twins.ask(ask._replace(cwd=cwd))


def test_no_stdin_gives_another_answer(twins: Twins) -> None:
    for stdin in (*INPUTS, *INPUTS, b"", b""):
        twins.ask(_QUESTION._replace(stdin=stdin))
        twins.ask(_QUESTION._replace(stdin=stdin))


@pytest.mark.parametrize("way", WAYS)
def test_no_configuration_gives_another_answer(twins: Twins, way: str) -> None:
    for text in TEXTS:
        Step.of(way, CONFIG, text).do(twins)
        for _ in range(2):
            twins.ask(_QUESTION)


def test_no_change_gives_another_answer(shop: Shop, tmp_path: Path) -> None:
    for change in (step for kind in CHANGES[:-1] for step in kind):
        twins = Twins(tmp_path, shop)
        for _ in range(3):
            twins.ask(_QUESTION)
        assert twins.direct_runs

        change.do(twins)

        # A server that is asked something else shows that its models are others.
        for ask in (_OTHER_QUESTION, _QUESTION, _QUESTION):
            twins.ask(ask)


def _seldom(choices: Sequence[T], one_in: int) -> st.SearchStrategy[list[T]]:
    """Return one of the choices, and most often none."""
    nothing: st.SearchStrategy[list[T]] = st.just([])
    one = st.sampled_from(choices).map(lambda found: [found])
    return st.integers(1, one_in).flatmap(lambda n: one if n == one_in else nothing)


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    """Return an invocation, most often one that direct mode may answer."""
    words = [draw(st.sampled_from(SELECTIONS))]
    words += draw(_seldom(PLAIN_WORDS, 2)) + draw(_seldom(OTHER_WORDS, 6))
    prompt = [("Why?",), *draw(_seldom(PROMPTS, 3))][-1]
    return Ask(
        tuple(word for pair in (prompt, *words) for word in pair),
        tuple(draw(_seldom(ENVIRON, 3))),
        b"".join(draw(_seldom(INPUTS, 2))),
        ".",
    )


@st.composite
def variants(draw: st.DrawFn, ask: Ask) -> Ask:
    """Return the same words with something else around them, or others."""
    other = draw(asks())
    return draw(
        st.sampled_from(
            (
                ask._replace(cwd="elsewhere"),
                ask._replace(stdin=other.stdin),
                ask._replace(environ=other.environ),
                ask._replace(environ=(*ask.environ, draw(st.sampled_from(ENVIRON)))),
                other,
            )
        )
    )


@st.composite
def lives(draw: st.DrawFn) -> list[Step]:
    """Return steps: an invocation again and again, changes and others between."""
    ask = draw(asks())
    steps = [Step.of("ask", ask)] * 3
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from((0, 1, 2, 3, 4, 5, 5)))
        if kind < len(CHANGES):
            steps.append(draw(st.sampled_from(CHANGES[kind])))
        else:
            steps += [Step.of("ask", draw(variants(ask)))] * 2
        steps += [Step.of("ask", ask)] * draw(st.integers(1, 3))
    return steps


def test_no_life_gives_another_answer(shop: Shop, tmp_path: Path) -> None:
    runs = direct_runs = 0

    @settings(
        max_examples=_LIVES,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(steps=lives())
    def check(steps: list[Step]) -> None:
        nonlocal runs, direct_runs
        twins = Twins(tmp_path, shop)
        for step in steps:
            step.do(twins)
        runs += twins.runs
        direct_runs += twins.direct_runs

    check()

    assert direct_runs > _LEAST_SHARE * runs, f"{direct_runs} of {runs}"
