"""Recorded streams cut anywhere: a backend makes the same completion of them.

The bytes come out of urllib3's own response, each read bringing one piece.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
import requests
import urllib3

from llmwrap.backends import create_backend
from llmwrap.backends.base import BackendSettings
from llmwrap.backends.http import HttpBackend
from llmwrap.engine.folding import Folder
from llmwrap.errors import LLMWrapError
from llmwrap.messages import Completion, Message, Request
from llmwrap.metrics.timing import Stopwatch
from llmwrap.transport.cancel import CancelToken
from llmwrap.transport.client import ByteStream
from llmwrap.transport.endpoint import Endpoint

from .fakeserver import Recording, load_recordings, recordings_directory
from .fakeserver.recordings import VARIABLE

_DIRECTORY = recordings_directory()
_RECORDINGS = load_recordings(_DIRECTORY) if _DIRECTORY else {}
_STREAMS = [
    name
    for name, recording in _RECORDINGS.items()
    if recording.path in ("/api/chat", "/v1/chat/completions")
    and recording.headers.get("content-type", "").startswith(
        ("text/event-stream", "application/x-ndjson")
    )
]
_REQUEST = Request("m", (Message("user", "hi"),))
_RANDOM_CUTS = 20

pytestmark = [
    pytest.mark.untraced,
    pytest.mark.skipif(
        not _RECORDINGS, reason=f"{VARIABLE} names no directory of recordings"
    ),
]


class _Pieces(io.RawIOBase):
    """A body whose n-th read brings the n-th piece."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter([piece for piece in pieces if piece])

    def read1(self, size: int = -1) -> bytes:
        return next(self._pieces, b"")


class _FedClient:
    """A client whose every reply is the same body."""

    def __init__(self, recording: Recording, pieces: Iterable[bytes]) -> None:
        self._recording = recording
        self._pieces = pieces

    def open(self, method: str, path: str, body: bytes, **options: Any) -> ByteStream:
        response = requests.Response()
        response.status_code = 200
        kept = {"content-type": self._recording.headers["content-type"]}
        response.headers.update(kept)
        response.raw = urllib3.HTTPResponse(
            _Pieces(self._pieces), kept, preload_content=False
        )
        return ByteStream(response, Endpoint("b", "http://b"), CancelToken())


@cache
def _backend(kind: str) -> HttpBackend:
    backend = create_backend(BackendSettings("b", kind, "http://b", {}))
    assert isinstance(backend, HttpBackend)
    return backend


def _outcome(recording: Recording, pieces: Iterable[bytes]) -> tuple[Completion, str]:
    """Return what a backend makes of the pieces, and the error it ends with."""
    backend = _backend("ollama" if recording.path == "/api/chat" else "openai")
    backend._client = _FedClient(recording, pieces)  # type: ignore[assignment]
    folder = Folder("m", 1 << 20)
    error = ""
    try:
        for chunk in backend.chat(_REQUEST, CancelToken()):
            folder.add(chunk)
    except LLMWrapError as raised:
        error = f"{raised.kind}: {raised}"
    return folder.completion("b", Stopwatch(0.0), 1), error


def _shortened(recording: Recording) -> bytes:
    """Return the body without most of its middle: every kind of line stays."""
    end = b"\n\n" if recording.path.startswith("/v1") else b"\n"
    parts = recording.body.split(end)
    if len(parts) <= 6:
        return recording.body
    return end.join([*parts[:2], *parts[-4:]])


@pytest.mark.parametrize("name", _STREAMS)
def test_a_cut_at_any_place_changes_nothing(name: str) -> None:
    recording = _RECORDINGS[name]
    body = _shortened(recording)
    whole = _outcome(recording, [body])

    for place in range(1, len(body)):
        assert _outcome(recording, [body[:place], body[place:]]) == whole, place


@pytest.mark.parametrize("name", _STREAMS)
def test_cuts_at_many_places_change_nothing(name: str) -> None:
    recording = _RECORDINGS[name]
    body = recording.body
    whole = _outcome(recording, [body])
    rng = random.Random(name)

    for _ in range(_RANDOM_CUTS):
        places = sorted(rng.sample(range(len(body)), min(40, len(body) // 2)))
        spans = zip([0, *places], [*places, len(body)], strict=True)
        pieces = [body[start:end] for start, end in spans]
        assert _outcome(recording, pieces) == whole, places


@pytest.mark.parametrize("name", _STREAMS)
def test_one_byte_at_a_time_changes_nothing(name: str) -> None:
    recording = _RECORDINGS[name]
    body = recording.body

    alone = [body[place : place + 1] for place in range(len(body))]

    assert _outcome(recording, alone) == _outcome(recording, [body])


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
@pytest.mark.parametrize("name", _STREAMS)
def test_other_line_ends_cut_anywhere_change_nothing(
    name: str, line_end: bytes
) -> None:
    recording = _RECORDINGS[name]
    whole = _outcome(recording, [recording.body])
    body = recording.body.replace(b"\n", line_end)
    rng = random.Random(name)

    for place in rng.sample(range(len(body)), _RANDOM_CUTS):
        assert _outcome(recording, [body[:place], body[place:]]) == whole, place


@pytest.mark.parametrize("name", _STREAMS)
def test_a_body_that_ends_anywhere_is_never_taken_for_whole(name: str) -> None:
    recording = _RECORDINGS[name]
    body = _shortened(recording)
    whole, whole_error = _outcome(recording, [body])

    for place in range(len(body)):
        part, error = _outcome(recording, [body[:place]])
        assert whole.text.startswith(part.text)
        if not error:
            assert (part.text, part.finish_reason) == (whole.text, whole.finish_reason)
        elif error != whole_error:
            assert error.startswith("incomplete: "), (place, error)
