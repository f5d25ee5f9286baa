"""A short run imports what it needs and no more: imports are most of its time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from .asking import address
from .fakeserver import FakeServer
from .runner import ROOT, Runner

NOT_FOR_HELP = {
    "asyncio",
    "colorama",
    "concurrent",
    "dataclasses",
    "ddsketch",
    "email",
    "http",
    "importlib.metadata",
    "inspect",
    "llmwrap.history",
    "logging",
    "markdown_it",
    "pathlib",
    "prompt_toolkit",
    "pygments",
    "pystache",
    "requests",
    "rich",
    "ssl",
    "subprocess",
    "tomllib",
    "urllib3",
    "llmwrap.loadtest",
}
NOT_FOR_A_PIPE = {
    "asyncio",
    "colorama",
    "concurrent",
    "ddsketch",
    "llmwrap.history",
    "markdown_it",
    "prompt_toolkit",
    "pygments",
    "rich",
    "tomllib",
    "xllamacpp",
    "llmwrap.engine.inline",
    "llmwrap.loadtest",
}
NOT_FOR_A_TEMPLATE = (NOT_FOR_HELP - {"pystache", "tomllib"}) | {
    "difflib",
    "hashlib",
    "importlib.resources",
    "llmwrap.backends",
    "llmwrap.engine.engine",
    "llmwrap.streams",
    "llmwrap.templating.handlebars",
    "llmwrap.templating.handlebars_nodes",
    "llmwrap.templating.writing",
    "llmwrap.transport",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
}
NOT_FOR_A_HIT = {
    "concurrent",
    "dataclasses",
    "ddsketch",
    "email",
    "http",
    "logging",
    "lru",
    "psutil",
    "queue",
    "requests",
    "rich",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "tomllib",
    "urllib3",
    "llmwrap.cache.memory",
    "llmwrap.engine.dispatch",
    "llmwrap.engine.live",
    "llmwrap.engine.targets",
    "llmwrap.streams",
    "llmwrap.transport",
}
NOT_FOR_A_QUESTION = {
    "asyncio",
    "base64",
    "concurrent",
    "dataclasses",
    "datetime",
    "email",
    "encodings.idna",
    "hashlib",
    "heapq",
    "http",
    "inspect",
    "locale",
    "logging",
    "queue",
    "random",
    "requests",
    "selectors",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "traceback",
    "urllib",
    "urllib3",
    "weakref",
    "llmwrap.transport.adopted",
    "llmwrap.transport.client",
}
"""What a server need not wait for: its answer is read with it, if at all."""
FOR_A_DIRECT_HIT = {
    "llmwrap",
    "llmwrap.__main__",
    "llmwrap.cache",
    "llmwrap.cache.layout",
    "llmwrap.cache.payload",
    "llmwrap.direct",
    "llmwrap.errors",
    "llmwrap.files",
    "llmwrap.journal",
    "llmwrap.journal.records",
    "llmwrap.metrics",
    "llmwrap.metrics.layout",
    "llmwrap.paths",
}

LIST_MODULES = """
import os, sys
def leave(status):
    with open({file!r}, "w") as file:
        file.write("\\n".join(sorted(set(sys.modules) - before)))
    really_leave(status)
really_leave, os._exit = os._exit, leave  # how the program ends
sys.argv = ["llmwrap", *{argv!r}]
import _thread
def start(*args, **options):
    sys.modules["_thread.start_new_thread"] = _thread
    return really_start(*args, **options)
really_start, _thread.start_new_thread = _thread.start_new_thread, start
before = set(sys.modules)
from llmwrap.__main__ import main
main()
"""


UP_TO_THE_SENDING = """
import os, sys, typing
def stop(event, arguments):
    if event == "socket.connect":
        os._exit(write())
def write():
    with open({file!r}, "w") as file:
        file.write("\\n".join({found}))
    return 0
def compiled(kind):
    notes = [*vars(kind).get("__annotations__", {{}}).values()]
    return sum(isinstance(note, typing.ForwardRef) for note in notes)
sys.addaudithook(stop)
sys.argv = ["llmwrap", *{argv!r}]
before = set(sys.modules)
from llmwrap.__main__ import main
main()
"""
"""Writes what there is when a connection is asked for, and goes no further."""

LOADED = "sorted(set(sys.modules) - before)"
COMPILED = """(
    kind.__module__ + "." + kind.__name__
    for name, module in sys.modules.items()
    if name.startswith("llmwrap")
    for kind in vars(module).values()
    if isinstance(kind, type) and compiled(kind)
)"""

COUNT_COLLECTIONS = """
import gc, os, sys
gc.callbacks.append(lambda phase, info: collections.append(phase))
def leave(status):
    print(collections.count("start"), file=sys.stderr)
    really_leave(status)
