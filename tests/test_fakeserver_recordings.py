"""Test the recordings of real servers: parsed, played back, and compared with the fake.

The recordings are not part of the repository: without LLMWRAP_TEST_TRANSCRIPTS the
tests that need them are skipped. Parsing is tested on a recording made up here too.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakeserver import (
    FakeServer,
    Recording,
    load_recordings,
    recordings_directory,
)
from tests.fakeserver.rawclient import RawClient, exchange
from tests.fakeserver.recordings import VARIABLE, parsed_recording
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

        assert (reply.chunked.chunks, reply.chunked.is_ended) == ((b"abc\n",), False)
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
                again = dechunked(framed)

                assert again.body == recording.body, recording.name
                assert again.is_ended == recording.is_complete, recording.name

    def test_the_servers_that_were_killed_are_known(self) -> None:
        cut = {one.name for one in _RECORDINGS.values() if not one.is_complete}

        assert cut == {
            "ollama_74_server_sigterm_mid_stream",
            "ollama_74b_server_sigkill_mid_stream",
        }
