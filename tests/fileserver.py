"""A server of public files with ranges, validators and chosen faults, for downloads."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable
from typing import NamedTuple


class File(NamedTuple):
    """What is at one path.

    `break_after_bytes` ends each body early, `ignores_range` sends it whole whatever
    was asked, `has_length` False leaves its length out.
    """

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    etag: str = ""
    break_after_bytes: int | None = None
    ignores_range: bool = False
    has_length: bool = True


class Request(NamedTuple):
    """What a client asked for, header names in lower case."""

    path: str
    headers: dict[str, str]


class FileServer:
    """Serve `files` on a port of loopback; `requests` are those that came."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.requests: list[Request] = []
        self.before_answer: Callable[[], object] = lambda: None
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        """End the server."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FileServer

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.owner.requests.append(Request(self.path, headers))
        self.owner.before_answer()
        path = self.path.partition("?")[0]
        file = self.owner.files.get(path, File(b"not here", 404))
        start = self._start(file, headers)
        if start and start >= len(file.body):
            self._send(file, b"", 416, f"bytes */{len(file.body)}")
        elif start:
            last = len(file.body) - 1
            content_range = f"bytes {start}-{last}/{len(file.body)}"
            self._send(file, file.body[start:], 206, content_range)
        else:
            self._send(file, file.body, file.status, "")

    def _start(self, file: File, headers: dict[str, str]) -> int:
        wanted = headers.get("range", "")
        is_same = headers.get("if-range", file.etag) == file.etag
        if not wanted or file.ignores_range or not is_same:
            return 0
        return int(wanted.removeprefix("bytes=").partition("-")[0])

    def _send(self, file: File, body: bytes, status: int, content_range: str) -> None:
        self.send_response(status)
        for name, value in file.headers:
            self.send_header(name, value)
        if file.etag:
            self.send_header("ETag", file.etag)
        if content_range:
            self.send_header("Content-Range", content_range)
        if file.has_length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # The client has seen enough.
            self.wfile.write(body[: file.break_after_bytes])

    def log_message(self, *args: object) -> None:
        pass
