"""Read recorded replies of real servers and play them back byte for byte.

A recording is a text file: `#` lines that say what was asked and how, a line
`# ---- raw response follows ----`, then the bytes of the reply. curl has taken the
chunk framing off unless it was told `--raw`; it is put back here, a chunk for each
line or event, as these servers send them.

The directory is not part of the repository. Tests that need it take it from the
environment variable LLMWRAP_TEST_TRANSCRIPTS and are skipped without it.
"""

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from .steps import Close, Reply, Verbatim
from .wire import LAST_CHUNK, Header, chunk, dechunked

VARIABLE = "LLMWRAP_TEST_TRANSCRIPTS"

_MARK = b"# ---- raw response follows ----\n"
_BLANK = b"\r\n\r\n"
_LENGTH = re.compile(rb"(?im)^content-length: *\d+\r$")


@dataclass(frozen=True, slots=True)
class Recording:
    """Hold one recorded reply and what is known of its request."""

    name: str
    """The file's name without `.txt`."""
    about: str
    method: str
    path: str
    request_body: bytes | None
    """None when there was none, or when the recording does not say it."""
    interim: bytes
    """Interim replies (100 Continue) before the head."""
    head: bytes
    """Status line and headers as they were sent, the blank line included."""
    raw_body: bytes
    """What follows the head in the file."""
    is_raw: bool
    """Whether `raw_body` still has its chunk framing."""
    is_complete: bool
    """Whether the server sent all of it: not the case when it was killed."""

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return int(self.head.split(b" ", 2)[1])

    @property
    def header_list(self) -> tuple[Header, ...]:
        """Return the headers in the order they were sent."""
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        pairs = (line.partition(":") for line in lines)
        return tuple((name, value.strip()) for name, _, value in pairs)

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers by lower-case name."""
        return {name.lower(): value for name, value in self.header_list}

    @property
    def is_chunked(self) -> bool:
        """Say whether the reply was chunked."""
        return self.headers.get("transfer-encoding", "") == "chunked"

    @property
    def body(self) -> bytes:
        """Return the body without chunk framing: what decoders are to be fed."""
        if self.is_raw and self.is_chunked:
            return dechunked(self.raw_body).body
        return self.raw_body

    @property
    def wire(self) -> bytes:
        """Return all bytes to send: interim replies, head, framed body."""
        if self.is_chunked:
            body = self.raw_body if self.is_raw else self._rechunked()
            return self.interim + self.head + body
        head = self.head
        if self.method != "HEAD":
            # A few bodies were shortened by hand after they were recorded.
            length = b"Content-Length: %d\r" % len(self.raw_body)
            head = _LENGTH.sub(length, head)
        return self.interim + head + self.raw_body

    def reply(self) -> Reply:
        """Return the steps that play it back.

        The connection stays open or not as the head says. A recording of a killed
        server ends as that did: with a close in mid body.
        """
        if not self.is_complete:
            return (Verbatim(self.wire, keep_alive=False), Close())
        is_open = "content-length" in self.headers or self.is_chunked
        asked = self.headers.get("connection", "").lower()
        return (Verbatim(self.wire, keep_alive=is_open and asked != "close"),)

    def _rechunked(self) -> bytes:
        is_events = self.headers.get("content-type", "").startswith("text/event")
        mark = b"\n\n" if is_events else b"\n"
        *whole, rest = self.raw_body.split(mark)
        chunks = [chunk(part + mark) for part in whole] + [chunk(rest)]
        return b"".join(chunks) + (LAST_CHUNK if self.is_complete else b"")


def recordings_directory() -> Path | None:
    """Return the directory the environment names, None when there is none such."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named and Path(named).is_dir() else None


def load_recordings(directory: Path) -> dict[str, Recording]:
    """Read all recordings of a directory, by name; what is none is left out."""
    found = (parsed_recording(path) for path in sorted(directory.glob("*.txt")))
    return {one.name: one for one in found if one is not None}


def parsed_recording(path: Path) -> Recording | None:
    """Read one file; None when it holds no recorded reply."""
    notes, mark, reply = path.read_bytes().partition(_MARK)
    if not mark or not reply.startswith(b"HTTP/"):
        return None
    said = dict(
        line[2:].partition(": ")[::2]
        for line in notes.decode().split("\n")  # not splitlines: U+0085 occurs
        if line.startswith("# ")
    )
    request = _request_of(said.get("CMD", ""))
    interim, reply = _without_interim(reply)
    head, blank, raw_body = reply.partition(_BLANK)
    return Recording(
        name=path.stem,
        about=said.get("WHAT", ""),
        method=request.method,
        path=request.path or _path_by_name(path.stem),
        request_body=request.body,
        interim=interim,
        head=head + blank,
        raw_body=raw_body,
        is_raw="--raw" in said.get("CMD", "").split(),
        is_complete=said.get("CURL EXIT", "0").split()[0] == "0",
    )


def _without_interim(reply: bytes) -> tuple[bytes, bytes]:
    """Return the interim replies at the start, and what follows them."""
    at = 0
    while reply[at:].split(b" ", 2)[1].startswith(b"1"):
        at = reply.index(_BLANK, at) + len(_BLANK)
    return reply[:at], reply[at:]


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    body: bytes | None


def _request_of(command: str) -> _Request:
    """Guess the request from a curl command."""
    words = shlex.split(command)
    path, body = "", None
    method = "HEAD" if "-I" in words else "GET"
    for option, value in pairwise([*words, ""]):
        if option == "-d":
            method = "POST" if method == "GET" else method
            body = None if value.startswith("@") else value.encode()
        elif option == "-X":
            method = value
        elif option.startswith("http://"):
            path = urlsplit(option).path
    return _Request(method, path, body)


def _path_by_name(name: str) -> str:
    """Return the path of a recording that does not say it: its name tells."""
    ends = {"chat": "/v1/chat/completions", "models": "/v1/models"}
    return ends.get(name.rpartition("_")[2], "/health")
