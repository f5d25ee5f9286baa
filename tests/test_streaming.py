"""Streams: every wait is bounded, every end is seen, many go at once."""

from __future__ import annotations

import json

import pytest

from llmwrap.backends import create_backend
from llmwrap.backends.base import BackendSettings
from llmwrap.messages import Message, Request
from llmwrap.transport.cancel import CancelToken

from .asking import DIALECTS, OLLAMA, Dialect, ask, error
from .fakeserver import (
    Answer,
    Body,
    Close,
    EndBody,
    FakeServer,
    Pause,
    Raw,
    Repeat,
    Reply,
    Silence,
    Step,
    Usage,
)
from .fakeserver.speech import Speech
from .runner import Runner

_WAIT_S = 10.0
_TOKENS = ("one", " two", " three")
_TEXT = "one two three"

both = pytest.mark.parametrize("dialect", DIALECTS, ids=str)


def _speech(server: FakeServer, dialect: Dialect) -> Speech:
    return server.speech("ollama" if dialect is OLLAMA else "openai")


def _frames(speech: Speech) -> list[bytes]:
    """Return the frames of an answer; the first has the first token."""
    return [*speech.start(_TOKENS), *speech.ending(Answer(_TOKENS))]


def _begun(server: FakeServer, dialect: Dialect, count: int = 2) -> Reply:
    frames = _frames(_speech(server, dialect))[:count]
    return (_speech(server, dialect).head(), *map(Body, frames))


_SLOW = (
    *("--first-token-timeout", "9"),
    *("--idle-timeout", "9"),
    *("--timeout", "19"),
)


@both
@pytest.mark.parametrize(
    ("option", "arrive", "said"),
    [
        ("--first-token-timeout", 0, "sent no token within 300ms; "),
        (
            "--idle-timeout",
            2,
            "fell silent for 300ms in the middle of its answer; --idl",
        ),
        ("--timeout", 0, "did not finish before the deadline; --timeout sets it"),
        ("--timeout", 2, "did not finish before the deadline; --timeout sets it"),
    ],
)
@pytest.mark.parametrize("end", ["silence", "keep-alives", "empty tokens"])
def test_each_timeout_is_124_and_says_which(
    cli: Runner,
    server: FakeServer,
    dialect: Dialect,
    option: str,
    arrive: int,
    said: str,
    end: str,
) -> None:
    speech = _speech(server, dialect)
    idle = b"\n" if dialect is OLLAMA else b": ping\n\n"
    empty = speech.text("")
    ends: dict[str, Step] = {
        "silence": Silence(),
        "keep-alives": Repeat((Body(idle), Pause(0.01))),
        "empty tokens": Repeat((Body(empty), Pause(0.01))),
    }
    server.script(dialect.path, *_begun(server, dialect, arrive), ends[end])

    # The whole command's begins before the request is on its way.
    limit = "1" if option == "--timeout" else "0.3"

    result = ask(cli, server, *_SLOW, option, limit, "hi", dialect=dialect)

    assert result.status == 124
    assert f"{dialect} at {server.url}{dialect.suffix} {said}" in error(result)
    assert "one two".startswith(result.text.strip())
    assert bool(result.stdout) == bool(arrive)
    assert server.requests[0].disconnected.wait(_WAIT_S)


