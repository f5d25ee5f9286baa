"""When the background process ends by itself; and a real llama.cpp in it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from llmwrap.backends.embedded_process import (
    EmbeddedServer,
    running_servers,
)
from llmwrap.backends.embedded_state import (
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
)

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
    server = world.ensure(idle_s=0.4)

    os.unlink(world.place.state)

    wait_until(lambda: not is_running(server.pid))


def test_a_server_ends_when_its_state_names_another(world: World) -> None:
    server = world.ensure(idle_s=0.4)

    with stranger() as (pid, listener):
        write_state(world.place, stale_state(world, pid, listener.getsockname()[1]))
        wait_until(lambda: not is_running(server.pid))

    assert os.path.exists(world.place.state)


def test_sigterm_ends_a_server_and_its_state(world: World) -> None:
    server = world.ensure()

    os.kill(server.pid, signal.SIGTERM)

    wait_until(lambda: not is_running(server.pid))
    assert not os.path.exists(world.place.state)


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
    assert stream.count(b'"content":') >= 4
    assert b'"finish_reason":"length"' in stream


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
