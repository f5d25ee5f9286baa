"""Each front that shows answers meets each class of outcome: `python -m tests.pairs`.

What one front does not pass on (the status, the text that came, the one line) another
does, so each is asked for its own way of telling.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from llmwrap import Config, LLMWrapError, LLMWrapper

from .asking import lines
from .fakeserver import FAULTS, TOKENS, FakeServer, Fault
from .pairs import FRONTS, PAIRS, STATUSES, Pair, asking, patience
from .runner import Result, Runner
from .test_ask_output_terminal import screen_of

_WHOLE = "".join(TOKENS)
_ENDLESS = "more"
_TABLE = """
[defaults]
model = "alpha:latest"
[backends.{dialect}]
base_url = "{url}"
timeout = {silence}
retry_attempts = {retries}
[streaming]
total_timeout = "{total}s"
"""


class _World(NamedTuple):
    """What a front needs to meet a fault."""

    cli: Runner
    server: FakeServer
    fault: Fault

    @property
    def status(self) -> int:
        return STATUSES[self.fault.outcome]

    @property
    def text(self) -> str:
        """Return what came of the answer, without what never ends."""
        return _WHOLE if self.status == 0 else self.fault.kept()

    def run(self, *argv: str) -> Result:
        """Run a command line, look at its status and its one error line."""
        result = self.ask(*argv)
        assert result.status == self.status, result.stderr
        assert len(lines(result, "error")) == (self.status != 0)
        return result

    def ask(self, *argv: str, command: str = "ask", **options: Any) -> Result:
        where = asking(self.fault, self.server)
        return self.cli.run(command, *where, *argv, **options)

    def came(self, text: str) -> bool:
        """Tell whether a text is all of what came, as far as that can be said."""
        rest = text.removeprefix(self.text).replace(_ENDLESS, "").strip()
        return text.startswith(self.text) and not rest


def _text(world: _World) -> None:
    assert world.came(world.run("hi").text)


def _json(world: _World) -> None:
    document = json.loads(world.run("--json", "hi").text)

    assert world.came(document["text"])
    if world.status:
        assert document["error"]["exit_status"] == world.status


def _events(world: _World) -> None:
    result = world.run("--format", "events", "hi")

    *events, last = map(json.loads, result.text.splitlines())
    assert world.came("".join(e["text"] for e in events if e["type"] == "text"))
    assert last["type"] == ("error" if world.status else "done")
    assert last.get("exit_status", 0) == world.status


def _file(world: _World) -> None:
    path = world.cli.home.path / "answer"
    path.write_text("old")

    result = world.run("-O", str(path), "hi")

    assert result.text == ""
    assert path.read_text() == ("old" if world.status else _WHOLE + "\n")


def _terminal(world: _World) -> None:
    result = world.ask("hi", tty=True)

    assert result.status == world.status
    assert world.came(" ".join(screen_of(result.text)))


def _unstreamed(world: _World) -> None:
    # Nothing is a token before everything is there, so this time-out covers it all.
    waits = ("--first-token-timeout", "0.5") if world.status == 124 else ()

    result = world.run("--no-stream", *waits, "hi")

    assert result.text == ("" if world.status else _WHOLE + "\n")


def _chat(world: _World) -> None:
    result = world.ask(command="chat", stdin=b"hi\n")

    assert result.status == (10 if world.status else 0)
    assert world.came(result.text.removesuffix("\n"))
    assert len(lines(result, "error")) == (world.status != 0)


def _configured(world: _World) -> LLMWrapper:
    suffix = "/v1" if world.fault.dialect == "openai" else ""
    waits = patience(world.fault)
    is_short = "0.4" in waits.values()
    table = _TABLE.format(
        dialect=world.fault.dialect,
        url=world.fault.arm(world.server) + suffix,
        silence=1 if is_short else 30,
        retries=0 if world.status else 2,
        total=waits["--timeout"],
    )
    home = world.cli.home
    config = Config.load(home.configure(table), home.environ)
    return LLMWrapper(config, environ=home.environ)


def _wrapper(world: _World) -> None:
    status = 0
    with _configured(world) as wrapper:
        try:
            assert str(wrapper.chat("hi")) == _WHOLE
        except LLMWrapError as error:
            status = error.exit_status

    assert status == world.status


def _stream(world: _World) -> None:
    status, text = 0, ""
    with _configured(world) as wrapper:
        try:
            for chunk in wrapper.chat_stream("hi"):
                text += chunk.text
        except LLMWrapError as error:
            status = error.exit_status

    assert status == world.status
    assert world.came(text)


def _loadtest(world: _World) -> None:
    load = ("--requests", "1", "--concurrency", "1", "--warmup", "0", "--json")

    result = world.ask(*load, command="loadtest")

    document = json.loads(result.text)
    assert result.status == (10 if world.status else 0)
    assert document["errors"] == sum(document["errors_by_kind"].values())
    assert document["errors"] == (world.status != 0)


_MEETINGS: dict[str, Callable[[_World], None]] = {
    "text": _text,
    "json": _json,
    "events": _events,
    "file": _file,
    "terminal": _terminal,
    "whole": _unstreamed,
    "chat": _chat,
    "wrapper": _wrapper,
    "stream": _stream,
    "loadtest": _loadtest,
}


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_every_front_meets_every_class_of_outcome(
    cli: Runner, server: FakeServer, pair: Pair
) -> None:
    server.answer = list(TOKENS)

    _MEETINGS[pair.front](_World(cli, server, pair.fault))


def test_the_pairs_leave_nothing_out() -> None:
    met = {(pair.front, pair.fault.outcome) for pair in PAIRS}

    assert met == {(front, outcome) for front in FRONTS for outcome in STATUSES}
    assert {fault.outcome for fault in FAULTS.values()} == set(STATUSES)
    for outcome in STATUSES:
        met_in = {p.fault.dialect for p in PAIRS if p.fault.outcome == outcome}
        assert met_in == {"ollama", "openai"}
