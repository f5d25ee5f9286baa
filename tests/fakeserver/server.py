"""Run the fake server: accept, read, answer by script or by default, end everything.

One thread accepts, one serves each connection. All of them end when the server is
closed, whatever the clients do: closing shuts the sockets down, which wakes every wait
and every blocked write.
"""

import contextlib
import itertools
import select
import socket
import threading
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from .link import HangUp, Link, PeerGone
from .ollama_api import ollama_response
from .ollama_speech import OllamaSpeech
from .openai_api import (
    Flavour,
    lmstudio_response,
    openai_response,
    openai_speech,
    unknown_endpoint,
)
from .ports import BlackHole, RefusedPort
from .reader import RequestReader
from .received import ReceivedRequest, RequestLog
from .scripts import ScriptQueue, flattened
from .speech import Dialect, Speech
from .stage import ModelShelf
from .steps import Reply, Step, run_steps

DEFAULT_ANSWER = ("Hello", " from", " the", " fake", " server", ".")
DIALECTS: tuple[Dialect, ...] = ("ollama", "openai", "lmstudio")

_BACKLOG = 1024
_JOIN_S = 60.0


class FakeServer(RequestLog):
    """Serve local-model APIs on 127.0.0.1 and break as it is told.

        with FakeServer(models=("alpha:latest",)) as server:
            server.script("/api/chat", json_error(503, {"error": "busy"}))
            ...                                  # first request: 503, then it works
            request = server.wait_for_requests(2)[0]

    The attributes below may be set at any time, by any thread; each answer takes what
    they are when its request was read.
    """

    answer: Sequence[str]
    """The tokens of the default answer."""
    thinking: Sequence[str]
    """The tokens the model thinks first; empty for a model that cannot think."""
    first_token_delay_s: float
    token_delay_s: float
    shelf: ModelShelf
    """The models, and which are loaded: `server.shelf.load("beta:7b")`."""
    port: int
    """The port it listens on once it is started."""

    def __init__(
        self,
        models: Iterable[str] = ("alpha:latest", "beta:7b"),
        dialects: Sequence[Dialect] = DIALECTS,
        flavour: Flavour = "llamacpp",
        *,
        port: int = 0,
    ) -> None:
        """Prepare a server that knows `models`, the newest first.

        `dialects` are the APIs it has; what belongs to none of them is an unknown path,
        answered as the first of them would. `flavour` is the accent of /v1. `port` is
        one that was closed, 0 a free one; until `start` it refuses connections.
        """
        super().__init__()
        self.answer = DEFAULT_ANSWER
        self.thinking = ()
        self.first_token_delay_s = 0.0
        self.token_delay_s = 0.0
        self.shelf = ModelShelf(models)
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self._dialects = tuple(dialects)
        self._flavour: Flavour = flavour
        self._scripts = ScriptQueue()
        self._connection_scripts = ScriptQueue()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._sockets: dict[threading.Thread, socket.socket] = {}
        self._ports: list[RefusedPort] = []
        self._errors: list[Exception] = []

    def start(self) -> Self:
        """Listen and serve."""
        self._listener.listen(_BACKLOG)
        self._waker, self._wake = socket.socketpair()
        self._acceptor = threading.Thread(
            target=self._accept_all, name="fakeserver-accept", daemon=True
        )
        self._acceptor.start()
        return self

    def close(self) -> None:
        """End every connection and every thread, and give the port back.

        Raises:
            RuntimeError: a script went wrong in one of the threads, or one would not
                end; the first such error is the cause.
        """
        self._stopping.set()
        self._wake.close()
        self._acceptor.join(_JOIN_S)
        with self._lock:
            threads = dict(self._sockets)
            for sock in threads.values():
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(_JOIN_S)
        for port in self._ports:
            port.close()
        self._waker.close()
        self._listener.close()
        stuck = [one.name for one in threads if one.is_alive()]
        if stuck:
            raise RuntimeError(f"threads would not end: {stuck}")
        if self._errors:
            raise RuntimeError("a thread of the fake server failed") from (
                self._errors[0]
            )

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; an error of the test is not hidden by one of the server."""
        try:
            self.close()
        except RuntimeError:
            if error is None:
                raise

    @property
    def url(self) -> str:
        """Return the base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def script(
        self,
        path: str | None,
        *parts: Step | Iterable[Step],
        times: int | None = 1,
    ) -> None:
        """Queue a reply for the next `times` requests of `path`.

        `path` None matches any request; `times` None (`FOREVER`) never runs out. The
        n-th matching request gets the n-th reply queued; when none is left the server
        answers as it does by default.
        """
        self._scripts.add(path, flattened(parts), times)

    def script_connection(
        self, *parts: Step | Iterable[Step], times: int | None = 1
    ) -> None:
        """Queue steps for the next `times` connections, before anything is read.

        A connection that the steps leave open is then served as usual.
        """
        self._connection_scripts.add(None, flattened(parts), times)

    @property
    def pending_scripts(self) -> int:
        """Return how many scripted replies nobody has asked for yet."""
        return self._scripts.pending() + self._connection_scripts.pending()

    def refused_url(self) -> str:
        """Return a URL nobody listens on, kept free until the server is closed."""
        return self._keep(RefusedPort())

    def black_hole_url(self) -> str:
        """Return a URL whose port never answers a connect, as long as it is open."""
        return self._keep(BlackHole())

    def speech(self, dialect: Dialect) -> Speech:
        """Return how the server's first model speaks on the API of `dialect`."""
        name = next(iter(self.shelf.names), "alpha:latest")
        if dialect == "ollama":
            return OllamaSpeech(name)
        return openai_speech(self._flavour, name)

    def _keep(self, port: RefusedPort) -> str:
        self._ports.append(port)
        return port.url

    def _accept_all(self) -> None:
        numbers = itertools.count(1)
        while True:
            ready, _, _ = select.select([self._listener, self._waker], [], [])
            if self._waker in ready:
                return
            sock, _ = self._listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(
                target=self._serve_safely,
                args=(sock,),
                name=f"fakeserver-{next(numbers)}",
                daemon=True,
            )
            with self._lock:
                self._sockets[thread] = sock
            thread.start()

    def _serve_safely(self, sock: socket.socket) -> None:
        try:
            self._serve(sock, self.add_connection())
        except (PeerGone, HangUp):
            pass
        except Exception as error:  # handed on: close() raises it
            self._errors.append(error)
        finally:
            with self._lock:
                sock.close()
                del self._sockets[threading.current_thread()]

    def _serve(self, sock: socket.socket, number: int) -> None:
        opening = self._connection_scripts.take(None)
        if opening is not None:
            run_steps(opening, Link(sock, None, self))
        reader = RequestReader(sock, number)
        while (request := reader.read()) is not None:
            if not self._is_answered(sock, request):
                return

    def _is_answered(self, sock: socket.socket, request: ReceivedRequest) -> bool:
        """Answer a request; say whether the connection may carry another."""
        link = Link(sock, request, self)
        self.begin(request)
        try:
            run_steps(self._reply_to(request), link)
        except HangUp:
            pass
        except PeerGone:
            if self._stopping.is_set():
                return False
            if request.silent.is_set() or not link.is_over:
                request.disconnected.set()
                return False
        finally:
            self.end(request)
        request.answered.set()
        return link.keep_alive and not _asks_to_close(request)

    def _reply_to(self, request: ReceivedRequest) -> Reply:
        scripted = self._scripts.take(request.path)
        return self._default_reply(request) if scripted is None else scripted

    def _default_reply(self, request: ReceivedRequest) -> Reply:
        for dialect in self._dialects:
            reply: Reply | None = None
            if dialect == "ollama":
                reply = ollama_response(request, self)
            elif dialect == "openai":
                reply = openai_response(request, self, self._flavour)
            else:
                reply = lmstudio_response(request, self)
            if reply is not None:
                return reply
        first = self._dialects[0]
        return unknown_endpoint(
            request, None if first == "lmstudio" else self.speech(first)
        )


def _asks_to_close(request: ReceivedRequest) -> bool:
    asked = request.headers.get("connection", "").lower()
    return asked == "close" or (request.version == "HTTP/1.0" and asked != "keep-alive")
