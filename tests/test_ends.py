"""What end markers mean, and that one module alone knows their words."""

from __future__ import annotations

import ast
import re

import pytest

from llmwrap.ends import end_of, is_cut, is_no_answer, marker

from .runner import ROOT
from .test_layers import where

_WORDS = {
    "abort", "content_filter", "end_turn", "eos_token", "insufficient_system_resource",
    "model_length", "network_error", "recitation",
    "stop_sequence", "tool_use", "unload",
}  # fmt: skip
"""End markers that mean nothing else anywhere."""
_MAY_KNOW = re.compile(f"_reason|{'|'.join(_WORDS)}")
"""What stands in each file that has to be looked into."""


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("stop", "good"),
        ("FinishReason.STOP", "good"),
        ("</s>", "good"),
        ("<|eot_id|>", "good"),
        ("model_length", "cut"),
        ("maxTokens", "cut"),
        ("content-filter", "withheld"),
        ("insufficient_system_resource", "broken"),
        ("tool_use", "called"),
        ("", "unknown"),
        ("stop it", "unknown"),
        ("stopped by me", "unknown"),
    ],
)
def test_a_word_means_the_same_however_it_is_written(reason: str, end: str) -> None:
    assert end_of(reason) == end
    assert is_cut(reason) is (end == "cut")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, ""),
        ("", ""),
        ("null", ""),
        (False, ""),
        ({}, ""),
        ([], "[]"),
        (" stop ", "stop"),
        ({"type": "length", "length": 5}, "length"),
        ({"type": None}, ""),
        (1, "1"),
        (True, "True"),
    ],
)
def test_a_marker_may_have_any_type(value: object, found: str) -> None:
    assert marker(value) == found


def test_a_model_that_was_loaded_is_no_answer() -> None:
    assert is_no_answer("load")
    assert not is_no_answer("stop")


@pytest.mark.slow
@pytest.mark.untraced
def test_only_one_module_knows_the_words() -> None:
    """What a marker means is decided in one place, or two would differ one day."""
    found = [
        where(file.name, node)
        for file in (ROOT / "llmwrap").rglob("*.py")
        if file.name != "ends.py" and _MAY_KNOW.search(text := file.read_text("utf-8"))
        for node in ast.walk(ast.parse(text))
        if _is_word(node) or _is_of_a_reason(node)
    ]

    assert found == []


def _is_word(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in _WORDS


def _is_of_a_reason(node: ast.AST) -> bool:
    """Tell whether it compares a reason with a text."""
    if not isinstance(node, ast.Compare):
        return False
    sides = (node.left, *node.comparators)
    is_text = any(
        isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides
    )
    return is_text and "_reason" in ast.unparse(node)
