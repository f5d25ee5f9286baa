"""LLMWrapper.batch: many prompts in, results out, flat in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llmwrap import Config, LLMWrapper, Message
from llmwrap.errors import UnreachableError

from .fakeserver import FakeServer
from .runner import Home


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        server.answer = ("yes",)
        yield server


def wrapper(home: Home, url: str) -> LLMWrapper:
    environ = {**home.environ, "OLLAMA_HOST": url}
    return LLMWrapper(Config.load(environ=environ), environ=environ)


def test_each_prompt_has_its_result(home: Home, server: FakeServer) -> None:
    prompts: list[str | list[Message]] = ["one", [Message("user", "two")], ""]
    with wrapper(home, server.url) as asking:
        results = {r.task.id: r for r in asking.batch(prompts, "alpha")}

    assert [results[str(n)].error is None for n in (1, 2, 3)] == [True, True, False]
    assert results["2"].completion is not None
    assert results["2"].completion.text == "yes"


def test_prompts_are_taken_as_they_are_needed(home: Home, server: FakeServer) -> None:
    taken = 0

    def prompts() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"number {taken}"

    with wrapper(home, server.url) as asking:
        batch = asking.batch(prompts(), "alpha", concurrency=2, in_order=True)
        found = [next(batch).task.id for _ in range(5)]
        batch.close()  # type: ignore[attr-defined]  # it is a generator

    assert found == ["1", "2", "3", "4", "5"]
    assert taken <= 5 + 4 * 2


def test_a_server_that_is_gone_is_raised(home: Home, server: FakeServer) -> None:
    with (
        wrapper(home, server.refused_url()) as asking,
        pytest.raises(UnreachableError),
    ):
        list(asking.batch([str(n) for n in range(9)], "alpha"))
