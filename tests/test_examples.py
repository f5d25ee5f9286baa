"""Every example of README and manual works, in the order in which they stand.

A real shell runs them one after the other in one home, as somebody does who reads from
top to bottom: what one leaves behind must not spoil the next. The fake server stands
where the examples have addresses; its answers are of the form that a line asks for.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from .fakeserver import FakeServer
from .readme import blocks
from .runner import ROOT, SPAWN_S, Home
from .shims import Shims
from .terminals import opened
from .test_man import CRON_FIELDS, PAGES, example_blocks

MODELS = ("llama3.2:latest", "llava:latest", "qwen3:latest", "qwen3:32b", "qwen3-4b")

NOT_RUN = {
    "make ": "runs these tests",
    "pip ": "asks the package index; test_dist.py builds and installs",
    "llmwrap models install": "loads 98 MB; test_embedded_install.py",
    "llmwrap -b embedded": "runs the model; test_embedded_live.py",
}
MAY_BE_13 = ("--check", "--baseline", "--slo")
"""Lines that judge how fast this machine is."""

ANSWERS = {
    "--schema-list": '[{"name": "Ada", "role": "she"}]',
    "--schema level.json": '{"level": 3}',
    "--schema": '{"name": "Ada", "email": "ada@example.org"}',
    "-x ": "```sh\nexit 0\n```\n",
    'chat("Invent a dog."': '{"name": "Rex", "age": 3, "tags": []}',
}

TOOLS = {
    "journalctl": 'echo "Nov 30 07:00:00 host kernel: it fell down"',
    "sudo": 'exec "$@"',
    "man": "echo tar",
    "col": "cat",
    "less": "cat",
    "edit": 'echo "In one line." >> "$1"',
}

PROGRAMS: dict[str, list[str]] = {"llmwrap": [], "load_test": ["loadtest"]}
START = f"exec {shlex.quote(sys.executable)} -m llmwrap"

FILES = {
    "lines.txt": "Good morning\nGood night\n",
    "people.csv": "name,company\nAda,Engines\nAlan,Machines\n",
    "tickets.jsonl": '{"id": "1", "prompt": "It does not start."}\n',
    "old.hbs": "Hello {{name}}!\n",
    "greeting.hbs": "Good evening {{name}}!\n",
    "terse.txt": "Be terse.\n",
    "level.json": '{"type": "object", "properties": {"level": {"type": "integer"}}}',
    "questions.toml": "[defaults.options]\ntemperature = 0\n",
    "new.toml": '[defaults]\nmodel = "llama3.2"\n',
    "phrases": "one\ntwo\n",
    "questions": "Name a colour\n",
    "journal": "",
    "photo.png": "\x89PNG\r\n\x1a\n",
    "photo.jpg": "\xff\xd8\xff\xe0",
} | dict.fromkeys(
    ("notes.md", "mail.txt", "news.txt", "report.txt", "main.c", "main.h", "book.txt"),
    "All of it.\n",
)

PLACES = ("/usr/share/zsh/site-functions", "/var/lib/node_exporter", "/srv/prompts")
ID = "$(llmwrap history list --json | jq -r '.history[0].id')"


class Example(NamedTuple):
    """Something to be run: a line of a shell or of a crontab, a program, a file."""

    kind: str
    text: str


def readme() -> Iterator[Example]:
    """Yield the examples of the README."""
    for block in blocks("sh", "crontab", "python", "toml"):
        if block.language in ("python", "toml"):
            yield Example(block.language, block.text)
        else:
            for line in block.text.splitlines():
                yield Example(block.language, line)


def manual() -> Iterator[Example]:
    """Yield the examples of all pages but files, which begin with a [table]."""
    for name in PAGES:
        for block in example_blocks(name):
            for line in block.splitlines() if block[0] != "[" else ():
                is_timed = CRON_FIELDS.match(line)
                yield Example("crontab" if is_timed else "sh", line)


class World:
    """A home with the files, tools and servers of the examples."""

    def __init__(self, home: Home, server: FakeServer, programs: Shims) -> None:
        self._home = home
        self._server = server
        self._started: set[str] = set()
        self._work = home.path / "work"
        lmstudio = f"LLMWRAP_BACKENDS_LMSTUDIO_BASE_URL={server.url}/v1"
        self._substitutes = {
            "llmwrap -m lmstudio/": f"{lmstudio} llmwrap -m lmstudio/",
            "http://gpu:8000": server.url,
            "http://gpu.example:8000": server.url,
            "http://127.0.0.1:11434": server.url,
            "/etc/llmwrap.toml": f"{home.path}/questions.toml",
            "--duration 2m": "--duration 1s",
            "20261127-1310": ID,
            **{place: f"{home.path}{place}" for place in PLACES},
        }
        for path in (*PLACES, "/bin", "/started", "/work", "/.local/share"):
            Path(f"{home.path}{path}").mkdir(parents=True)
        for name, text in TOOLS.items():
            tool(home.path / "bin" / name, text)
        for name, words in PROGRAMS.items():
            programs.make(home.path / "bin" / name, *words)
            tool(home.path / "started" / name, f'{START} {shlex.join(words)} "$@"')
        for name, text in FILES.items():
            for directory in (home.path, self._work):  # what cron starts is at home
                (directory / name).write_bytes(text.encode("latin-1"))
        home.environ |= {
            "PATH": f"{home.path}/bin:{home.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "VISUAL": "edit",
            "OLLAMA_HOST": server.url,
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        self._shell(
            "git init -q -b main && git add . &&"
            " git -c user.name=a -c user.email=a@b commit -qm one &&"
            " echo two >> main.c && git add main.c && echo three >> main.c",
            self._work,
        )

    def problem(self, example: Example) -> str:
        """Run one example; return what is wrong with it, empty if nothing is.

        The first of each kind starts the program, the others have it forked.
        """
        text = example.text
        for old, new in self._substitutes.items():
            text = text.replace(old, new)
        answer = next((a for word, a in ANSWERS.items() if word in text), "Hello.")
        self._server.answer = [answer]
        self._server.thinking = ["Hm."] if "--think" in text else []
        if example.kind == "toml":
            name = text.splitlines()[0].removeprefix("# ")
            (self._work / name).write_text(text)
            return ""
        if example.kind == "python":
            return self._judge(example, [sys.executable, "-"], text.encode())
        line = CRON_FIELDS.sub("", text).replace("\\%", "%")
        return self._judge(example, ["bash", "-o", "pipefail", "-c", line])

    def _judge(self, example: Example, argv: Sequence[str], stdin: bytes = b"") -> str:
        is_timed = example.kind == "crontab"
        done = subprocess.run(
            argv,
            cwd=self._home.path if is_timed else self._work,
            env=self._environ(example.kind),
            input=stdin,
            capture_output=True,
            timeout=SPAWN_S,
            check=False,
        )
        stderr = done.stderr.decode()
        if done.returncode == 13 and any(word in example.text for word in MAY_BE_13):
            return ""
        is_told = "error:" in stderr or "Traceback" in stderr or (is_timed and stderr)
        if done.returncode == 0 and not is_told:
            return ""
        return f"{example.text}\n  {done.returncode} {done.stdout!r} {stderr}"

    def _environ(self, kind: str) -> dict[str, str]:
        environ = self._home.environ
        if kind in self._started:
            return environ
        self._started.add(kind)
        return {**environ, "PATH": f"{self._home.path}/started:{environ['PATH']}"}

    def _shell(self, line: str, place: Path) -> None:
        subprocess.run(
            ["bash", "-c", line], cwd=place, env=self._home.environ, check=True
        )


def tool(path: Path, text: str) -> None:
    """Write a program for the PATH."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def world(home: Home, programs: Shims) -> Iterator[World]:
    """Give the home of the examples."""
    with FakeServer(models=MODELS) as server:
        yield World(home, server, programs)


def is_run(example: Example) -> bool:
    """Tell whether an example can be run here, without a terminal."""
    text = example.text
    if example.kind in ("python", "toml"):
        return True
    return "interactive" not in text and not text.startswith(tuple(NOT_RUN))


@pytest.mark.parametrize("document", [readme, manual], ids=["README", "manual"])
def test_every_example_works_where_it_stands(
    world: World, document: Callable[[], Iterator[Example]]
) -> None:
    found = [example for example in document() if is_run(example)]

    problems = [problem for each in found if (problem := world.problem(each))]

    assert len(found) > 50
    assert "\n".join(problems) == ""


@pytest.mark.parametrize(
    "line",
    [
        each.text
        for each in (*readme(), *manual())
        if "llmwrap interactive" in each.text
    ],
)
def test_every_example_of_a_full_screen_opens_one(
    world: World, home: Home, tmp_path: Path, line: str
) -> None:
    path = {"PATH": f"{home.path}/started:{home.environ['PATH']}"}
    with opened(home, tmp_path, ["bash", "-c"], line, size=(80, 24), **path) as window:
        window.wait_for("llama3.2")
        window.send("C-d")
        window.wait_for("ENDED with 0")
