"""Build the replies that tests script most often.

Each function returns a tuple of steps for `FakeServer.script`; steps may be added in
front, behind or in between.
"""

from collections.abc import Sequence

from .ollama_speech import OllamaSpeech
from .openai_api import Flavour, openai_speech
from .speech import AT_ONCE, Answer, Pace, Usage, whole_reply
from .steps import Reply
from .wire import Header, json_bytes

_COUNTED = Usage()


def ollama_reply(
    tokens: Sequence[str],
    *,
    thinking: Sequence[str] = (),
    done_reason: str | None = "stop",
    usage: Usage | None = _COUNTED,
    model: str = "alpha:latest",
    pace: Pace = AT_ONCE,
) -> Reply:
    """Return a streamed /api/chat answer.

    `done_reason` None leaves the last line (`"done": true`) out, `usage` None the
    statistics.
    """
    answer = Answer(tokens, thinking, done_reason, usage)
    return OllamaSpeech(model).stream(answer, pace)


def openai_reply(
    tokens: Sequence[str],
    *,
    thinking: Sequence[str] = (),
    finish_reason: str | None = "stop",
    usage: Usage | None = _COUNTED,
    model: str = "alpha:latest",
    flavour: Flavour = "llamacpp",
) -> Reply:
    """Return a streamed /v1/chat/completions answer.

    `finish_reason` None leaves the finish chunk out, `usage` None the usage chunk;
    `[DONE]` always comes.
    """
    answer = Answer(tokens, thinking, finish_reason, usage)
    return openai_speech(flavour, model).stream(answer)


def whole_ollama_reply(answer: Answer, model: str = "alpha:latest") -> Reply:
    """Return an /api/chat answer that is not streamed."""
    speech = OllamaSpeech(model)
    return speech.reply(speech.whole(answer))


def whole_openai_reply(
    answer: Answer, model: str = "alpha:latest", flavour: Flavour = "llamacpp"
) -> Reply:
    """Return a /v1/chat/completions answer that is not streamed."""
    speech = openai_speech(flavour, model)
    return speech.reply(speech.whole(answer))


def json_reply(value: object, status: int = 200, *headers: Header) -> Reply:
    """Return a reply whose body is `value` as JSON."""
    return whole_reply(json_bytes(value), "application/json", status, headers)


def json_error(status: int, body: object, *headers: Header) -> Reply:
    """Return an HTTP error with a JSON body: `json_error(503, {"error": "busy"})`."""
    return json_reply(body, status, *headers)


def redirect(status: int, location: str) -> Reply:
    """Return a redirect to `location`."""
    return whole_reply(b"", None, status, (("Location", location),))
