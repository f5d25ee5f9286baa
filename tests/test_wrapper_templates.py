"""The library: templates saved, rendered and asked with from Python."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmwrap import LLMWrapper, Sampling, Template, Variable
from llmwrap.errors import ConfigError, UsageError
from llmwrap.messages import Json

from .asking import body, chats, prompt, wrapped
from .fakeserver import FakeServer
from .runner import Home

JPEG = b"\xff\xd8\xff\xe0 image"


@pytest.fixture
def wrapper(home: Home, server: FakeServer) -> Iterator[LLMWrapper]:
    """Give a wrapper that asks the server."""
    with wrapped(home, server) as wrapper:
        yield wrapper


def test_a_built_in_template_is_asked_with(
    wrapper: LLMWrapper, server: FakeServer
) -> None:
    with wrapper.chat_with_template("greeting", {"name": "Al"}, "beta:7b") as answer:
        chunks = list(answer)

    assert "".join(chunk.content for chunk in chunks) == "Hello from the fake server."
    assert chunks[-1].is_complete
    assert (prompt(server), body(server)["model"]) == ("Hello Al!", "beta:7b")


def test_the_answer_is_the_text_as_well(wrapper: LLMWrapper) -> None:
    answer = wrapper.chat_with_template("greeting", {"name": "Al"})

    assert str(answer) == "Hello from the fake server."


def test_the_input_is_a_variable_here(wrapper: LLMWrapper, server: FakeServer) -> None:
    str(wrapper.chat_with_template("proofread", {"input": "teh {{x}}"}))

    assert "<text>\nteh {{x}}\n</text>" in prompt(server)


def test_a_system_prompt_goes_with_it(wrapper: LLMWrapper, server: FakeServer) -> None:
    str(wrapper.chat_with_template("greeting", {"name": "Al"}, system="Be kind"))

    assert body(server)["messages"][0] == {"role": "system", "content": "Be kind"}


def test_it_takes_whatever_chat_takes(wrapper: LLMWrapper, server: FakeServer) -> None:
    server.thinking = ["hm"]

    answer = wrapper.chat_with_template(
        "greeting",
        {"name": "Al"},
        images=[JPEG],
        think="high",
        options={"num_ctx": 8192},
        sampling=Sampling(seed=7),
    )

    assert str(answer)
    asked = body(server)
    assert asked["messages"][-1]["images"] == [base64.b64encode(JPEG).decode()]
    assert asked["think"] == "high"
    assert asked["options"] == {"seed": 7, "num_ctx": 8192}


def test_no_way_of_asking_lacks_what_chat_has() -> None:
    def names(call: Callable[..., object]) -> set[str]:
        return set(inspect.signature(call).parameters)

    assert names(LLMWrapper.chat) == names(LLMWrapper.chat_stream)
    assert names(LLMWrapper.chat) - names(LLMWrapper.chat_with_template) == {"prompt"}
    assert names(LLMWrapper.chat) - names(LLMWrapper.batch) == {"prompt", "images"}


@pytest.mark.parametrize(
    ("name", "variables", "asked"),
    [
        ("proofread", {}, "<text>\nteh\n</text>"),
        ("greeting", {"name": "Al"}, "Hello Al!\n\nteh"),
    ],
)
def test_its_input_is_what_a_pipe_brings(
    wrapper: LLMWrapper,
    server: FakeServer,
    name: str,
    variables: dict[str, Json],
    asked: str,
) -> None:
    str(wrapper.chat_with_template(name, variables, input="teh"))

    assert asked in prompt(server)


def test_a_template_and_a_schema_give_a_value(
    wrapper: LLMWrapper, server: FakeServer
) -> None:
    server.answer = ['{"age": 3}']

    answer = wrapper.chat_with_template("greeting", {"name": "Al"}, schema="age int")

    assert answer.value == {"age": 3}


def test_a_saved_template_is_there_at_once_and_for_others(
    wrapper: LLMWrapper, home: Home, server: FakeServer
) -> None:
    wrapper.save_template(Template("mine", "Hi {{name}}"))
    wrapper.save_template(
        Template("mine", "Ho {{name}}", variables=[Variable("name", "string")])
    )

    assert wrapper.render_template("mine", {"name": "Al"}) == "Ho Al"
    with wrapped(home, server) as other:
        assert other.render_template("mine", {"name": "Al"}) == "Ho Al"
    path = home.path / "config" / "llmwrap" / "templates" / "mine.mustache"
    assert path.exists()


@pytest.mark.parametrize(
    ("name", "variables", "kind", "problem"),
    [
        ("none", {}, ConfigError, "there is no template 'none'"),
        ("greeting", {}, ConfigError, "missing variable 'name'"),
        ("greeting", {"name": "x", "y": 1}, ConfigError, "knows no variable 'y'"),
        ("greeting", {"name": 3}, ConfigError, "variable 'name' is 3, a string"),
        (
            "greeting",
            {"name": object()},
            UsageError,
            "variable 'name' holds a value of",
        ),
        ("proofread", {}, ConfigError, "template 'proofread' wants an input"),
    ],
)
def test_what_cannot_be_rendered_is_an_error_and_nobody_asked(
    wrapper: LLMWrapper,
    server: FakeServer,
    name: str,
    variables: dict[str, Any],
    kind: type[Exception],
    problem: str,
) -> None:
    with pytest.raises(kind, match=problem):
        wrapper.chat_with_template(name, variables)

    assert chats(server) == []


def test_lax_takes_what_there_is(wrapper: LLMWrapper) -> None:
    assert wrapper.render_template("greeting", {"x": 1}, is_lax=True) == "Hello !\n\n"


def test_a_template_that_is_not_valid_is_not_saved(wrapper: LLMWrapper) -> None:
    with pytest.raises(ConfigError, match="section 'a' is never closed"):
        wrapper.save_template(Template("mine", "{{#a}}"))

    assert "mine" not in wrapper.templates.names()
