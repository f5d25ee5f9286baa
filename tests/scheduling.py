"""Which tests share a process, and which modules `make quick` leaves out.

A scheduler, not pytest-xdist's `--dist=loadgroup`: version 3.8 marks tests in a way
that pytest 9.2 does not look at any more, in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

_ALONE = ("tmux", "signals", "embedded")
"""Terminals, signals and models are slow in each other's company: modules with such a
word in their name share one process."""

_WHOLE = (
    "test_batch_cluster",
    "test_direct_twins",
    "test_dist",
    "test_fakeserver_clients",
    "test_fakeserver_clients_openai",
    "test_layers",
    "test_loadtest_page",
    "test_nginx",
    "test_plugin",
)
"""What one of their tests builds or imports is there for all, or wants ports."""

QUICK = "not slow"
"""The marks of `make quick`."""

_MANY, _EACH = 4, 4
SLOW = frozenset(
    [
        "test_ask_history",
        "test_batch_cluster",
        "test_batch_crash",
        "test_bench",
        "test_cache_crash",
        "test_cache_crash_calls",
        "test_cache_damage",
        "test_cache_damage_program",
        "test_cache_full",
        "test_cache_memory_model",
        "test_cache_odd_files",
        "test_cache_one_flight",
        "test_cache_pressure",
        "test_cache_races",
        "test_cache_refused",
        "test_chat_hostile",
        "test_chat_late",
        "test_chat_narrowing",
        "test_chat_painter",
        "test_chat_texts",
        "test_chat_tmux",
        "test_chat_tmux_shell",
        "test_classes",
        "test_cli_completion",
        "test_clock",
        "test_cron_lines",
        "test_direct",
        "test_direct_records",
        "test_direct_stdin",
        "test_direct_stdout",
        "test_direct_twins",
        "test_discovery",
        "test_dist",
        "test_embedded_install",
        "test_embedded_live",
        "test_embedded_process",
        "test_embedded_server",
        "test_examples",
        "test_fakeserver_clients",
        "test_fakeserver_clients_openai",
        "test_fakeserver_faults_arrival",
        "test_faults",
        "test_foreign",
        "test_fronts",
        "test_handlebars",
        "test_history_processes",
        "test_hostile_commands",
        "test_limits",
        "test_lives",
        "test_loadtest_compare",
        "test_loadtest_page",
        "test_named_files",
        "test_package",
        "test_pipes",
        "test_plugin",
        "test_readme",
        "test_recorder",
        "test_recordings_splits",
        "test_replies",
        "test_retries_waits",
        "test_schemas_loops",
        "test_screen_front",
        "test_screen_moving",
        "test_screen_tmux",
        "test_secrets",
        "test_server_errors",
        "test_shims",
        "test_signals",
        "test_signals_odd",
        "test_start",
        "test_streaming",
        "test_streaming_many",
        "test_surroundings",
        "test_terminal_fitting",
        "test_terminal_highlight",
        "test_terminal_hostile",
        "test_terminal_markdown",
    ]
)
"""Modules that take seconds: they start many programs, wait, or try thousands."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Hand tests out one by one, but those of some modules together."""

    def _split_scope(self, nodeid: str) -> str:
        module = PurePosixPath(nodeid.partition("::")[0]).stem
        if any(word in module for word in _ALONE):
            return "alone"
        return module if module in _WHOLE else nodeid

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """Forget what is done: all that a process ever had is counted, each time."""
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]


def sample(nodeids: Sequence[str]) -> set[str]:
    """Return those of which `make quick` runs: of many parameters every fourth."""
    functions: dict[str, list[str]] = {}
    for nodeid in nodeids:
        functions.setdefault(nodeid.partition("[")[0], []).append(nodeid)
    return {
        one
        for many in functions.values()
        for one in (many[::_EACH] if len(many) > _MANY else many)
    }


def slow_first(nodeid: str) -> bool:
    """Return the place of a test among all: what is slow must not be what is left."""
    return PurePosixPath(nodeid.partition("::")[0]).stem not in SLOW
