"""The library: asking from Python, streamed or whole, from any thread."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import llmwrap
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
    CancelledError,
    ConfigError,
    DeadlineError,
    IncompleteError,
    LimitError,
    RefusedError,
    UnreachableError,
    UsageError,
)

from .asking import DIALECTS, OLLAMA, Dialect, body, chats
from .fakeserver import (
    FakeServer,
    Silence,
    WaitFor,
    json_error,
    ollama_reply,
)
from .runner import ROOT, Home

JPEG = b"\xff\xd8\xff\xe0 image"
SERVER = """
[defaults]
model = "alpha:latest"
[backends.{name}]
base_url = "{url}"
"""


@pytest.fixture(params=DIALECTS, ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Give each API."""
    dialect = request.param
    assert isinstance(dialect, Dialect)
    return dialect


def wrapped(
    home: Home, server: FakeServer, dialect: Dialect = OLLAMA, more: str = ""
) -> LLMWrapper:
    """Return a wrapper that asks the server's model alpha."""
    table = SERVER.format(name=dialect.name, url=server.url + dialect.suffix)
    file = home.configure(table + more)
    return LLMWrapper(Config.load(file, home.environ), environ=home.environ)


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
    head, first, *rest = ollama_reply(["one", " two"])
    server.script(OLLAMA.path, head, first, WaitFor(gate), rest)

    with wrapped(home, server) as wrapper, wrapper.chat_stream("Hi") as answer:
        assert next(answer).content == "one"
        assert answer.partial.text == "one"
        gate.set()
        assert str(answer) == "one two"


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


@pytest.mark.parametrize("messages", [[], ()])
def test_nothing_to_ask_is_a_usage_error(
    wrapper: LLMWrapper, messages: list[Message]
) -> None:
    with pytest.raises(UsageError, match="nothing to ask"):
        wrapper.chat(messages)


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


def test_nobody_there_is_unreachable(home: Home) -> None:
    config = Config.load(os.devnull, home.environ)

    with LLMWrapper(config, environ=home.environ) as wrapper:
        with pytest.raises(UnreachableError):
            wrapper.chat("Hello!")
        with pytest.raises(ConfigError, match="'nope'"):
            Config.load(os.devnull, home.environ).backend("nope")


# Cancelling


@pytest.mark.parametrize("pieces", [0, 1], ids=["before the first byte", "mid answer"])
def test_any_thread_can_end_an_answer_on_the_wire(
    home: Home, server: FakeServer, pieces: int
) -> None:
    reply = ollama_reply(["one", " two"])
    server.script(OLLAMA.path, reply[: 2 * pieces], Silence())

    with wrapped(home, server) as wrapper, wrapper.chat_stream("Hello!") as answer:
        for _ in range(pieces):
            next(answer)
        server.wait_for_silence()
        threading.Thread(target=answer.cancel).start()
        with pytest.raises(CancelledError):
            list(answer)

        assert chats(server)[0].disconnected.wait(10)


@pytest.mark.parametrize("pieces", [0, 1])
def test_leaving_the_block_early_ends_the_request(
    home: Home, server: FakeServer, pieces: int
) -> None:
    server.script(OLLAMA.path, ollama_reply(["one", " two"])[: 2 * pieces], Silence())

    with wrapped(home, server) as wrapper:
        with wrapper.chat_stream("Hello!") as answer:
            for _ in range(pieces):
                next(answer)
            server.wait_for_silence()

        assert chats(server)[0].disconnected.wait(10)
        with pytest.raises(IncompleteError, match="left before its end"):
            _ = answer.completion


def test_an_answer_nobody_keeps_ends_its_request(
    home: Home, server: FakeServer
) -> None:
    server.script(OLLAMA.path, Silence())

    with wrapped(home, server) as wrapper:
        wrapper.chat_stream("Hello!")
        (request,) = server.wait_for_requests(1)

        assert request.disconnected.wait(10)


def test_closing_the_wrapper_ends_what_is_under_way(
    home: Home, server: FakeServer
) -> None:
    server.script(OLLAMA.path, Silence(), times=2)

    with wrapped(home, server) as wrapper:
        answers = [wrapper.chat_stream("Hello!") for _ in range(2)]
        server.wait_for_silence(2)

    for answer in answers:
        with pytest.raises(LLMWrapError):
            list(answer)
    assert all(chat.disconnected.wait(10) for chat in chats(server))


# Threads


def test_many_threads_ask_at_once(home: Home, server: FakeServer) -> None:
    count = 16
    more = f"[streaming]\nmax_concurrent_streams = {count}\n"
    meeting = threading.Event()
    for _ in range(count):
        server.script(OLLAMA.path, WaitFor(meeting), ollama_reply(["Hi"]))
    texts: list[str] = []

    with wrapped(home, server, more=more) as wrapper:
        threads = [
            threading.Thread(target=lambda: texts.append(str(wrapper.chat("Hello!"))))
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        server.wait_for_requests(count)
        meeting.set()
        for thread in threads:
            thread.join(30)

    assert texts == ["Hi"] * count
    assert server.max_in_flight == count


def test_one_thread_can_have_many_answers_under_way(
    home: Home, server: FakeServer
) -> None:
    with wrapped(home, server) as wrapper:
        answers = [wrapper.chat_stream("Hello!") for _ in range(5)]

        assert {str(one) for one in reversed(answers)} == {
            "Hello from the fake server."
        }


# The package


def test_every_public_name_is_there() -> None:
    assert all(getattr(llmwrap, name) is not None for name in llmwrap.__all__)
    assert llmwrap.EnhancedLLMWrapper is LLMWrapper
    assert llmwrap.EnhancedConfig is Config
    with pytest.raises(AttributeError, match="'nope'"):
        _ = llmwrap.nope  # type: ignore[attr-defined]  # which is the point


def test_importing_the_package_imports_nothing_else() -> None:
    program = "import sys; before = set(sys.modules); import llmwrap;"
    program += "print(*sorted(set(sys.modules) - before))"

    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["__future__", "llmwrap"]


PROGRAM = """
from collections.abc import Iterator

from llmwrap import Answer, Chunk, Config, EnhancedLLMWrapper, LLMWrapper, Sampling
from llmwrap.errors import LLMWrapError


def words(wrapper: LLMWrapper) -> Iterator[str]:
    with wrapper.chat_stream("Hi", sampling=Sampling(seed=1)) as answer:
        for chunk in answer:
            piece: Chunk = chunk
            yield piece.content
        tokens: int | None = answer.completion.usage.completion_tokens


def status() -> int:
    try:
        with EnhancedLLMWrapper(Config.load("x.toml")) as wrapper:
            answer: Answer = wrapper.chat("Hi", "m", options={"num_ctx": 1})
            text: str = str(answer) + answer.completion.text
    except LLMWrapError as error:
        return error.exit_status
    return 0
"""


def test_a_program_of_a_user_type_checks_strictly(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    (tmp_path / "program.py").write_text(PROGRAM)

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "program.py"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.returncode) == (
        "Success: no issues found in 1 source file\n",
        0,
    )
