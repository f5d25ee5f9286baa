"""Having pip fetch a wheel; a stand-in for pip says what pips of all ages say."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from llmwrap.errors import (
    DeadlineError,
    LLMWrapError,
    OutputError,
    RefusedError,
    UnreachableError,
)
from llmwrap.models.pip_download import fetch_wheel

SAVE = """
directory = sys.argv[sys.argv.index("--dest") + 1]
open(os.path.join(directory, "tiny-1.0-py3-none-any.whl"), "w").close()
"""
Steps = list[tuple[int, int | None, str]]


class FakePip:
    """A package called pip that runs `code`, and the wheel it is asked for."""

    def __init__(self, directory: Path) -> None:
        self._main = directory / "modules" / "pip" / "__main__.py"
        self._main.parent.mkdir(parents=True)
        self._main.with_name("__init__.py").touch()
        self.directory = directory / "wheels"
        self.directory.mkdir()
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(directory / "modules"),
        }
        self.steps: Steps = []

    def fetch(self, code: str, *, until: float | None = None) -> str:
        """Run `fetch_wheel` against a pip that runs `code`."""
        self._main.write_text("import json, os, sys\n" + code)
        return fetch_wheel(
            "tiny",
            "1.0",
            str(self.directory),
            self.environ,
            lambda *step: self.steps.append(step),
            until,
        )


@pytest.fixture
def pip(tmp_path: Path) -> FakePip:
    """Give a pip that does as told."""
    return FakePip(tmp_path)


def test_the_path_of_the_wheel_is_returned(pip: FakePip) -> None:
    path = pip.fetch(SAVE)

    assert path == str(pip.directory / "tiny-1.0-py3-none-any.whl")


def test_raw_progress_is_handed_on(pip: FakePip) -> None:
    pip.fetch("print('Collecting tiny\\nProgress 0 of 90\\nProgress 90 of 90')" + SAVE)

    assert pip.steps == [(0, 90, "downloading"), (90, 90, "downloading")]


def test_a_pip_that_knows_no_raw_progress_works_too(pip: FakePip) -> None:
    refuses = "if 'raw' in sys.argv: print('invalid choice'); sys.exit(2)\n"

    path = pip.fetch(refuses + SAVE)

    assert os.path.exists(path)


def test_pip_is_asked_for_that_wheel_alone(pip: FakePip) -> None:
    told = pip.directory / "told"
    secrets = {"LLMWRAP_API_KEY": "k", "OPENAI_API_KEY": "k", "PIP_INDEX_URL": "u"}
    pip.environ |= secrets
    dump = f"json.dump([sys.argv[1:], dict(os.environ)], open({str(told)!r}, 'w'))\n"

    pip.fetch(dump + SAVE)

    arguments, environ = json.loads(told.read_text())
    assert arguments[:2] == ["download", "--no-deps"]
    assert arguments[-1] == "tiny==1.0"
    assert not [name for name in environ if name.endswith("API_KEY")]
    assert environ["PIP_INDEX_URL"] == "u"
    assert environ["TMPDIR"] == str(pip.directory)


@pytest.mark.parametrize(
    ("lines", "kind", "reason"),
    [
        (
            ["ERROR: No matching distribution found for tiny==1.0"],
            RefusedError,
            "No matching distribution found for tiny==1.0",
        ),
        (
            [
                "WARNING: Retrying (Retry(total=4)) after connection broken",
                "ERROR: Could not find a version that satisfies tiny==1.0",
                "ERROR: No matching distribution found for tiny==1.0",
            ],
            UnreachableError,
            "No matching distribution found for tiny==1.0",
        ),
        (
            [
                "ERROR: Exception:",
                "Traceback (most recent call last):",
                "OSError: [Errno 28] No space left on device",
            ],
            OutputError,
            "OSError: [Errno 28] No space left on device",
        ),
        ([], RefusedError, "it says nothing"),
    ],
)
def test_what_pip_says_becomes_our_error(
    pip: FakePip, lines: list[str], kind: type[LLMWrapError], reason: str
) -> None:
    text = "\n".join(lines)

    with pytest.raises(kind) as caught:
        pip.fetch(f"print({text!r}); sys.exit(1)")

    assert type(caught.value) is kind
    assert caught.value.message == f"pip cannot fetch 'tiny==1.0': {reason}"


def test_success_without_a_wheel_is_an_error(pip: FakePip) -> None:
    with pytest.raises(RefusedError):
        pip.fetch("print('Saved nothing')")


def test_a_pip_that_hangs_is_ended_by_the_deadline(pip: FakePip) -> None:
    with pytest.raises(DeadlineError):
        pip.fetch("sys.stdin.read(); __import__('time').sleep(600)", until=0.0)
