"""Pulling, loading and installing end when they should and where they should."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from threading import Event

import pytest

from llmwrap.backends.base import Backend, Model, Progress
from llmwrap.config import Config
from llmwrap.engine import Choice
from llmwrap.errors import CancelledError, DeadlineError, RefusedError, UsageError
from llmwrap.messages import Chunk, Request
from llmwrap.transport.cancel import CancelToken
from llmwrap.upkeep.errands import install, patient, pull, pull_target, warm

from .runner import Home


class SlowBackend(Backend):
    """A backend whose pull reports once and then waits to be cancelled or let go."""

    name = kind = "slow"
    address = ""

    def __init__(self) -> None:
        self.is_let_go = Event()
        self.was_cancelled = Event()
        self.error: Exception | None = None

    def pull(self, name: str, cancel: CancelToken) -> Iterator[Progress]:
        yield Progress("pulling", 1, 2)
        while not self.is_let_go.is_set():
            try:
                cancel.wait(0.01)
            except CancelledError:
                self.was_cancelled.set()
                raise
        if self.error:
            raise self.error
        yield Progress("success", 2, 2)

    def chat(self, request: Request, cancel: CancelToken) -> Iterator[Chunk]:
        raise NotImplementedError

    def models(self, *, timeout_s: float) -> list[Model]:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def warm(self, request: Request, cancel: CancelToken) -> None:
        for _ in self.pull(request.model, cancel):
            pass


@pytest.fixture
def backend() -> SlowBackend:
    return SlowBackend()


def test_progress_is_told_while_it_happens(backend: SlowBackend) -> None:
    with closing(pull(backend, "x", None)) as steps:
        first = next(steps)
        backend.is_let_go.set()
        others = list(steps)

    assert first == Progress("pulling", 1, 2)
    assert others in ([], [first], [Progress("success", 2, 2)])
    assert not backend.was_cancelled.is_set()


def test_leaving_early_ends_it_on_the_wire(backend: SlowBackend) -> None:
    with closing(pull(backend, "x", None)) as steps:
        next(steps)

    assert backend.was_cancelled.wait(10)


def test_a_deadline_ends_it_on_the_wire(backend: SlowBackend) -> None:
    with pytest.raises(DeadlineError, match="pulling 'x'"):
        list(pull(backend, "x", time.monotonic() + 0.05))

    assert backend.was_cancelled.wait(10)


def test_loading_ends_by_the_deadline_too(backend: SlowBackend) -> None:
    with pytest.raises(DeadlineError, match="loading 'x'"):
        warm(backend, Request("x", ()), time.monotonic() + 0.05)

    assert backend.was_cancelled.wait(10)


@pytest.mark.parametrize("error", [RefusedError("no"), KeyError("bug")])
def test_what_goes_wrong_is_raised_where_it_is_waited_for(
    error: Exception, backend: SlowBackend
) -> None:
    backend.error = error
    backend.is_let_go.set()

    with pytest.raises(type(error)) as caught:
        list(pull(backend, "x", None))

    assert caught.value is error


def test_a_time_out_of_a_foreign_backend_does_not_make_us_wait_for_ever(
    backend: SlowBackend,
) -> None:
    backend.error = TimeoutError("its socket")
    backend.is_let_go.set()

    with pytest.raises(DeadlineError, match="its socket"):
        list(pull(backend, "x", None))


def test_no_time_out_holds_unless_it_was_given() -> None:
    assert patient(Choice()).first_token_timeout_s == 7 * 86400
    assert patient(Choice(idle_timeout_s=5.0)).idle_timeout_s == 5.0


FILE = """
[backends.far]
backend_type = "OpenAI"
base_url = "http://far/v1"
[backends.box]
backend_type = "Ollama"
base_url = "http://box"
"""


@pytest.mark.parametrize(
    ("toml", "choice", "environ", "expected"),
    [
        ("", Choice(model="m"), {}, ("ollama", "m")),
        ("", Choice(model="ollama/m:1"), {}, ("ollama", "m:1")),
        ("", Choice(model="hf.co/a/b:q4"), {}, ("ollama", "hf.co/a/b:q4")),
        ("", Choice(model="m", backend="lmstudio"), {}, ("lmstudio", "m")),
        ("", Choice(model="m", base_url="http://h"), {}, ("ollama", "m")),
        ("", Choice(model="m"), {"LLMWRAP_BACKEND": "lmstudio"}, ("lmstudio", "m")),
        (FILE, Choice(model="m"), {}, ("box", "m")),
        (FILE, Choice(model="far/m"), {}, ("far", "m")),
        (FILE, Choice(model="m", backend="far"), {}, ("far", "m")),
    ],
)
def test_models_are_pulled_through_ollama_unless_another_one_is_named(
    toml: str,
    choice: Choice,
    environ: dict[str, str],
    expected: tuple[str, str],
    home: Home,
) -> None:
    home.configure(toml)
    environ = home.environ | environ

    candidate, name = pull_target(Config.load(environ=environ), choice, environ)

    assert (candidate.backend.name, name) == expected


def test_the_key_for_the_first_choice_does_not_go_to_who_stands_in(home: Home) -> None:
    home.configure(FILE)
    config = Config.load(environ=home.environ)

    stand_in, _ = pull_target(config, Choice(model="m"), home.environ)
    named, _ = pull_target(config, Choice(model="m", backend="box"), home.environ)

    assert not stand_in.is_first_choice
    assert named.is_first_choice


def test_a_path_is_no_url(home: Home) -> None:
    with pytest.raises(UsageError, match="llmwrap -m FILE"):
        install("model.gguf", home.environ, print)


def test_a_checksum_needs_a_url(home: Home) -> None:
    with pytest.raises(UsageError, match="checksum"):
        install("", home.environ, print, sha256="0" * 64)
