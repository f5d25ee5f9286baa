"""When the background process ends by itself; and a real llama.cpp in it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from llmwrap.backends.embedded import server as embedded_server
from llmwrap.backends.embedded.process import (
    EmbeddedServer,
    running_servers,
)
from llmwrap.backends.embedded.server import Handover
from llmwrap.backends.embedded.state import (
    is_alive,
    write_state,
)
from llmwrap.errors import (
    BackendFailedError,
)

from .embedded_world import (
    LONG_S,
    World,
    is_running,
    stale_state,
    stranger,
    wait_until,
    write_stale_state,
)
from .fakellama import xllamacpp

REAL_MODEL = os.environ.get("LLMWRAP_TEST_MODEL", "")
needs_real_model = pytest.mark.skipif(
    not REAL_MODEL, reason="LLMWRAP_TEST_MODEL does not name a GGUF file"
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a place of its own to a test, and end what it has started."""
    with World(tmp_path) as world:
        yield world


def test_an_idle_server_ends_and_leaves_no_state(world: World) -> None:
    server = world.ensure(idle_s=0.1)

    wait_until(lambda: not is_running(server.pid))

    assert not os.path.exists(world.place.state)
    assert not os.path.exists(world.place.hidden)
    assert running_servers(world.state_dir) == []


def test_a_busy_server_does_not_end(world: World) -> None:
    busy, looks = world.directory / "busy", world.directory / "looks"
    busy.touch()
    world.behave(busy=str(busy), looks=str(looks))
    server = world.ensure(idle_s=0.1)

    # It looks four times within its idle time.
    wait_until(lambda: looks.exists() and looks.stat().st_size >= 20)

    assert is_running(server.pid)
    busy.unlink()
    wait_until(lambda: not is_running(server.pid))


def test_a_server_that_is_wanted_does_not_end(world: World) -> None:
    looks = world.directory / "looks"
    world.behave(looks=str(looks))
    server = world.ensure(idle_s=2.0)

    def has_looked_for_long() -> bool:
        assert world.ensure().pid == server.pid
        return looks.exists() and looks.stat().st_size >= 8

    wait_until(has_looked_for_long)

    assert world.starts() == [server.pid]


def test_a_server_ends_when_its_state_is_gone(world: World) -> None:
    server = world.ensure(idle_s=1.5)

    os.unlink(world.place.state)

    wait_until(lambda: not is_running(server.pid))


def test_a_server_ends_when_its_state_names_another(world: World) -> None:
    server = world.ensure(idle_s=1.5)

    with stranger() as (pid, listener):
        write_state(world.place, stale_state(world, pid, listener.getsockname()[1]))
        wait_until(lambda: not is_running(server.pid))

    assert os.path.exists(world.place.state)


def test_sigterm_ends_a_server_and_its_state(world: World) -> None:
    server = world.ensure()

    os.kill(server.pid, signal.SIGTERM)

    wait_until(lambda: not is_running(server.pid))
    assert not os.path.exists(world.place.state)


def settings_for(world: World, *, size_bytes: int | None = None) -> Handover:
    """Return the settings of a server for the world's model."""
    state = stale_state(world, 1 << 22, 1)
    model = state.model
    if size_bytes is not None:
        model = model._replace(size_bytes=size_bytes)
    return Handover(state.start_id, "the key", LONG_S, 3, model, world.place)


def parameters_of(world: World, *, size_bytes: int | None = None) -> Any:
    return embedded_server._parameters(
        xllamacpp, settings_for(world, size_bytes=size_bytes)
    )


def write_model(world: World, *, context_tokens: int) -> None:
    key = b"llama.context_length"
    world.model.write_bytes(
        struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, len(key))
        + key
        + struct.pack("<II", 4, context_tokens)
    )


def test_the_context_is_as_long_as_the_model_was_trained_for(world: World) -> None:
    write_model(world, context_tokens=2048)

    parameters = parameters_of(world)

    assert parameters.n_parallel == 2
    assert parameters.n_ctx == 2 * 2048


@pytest.mark.parametrize("trained", [131_072, 0])
def test_the_context_is_bounded(world: World, trained: int) -> None:
    if trained:
        write_model(world, context_tokens=trained)

    assert parameters_of(world).n_ctx == 2 * 8192


def test_a_large_model_answers_one_question_at_a_time(world: World) -> None:
    parameters = parameters_of(world, size_bytes=5 << 30)

    assert (parameters.n_parallel, parameters.n_ctx) == (1, 8192)


