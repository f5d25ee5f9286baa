"""Signals end a chat on pipes as they end every run, and what came is kept."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from llmwrap.history import Conversations

from .asking import address
from .fakeserver import FakeServer, OllamaSpeech, WaitFor, spoken
from .runner import SPAWN_S, Runner


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_chat_and_keeps_what_came(
    cli: Runner, server: FakeServer, number: int
) -> None:
    gate, speech = threading.Event(), OllamaSpeech()
    server.script("/api/chat", spoken(speech, ["one ", "two"]), WaitFor(gate))

    with cli.start("chat", *address(server)) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"Hi\n")
        process.stdin.flush()
        came = b""
        while came != b"one two":
            came += os.read(process.stdout.fileno(), 100)
        process.send_signal(number)
        status = process.wait(SPAWN_S)
        gate.set()

    assert status == -number
    (kept,) = Conversations(cli.home.environ).list()
    turns = Conversations(cli.home.environ).open(kept.id).turns()
    assert [(t.message.content, t.is_interrupted) for t in turns] == [
        ("Hi", False),
        ("one two", True),
    ]


def test_a_reader_that_goes_away_ends_it_quietly(
    cli: Runner, server: FakeServer
) -> None:
    server.answer = ["word "] * 1000

    with cli.start("chat", *address(server)) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write(b"Hi\n")
        process.stdin.close()
        status = process.wait(SPAWN_S)
        said = process.stderr.read()

    assert (status, said) == (-signal.SIGPIPE, b"")
