"""The package as programs import it: its names, their types, and their cost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import llmwrap
from llmwrap import Config, LLMWrapper

from .runner import ROOT


def test_every_public_name_is_there() -> None:
    assert all(getattr(llmwrap, name) is not None for name in llmwrap.__all__)
    assert llmwrap.EnhancedLLMWrapper is LLMWrapper
    assert llmwrap.EnhancedConfig is Config
    with pytest.raises(AttributeError, match="'nope'"):
        _ = llmwrap.nope  # type: ignore[attr-defined]  # which is the point


def test_the_names_can_be_listed_before_they_are_used() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import llmwrap; print(*dir(llmwrap))"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert set(done.stdout.split()) >= {*llmwrap.__all__, "__doc__"}


def test_importing_the_package_imports_nothing_else() -> None:
    program = "import sys; before = set(sys.modules); import llmwrap;"
    program += "print(*sorted(set(sys.modules) - before))"

    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["__future__", "llmwrap"]


PROGRAM = """
from collections.abc import Iterator

from llmwrap import Answer, Chunk, Config, EnhancedLLMWrapper, LLMWrapper, Sampling
from llmwrap.errors import LLMWrapError


def words(wrapper: LLMWrapper) -> Iterator[str]:
    with wrapper.chat_stream("Hi", sampling=Sampling(seed=1)) as answer:
        for chunk in answer:
            piece: Chunk = chunk
            yield piece.content
        tokens: int | None = answer.completion.usage.completion_tokens


def status() -> int:
    try:
        with EnhancedLLMWrapper(Config.load("x.toml")) as wrapper:
            answer: Answer = wrapper.chat("Hi", "m", options={"num_ctx": 1})
            text: str = str(answer) + answer.completion.text
    except LLMWrapError as error:
        return error.exit_status
    return 0
"""


MISTAKEN = """
from llmwrap import LLMWraper

LLMWraper().chat(5)
"""


def test_a_program_of_a_user_type_checks_strictly(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    (tmp_path / "right.py").write_text(PROGRAM)
    (tmp_path / "wrong.py").write_text(MISTAKEN)

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "right.py", "wrong.py"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    first, *others, _ = done.stdout.splitlines()
    assert first.startswith('wrong.py:2: error: Module "llmwrap" has no attribute')
    assert all(line.startswith("wrong.py:") for line in others)
