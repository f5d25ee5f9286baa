"""Test the recordings of real servers: parsed, played back, and compared with the fake.

The recordings are not part of the repository: without LLMWRAP_TRANSCRIPTS the tests
that need them are skipped. Parsing is tested on a recording made up here as well.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.fakeserver import (
    FakeServer,
    Recording,
    load_recordings,
    recordings_directory,
)
from tests.fakeserver.decoding import objects
from tests.fakeserver.rawclient import RawClient, exchange
from tests.fakeserver.recordings import VARIABLE, parsed_recording
from tests.fakeserver.speech import Dialect
from tests.fakeserver.wire import dechunked

_DIRECTORY = recordings_directory()
_RECORDINGS = load_recordings(_DIRECTORY) if _DIRECTORY else {}

needs_recordings = pytest.mark.skipif(
    not _RECORDINGS, reason=f"{VARIABLE} names no directory of recordings"
)

_NOTES = b"# WHAT: a reply\n# CMD: curl -sN -i %b\n# CURL EXIT: %d  WALL: 0.1s\n"
_MARK = b"# ---- raw response follows ----\n"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Run a server for one test."""
    with FakeServer() as one:
        yield one


def made_up(
    folder: Path, reply: bytes, command: bytes = b"http://h/p", status: int = 0
) -> Recording:
    """Write a recording and read it."""
    path = folder / "one.txt"
    path.write_bytes(_NOTES % (command, status) + _MARK + reply)
    recording = parsed_recording(path)
    assert recording is not None
    return recording


class TestParsing:
    """Recordings made up here."""

    def test_chunks_are_put_back_a_line_each(self, tmp_path: Path) -> None:
        recording = made_up(tmp_path, _CHUNKED + b'{"a":1}\n{"b":2}\n')

        assert recording.wire == (
            _CHUNKED + b'8\r\n{"a":1}\n\r\n8\r\n{"b":2}\n\r\n0\r\n\r\n'
        )

    def test_raw_chunks_stay_as_they_are(self, tmp_path: Path) -> None:
        body = b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"

        recording = made_up(tmp_path, _CHUNKED + body, b"--raw http://h/p")

        assert recording.wire == _CHUNKED + body
        assert recording.body == b"abcd"

    def test_a_killed_server_sends_no_last_chunk(
        self, tmp_path: Path, server: FakeServer
    ) -> None:
        recording = made_up(tmp_path, _CHUNKED + b"abc\n", status=18)
        server.script("/p", recording.reply())

        reply = exchange(server.port, "GET", "/p")

        assert (reply.chunks, reply.has_last_chunk) == ([b"abc\n"], False)
        assert reply.ending == "closed"

    def test_a_length_is_that_of_the_body(self, tmp_path: Path) -> None:
        """Some bodies were shortened by hand after they were recorded."""
        recording = made_up(tmp_path, _HEAD + b"Content-Length: 99\r\n\r\nshort")

        assert recording.wire == _HEAD + b"Content-Length: 5\r\n\r\nshort"

    def test_interim_replies_come_first(self, tmp_path: Path) -> None:
        interim = b"HTTP/1.1 100 Continue\r\n\r\n"

        recording = made_up(tmp_path, interim + _HEAD + b"Content-Length: 0\r\n\r\n")

        assert (recording.interim, recording.status) == (interim, 200)
        assert recording.wire.startswith(interim)

    @pytest.mark.parametrize(
        ("command", "method", "path", "body"),
        [
            (b"http://h:1/a/b", "GET", "/a/b", None),
            (b"http://h/p -d '{\"a\":1}'", "POST", "/p", b'{"a":1}'),
            (b"http://h/p -d @file.json", "POST", "/p", None),
            (b"-I http://h/p", "HEAD", "/p", None),
            (b"-X DELETE http://h/p -d x", "DELETE", "/p", b"x"),
        ],
    )
    def test_the_request_is_guessed_from_the_command(
        self, tmp_path: Path, command: bytes, method: str, path: str, body: bytes | None
    ) -> None:
        recording = made_up(tmp_path, _CHUNKED, command)

        assert (recording.method, recording.path) == (method, path)
        assert recording.request_body == body

    def test_what_holds_no_reply_is_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "log.txt").write_bytes(b"# WHAT: a log\n0.1s 5 bytes\n")
        (tmp_path / "none.txt").write_bytes(_NOTES % (b"http://h", 7) + _MARK)

        assert load_recordings(tmp_path) == {}

    def test_a_directory_that_is_none_gives_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
        assert recordings_directory() is None

        monkeypatch.delenv(VARIABLE)
        assert recordings_directory() is None

        monkeypatch.setenv(VARIABLE, str(tmp_path))
        assert recordings_directory() == tmp_path


