"""Blocks of code are those of the screen, as they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from llmwrap.terminal.fences import CodeBlock, code_blocks

LINES = (
    "```",
    "````",
    "~~~",
    "~~~~",
    "``` py",
    '```python title="a"',
    "~~~ c++ `x`",
    "  ```sh ",
    "some text",
    "x = 1",
    "  y",
    "",
    "> ```",
    "> quoted",
    ">",
    "# Title",
)


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        ("Say\n```sh\none\n```\nor\n~~~~\ntwo\n~~~~\n", ["one\n", "two\n"]),
        ("```sh\r\none\r\ntwo\r\n```\r\nend\r\n", ["one\ntwo\n"]),
        ("1. Do\n\n   ```sh\n   one\n     two\n   ```\n", ["one\n  two\n"]),
        ("- Do\n  - this:\n    ```\n    one\n    ```\n", ["one\n"]),
        ("> ```\n> one\n> ```\n", ["one\n"]),
        ("> 1. Do\n>    ~~~\n>    one\n>    ~~~\n", ["one\n"]),
        ("````md\n```sh\none\n```\n````\n", ["```sh\none\n```\n"]),
        ("~~~~\n```\none\n~~~\n~~~~\n", ["```\none\n~~~\n"]),
        ("```make\nall:\n\tcc -o a\tb\n```", ["all:\n\tcc -o a\tb\n"]),
        ("so:\n\n    one\n\n    two\n\nend", ["one\n\ntwo\n"]),
        ("```\none\n\n\n```", ["one\n\n\n"]),
        ("   ```\n   one\n     two\n   ```", ["one\n  two\n"]),
        ("``` a ` b\none\n", []),
        ("```py\nstill open", ["still open\n"]),
        ("```py\nstill open\n", ["still open\n"]),
        ("```py\n```\n", []),
        ("a ```not``` b", []),
        ("```\n" + "x" * 5000 + "\n```", ["x" * 5000 + "\n"]),
        ("", []),
    ],
)
def test_each_block_is_as_it_was_written(answer: str, texts: list[str]) -> None:
    assert [block.text for block in code_blocks(answer)] == texts


@pytest.mark.parametrize(
    ("fence", "language"),
    [
        ("```", ""),
        ("```c++", "c++"),
        ('```python title="a"', "python"),
        ("~~~ sh ", "sh"),
        ("```   \tpy", "py"),
        ("~~~ a ` b", "a"),
        ("```{.python .numberLines}", "{.python"),
    ],
)
def test_any_info_string_is_one(fence: str, language: str) -> None:
    (block,) = code_blocks(f"Look:\n{fence}\nx\n{fence[:3]}\nDone.")

    assert block == CodeBlock(language, "x\n", is_fenced=True)


def test_indented_code_has_no_fence() -> None:
    assert code_blocks("so:\n\n    one") == [CodeBlock("", "one\n", is_fenced=False)]


@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_fences_are_those_of_commonmark(lines: list[str]) -> None:
    text = "\n".join(lines)
    tokens = MarkdownIt("commonmark").parse(text)
    fences = [token.content for token in tokens if token.type == "fence"]

    found = [block.text for block in code_blocks(text) if block.is_fenced]

    # Where one ends without a fence, they differ in the blank lines at its end.
    assert _texts(found) == _texts(fences)


def _texts(fences: list[str]) -> list[str]:
    return [fence.rstrip("\n") for fence in fences if fence.strip("\n")]