@both
def test_connecting_has_a_timeout_of_its_own(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    url = server.black_hole_url() + dialect.suffix
    argv = ("--base-url", url, "-m", "alpha", *_SLOW, "--connect-timeout", "0.2")

    result = cli.run(*argv, "hi")

    assert result.status == 124
    assert f"cannot connect to {dialect} at {url} within 200ms" in error(result)


@both
@pytest.mark.parametrize("how", ["silence", "drip"])
def test_looking_for_a_model_is_within_the_deadline(
    cli: Runner, server: FakeServer, dialect: Dialect, how: str
) -> None:
    drip: Reply = (Raw(b"HTTP/1.1 200 OK\r\nX: "), Repeat((Raw(b"x"), Pause(0.01))))
    path = "/api/ps" if dialect is OLLAMA else "/v1/models"
    server.script(path, (Silence(),) if how == "silence" else drip)

    url = server.url + dialect.suffix
    result = cli.run("--base-url", url, *_SLOW, "--timeout", "1", "hi")

    assert result.status == 124
    assert "did not name its models within" in error(result)


def test_reasoning_ends_the_wait_for_the_first_token(
    cli: Runner, server: FakeServer
) -> None:
    frames = _speech(server, OLLAMA).start([], ["hm"])
    server.script(
        OLLAMA.path, _speech(server, OLLAMA).head(), *map(Body, frames), Silence()
    )

    result = ask(cli, server, *_SLOW, "--idle-timeout", "0.3", "hi")

    assert "fell silent for 300ms" in error(result)


@both
def test_a_whole_reply_has_the_time_of_a_first_token(
    cli: Runner, server: FakeServer, dialect: Dialect
) -> None:
    server.script(dialect.path, *_begun(server, dialect), Silence())
    patience = (*_SLOW, "--first-token-timeout", "0.3", "--no-stream")

    result = ask(cli, server, *patience, "hi", dialect=dialect)

    assert (result.status, result.stdout) == (124, b"")
    assert "did not answer within 300ms; " in error(result)


@both
@pytest.mark.parametrize("how", ["broken", "error", "silent"])
def test_nothing_of_a_broken_whole_answer_is_shown(
    cli: Runner, server: FakeServer, dialect: Dialect, how: str
) -> None:
    """Though the server streams all the same."""
    speech = _speech(server, dialect)
    ends: dict[str, list[Step]] = {
        "broken": [Close()],
        "error": [Body(speech.say(speech.error("boom"))), EndBody()],
        "silent": [Silence()],
    }
    server.script(dialect.path, *_begun(server, dialect), *ends[how])

    result = ask(
        cli, server, *_SLOW, "--timeout", "1", "--no-stream", "hi", dialect=dialect
    )

    statuses = {"broken": 8, "error": 6, "silent": 124}
    assert (result.status, result.stdout) == (statuses[how], b"")


@both
def test_the_end_marker_ends_it_though_the_connection_stays_open(
    server: FakeServer, dialect: Dialect
) -> None:
    """Asked of the backend itself, which has no clock that would end it too."""
    frames = _frames(_speech(server, dialect))
    server.script(
        dialect.path, _speech(server, dialect).head(), *map(Body, frames), Silence()
    )
    url = server.url + dialect.suffix
    backend = create_backend(BackendSettings("b", dialect.name, url, {}))
    request = Request("alpha", (Message("user", "hi"),))

    text = "".join(chunk.text for chunk in backend.chat(request, CancelToken()))

    assert text == _TEXT
    assert server.requests[0].disconnected.wait(_WAIT_S)
    backend.close()


_V1 = DIALECTS[1]


@pytest.mark.parametrize(
    "end",
    [Silence(), Repeat((Body(b": ping\n\n"), Pause(0.01)))],
    ids=["silence", "keep-alives"],
)
def test_usage_that_never_comes_is_not_waited_for(
    cli: Runner, server: FakeServer, end: Step
) -> None:
    speech = _speech(server, _V1)
    finish = speech.ending(Answer(_TOKENS, usage=None))[0]
    server.script(_V1.path, *_begun(server, _V1, 3), Body(finish), end)

    result = ask(cli, server, *_SLOW, "--json", "hi", dialect=_V1)

    document = json.loads(result.stdout)
    assert (result.status, document["text"]) == (0, _TEXT)
    assert document["usage"] == {"prompt_tokens": None, "completion_tokens": None}
    assert server.requests[0].disconnected.wait(_WAIT_S)


def test_usage_a_moment_later_is_waited_for(cli: Runner, server: FakeServer) -> None:
    speech = _speech(server, _V1)
    finish, *others = speech.ending(Answer(_TOKENS, usage=Usage(7, 3)))
    server.script(
        _V1.path, *_begun(server, _V1, 3), Body(finish), Pause(0.2), *map(Body, others)
    )

    result = ask(cli, server, *_SLOW, "--json", "hi", dialect=_V1)

    usage = json.loads(result.stdout)["usage"]
    assert usage == {"prompt_tokens": 7, "completion_tokens": 3}
