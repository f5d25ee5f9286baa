"""The house keeps its order: floors, doors, threads, what is caught and touched.

Read from the source, so that late imports count too.
"""

from __future__ import annotations

import ast
import configparser
import gc
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest

from .runner import ROOT

pytestmark = pytest.mark.untraced

PACKAGE = ROOT / "llmwrap"

FLOORS = (
    {"ends", "errors", "lives", "messages", "units"},
    {"config", "files", "jsontext", "log", "named_files", "paths", "threads"},
    {"transport", "journal", "schemas"},
    {"backends", "cache", "history", "metrics", "models", "templating", "terminal"},
    {"streams", "prompting"},
    {"engine"},
    {"upkeep", "batch"},
    {"wrapper", "repl", "loadtest", "testing"},
    {"cli", "direct", "__main__"},
)
"""What may be imported from below, the ground floor first."""

NEIGHBOURS = {
    # What an end marker means is a type of the values that carry it.
    ("ends", "messages"),
    # An error carries the answer as far as it came; for type checkers only.
    ("errors", "messages"),
    # The configuration is looked for where paths says; paths reads nothing itself.
    ("config", "paths"),
    # The embedded backend runs a model file.
    ("backends", "models"),
    # A file that is named is read in one way, whoever names it.
    ("config", "named_files"),
    # The first configuration is a private file.
    ("config", "files"),
    # A private file wants a private directory, which paths makes.
    ("files", "paths"),
    # The launcher is outside of everything else and is imported by nothing.
    ("__main__", "cli"),
    ("__main__", "direct"),
    # What direct mode finds, the ordinary way has left.
    ("cli", "direct"),
}
"""Imports on one floor, each with its reason."""

DOORS: dict[str, str | tuple[str, ...]] = {
    "argparse": "cli/",
    "colorama": "terminal/",
    "dask": "batch/cluster.py",
    "ddsketch": "metrics/histogram.py",
    "distributed": "batch/cluster.py",
    "jsonschema_rs": "schemas/checking.py",
    "lru": "cache/memory.py",
    "markdown_it": "terminal/",
    "matplotlib": "loadtest/plots.py",
    "msgpack": "journal/packing.py",
    "prompt_toolkit": "repl/",
    "psutil": "cache/pressure.py",
    "pystache": "templating/renderer.py",
    "requests": ("transport/", "models/fetch.py"),
    "rich": "terminal/",
    "tomlkit": "config/edit.py",
    "tomllib": "config/",
    "urllib3": ("transport/", "models/fetch.py"),
    "xllamacpp": "backends/embedded/server.py",
}
"""Libraries, and the one place each is imported in."""

DISTRIBUTIONS = {
    "jsonschema_rs": "jsonschema-rs",
    "lru": "lru-dict",
    "markdown_it": "markdown-it-py",
    "prompt_toolkit": "prompt-toolkit",
}

PROCESS_PLACES = {
    "__main__.py": "answers --version before anything is imported",
    "backends/embedded/server.py": "is a program of its own, behind us",
    "cli/context.py": "holds all of it for everybody else",
    "config/load.py": "the default of the library's Config.load",
    "paths.py": "the places of this process, where none are handed to it",
}
"""Who may touch sys.argv, the standard streams and os.environ."""

THREAD_PLACES = {"streams.py", "threads.py"}
LOCK_PLACES = {"cli/output.py": "threading would be an import for a short run"}
THREAD_MODULES = {"_queue", "_thread", "queue"}
NOT_OUR_WAY = {"asyncio", "concurrent", "multiprocessing"}
"""Threads are plain ones; concurrent.futures waits for its workers at the exit."""

WRITING_PLACES = {
    "cli/descriptor.py",
    "cli/output.py",
    "cli/output_file.py",  # a file of the user's
    "cli/session.py",  # the log's file
    "direct.py",
}

FOR_THE_SHELF = {
    "fcntl": {"flock", "lockf"},
    "os": {"O_EXCL", "O_TMPFILE", "fsync", "link", "rename", "renames", "replace"},
    "shutil": {"move"},
    "tempfile": {"NamedTemporaryFile", "mkstemp"},
}
"""What files.py does for everybody: replacing files whole, and locking them."""

PLACES_BESIDE_THE_SHELF = {
    "backends/embedded/server.py": "hides its own state for a moment: a bare rename",
    "batch/output.py": "adds lines to a file of the user's, and syncs what it added",
}

CATCH_ALL_PLACES = {
    "backends/foreign.py": "words of an error that cannot be asked for them",
    "batch/cluster.py": "another machine, or Dask, raises whatever it likes",
    "cli/main.py": "an unknown error is a bug and ends with status 1",
    "journal/packing.py": "msgpack raises five unrelated kinds for bad bytes",
    "streams.py": "the worker hands on whatever the iterator raises",
    "threads.py": "a call's error is handed on to whoever wants its result",
}


