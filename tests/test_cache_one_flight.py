"""One request in flight for a key, over all processes and threads."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from llmwrap import Config, LLMWrapper

from .cacheworld import ANSWER, ASK_S, CHAT, World, assert_right
from .fakeserver import (
    FOREVER,
    FakeServer,
    Tell,
    WaitFor,
    json_error,
    json_reply,
    ollama_reply,
)
from .runner import Result, Runner

_ASKERS = 20


@pytest.fixture
def world(cli: Runner, server: FakeServer) -> World:
    return World(cli, server)


def _ask_at_once(world: World, *, is_held: bool) -> list[Result]:
    """Ask the same from many processes.

    The first answer comes at once, or, `is_held`, when they all wait for it.
    """
    first, gate = threading.Event(), threading.Event()
    if is_held:
        held = (Tell(first), WaitFor(gate, ASK_S), ollama_reply([ANSWER]))
        world.server.script(CHAT, *held)
    with ExitStack() as stack:
        programs = []
        for _ in range(_ASKERS):
            program = world.start(stdin=subprocess.DEVNULL)
            programs.append(stack.enter_context(program))
            stack.callback(program.kill)
        if is_held:
            assert first.wait(ASK_S)
            _wait_for_waiting(world, _ASKERS)
            gate.set()
        outputs = [program.communicate(timeout=ASK_S) for program in programs]
    codes = [program.returncode for program in programs]
    return [
        Result(code, stdout, stderr.decode())
        for code, (stdout, stderr) in zip(codes, outputs, strict=True)
    ]


def _wait_for_waiting(world: World, count: int) -> None:
    """Wait until so many processes have opened the file to see who else asks."""
    until = time.monotonic() + ASK_S
    while time.monotonic() < until:
        opened = sum(_has_open(pid, world.in_flight) for pid in os.listdir("/proc"))
        if opened >= count:
            return
        threading.Event().wait(0.005)
    raise AssertionError("they do not wait for one another")


def _has_open(pid: str, path: Path) -> bool:
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
        return any(os.readlink(f"/proc/{pid}/fd/{n}") == str(path) for n in numbers)
    except OSError:
        return False


@pytest.mark.parametrize(
    ("kind", "is_held"),
    [("first", True), ("known", False), ("pulled anew", True)],
)
def test_twenty_processes_that_ask_the_same_cost_one_request(
    world: World, kind: str, is_held: bool
) -> None:
    """Also when the model's digest is learned in that very moment, or is another."""
    if kind != "first":
        assert_right(world.ask("another"), warnings=0)
    if kind == "pulled anew":
        loaded = {"name": "alpha:latest", "model": "alpha:latest", "digest": "new"}
        world.server.script("/api/ps", json_reply({"models": [loaded]}), times=FOREVER)
    asked = world.asked

    results = _ask_at_once(world, is_held=is_held)

    for result in results:
        assert_right(result, warnings=0)
    assert world.asked == asked + 1
    assert_right(world.ask(), warnings=0)
    assert world.asked == asked + 1
    assert not world.is_anything_in_flight()


@contextmanager
def _waiting(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """Give a process that waits for the one that holds the flight."""
    with world.start(stdin=subprocess.DEVNULL) as waiter:
        try:
            _wait_for_waiting(world, 2)
            yield waiter
        finally:
            waiter.kill()


def _assert_asks_itself(world: World, waiter: subprocess.Popen[bytes]) -> None:
    stdout, stderr = waiter.communicate(timeout=ASK_S)
    assert_right(Result(waiter.returncode, stdout, stderr.decode()), warnings=0)
    assert world.asked == 2


@pytest.mark.parametrize(
    "signum", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name
)
def test_a_holder_that_dies_lets_the_others_go_at_once(
    world: World, signum: signal.Signals
) -> None:
    with world.holder() as holder, _waiting(world) as waiter:
        holder.send_signal(signum)
        _assert_asks_itself(world, waiter)

    assert holder.returncode == -signum


def test_a_holder_that_fails_lets_the_others_go_at_once(world: World) -> None:
    first, gate = threading.Event(), threading.Event()
    error = json_error(500, {"error": "broken"})
    world.server.script(CHAT, Tell(first), WaitFor(gate, ASK_S), error)
    with world.start("--retries", "0", stdin=subprocess.DEVNULL) as holder:
        assert first.wait(ASK_S)
        with _waiting(world) as waiter:
            gate.set()
            _, stderr = holder.communicate(timeout=ASK_S)
            _assert_asks_itself(world, waiter)

    assert holder.returncode != 0
    assert b"broken" in stderr


def test_a_holder_that_is_stopped_is_not_waited_for(world: World) -> None:
    with world.holder() as holder, _waiting(world) as waiter:
        holder.send_signal(signal.SIGSTOP)
        _assert_asks_itself(world, waiter)
        holder.send_signal(signal.SIGCONT)

    assert holder.returncode == 0


def test_a_flight_is_waited_for_as_long_as_it_is_alive(world: World) -> None:
    """Three seconds, though nobody waits for more than one without a sign."""
    with world.holder() as holder, _waiting(world) as waiter:
        signs = {world.in_flight.read_bytes()}
        until = time.monotonic() + ASK_S
        while len(signs) < 6 and time.monotonic() < until:
            threading.Event().wait(0.02)
            signs.add(world.in_flight.read_bytes())
        assert waiter.poll() is None
        assert (holder.poll(), world.asked) == (None, 1)

    assert len(signs) == 6


def _wrapper(world: World) -> LLMWrapper:
    environ = world.cli.environ(world.environ)
    return LLMWrapper(Config.load(environ=environ), environ=environ)


def test_threads_that_ask_the_same_cost_one_request(world: World) -> None:
    first, gate = threading.Event(), threading.Event()
    world.server.script(CHAT, Tell(first), WaitFor(gate, ASK_S), ollama_reply([ANSWER]))
    texts: list[str] = []
    with _wrapper(world) as wrapper:

        def ask() -> None:
            texts.append(str(wrapper.chat("hi", model="ollama/alpha")))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        assert first.wait(ASK_S)
        gate.set()
        for thread in threads:
            thread.join(ASK_S)

    assert texts == [ANSWER] * 8
    assert world.asked == 1


def test_a_thread_that_asks_twice_before_it_reads_does_not_wait_for_itself(
    world: World,
) -> None:
    with _wrapper(world) as wrapper:
        one = wrapper.chat_stream("hi", model="ollama/alpha")
        other = wrapper.chat_stream("hi", model="ollama/alpha")

        texts = [str(other), str(one)]

    assert texts == [ANSWER] * 2
    assert world.asked == 2
