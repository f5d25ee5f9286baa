"""Colour is for terminals, and only where nobody objects."""

from __future__ import annotations

import subprocess
import sys
from typing import Literal

import pytest

from llmwrap.terminal.style import Palette, prepare_console, wants_color


@pytest.mark.parametrize(
    ("mode", "is_tty", "environ", "wanted"),
    [
        ("auto", True, {}, True),
        ("auto", True, {"TERM": "xterm-256color"}, True),
        ("auto", False, {}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", True, {"TERM": "dumb"}, False),
        ("always", False, {"NO_COLOR": "1", "TERM": "dumb"}, True),
        ("never", True, {}, False),
    ],
)
def test_colour_is_wanted_where_it_is_welcome(
    mode: Literal["auto", "always", "never"],
    is_tty: bool,
    environ: dict[str, str],
    wanted: bool,
) -> None:
    assert wants_color(mode, is_tty, environ) is wanted


@pytest.mark.parametrize("label", ["error", "warning", "note", "reasoning"])
def test_a_label_is_painted_and_closed(
    label: Literal["error", "warning", "note", "reasoning"],
) -> None:
    painted = Palette(color=True).paint(label, "llmwrap:")

    assert painted.startswith("\x1b[")
    assert painted.endswith("llmwrap:\x1b[0m")


def test_without_colour_a_text_stays_as_it_is() -> None:
    assert Palette(color=False).paint("error", "llmwrap:") == "llmwrap:"


def test_nothing_is_painted_as_nothing() -> None:
    assert Palette(color=True).paint("reasoning", "") == ""


def test_a_console_that_needs_nothing_is_left_alone() -> None:
    prepare_console()  # on Windows: colorama; elsewhere: nothing to be seen


def test_without_colour_nothing_is_imported() -> None:
    code = (
        "import sys; from llmwrap.terminal.style import Palette; Palette(color=False);"
        "print([name for name in ('colorama', 'rich', 're') if name in sys.modules])"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert result.stdout == "[]\n"
