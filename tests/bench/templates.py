"""Figures of templates: rendering, the whole program, and hostile ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .measure import Ratio, Run, in_turn, ratio, run
from .scripts import RENDER

_MIB = 1 << 20
_GREETING = (
    '{"name": "Alice", "urgent": true, "message": "Please review the code",'
    ' "tasks": ["Review PR", "Run tests", "Deploy", "Sleep"]}'
)
_LIMIT_STATUS = 9

HOSTILE = (
    ("recursion", "{{> hostile}}{{> hostile}}", "{}"),
    ("10^6 items", "{{#a}}{{.}}{{/a}}", f'{{"a": [{"1, " * 999_999}1]}}'),
    ("100 MB", f"{{{{#a}}}}{'x' * 100_000}{{{{/a}}}}", f'{{"a": [{"1, " * 999}1]}}'),
)
"""Names, templates and variables that would never end, or fill the memory."""


class Programs(NamedTuple):
    """What is run: llmwrap and Python, in an environment whose home is a directory."""

    llmwrap: Sequence[str]
    python: str
    environ: dict[str, str]
    home: str


def render_ratio(programs: Programs, rounds: int) -> Ratio:
    """Return rendering in a running process over pystache with a parsed template."""
    done = run([programs.python, "-c", RENDER, str(rounds)], programs.environ)
    return Ratio(*json.loads(done.output))


def program_ratio(programs: Programs, rounds: int) -> Ratio:
    """Return `template render greeting` over an empty Python program."""
    command = [*programs.llmwrap, "template", "render", "greeting", "--vars", _GREETING]
    empty = [programs.python, "-c", "pass"]
    ours, theirs = in_turn([command, empty], rounds, programs.environ)
    return ratio(ours, theirs, lambda one: one.wall_s)


def hostile_runs(programs: Programs) -> Iterator[tuple[str, Run]]:
    """Yield each hostile template's name and run, which ends with status 9."""
    directory = Path(programs.home, ".config", "llmwrap", "templates")
    directory.mkdir(parents=True, exist_ok=True)
    variables_file = Path(programs.home, "variables.json")
    for name, text, variables in HOSTILE:
        (directory / "hostile.mustache").write_text(text)
        variables_file.write_text(variables)
        command = [*programs.llmwrap, "template", "render", "hostile"]
        command += ["--vars", f"@{variables_file}"]
        yield name, run(command, programs.environ, status=_LIMIT_STATUS)


def shown_hostile(name: str, found: Run) -> str:
    """Return a hostile run for the table."""
    return f"{name} {found.wall_s:.2f} s, {found.peak_bytes / _MIB:.0f} MiB"
