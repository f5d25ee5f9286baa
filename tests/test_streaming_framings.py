"""Streams: the first token is there at once, however the reply is framed."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Sequence

import pytest

from .asking import DIALECTS, OLLAMA, Dialect, wrapped
from .fakeserver import (
    Answer,
    Body,
    Bytewise,
    Close,
    EndBody,
    FakeServer,
    Head,
    Reply,
    Step,
    WaitFor,
)
from .fakeserver.speech import Speech
from .runner import Home

_WAIT_S = 10.0
_TOKENS = ("one", " two", " three")


def _chunked(speech: Speech, frames: Sequence[bytes], rest: Step) -> Reply:
    first, *others = frames
    return (speech.head(), Body(first), rest, *map(Body, others), EndBody())


def _bytewise(speech: Speech, frames: Sequence[bytes], rest: Step) -> Reply:
    first, *others = frames
    return (speech.head(), Bytewise(first), rest, *map(Bytewise, others), EndBody())


def _with_length(speech: Speech, frames: Sequence[bytes], rest: Step) -> Reply:
    size = sum(map(len, frames))
    head = Head(200, (("Content-Type", speech.stream_type),), "length", size)
    return (head, Body(frames[0]), rest, Body(b"".join(frames[1:])))


def _until_closed(speech: Speech, frames: Sequence[bytes], rest: Step) -> Reply:
    head = Head(200, (("Content-Type", speech.stream_type),), "close")
    return (head, Body(frames[0]), rest, Body(b"".join(frames[1:])), Close())


def _zipped(speech: Speech, frames: Sequence[bytes], rest: Step) -> Reply:
    zipper = zlib.compressobj(wbits=31)
    first, *others = (
        Body(zipper.compress(frame) + zipper.flush(zlib.Z_SYNC_FLUSH))
        for frame in frames
    )
    head = speech.head(("Content-Encoding", "gzip"))
    return (head, first, rest, *others, Body(zipper.flush()), EndBody())


_FRAMINGS = (_chunked, _bytewise, _with_length, _until_closed, _zipped)


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize("framing", _FRAMINGS, ids=lambda one: one.__name__[1:])
def test_the_first_token_is_there_before_the_second(
    home: Home,
    server: FakeServer,
    dialect: Dialect,
    framing: Callable[[Speech, Sequence[bytes], Step], Reply],
) -> None:
    """The server sends nothing more until the first token was seen."""
    seen = threading.Event()
    speech = server.speech("ollama" if dialect is OLLAMA else "openai")
    frames = [*speech.start(_TOKENS), *speech.ending(Answer(_TOKENS))]
    server.script(dialect.path, framing(speech, frames, WaitFor(seen, _WAIT_S)))

    with wrapped(home, server, dialect) as wrapper:
        answer = wrapper.chat_stream("hi")
        first = next(chunk.text for chunk in answer if chunk.text)
        seen.set()
        text = first + "".join(chunk.text for chunk in answer)

    assert (first, text) == ("one", "one two three")
