"""A small fake model server, for the tests of programs that use llmwrap.

    from llmwrap import LLMWrapper
    from llmwrap.testing import FakeServer

    def test_my_summary(tmp_path):
        with FakeServer("Short.") as server:
            with LLMWrapper(environ=server.environ(tmp_path)) as wrapper:
                assert my_summary(wrapper, "Long text") == "Short."
        assert "Long text" in server.requests[0].prompt

It speaks Ollama's native API and OpenAI's, streamed and not, on a port of its own at
127.0.0.1. It knows chats and lists of models, and is no measure of what real servers
do. Standard library only; nothing else of llmwrap imports it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias

from .threads import start_thread

_DATE = "2026-01-01T00:00:00Z"
_POLL_S = 0.05


class FakeAnswer(NamedTuple):
    """An answer to give, streamed word by word.

    `finish_reason` None lets it break off: the connection is closed behind the text.
    `status` other than 200 makes it an error, with the text as its message.
    """

    text: str = ""
    thinking: str = ""
    finish_reason: str | None = "stop"
    status: int = 200


class FakeRequest(NamedTuple):
    """A chat that came in; names of headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def model(self) -> str:
        """Return the model that was asked."""
        return str(self.body.get("model", ""))

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Return the conversation, as it was sent."""
        return list(self.body.get("messages", ()))

    @property
    def prompt(self) -> str:
        """Return the text of the last message."""
        content = self.messages[-1].get("content", "") if self.messages else ""
        if isinstance(content, str):
            return content
        return "".join(part.get("text", "") for part in content)


AnswerToGive: TypeAlias = str | FakeAnswer | Callable[[FakeRequest], "str | FakeAnswer"]


class FakeServer:
    """Answer chats with what it was given; a context manager.

    `answers` are given in turn, one a chat, the last one again and again: a text, a
    FakeAnswer, or a function of what was asked that returns one. Any thread may use it.
    """

    def __init__(
        self,
        *answers: AnswerToGive,
        models: Sequence[str] = ("fake:latest",),
        port: int = 0,
    ) -> None:
        self.answers: list[AnswerToGive] = list(answers or ["Hello from the fake."])
        """What is still to be given; may be changed at any time."""
        self.requests: list[FakeRequest] = []
        """The chats that came in, the earliest first."""
        self.models = list(models)
        self._lock = threading.Lock()
        self._listener = _Listener(port, self)
        self.url = f"http://127.0.0.1:{self._listener.server_port}"
        """The address, as OLLAMA_HOST takes it; OpenAI's API is at `/v1` below."""
        try:
            start_thread(self._serve, "fake-server")
        except BaseException:
            self._listener.server_close()
            raise

    def __repr__(self) -> str:
        return f"<FakeServer at {self.url}, {len(self.requests)} requests>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._listener.shutdown()
        self._listener.server_close()
        self._listener.end_connections()

    def environ(self, home: str | os.PathLike[str]) -> dict[str, str]:
        """Return an environment that leads here, and keeps everything below `home`.

        For `LLMWrapper(environ=...)`, `Config.load` and, beside PATH, for programs.
        """
        places = ("CONFIG", "CACHE", "STATE", "DATA")
        home = os.path.abspath(home)
        below = {f"XDG_{one}_HOME": os.path.join(home, one.lower()) for one in places}
        return {"HOME": home, **below, "OLLAMA_HOST": self.url}

    def answer_to(self, asked: FakeRequest) -> FakeAnswer:
        """Keep a chat that came in, and return what is given to it."""
        with self._lock:
            self.requests.append(asked)
            if _full(asked.model) not in map(_full, self.models):
                return FakeAnswer(f"model '{asked.model}' not found", status=404)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        said = answer(asked) if callable(answer) else answer
        return FakeAnswer(said) if isinstance(said, str) else said

    def _serve(self) -> None:
        self._listener.serve_forever(_POLL_S)


def _full(model: str) -> str:
    return model if ":" in model else f"{model}:latest"


