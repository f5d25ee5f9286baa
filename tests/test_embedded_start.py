"""Starting an embedded server: cut loose from us, and its failures told."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwrap.errors import (
    BackendFailedError,
    ConfigError,
)

from .embedded_world import (
    LONG_S,
    World,
    is_running,
    status_with_key,
    wait_until,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a place of its own to a test, and end what it has started."""
    with World(tmp_path) as world:
        yield world


def test_a_pipe_behind_us_ends_though_the_server_lives(world: World) -> None:
    command = shlex.join(world.script())

    # Descriptor 7 is what a careless shell script leaves open.
    done = subprocess.run(
        ["sh", "-c", f"{command} 7>&1 | cat"],
        stdout=subprocess.PIPE,
        timeout=LONG_S,
        check=True,
    )

    assert is_running(int(done.stdout))


def test_closed_standard_streams_are_no_obstacle(world: World) -> None:
    command = shlex.join(world.script("pass"))

    subprocess.run(["sh", "-c", f"{command} <&- >&- 2>&-"], timeout=LONG_S, check=True)

    assert world.starts() == [world.ensure().pid]


def _pipes(descriptors: Path) -> list[str]:
    """Return what is open there and is a pipe; one that is just closed is none."""
    found = []
    for descriptor in descriptors.iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(descriptor))
    return [target for target in found if target.startswith("pipe:")]


def test_a_server_is_cut_loose(world: World) -> None:
    server = world.ensure()

    process = Path(f"/proc/{server.pid}")
    opened = {name: os.readlink(process / "fd" / name) for name in "012"}

    assert os.readlink(process / "cwd") == "/"
    assert os.getsid(server.pid) != os.getsid(0)
    assert (opened["0"], opened["1"]) == ("/dev/null", "/dev/null")
    assert opened["2"] == server.log_path
    # One to the process that waited for it to be ready is closed in a moment.
    wait_until(lambda: not _pipes(process / "fd"))


def test_a_failed_start_says_what_llama_cpp_said(world: World) -> None:
    world.behave(error="error loading model: tensor 'x' is not within the file")

    with pytest.raises(BackendFailedError) as caught:
        world.ensure()

    assert caught.value.message == (
        "the embedded server cannot load 'model.gguf': tensor 'x' is not within the"
        " file"
    )
    assert world.place.log in caught.value.hint


def test_a_failed_start_is_tried_again_by_the_next_question(world: World) -> None:
    world.behave(error="no memory")
    with pytest.raises(BackendFailedError):
        world.ensure()

    world.behave()
    server = world.ensure()

    assert status_with_key(server, server.key) == 200


def test_those_who_wait_for_a_start_share_its_failure(world: World) -> None:
    gate = world.directory / "gate"
    world.behave(gate=str(gate), error="no memory")
    asking = [
        subprocess.Popen(world.script(), stderr=subprocess.PIPE) for _ in range(3)
    ]
    wait_until(world.starts)
    gate.touch()

    errors = [process.communicate(timeout=LONG_S)[1] for process in asking]

    expected = b"BackendFailedError: the embedded server cannot load 'model.gguf': no "
    last_lines = [text.rstrip().rpartition(b"\n")[2] for text in errors]
    assert [expected in line for line in last_lines] == [True] * 3, last_lines


def test_a_process_that_aborts_while_loading_is_reported(world: World) -> None:
    world.behave(abort=True)

    with pytest.raises(BackendFailedError, match="ended by a signal: Aborted"):
        world.ensure()


def test_a_start_that_vanishes_without_a_word_is_no_endless_loop(world: World) -> None:
    replacement = world.directory / "deadly"
    replacement.mkdir()
    (replacement / "xllamacpp.py").write_text(
        "import os\n"
        f"os.unlink({world.place.state!r})\n"
        "os.kill(os.getppid(), 9)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    world.environ["PYTHONPATH"] = str(replacement)

    with pytest.raises(BackendFailedError, match="ended without a word"):
        world.ensure()


def test_without_xllamacpp_the_error_says_how_to_install_it(world: World) -> None:
    absent = world.directory / "absent"
    absent.mkdir()
    (absent / "xllamacpp.py").write_text(
        "raise ModuleNotFoundError('absent', name='xllamacpp')"
    )
    world.environ["PYTHONPATH"] = str(absent)

    with pytest.raises(ConfigError) as caught:
        world.ensure()

    assert "is not installed" in caught.value.message
    assert caught.value.hint == "run: pip install 'llmwrap[embedded]'"


def test_a_python_that_cannot_run_the_server_is_reported(world: World) -> None:
    world.environ["PYTHONHOME"] = str(world.directory)

    with pytest.raises(BackendFailedError, match=r"cannot load 'model\.gguf'"):
        world.ensure()


def test_the_wait_of_its_threads_is_the_users_choice(world: World) -> None:
    world.environ["GOMP_SPINCOUNT"] = "5"
    server = world.ensure()

    told = Path(f"/proc/{server.pid}/environ").read_bytes().split(b"\0")

    assert b"GOMP_SPINCOUNT=5" in told
    assert not [variable for variable in told if variable.startswith(b"OMP_")]