class Import(NamedTuple):
    """One import: the file, the line, the whole name of what it wants, what of it."""

    file: str
    line: int
    name: str
    item: str = ""

    @property
    def part(self) -> str:
        """Return the part of the package that imports."""
        return self.file.partition("/")[0].removesuffix(".py")

    def __str__(self) -> str:
        return f"llmwrap/{self.file}:{self.line} imports {self.name}"


@cache
def sources() -> dict[str, ast.Module]:
    files = sorted(PACKAGE.rglob("*.py"))
    gc.disable()
    found = {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in files
    }
    gc.freeze()  # half a million objects, in which there is no garbage
    gc.enable()
    return found


@cache
def imports() -> list[Import]:
    return list(_imports())


def _imports() -> Iterator[Import]:
    for file, node in places(ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            package = ["llmwrap", *file.split("/")[:-1]]
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                # `from . import x` means the module, any other a name in a module.
                name = start if node.module else f"{start}.{alias.name}"
                yield Import(file, node.lineno, name, alias.name)


def floor(part: str) -> int:
    return next(n for n, parts in enumerate(FLOORS) if part in parts)


@cache
def nodes() -> dict[type[ast.AST], list[tuple[str, ast.AST]]]:
    """Return all nodes by kind; `ast.walk` takes three times as long."""
    found: dict[type[ast.AST], list[tuple[str, ast.AST]]] = defaultdict(list)
    for file, tree in sources().items():
        left: list[ast.AST] = [tree]
        while left:
            node = left.pop()
            found[type(node)].append((file, node))
            for value in reversed(vars(node).values()):
                if isinstance(value, ast.AST):
                    left.append(value)
                elif isinstance(value, list):
                    left += [one for one in reversed(value) if isinstance(one, ast.AST)]
    return found


def places(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for kind in kinds:
        yield from nodes()[kind]


def where(file: str, node: ast.AST) -> str:
    return f"llmwrap/{file}:{getattr(node, 'lineno', 0)} {ast.unparse(node)[:60]}"


def test_every_part_of_the_house_has_a_floor() -> None:
    parts = {file.partition("/")[0].removesuffix(".py") for file in sources()}

    assert parts - {"__init__"} == set().union(*FLOORS)


def test_every_module_stands_in_contributing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"`(?:\w+/)*(\w+\.py)`", text))

    modules = {file.rpartition("/")[2] for file in sources()} - {"__init__.py"}
    assert modules - named == set()


def test_every_path_in_contributing_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = re.findall(r"`([a-z_.-]+/[\w./-]*)`", text)
    # A capital stands for a name to be chosen.
    named = {path for path in paths if not re.search("[A-Z]", path)}

    starts = [ROOT, PACKAGE, ROOT / "tests", ROOT / "tests" / "fakeserver"]
    known = {path for path in named if any((one / path).exists() for one in starts)}
    assert named - known == set()
    assert len(known) > 30


def test_imports_point_down_only() -> None:
    wrong = []
    for found in imports():
        wanted = found.name.split(".")
        if wanted[0] != "llmwrap" or wanted[1:] in ([], ["__version__"]):
            continue
        if found.part in ("__init__", wanted[1]):
            continue
        is_neighbour = (found.part, wanted[1]) in NEIGHBOURS
        if floor(wanted[1]) >= floor(found.part) and not is_neighbour:
            wrong.append(str(found))

    assert wrong == []


