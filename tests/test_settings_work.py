"""Every setting does something: changed in the file, its effect is seen from outside.

A key that is read and used by nobody passes every test of the configuration.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from llmwrap.config.show import reference

from .asking import chats, error
from .fakeserver import FakeServer, json_error
from .runner import Home, Result, Runner

CODE = ["# Title\n\n```python\nprint(1)\n```\n"]


class World(NamedTuple):
    """Where one key has one of two values."""

    cli: Runner
    server: FakeServer

    def ask(self, *argv: str, tty: bool = False) -> Result:
        """Ask of the configured server."""
        return self.cli.run(*argv, "Hi", tty=tty, environ={"MINE": "s3cret-key"})

    def request(self) -> Any:
        """Return the request that would be sent."""
        return json.loads(self.ask("--dry-run").stdout)

    def status(self, *argv: str) -> int:
        """Return how a question ends that is asked once."""
        return self.ask("--no-cache", *argv).status

    def asked_of_two(self) -> int:
        """Return how often the server was asked when two asked the same."""
        for _ in range(2):
            assert self.ask().status == 0
        return len(chats(self.server))

    def shown(self) -> bytes:
        """Return what a terminal shows of an answer with code."""
        self.server.answer = CODE
        return self.ask("--no-cache", tty=True).stdout

    def rows(self, *argv: str) -> Any:
        """Return what a command tells as JSON."""
        return json.loads(self.cli.run(*argv, "--json").stdout)

    def kept(self, *, tty: bool) -> int:
        """Return how many conversations are kept after a question."""
        self.ask(tty=tty)
        return len(self.rows("history", "list")["history"])

    def exists(self, name: str) -> bool:
        """Tell whether a file beside the configuration is there after questions."""
        self.ask()
        self.ask("-b", "other")
        return self.cli.home.config_file.with_name(name).exists()


def _after_a_503(world: World) -> int:
    world.server.script("/api/chat", json_error(503, {"error": "busy"}))
    return world.status("--retry-delay", "0")


def _entries(world: World) -> int:
    world.ask()
    entries: int = world.rows("cache", "stats")["entries"]
    return entries


SEEN: dict[str, tuple[str, Callable[[World], object]]] = {
    "defaults.backend": ('"other"', World.status),
    "defaults.model": ('"beta:7b"', lambda w: w.request()["body"]["model"]),
    "defaults.system": ('"Be brief."', lambda w: w.request()["body"]["messages"]),
    "defaults.options": ("{seed = 7}", lambda w: w.request()["body"]),
    "limits.line": ('"40B"', World.status),
    "limits.body": ('"40B"', lambda w: w.status("--no-stream")),
    "limits.answer": ('"3B"', World.status),
    "limits.prompt": ('"1B"', World.status),
    "backends.box.backend_type": ('"openai"', lambda w: w.request()["url"]),
    "backends.box.base_url": ('"http://127.0.0.1:9"', lambda w: w.request()["url"]),
    "backends.box.retry_attempts": ("0", _after_a_503),
    "backends.box.api_key_env": ('"MINE"', lambda w: w.request()["headers"]),
    "backends.box.api_key_file": ('"mine.key"', lambda w: w.request()["headers"]),
    "backends.box.password_file": (
        '"mine.key"\nuser = "me"',
        lambda w: w.request()["headers"],
    ),
    "backends.box.headers": ('{X-Mine = "y"}', lambda w: w.request()["headers"]),
    "backends.box.query": ('{mine = "y"}', lambda w: w.request()["url"]),
    "backends.box.proxy": ('"@REFUSED@"', World.status),
    "streaming.total_timeout": ('"1ms"', World.status),
    "cache.enabled": ("false", World.asked_of_two),
    "cache.ttl": ('"1ms"', World.asked_of_two),
    "cache.enable_persistence": ("false", _entries),
    "cache.path": ('"mine"', lambda w: w.exists("mine")),
    "templates.template_dir": ('"mine.d"', lambda w: w.rows("template", "list")),
    "ui.theme": ('"light"', World.shown),
    "ui.syntax_highlighting": ("false", World.shown),
    "ui.high_contrast": ("true", World.shown),
    "ui.plain": ("true", World.shown),
    "logging.level": ('"debug"', lambda w: len(w.ask().stderr.splitlines())),
    "logging.format": ('"json"', lambda w: w.ask("-v").stderr[:1]),
    "logging.output": ('"mine.log"', lambda w: w.exists("mine.log")),
    "history.enabled": ("false", lambda w: w.kept(tty=True)),
    "history.ask": ("true", lambda w: w.kept(tty=False)),
}
"""Another value of each key, and what is seen to differ then."""

ELSEWHERE = {
    "aliases.box.model": "test_aliases.py::def test_",
    "aliases.box.options": "test_aliases.py::options",
    "aliases.box.system": "test_aliases.py::system",
    "backends.box.timeout": "test_fronts.py::timeout = {silence}",
    "backends.box.connect_timeout": "test_client_tls.py::test_a_handshake_that_never",
    "backends.box.ca_bundle": "test_client_tls.py::test_a_certificate_that_is_named_is",
    "backends.box.api_key_header": "test_nginx.py::test_a_key_may_have_a_header_of_its",
    "backends.box.user": "test_nginx.py::test_basic_is_a_way_in",
    "backends.box.password_env": "test_nginx.py::test_basic_is_a_way_in",
    "backends.box.client_certificate": "test_nginx.py::test_a_client_certificate_is_a",
    "backends.box.client_key": "test_nginx.py::test_a_client_key_that_is_none_is_sta",
    "streaming.max_concurrent_streams": "test_streaming_many.py::test_sixty_four_str",
    "streaming.buffer_size": "test_streams.py::buffer_size=8",
    "cache.max_memory_entries": "test_cache.py::test_memory_holds_no_more_entries",
    "cache.memory_pressure_threshold": "test_cache_memory.py::test_pressure_takes_the",
    "cache.max_disk_bytes": "test_cache.py::max_disk_bytes=",
    "cache.sync": "test_cache_crash_calls.py::test_fsync_is_a_choice",
    "templates.auto_reload": "test_templating_library.py::test_without_auto_reload",
    "ui.auto_scroll": "test_screen_moving.py::test_auto_scroll_can_be_switched_off",
    "ui.models": "test_chat_front.py::test_the_function_keys_choose_models",
    "ui.keys": "test_keys.py::test_a_key_of_ones_own_does_what_it_should",
    "ui.compact": "test_chat_window.py::test_older_turns_are_summarised_by_themselves",
}
"""Where those are seen that need a chat, a thread or a time-out to be."""


def written(home: Home, server: FakeServer, key: str = "", literal: str = "") -> None:
    tables: dict[str, dict[str, str]] = {
        "defaults": {"model": '"alpha:latest"'},
        "backends.box": {
            "backend_type": '"ollama"',
            "base_url": f'"{server.url}"',
            "retry_attempts": "2",
        },
        "backends.other": {
            "backend_type": '"ollama"',
            "base_url": f'"{server.refused_url()}"',
            "retry_attempts": "0",
        },
    }
    if key:
        section, _, name = key.rpartition(".")
        value = literal.replace("@REFUSED@", server.refused_url())
        tables.setdefault(section, {})[name] = value
    file = home.configure(
        "".join(
            f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in pairs.items())
            for section, pairs in tables.items()
        )
    )
    file.with_name("mine.key").write_text("s3cret-key")
    file.with_name("mine.key").chmod(0o600)
    templates = file.with_name("mine.d")
    templates.mkdir(exist_ok=True)
    (templates / "mine.mustache").write_text("{{input}}")


def test_every_setting_is_seen_to_work_somewhere() -> None:
    keys = {entry.key.replace(".NAME.", ".box.") for entry in reference()}

    assert keys == {*SEEN, *ELSEWHERE}
    for place in ELSEWHERE.values():
        file, _, words = place.partition("::")
        assert words in Path(__file__).with_name(file).read_text("utf-8"), place


@pytest.mark.parametrize("key", SEEN)
def test_a_setting_does_something(tmp_path: Path, home: Home, key: str) -> None:
    literal, seen = SEEN[key]
    found = []
    for name, changed in (("one", ""), ("two", key)):
        place = Home(tmp_path / name, home.environ["OLLAMA_HOST"])
        with FakeServer(models=("alpha:latest", "beta:7b")) as server:
            written(place, server, changed, literal)
            found.append(seen(World(Runner(place), server)))

    assert found[0] != found[1]


def test_the_log_may_go_to_stdout_where_that_carries_no_data(
    cli: Runner, home: Home, server: FakeServer
) -> None:
    home.configure('[logging]\noutput = "stdout"\nlevel = "debug"\n')

    pruned = cli.run("history", "prune", "--keep", "1")
    asked = cli.run("--base-url", server.url, "-m", "alpha:latest", "Hi")

    assert pruned.stdout
    assert asked.text == "Hello from the fake server.\n"
    assert error(cli.run("history", "show")) == "no conversation is kept"