def test_only_loopback_and_only_the_key_open_the_server(world: World) -> None:
    parameters = parameters_of(world)

    assert parameters.hostnames == ["127.0.0.1"]
    assert parameters.port == 0
    assert parameters.api_keys == ["the key"]
    assert parameters.model_alias == {"model"}
    assert not parameters.ui


def retired(world: World, *, touched: int | None = None) -> bool:
    """Have a server that is idle end, and return whether it may."""
    server = xllamacpp.Server(parameters_of(world))
    if touched is None:
        touched = os.stat(world.place.state).st_mtime_ns
    try:
        return embedded_server._retire(server, world.place, touched)
    finally:
        server.close()


def test_a_server_that_ends_is_not_to_be_found(world: World) -> None:
    write_stale_state(world, 1 << 22, 1)

    assert retired(world)

    assert not os.path.exists(world.place.state)


def test_a_server_that_was_just_wanted_does_not_end(world: World) -> None:
    write_stale_state(world, 1 << 22, 1)

    assert not retired(world, touched=1)

    assert os.path.exists(world.place.state)
    assert not os.path.exists(world.place.hidden)


def test_a_server_that_was_just_asked_does_not_end(world: World) -> None:
    (world.directory / "busy").touch()
    world.behave(busy=str(world.directory / "busy"))
    write_stale_state(world, 1 << 22, 1)

    assert not retired(world)

    assert os.path.exists(world.place.state)


def _ask(server: EmbeddedServer, key: str, max_tokens: int = 8) -> tuple[int, bytes]:
    parts = urlsplit(server.base_url)
    body = {
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": max_tokens,
        "stream": True,
        "ignore_eos": True,
    }
    connection = http.client.HTTPConnection(parts.netloc, timeout=LONG_S)
    with contextlib.closing(connection):
        connection.request(
            "POST",
            f"{parts.path}/chat/completions",
            json.dumps(body),
            {"Authorization": f"Bearer {key}"},
        )
        response = connection.getresponse()
        return response.status, response.read()


@pytest.fixture
def real(world: World) -> World:
    """Give a world whose model is the real one, served by the real xllamacpp."""
    pytest.importorskip("xllamacpp")
    world.model = Path(REAL_MODEL)
    del world.environ["PYTHONPATH"]
    return world


@needs_real_model
def test_real_llama_cpp_streams_an_answer(real: World) -> None:
    server = real.ensure()

    status, stream = _ask(server, server.key)

    assert status == 200
    assert stream.count(b'"content":') >= 2
    assert b'"finish_reason":"' in stream  # the model chooses when to stop


@needs_real_model
def test_real_llama_cpp_refuses_a_wrong_key(real: World) -> None:
    server = real.ensure()

    status, reply = _ask(server, "a wrong key")

    assert status == 401
    assert b"Invalid API Key" in reply


@needs_real_model
def test_real_llama_cpp_tells_the_key_and_the_prompt_to_nobody(real: World) -> None:
    server = real.ensure()
    _ask(server, server.key)
    _ask(server, "a wrong key")
    process = Path(f"/proc/{server.pid}")

    told = [process / "cmdline", process / "environ", Path(server.log_path)]

    for path in told:
        read = path.read_bytes()
        assert server.key.encode() not in read
        assert b"a wrong key" not in read
        assert b"Say hello" not in read


@needs_real_model
def test_real_llama_cpp_finishes_an_answer_longer_than_its_idle_time(
    real: World,
) -> None:
    server = real.ensure(idle_s=0.1)

    status, stream = _ask(server, server.key, max_tokens=50)

    assert status == 200
    assert b"[DONE]" in stream
    wait_until(lambda: not is_running(server.pid))
    assert not os.path.exists(real.place.state)


@needs_real_model
def test_real_llama_cpp_killed_is_replaced(real: World) -> None:
    first = real.ensure()
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(real.place))

    second = real.ensure()

    assert _ask(second, second.key)[0] == 200


@needs_real_model
def test_real_llama_cpp_says_what_is_wrong_with_a_cut_model(real: World) -> None:
    cut = real.directory / "cut.gguf"
    with open(REAL_MODEL, "rb") as file:
        cut.write_bytes(file.read(20_000_000))
    real.model = cut

    with pytest.raises(BackendFailedError, match="corrupted or incomplete"):
        real.ensure()
