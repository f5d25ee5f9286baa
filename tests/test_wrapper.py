"""The library: asking from Python, streamed or whole."""

from __future__ import annotations

import base64
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmwrap import (
    Answer,
    Chunk,
    Completion,
    Config,
    Image,
    LLMWrapError,
    LLMWrapper,
    Message,
    Sampling,
    Usage,
)
from llmwrap.errors import (
    BackendFailedError,
    ConfigError,
    DeadlineError,
    IncompleteError,
    LimitError,
    RefusedError,
    UnreachableError,
    UsageError,
)

from .asking import DIALECTS, OLLAMA, Dialect, body, chats, wrapped
from .fakeserver import (
    FakeServer,
    Silence,
    WaitFor,
    json_error,
    ollama_reply,
)
from .runner import Home

JPEG = b"\xff\xd8\xff\xe0 image"


@pytest.fixture(params=DIALECTS, ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Give each API."""
    dialect = request.param
    assert isinstance(dialect, Dialect)
    return dialect


@pytest.fixture
def wrapper(home: Home, server: FakeServer, dialect: Dialect) -> Iterator[LLMWrapper]:
    """Give a wrapper for each API."""
    with wrapped(home, server, dialect) as wrapper:
        yield wrapper


# Asking


def test_chat_returns_the_whole_answer(
    wrapper: LLMWrapper, server: FakeServer, dialect: Dialect
) -> None:
    server.answer = ["Hi", " there"]
    server.thinking = ["hm"]

    answer = wrapper.chat("Hello!")

    completion = answer.completion
    assert isinstance(answer, Answer)
    assert isinstance(completion, Completion)
    assert str(answer) == f"{answer}" == completion.text == "Hi there"
    assert (completion.thinking, completion.finish_reason) == ("hm", "stop")
    assert (completion.model, completion.backend) == ("alpha:latest", dialect.name)
    assert completion.usage == Usage(prompt_tokens=1, completion_tokens=3)
    assert (completion.attempts, completion.is_cached) == (1, False)
    assert completion.timing.ttft_s is not None


def test_an_answer_left_at_its_end_marker_is_complete(wrapper: LLMWrapper) -> None:
    with wrapper.chat_stream("Hello!") as answer:
        for chunk in answer:
            if chunk.is_complete:
                break

    assert answer.completion.text == "Hello from the fake server."


def test_a_whole_answer_still_gives_its_chunks(wrapper: LLMWrapper) -> None:
    answer = wrapper.chat("Hello!")

    assert "".join(chunk.content for chunk in answer) == str(answer)


def test_chat_stream_gives_chunks_as_they_come(
    wrapper: LLMWrapper, server: FakeServer
) -> None:
    server.answer = ["Hi", " there"]

    with wrapper.chat_stream("Hello!") as answer:
        chunks = list(answer)

    assert all(isinstance(chunk, Chunk) for chunk in chunks)
    assert "".join(chunk.content for chunk in chunks) == "Hi there"
    assert [chunk.is_complete for chunk in chunks].count(True) == 1
    assert answer.completion.text == "Hi there"


def test_the_first_chunk_is_there_while_the_model_still_speaks(
    home: Home, server: FakeServer
) -> None:
    gate = threading.Event()
    first, *rest = ollama_reply(["one", " two"])
    server.script(OLLAMA.path, first, WaitFor(gate), rest)

    with wrapped(home, server) as wrapper, wrapper.chat_stream("Hi") as answer:
        assert next(answer).content == "one"
        assert answer.partial.text == "one"
        gate.set()
        assert str(answer) == "one two"


def test_an_answer_shows_itself_without_being_read(
    home: Home, server: FakeServer
) -> None:
    server.answer = ["x" * 50]

    with wrapped(home, server) as wrapper:
        answer = wrapper.chat_stream("Hello!")
        before = repr(answer)
        answer.read()

    assert before == "<Answer of 'alpha:latest' on ollama so far: ''>"
    shown = "x" * 40 + "…"
    assert repr(answer) == f"<Answer of 'alpha:latest' on ollama: '{shown}'>"


def test_a_wrapper_shows_where_its_settings_come_from(home: Home) -> None:
    file = home.configure("")

    with LLMWrapper(Config.load(file, home.environ), environ=home.environ) as wrapper:
        assert repr(wrapper) == f"<LLMWrapper configured by {file}>"


def test_a_conversation_is_a_list_of_messages(
    wrapper: LLMWrapper, server: FakeServer
) -> None:
    turns = [
        Message("user", "one"),
        Message("assistant", "two"),
        Message("user", "three"),
    ]

    wrapper.chat(turns, system="Be brief.")

    said = [(one["role"], one["content"]) for one in body(server)["messages"]]
    assert said == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "three"),
    ]


@pytest.mark.parametrize(
    ("system", "systems"), [(None, ["Configured."]), ("Mine.", ["Mine."]), ("", [])]
)
def test_a_system_prompt_wins_over_the_configured_one(
    home: Home, server: FakeServer, system: str | None, systems: list[str]
) -> None:
    environ = {**home.environ, "LLMWRAP_DEFAULTS_SYSTEM": "Configured."}
    config = Config.load(os.devnull, environ)

    with LLMWrapper(config, environ={"OLLAMA_HOST": server.url}) as wrapper:
        wrapper.chat("Hello!", "ollama/alpha", system=system)

    found = [m["content"] for m in body(server)["messages"] if m["role"] == "system"]
    assert found == systems


TURNS = [
    Message("system", "Old."),
    Message("user", "one"),
    Message("system", "Older."),
    Message("user", "two"),
]


@pytest.mark.parametrize(
    ("system", "systems"),
    [(None, ["Old.", "Older."]), ("Mine.", ["Mine."]), ("", [])],
)
def test_a_system_prompt_takes_the_place_of_those_of_the_messages(
    home: Home, server: FakeServer, system: str | None, systems: list[str]
) -> None:
    environ = {**home.environ, "LLMWRAP_DEFAULTS_SYSTEM": "Configured."}
    config = Config.load(os.devnull, environ)

    with LLMWrapper(config, environ={"OLLAMA_HOST": server.url}) as wrapper:
        wrapper.chat(TURNS, "ollama/alpha", system=system)

    messages = body(server)["messages"]
    assert [m["content"] for m in messages if m["role"] == "system"] == systems
    assert [m["content"] for m in messages if m["role"] == "user"] == ["one", "two"]


def test_a_system_prompt_alone_is_nothing_to_ask(wrapper: LLMWrapper) -> None:
    with pytest.raises(UsageError, match="nothing to ask"):
        wrapper.chat([Message("system", "Old.")], system="Mine.")


def test_images_are_paths_bytes_or_images(
    home: Home, server: FakeServer, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG)

    with wrapped(home, server) as wrapper:
        wrapper.chat("Describe", images=[str(path), JPEG, Image(JPEG, "image/jpeg")])
        with pytest.raises(ConfigError, match="no image"):
            wrapper.chat("Describe", images=[b"text"])

    (message,) = body(server)["messages"]
    assert message["images"] == [base64.b64encode(JPEG).decode()] * 3


def test_sampling_options_and_reasoning_are_asked_for(
    home: Home, server: FakeServer
) -> None:
    server.thinking = ["hm"]

    with wrapped(home, server) as wrapper:
        wrapper.chat(
            "Hello!",
            sampling=Sampling(temperature=0.0, max_tokens=9, stop=("END",)),
            options={"num_ctx": 8192},
            think="high",
        )

    asked = body(server)
    assert asked["think"] == "high"
    assert asked["options"] == {
        "temperature": 0.0,
        "num_predict": 9,
        "stop": ["END"],
        "num_ctx": 8192,
    }


def test_the_second_argument_names_the_model(
    wrapper: LLMWrapper, server: FakeServer
) -> None:
    wrapper.chat("Hello!", "beta:7b")

    assert body(server)["model"] == "beta:7b"


@pytest.mark.parametrize("prompt", [[], ""])
def test_nothing_to_ask_is_a_usage_error(
    wrapper: LLMWrapper, prompt: str | list[Message]
) -> None:
    with pytest.raises(UsageError, match="nothing to ask"):
        wrapper.chat(prompt)


def test_a_message_of_another_kind_is_a_usage_error(wrapper: LLMWrapper) -> None:
    foreign: Any = [{"role": "user", "content": "hi"}]

    with pytest.raises(UsageError, match=r"list of llmwrap\.Message"):
        wrapper.chat(foreign)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_number_that_is_not_finite_is_never_sent(
    wrapper: LLMWrapper, server: FakeServer, value: float
) -> None:
    with pytest.raises(UsageError, match="no finite number"):
        wrapper.chat("hi", options={"temperature": value})
    assert not chats(server)


# What is said beside answers


def test_the_library_speaks_to_logging(
    home: Home, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "llmwrap")

    with wrapped(home, server) as wrapper:
        wrapper.chat("Hello, 100%!")

    asked = next(one for one in caplog.records if one.message.startswith("asking"))
    assert (asked.name, asked.levelname) == ("llmwrap", "DEBUG")
    assert asked.__dict__["gen_ai.request.model"] == "alpha:latest"
    assert "Hello, 100%!" in asked.__dict__["gen_ai.input.messages"]
    assert any(one.levelname == "INFO" for one in caplog.records)


def test_a_prompt_reaches_no_logger_above_debug(
    home: Home, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "llmwrap")

    with wrapped(home, server) as wrapper:
        wrapper.chat("Hello!")

    assert caplog.records
    assert "Hello!" not in str([one.__dict__ for one in caplog.records])


def test_warnings_of_the_configuration_are_logged(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config.load(os.devnull, home.environ)._replace(warnings=("odd",))

    LLMWrapper(config, environ=home.environ).close()

    (record,) = caplog.records
    assert (record.name, record.levelname, record.message) == (
        "llmwrap",
        "WARNING",
        "odd",
    )


# Errors


@pytest.mark.parametrize(
    ("trouble", "more", "error"),
    [
        (json_error(400, {"error": "no"}), "", RefusedError),
        (json_error(500, {"error": "no"}), "retry_attempts = 0", BackendFailedError),
        (ollama_reply(["one"], done_reason=None), "", IncompleteError),
        (ollama_reply(["one"], done_reason="length"), "", IncompleteError),
        ((*ollama_reply(["one"])[:1], Silence()), 'timeout = "100ms"', DeadlineError),
        (ollama_reply(["x" * 99]), "[limits]\nanswer = 9", LimitError),
    ],
)
def test_what_goes_wrong_has_a_type_of_its_own(
    home: Home,
    server: FakeServer,
    trouble: tuple[object, ...],
    more: str,
    error: type[LLMWrapError],
) -> None:
    server.script(OLLAMA.path, trouble)  # type: ignore[arg-type]  # steps of any kind

    with wrapped(home, server, more=more) as wrapper, pytest.raises(error) as caught:
        wrapper.chat("Hello!")

    assert caught.value.exit_status == error.exit_status


def test_what_came_before_an_error_is_kept(home: Home, server: FakeServer) -> None:
    server.script(OLLAMA.path, ollama_reply(["one"], done_reason=None))

    with wrapped(home, server) as wrapper:
        answer = wrapper.chat_stream("Hello!")
        with pytest.raises(IncompleteError):
            list(answer)

    assert answer.partial.text == "one"


@pytest.mark.parametrize(
    ("trouble", "more"),
    [
        (ollama_reply(["one"], done_reason=None), ""),
        (ollama_reply(["one"], done_reason="length"), ""),
        ((*ollama_reply(["one"])[:1], Silence()), 'timeout = "300ms"'),
    ],
)
def test_an_error_has_the_answer_as_far_as_it_came(
    home: Home, server: FakeServer, trouble: tuple[object, ...], more: str
) -> None:
    server.script(OLLAMA.path, trouble)  # type: ignore[arg-type]  # steps of any kind

    with (
        wrapped(home, server, more=more) as wrapper,
        pytest.raises(LLMWrapError) as caught,
    ):
        wrapper.chat("Hello!")

    assert isinstance(caught.value.partial, Completion)
    assert caught.value.partial.text == "one"
    assert caught.value.partial.model == "alpha:latest"


def test_the_error_of_an_answer_that_was_left_has_it_too(
    home: Home, server: FakeServer
) -> None:
    server.script(OLLAMA.path, ollama_reply(["one", " two"])[:1], Silence())

    with wrapped(home, server) as wrapper:
        with wrapper.chat_stream("Hello!") as answer:
            next(answer)
        with pytest.raises(IncompleteError) as caught:
            _ = answer.completion

    assert caught.value.partial == answer.partial
    assert answer.partial.text == "one"


def test_an_error_before_any_answer_has_none(home: Home, server: FakeServer) -> None:
    with wrapped(home, server) as wrapper, pytest.raises(UsageError) as caught:
        wrapper.chat("")

    assert caught.value.partial is None


def test_nobody_there_is_unreachable(home: Home) -> None:
    config = Config.load(os.devnull, home.environ)

    with LLMWrapper(config, environ=home.environ) as wrapper:
        with pytest.raises(UnreachableError):
            wrapper.chat("Hello!")
        with pytest.raises(ConfigError, match="'nope'"):
            Config.load(os.devnull, home.environ).backend("nope")