really_leave, os._exit = os._exit, leave
collections = []
sys.argv = ["llmwrap", *{argv!r}]
from llmwrap.__main__ import main
main()
"""


def modules(
    cli: Runner,
    tmp_path: Path,
    *argv: str,
    environ: Mapping[str, str | None] = {},
) -> set[str]:
    """Return what a run imports beside what Python itself does.

    `_thread.start_new_thread` is in it if the run starts a thread.
    """
    file = tmp_path / "modules"
    program = LIST_MODULES.format(argv=list(argv), file=str(file))
    found = written(cli, file, program, environ)
    return found | {name.partition(".")[0] for name in found}


def written(
    cli: Runner, file: Path, program: str, environ: Mapping[str, str | None] = {}
) -> set[str]:
    """Return the words that a program writes to a file."""
    # Without the site: an editable installation imports modules of its own there.
    places = [str(ROOT), *(path for path in sys.path if "site-packages" in path)]
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env=cli.environ({"PYTHONPATH": ":".join(places), **environ}),
        input=b"Hi",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return set(file.read_text().split())


def up_to_the_sending(cli: Runner, tmp_path: Path, found: str) -> set[str]:
    """Return what there is in a one-shot when its question is about to go out."""
    file = tmp_path / "sending"
    argv = ["--base-url", "http://127.0.0.1:9", "-m", "alpha", "Hello"]
    program = UP_TO_THE_SENDING.format(argv=argv, file=str(file), found=found)
    return written(cli, file, program)


def test_the_version_imports_nothing(cli: Runner, tmp_path: Path) -> None:
    found = modules(cli, tmp_path, "--version") - {"__future__"}

    assert found == {"llmwrap", "llmwrap.__main__"}


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["ask", "--help"],
        ["doctor", "--help"],
        ["chat", "--help"],
        ["interactive", "--help"],
        ["template", "--help"],
        ["loadtest", "--help"],
    ],
)
def test_help_imports_nothing_heavy(
    cli: Runner, tmp_path: Path, argv: list[str]
) -> None:
    assert modules(cli, tmp_path, *argv) & NOT_FOR_HELP == set()


def test_an_answer_on_a_pipe_imports_nothing_for_terminals(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    argv = ["--base-url", server.url, "-m", "alpha", "Hello"]

    assert modules(cli, tmp_path, *argv) & NOT_FOR_A_PIPE == set()


def test_a_template_is_rendered_without_an_engine(cli: Runner, tmp_path: Path) -> None:
    argv = ["template", "render", "greeting", "--var", "name=Alice"]

    assert modules(cli, tmp_path, *argv) & NOT_FOR_A_TEMPLATE == set()


def test_an_answer_without_a_template_imports_no_templates(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    argv = ["--base-url", server.url, "-m", "alpha", "Hello"]

    found = modules(cli, tmp_path, *argv)

    assert (
        found & {"pystache", "llmwrap.templating", "llmwrap.prompting.templates"}
        == set()
    )


def test_an_answer_of_a_server_starts_a_thread(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    """Else the tests below would not see one."""
    found = modules(cli, tmp_path, *address(server), "Hello")

    assert "_thread.start_new_thread" in found


def test_a_question_goes_out_before_what_only_reading_needs(
    cli: Runner, tmp_path: Path
) -> None:
    found = up_to_the_sending(cli, tmp_path, LOADED)

    assert {"llmwrap.transport.ahead", "json"} <= found
    assert found & NOT_FOR_A_QUESTION == set()


def test_no_annotation_of_a_value_is_compiled_before_a_question_goes_out(
    cli: Runner, tmp_path: Path
) -> None:
    """`typing` does so where they are text, for more than all else of the class."""
    assert up_to_the_sending(cli, tmp_path, COMPILED) == set()


def test_an_answer_of_a_server_hardly_looks_for_garbage(
    cli: Runner, server: FakeServer
) -> None:
    """Importing requests alone would make Python look 45 times."""
    argv = [*address(server), "-q", "Hello"]
    done = subprocess.run(
        [sys.executable, "-c", COUNT_COLLECTIONS.format(argv=argv)],
        env=cli.environ({"PYTHONPATH": str(ROOT)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )

    assert int(done.stderr) < 5


def test_a_hit_needs_no_network_and_no_threads(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    argv = (*address(server), "Hello")
    modules(cli, tmp_path, *argv)

    found = modules(cli, tmp_path, *argv, environ={"LLMWRAP_DIRECT": "0"})

    assert found & {*NOT_FOR_A_HIT, "_thread.start_new_thread"} == set()


def test_a_hit_by_direct_mode_imports_next_to_nothing(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    argv = (*address(server), "Hello")
    modules(cli, tmp_path, *argv)

    found = modules(cli, tmp_path, *argv)

    # Parts of the interpreter in C cost nothing.
    own = {name for name in found if name.startswith("llmwrap")}
    others = found - own - set(sys.builtin_module_names)
    assert own == FOR_A_DIRECT_HIT
    assert others <= {"__future__", "_blake2", "_struct", "fcntl", "select", "struct"}


def test_a_chat_on_a_pipe_imports_nothing_for_terminals(
    cli: Runner, server: FakeServer, tmp_path: Path
) -> None:
    argv = ["chat", "--base-url", server.url, "-m", "alpha"]

    found = modules(cli, tmp_path, *argv) & NOT_FOR_A_PIPE

    assert found == {"llmwrap.history"}