class _Listener(ThreadingHTTPServer):
    """Accept connections, each on a daemon thread, and know which are open."""

    def __init__(self, port: int, fake: FakeServer) -> None:
        self.fake = fake
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _FakeConnection)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection."""
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Let a connection go."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show what a function of the test raised; a client may leave early."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def end_connections(self) -> None:
        """End what is still under way."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _FakeConnection(BaseHTTPRequestHandler):
    """One connection of a client: its requests, one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  theirs
        """Say nothing."""

    def do_GET(self) -> None:
        """Tell which models there are."""
        names = self.server.fake.models
        replies: dict[str, object] = {
            "/": {},
            "/api/version": {"version": "0.33.0"},
            "/api/tags": {"models": [{"name": n, "model": n} for n in names]},
            "/api/ps": {"models": []},
            "/v1/models": {
                "object": "list",
                "data": [{"id": name, "object": "model"} for name in names],
            },
        }
        path = self.path.partition("?")[0]
        if path in replies:
            self._reply(replies[path])
        else:
            self._reply({"error": f"there is no '{path}' here"}, 404)

    def do_POST(self) -> None:
        """Answer a chat."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        dialect = _DIALECTS.get(path)
        if dialect is None:
            self._reply({"error": f"there is no '{path}' here"}, 404)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = FakeRequest(path, headers, json.loads(body))
        said = self.server.fake.answer_to(asked)
        speech = dialect(asked, said)
        if said.status != 200:
            self._reply(speech.error(), said.status)
        elif asked.body.get("stream", dialect.is_streamed_unasked):
            self._stream(speech, is_whole=said.finish_reason is not None)
        else:
            self._reply(speech.whole(), is_whole=said.finish_reason is not None)

    def _reply(
        self, value: object, status: int = 200, *, is_whole: bool = True
    ) -> None:
        body = json.dumps(value).encode()
        self._head(status, "application/json", ("Content-Length", str(len(body))))
        self.wfile.write(body if is_whole else body[:-9])
        self.close_connection = self.close_connection or not is_whole

    def _stream(self, speech: _Speech, *, is_whole: bool) -> None:
        self._head(200, speech.stream_type, ("Transfer-Encoding", "chunked"))
        for frame in speech.frames(is_whole=is_whole):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))
        if is_whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def _head(self, status: int, kind: str, length: tuple[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header(*length)
        self.end_headers()


class _Speech(ABC):
    """An answer in the words of an API."""

    stream_type: ClassVar[str]
    is_streamed_unasked: ClassVar[bool]

    def __init__(self, asked: FakeRequest, said: FakeAnswer) -> None:
        self.asked = asked
        self.said = said
        self.prompt_tokens = sum(
            len(_pieces(str(one.get("content", "")))) for one in asked.messages
        )
        self.completion_tokens = len(_pieces(said.thinking) + _pieces(said.text))

    @abstractmethod
    def error(self) -> object:
        """Return the body of an error."""

    @abstractmethod
    def whole(self) -> object:
        """Return the answer in one piece."""

    @abstractmethod
    def frames(self, *, is_whole: bool) -> Iterator[bytes]:
        """Yield the answer piece by piece, and its end if it has one."""


class _OllamaNative(_Speech):
    stream_type = "application/x-ndjson"
    is_streamed_unasked = True

    def error(self) -> object:
        return {"error": self.said.text}

    def whole(self) -> object:
        return self._line(self.said.text, self.said.thinking) | self._end()

    def frames(self, *, is_whole: bool) -> Iterator[bytes]:
        lines = [self._line("", piece) for piece in _pieces(self.said.thinking)]
        lines += [self._line(piece) for piece in _pieces(self.said.text)]
        if is_whole:
            lines.append(self._line("") | self._end())
        for line in lines:
            yield json.dumps(line).encode() + b"\n"

    def _line(self, text: str, thinking: str = "") -> dict[str, object]:
        message = {"role": "assistant", "content": text}
        if thinking:
            message["thinking"] = thinking
        model = self.asked.model
        return {"model": model, "created_at": _DATE, "message": message, "done": False}

    def _end(self) -> dict[str, object]:
        return {
            "done": True,
            "done_reason": self.said.finish_reason,
            "prompt_eval_count": self.prompt_tokens,
            "eval_count": self.completion_tokens,
        }


class _OpenAIChat(_Speech):
    stream_type = "text/event-stream"
    is_streamed_unasked = False

    def error(self) -> object:
        return {"error": {"message": self.said.text, "type": "api_error", "code": None}}

    def whole(self) -> object:
        message = {"role": "assistant", "content": self.said.text}
        if self.said.thinking:
            message["reasoning_content"] = self.said.thinking
        choice = self._choice("message", message, self.said.finish_reason)
        return self._outer("chat.completion", [choice]) | self._usage()

    def frames(self, *, is_whole: bool) -> Iterator[bytes]:
        deltas = [{"reasoning_content": one} for one in _pieces(self.said.thinking)]
        deltas += [{"content": one} for one in _pieces(self.said.text)]
        chunks = [self._chunk(self._choice("delta", one)) for one in deltas]
        if is_whole:
            end = self._choice("delta", {}, self.said.finish_reason)
            chunks.append(self._chunk(end))
            options = self.asked.body.get("stream_options") or {}
            if options.get("include_usage"):
                chunks.append(self._chunk() | self._usage())
        for chunk in chunks:
            yield b"data: %b\n\n" % json.dumps(chunk).encode()
        if is_whole:
            yield b"data: [DONE]\n\n"

    def _chunk(self, *choices: object) -> dict[str, object]:
        return self._outer("chat.completion.chunk", choices)

    def _outer(self, kind: str, choices: Sequence[object]) -> dict[str, object]:
        return {
            "id": "chatcmpl-1",
            "object": kind,
            "created": 0,
            "model": self.asked.model,
            "choices": choices,
        }

    def _choice(
        self, kind: str, said: Mapping[str, str], finish_reason: str | None = None
    ) -> dict[str, object]:
        return {"index": 0, kind: said, "finish_reason": finish_reason}

    def _usage(self) -> dict[str, object]:
        prompt, completion = self.prompt_tokens, self.completion_tokens
        return {
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            }
        }


_DIALECTS: Mapping[str, type[_Speech]] = {
    "/api/chat": _OllamaNative,
    "/v1/chat/completions": _OpenAIChat,
}


def _pieces(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+", text)