def test_the_package_itself_imports_nothing_before_it_is_asked() -> None:
    statements = [
        node
        for node in sources()["__init__.py"].body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert [ast.unparse(node) for node in statements] == [
        "from __future__ import annotations"
    ]


def test_each_foreign_library_has_one_door() -> None:
    wrong = []
    for found in imports():
        top = found.name.partition(".")[0]
        is_foreign = top not in sys.stdlib_module_names and top != "llmwrap"
        if not (is_foreign or top in DOORS):
            continue
        if not found.file.startswith(DOORS.get(top, "nowhere")):
            wrong.append(str(found))

    assert wrong == []


def test_each_foreign_library_is_declared() -> None:
    setup = configparser.RawConfigParser()
    setup.read(ROOT / "setup.cfg")
    declared = setup["options"]["install_requires"]
    for extra in ("cluster", "embedded", "report", "schema"):
        declared += setup["options.extras_require"][extra]
    names = set(re.findall(r"^[\w-]+", declared, re.MULTILINE))

    foreign = {found.name.partition(".")[0] for found in imports()} - {"llmwrap"}
    foreign -= set(sys.stdlib_module_names)

    assert names == {DISTRIBUTIONS.get(name, name) for name in foreign}


def test_nothing_but_the_streams_starts_threads() -> None:
    wrong = []
    for found in imports():
        top = found.name.partition(".")[0]
        is_known = found.file in THREAD_PLACES or found.file in LOCK_PLACES
        is_threading = top in THREAD_MODULES and not is_known
        if is_threading or top in NOT_OUR_WAY:
            wrong.append(str(found))
    for file, node in places(ast.Attribute, ast.Name):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        is_start = name in ("Thread", "Timer", "start_new_thread")
        if is_start and file not in THREAD_PLACES:
            wrong.append(where(file, node))

    assert wrong == []


def test_the_process_is_touched_in_known_places_only() -> None:
    touched = {
        "os": {"environ", "environb", "getenv", "putenv"},
        "sys": {"argv", "stdin", "stdout", "stderr", "__stdout__", "__stderr__"},
    }
    wrong = []
    for file, node in places(ast.Attribute):
        assert isinstance(node, ast.Attribute)
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        if node.attr in touched.get(owner, ()) and file not in PROCESS_PLACES:
            wrong.append(where(file, node))
    wrong += [str(i) for i in imports() if i.name in ("os.environ", "sys.argv")]

    assert wrong == []


def test_nothing_prints_or_reads_lines() -> None:
    calls = [
        where(file, node)
        for file, node in places(ast.Call)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("print", "input", "exit", "quit")
    ]

    assert calls == []


def test_one_object_writes_to_stdout_and_stderr() -> None:
    """What a terminal shows is cleaned, and whole lines, because nobody goes past it.

    Who takes a descriptor in hand writes to it sooner or later.
    """
    wrong = []
    for file, node in places(ast.Call):
        assert isinstance(node, ast.Call)
        call = ast.unparse(node.func)
        is_ours = re.search(r"(std(out|err)|descriptor)\.write", call)
        is_raw = call == "os.write" and file.startswith("cli/")
        if (is_ours or is_raw) and file not in WRITING_PLACES:
            wrong.append(where(file, node))
    for file, node in places(ast.ImportFrom):
        is_taken = "Descriptor" in ast.unparse(node)
        if is_taken and file not in WRITING_PLACES | {"cli/context.py"}:
            wrong.append(where(file, node))

    assert wrong == []


def test_everything_is_caught_in_known_places_only() -> None:
    wrong = []
    for file, node in places(ast.ExceptHandler):
        assert isinstance(node, ast.ExceptHandler)
        names = ast.unparse(node.type) if node.type else "everything"
        is_wide = re.search(r"\b(everything|Exception|BaseException)\b", names)
        # Setting things right before it goes on is no catching.
        goes_on = isinstance(node.body[-1], ast.Raise)
        if is_wide and not goes_on and file not in CATCH_ALL_PLACES:
            wrong.append(where(file, node))

    assert wrong == []


def test_files_are_replaced_and_locked_in_one_place() -> None:
    wrong = []
    for file, node in places(ast.Attribute):
        assert isinstance(node, ast.Attribute)
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        is_known = file == "files.py" or file in PLACES_BESIDE_THE_SHELF
        if node.attr in FOR_THE_SHELF.get(owner, ()) and not is_known:
            wrong.append(where(file, node))
    wrong += [str(i) for i in imports() if i.item in FOR_THE_SHELF.get(i.name, ())]

    assert wrong == []


def test_nothing_is_global_and_nothing_is_imported_with_a_star() -> None:
    wrong = [where(file, node) for file, node in places(ast.Global)]
    wrong += [str(found) for found in imports() if found.name.endswith(".*")]
    for file, node in places(ast.ImportFrom):
        assert isinstance(node, ast.ImportFrom)
        if any(alias.name == "*" for alias in node.names):
            wrong.append(where(file, node))

    assert wrong == []


WAITS = {"communicate", "flock", "poll", "read1", "result", "select", "sleep", "wait"}


def test_every_wait_is_in_the_list_of_what_ends_it() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    section = text.partition("## What waits, and what ends it")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(?:\w+/)*(\w+\.py)`", section))

    waiting = {
        file.rpartition("/")[2]
        for file, node in places(ast.Call)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WAITS
    }

    assert waiting - named == set()


def test_no_class_name_means_two_things() -> None:
    homes: dict[str, list[str]] = {}
    for file, node in places(ast.ClassDef):
        assert isinstance(node, ast.ClassDef)
        homes.setdefault(node.name, []).append(file)

    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_no_imports_go_in_a_circle() -> None:
    # The root is there before any module of it is, and loads its names late.
    modules = {_module(file) for file in sources()} - {"llmwrap"}
    wants: dict[str, set[str]] = {module: set() for module in modules}
    for found in imports():
        whole = f"{found.name}.{found.item}"
        wanted = whole if whole in modules else found.name
        if wanted in modules and found.file != "__init__.py":
            wants[_module(found.file)].add(wanted)

    # What nobody in the rest imports is in no circle, and neither is what imports none.
    while leaves := {module for module in wants if not wants[module] & set(wants)}:
        wants = {module: wants[module] for module in wants if module not in leaves}

    assert {module: wants[module] & set(wants) for module in wants} == {}


def _module(file: str) -> str:
    parts = ["llmwrap", *file.removesuffix(".py").split("/")]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