@needs_recordings
class TestPlayingBack:
    """Recordings of real servers."""

    def test_every_recording_arrives_byte_for_byte(self, server: FakeServer) -> None:
        for recording in _RECORDINGS.values():
            server.script(recording.path, recording.reply())

            reply = exchange(server.port, recording.method, recording.path)

            assert reply.data == recording.wire, recording.name

    def test_whole_recordings_leave_the_connection_open(
        self, server: FakeServer
    ) -> None:
        recording = _RECORDINGS["ollama_14_chat_stream_rawchunks"]
        server.script(recording.path, recording.reply(), times=2)
        with RawClient(server.port) as client:
            for _ in range(2):
                client.request("POST", recording.path, {}, keep_alive=True)
                data = client.read_through(b"\r\n0\r\n\r\n")

                assert data == recording.wire

    def test_chunk_framing_that_was_put_back_comes_off_again(self) -> None:
        for recording in _RECORDINGS.values():
            if recording.is_chunked:
                framed = recording.wire.partition(recording.head)[2]
                chunks, rest, is_ended = dechunked(framed)

                assert b"".join(chunks) + rest == recording.body, recording.name
                assert is_ended == recording.is_complete, recording.name

    def test_the_servers_that_were_killed_are_known(self) -> None:
        cut = {one.name for one in _RECORDINGS.values() if not one.is_complete}

        assert cut == {
            "ollama_74_server_sigterm_mid_stream",
            "ollama_74b_server_sigkill_mid_stream",
        }


def shape(value: object) -> object:
    """Return the names and types of a JSON value, lists by their first element."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return "number" if isinstance(value, int | float) else type(value).__name__


OLLAMA_WHOLE: tuple[str, ...] = (
    "ollama_02_version",
    "ollama_03_tags_empty",
    "ollama_05_ps_empty",
    "ollama_06_chat_missing_model",
    "ollama_06b_show_missing_model",
    "ollama_08_tags",
    "ollama_11_load",
    "ollama_12_ps",
    "ollama_13_chat_nonstream",
    "ollama_21_think_true",
    "ollama_24_empty_body",
    "ollama_24c_no_model",
    "ollama_34d_think_nonstream",
    "ollama_04_v1_models_empty",
    "ollama_09_v1_models",
    "ollama_34g_v1_think_nonstream",
    "ollama_50_v1_chat_nonstream",
    "ollama_52_v1_missing_model",
    "ollama_52c_v1_no_messages",
    "ollama_52d_v1_model_show",
)
LLAMACPP_WHOLE = ("02_v1_models", "10_chat_nonstream", "26_reasoning_nonstream")
LLAMACPP_WHOLE += (
    "31_err_missing_messages",
    "32_err_wrong_path",
    "91_router_bad_model",
)
OLLAMA_STREAMS: Mapping[str, Dialect] = {
    "ollama_14_chat_stream_rawchunks": "ollama",
    "ollama_34_think_stream": "ollama",
    "ollama_51_v1_chat_stream_usage": "openai",
    "ollama_51b_v1_chat_stream": "openai",
    "ollama_34e_v1_think_stream": "openai",
}
LLAMACPP_STREAMS: Mapping[str, Dialect] = {
    "11_chat_stream_usage_rawchunks": "openai",
    "12_chat_stream_nousage": "openai",
    "25_reasoning_stream": "openai",
}


def fake_of(name: str) -> FakeServer:
    """Return a server that is set as the real one of a recording was."""
    if not name.startswith("ollama"):
        # llama.cpp takes any model, or none; the fake has the one that was asked for.
        server = FakeServer(("any-name", "x"), ("openai",), "llamacpp")
    else:
        models = () if "empty" in name else ("smollm2:latest", "thinker:latest")
        server = FakeServer(models, ("ollama", "openai"), "ollama")
    if "think" in name or "reasoning" in name:
        server.thinking = () if name == "ollama_21_think_true" else ("hm", "m")
    if "_ps" in name:
        server.shelf.load("smollm2")
    return server


def asked_of_the_fake(name: str) -> tuple[Recording, int, Mapping[str, str], bytes]:
    """Ask a fake what the recording was asked; return both replies."""
    recording = _RECORDINGS[name]
    body = recording.request_body
    if name.startswith(("25", "26")):
        assert body is not None
        body = json.dumps(json.loads(body) | {"model": "x"}).encode()
    with fake_of(name) as server:
        reply = exchange(server.port, recording.method, recording.path, body)
    return recording, reply.status, reply.headers, reply.body


@needs_recordings
@pytest.mark.parametrize("name", [*OLLAMA_WHOLE, *LLAMACPP_WHOLE])
def test_a_reply_of_the_fake_has_the_shape_of_a_real_one(name: str) -> None:
    recording, status, headers, body = asked_of_the_fake(name)

    assert (status, headers["content-type"]) == (
        recording.status,
        recording.headers["content-type"],
    )
    assert shape(json.loads(body)) == shape(json.loads(recording.body))
    assert body.endswith(b"\n") == recording.body.endswith(b"\n")
    assert set(headers) == set(recording.headers)
    if status >= 400:
        assert json.loads(body) == json.loads(recording.body)


@needs_recordings
@pytest.mark.parametrize(
    ("name", "dialect"), [*OLLAMA_STREAMS.items(), *LLAMACPP_STREAMS.items()]
)
def test_a_stream_of_the_fake_has_the_shapes_of_a_real_one(
    name: str, dialect: Dialect
) -> None:
    recording, _, headers, body = asked_of_the_fake(name)

    def steps(data: bytes) -> list[object]:
        """Return the shapes of the chunks, each kind once, in order."""
        shapes = [shape(value) for value in objects(dialect, data)]
        return [one for at, one in enumerate(shapes) if one not in shapes[:at]]

    assert steps(body) == steps(recording.body)
    assert set(headers) == set(recording.headers)
