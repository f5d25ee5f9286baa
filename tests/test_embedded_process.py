"""The life of the embedded servers: one is started, shared, replaced, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwrap.backends.embedded.process import (
    EmbeddedServer,
    ensure_server,
    running_servers,
    stop_servers,
)
from llmwrap.backends.embedded.state import (
    is_alive,
    write_state,
)
from llmwrap.errors import (
    CancelledError,
    ConfigError,
    DeadlineError,
    RefusedError,
)
from llmwrap.transport.cancel import CancelToken

from .embedded_world import (
    LONG_S,
    World,
    is_running,
    stale_state,
    status_with_key,
    stranger,
    wait_until,
    write_stale_state,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a place of its own to a test, and end what it has started."""
    with World(tmp_path) as world:
        yield world


def test_a_server_is_started_and_answers_to_its_key(world: World) -> None:
    server = world.ensure()

    assert server.base_url.endswith("/v1")
    assert server.model_path == str(world.model)
    assert status_with_key(server, server.key) == 200
    assert status_with_key(server, "another") == 401


def test_a_running_server_is_used_again(world: World) -> None:
    first = world.ensure()

    assert world.ensure() == first
    assert world.starts() == [first.pid]


def test_a_link_to_the_model_means_the_same_server(world: World) -> None:
    first = world.ensure()
    link = world.directory / "link.gguf"
    link.symlink_to(world.model)

    second = ensure_server(str(link), state_dir=world.state_dir, environ=world.environ)

    assert second.pid == first.pid


def test_processes_that_ask_at_once_start_one_server(world: World) -> None:
    gate = world.directory / "gate"
    world.behave(gate=str(gate))
    asking = [
        subprocess.Popen(world.script(), stdout=subprocess.PIPE) for _ in range(4)
    ]
    wait_until(world.starts)
    gate.touch()

    pids = {process.communicate(timeout=LONG_S)[0] for process in asking}

    assert len(pids) == 1
    assert len(world.starts()) == 1


def test_threads_that_ask_at_once_start_one_server(world: World) -> None:
    barrier = threading.Barrier(4)
    found: list[EmbeddedServer] = []

    def ask() -> None:
        barrier.wait(LONG_S)
        found.append(world.ensure())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)

    assert len(found) == 4
    assert len(set(found)) == 1
    assert len(world.starts()) == 1


def test_finding_a_running_server_imports_little(world: World) -> None:
    world.ensure()
    heavy = "requests subprocess xllamacpp dataclasses argparse hashlib logging"
    body = f"print([m for m in {heavy.split()!r} if m in sys.modules])"

    done = subprocess.run(
        world.script(body), stdout=subprocess.PIPE, timeout=LONG_S, check=True
    )

    assert done.stdout == b"[]\n"


def test_a_killed_server_is_replaced(world: World) -> None:
    first = world.ensure()
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(world.place))

    second = world.ensure()

    assert second.pid != first.pid
    assert second.key != first.key
    assert status_with_key(second, second.key) == 200


def test_another_model_at_the_same_path_gets_another_server(world: World) -> None:
    first = world.ensure()
    world.behave(looks=str(world.directory / "looks"))

    second = world.ensure()

    assert second.pid != first.pid
    wait_until(lambda: not is_running(first.pid))


def test_an_answer_of_the_file_that_was_there_before_is_never_ended(
    world: World,
) -> None:
    """`touch model.gguf` while somebody reads: his server ends once it is idle."""
    busy = world.directory / "busy"
    busy.touch()
    world.behave(busy=str(busy), looks=str(world.directory / "looks"))
    first = world.ensure()
    os.utime(world.model)

    second = world.ensure()

    assert second.pid != first.pid
    before = (world.directory / "looks").stat().st_size
    wait_until(lambda: (world.directory / "looks").stat().st_size > before + 3)
    assert is_running(first.pid)
    busy.unlink()
    wait_until(lambda: not is_running(first.pid))
    assert is_running(second.pid)


def test_waiting_for_a_server_ends_when_the_caller_says_so(world: World) -> None:
    """A deadline or a cancelled request, while the model loads."""
    world.behave(gate=str(world.directory / "never"))
    token = CancelToken()

    def wait(seconds: float) -> None:
        token.cancel()
        token.wait(seconds)

    with pytest.raises(CancelledError):
        world.ensure(wait=wait)


def test_each_model_has_a_server_of_its_own(world: World) -> None:
    first = world.ensure()
    other = world.directory / "other.gguf"
    other.write_bytes(world.model.read_bytes())

    second = ensure_server(str(other), state_dir=world.state_dir, environ=world.environ)

    assert second.pid != first.pid
    found = {server.pid for server in running_servers(world.state_dir)}
    assert found == {first.pid, second.pid}


def test_a_deadline_leaves_the_server_loading_for_the_next_question(
    world: World,
) -> None:
    gate = world.directory / "gate"
    world.behave(gate=str(gate))

    with pytest.raises(DeadlineError):
        world.ensure(deadline_s=0.05)
    gate.touch()
    server = world.ensure()

    assert world.starts() == [server.pid]


def test_running_servers_are_listed(world: World) -> None:
    assert running_servers(world.state_dir) == []

    server = world.ensure()

    assert running_servers(world.state_dir) == [server]
    assert server.is_ready


def test_stopping_ends_the_server_and_removes_its_files(world: World) -> None:
    server = world.ensure()

    assert stop_servers(world.state_dir) == [server]

    assert not is_running(server.pid)
    assert os.listdir(os.path.dirname(world.place.state)) == ["start.lock"]
    assert stop_servers(world.state_dir) == []


def test_stopping_ends_a_server_that_does_not_listen_to_sigterm(world: World) -> None:
    server = world.ensure()
    os.kill(server.pid, signal.SIGSTOP)

    stop_servers(world.state_dir)

    wait_until(lambda: not is_running(server.pid))


def test_stopping_ends_a_server_that_is_still_loading(world: World) -> None:
    world.behave(gate=str(world.directory / "never"))
    with subprocess.Popen(world.script(), stderr=subprocess.PIPE) as asking:
        wait_until(world.starts)

        [stopped] = stop_servers(world.state_dir)

        assert not stopped.is_ready
        _, errors = asking.communicate(timeout=LONG_S)
        assert b"BackendFailedError" in errors


def test_stopping_leaves_a_stranger_with_the_same_pid_alone(world: World) -> None:
    with stranger() as (pid, listener):
        write_stale_state(world, pid, listener.getsockname()[1])

        assert stop_servers(world.state_dir) == []

        assert is_running(pid)
        assert not os.path.exists(world.place.state)


def test_stopping_signals_no_process_that_is_no_server(world: World) -> None:
    server = world.ensure(idle_s=1.5)

    with stranger() as (pid, listener):
        write_state(world.place, stale_state(world, pid, listener.getsockname()[1]))
        stop_servers(world.state_dir)

        assert is_running(pid)
    wait_until(lambda: not is_running(server.pid))


def test_a_missing_model_is_refused(world: World) -> None:
    world.model.unlink()

    with pytest.raises(RefusedError) as caught:
        world.ensure()

    assert caught.value.hint == "run 'llmwrap models install'"


def test_a_file_that_is_no_gguf_is_an_error(world: World) -> None:
    world.model.write_bytes(b"<html>")

    with pytest.raises(ConfigError, match="is no GGUF file"):
        world.ensure()

    assert world.starts() == []


def test_a_directory_is_no_model(world: World) -> None:
    world.model.unlink()
    world.model.mkdir()

    with pytest.raises(ConfigError, match="no regular file"):
        world.ensure()


def test_an_unusable_state_directory_is_one_clear_error(world: World) -> None:
    Path(world.state_dir).write_text("a file")

    with pytest.raises(ConfigError, match=r"cannot (use|create)"):
        world.ensure()
