"""Markdown falls into the same blocks, however it arrives."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmwrap.terminal import lines
from llmwrap.terminal.blocks import Splitter
from llmwrap.terminal.leaf import Block

DOCUMENT = """\
# Title ##
para one
second line
| a | b |
|---|--:|
| 1 | 2 |
| 3 |
after

Setext
======
- item 1
  more
- item 2

  para in 2

  ```py
def x():
      pass

  ```
  1. nest
     - deep
* * *
> quote
> > inner
lazy

~~~
code ``` in
~~~

    indented

    more

<div>
hello
</div>

-
- - x
1) one
2) two
#hashtag 2024 **bold**
---
* *"""

FRAGMENTS = (
    *("- ", "* ", "+", "1. ", "2) ", "> ", "# ", "##", "```", "~~~", "`", "py", "|"),
    *("| a | b |", "|---|---|", ":-", "---", "===", "\n", "\n\n", "  ", "    ", "\t"),
    *(" ", "word", "<div>", "<", "</p>", "<!-- x", "12", "**b**", "_", "\\", "-", "é"),
    *("# x", "\n- ", "\n  ", "\n```\n", "\n| a | b |\n|---|---|\n| c |"),
)

LONG_BLANKS = " " * (lines.LINE_LIMIT - 4)
LONG = tuple(character * (lines.LINE_LIMIT - 4) for character in " -=#|`~1<a")


def split(pieces: Iterable[str]) -> list[Block]:
    splitter = Splitter()
    blocks = [block for piece in pieces for block in splitter.feed(piece)]
    return blocks + splitter.finish()


def kinds_and_texts(text: str) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in split([text])]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("one\ntwo\n\nthree", [("paragraph", "one\ntwo"), ("paragraph", "three")]),
        ("# A #\n## B", [("heading", "A"), ("heading", "B")]),
        ("#\n#x\n####### y", [("paragraph", "#\n#x\n####### y")]),
        ("# #tag", [("heading", "#tag")]),
        ("A\n===\nB\n---\n", [("heading", "A"), ("heading", "B")]),
        ("a\n\n---\n***\n_ _ _", [("paragraph", "a"), *[("rule", "")] * 3]),
        ("a\n# b\nc", [("paragraph", "a"), ("heading", "b"), ("paragraph", "c")]),
        ("```\na\n\n b\n```", [("code", "a"), ("code", ""), ("code", " b")]),
        ("~~~~\n```\n~~~\n~~~~~", [("code", "```"), ("code", "~~~")]),
        ("   ```\n     a\n   ```", [("code", "  a")]),
        ("```\nunclosed", [("code", "unclosed")]),
        ("``` a`b", [("paragraph", "``` a`b")]),
        ("    a\n\n    b\n\n", [("code", "a"), ("code", ""), ("code", "b")]),
        ("    a\nb", [("code", "a"), ("paragraph", "b")]),
        ("<b>\nx\n\ny", [("html", "<b>"), ("html", "x"), ("paragraph", "y")]),
        ("<http://a.b>", [("paragraph", "<http://a.b>")]),
        ("|a|b|\n|-|-|\n|1|2|", [("table", "|a|b|\n|-|-|\n|1|2|")]),
        ("x\na|b\n-|-\n1|2", [("paragraph", "x"), ("table", "a|b\n-|-\n1|2")]),
        ("a|b\n-|-\n1|2\ny", [("table", "a|b\n-|-\n1|2"), ("paragraph", "y")]),
        ("|a|b|\n|-|\n", [("paragraph", "|a|b|\n|-|")]),
        ("a\tb", [("paragraph", "a    b")]),
    ],
)  # fmt: skip
def test_text_falls_into_blocks(text: str, blocks: list[tuple[str, str]]) -> None:
    assert kinds_and_texts(text) == blocks


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("- a\n- b", [("a", ("-",), 1), ("b", ("-",), 1)]),
        ("- a\n  b\nlazy", [("a\nb\nlazy", ("-",), 1)]),
        ("- a\n\n  b\n\nc", [("a", ("-",), 1), ("b", ("-",), 0), ("c", (), 0)]),
        ("1. a\n   - b", [("a", ("1.",), 1), ("b", ("1.", "-"), 1)]),
        ("- a\n  - b\n- c", [("a", ("-",), 1), ("b", ("-", "-"), 1), ("c", ("-",), 1)]),
        ("- - a", [("a", ("-", "-"), 2)]),
        ("-\n- a", [("", ("-",), 1), ("a", ("-",), 1)]),
        ("-\n  a", [("a", ("-",), 1)]),
        ("> a\nb\n\n> c", [("a\nb", (">",), 1), ("c", (">",), 1)]),
        ("> - a\n> - b", [("a", (">", "-"), 2), ("b", (">", "-"), 1)]),
        ("a\n2. b", [("a\n2. b", (), 0)]),
        ("a\n1. b", [("a", (), 0), ("b", ("1.",), 1)]),
        ("a\n-\nb", [("a", (), 0), ("b", (), 0)]),
        ("12345 a", [("12345 a", (), 0)]),
    ],
)  # fmt: skip
def test_a_block_names_its_containers(
    text: str, places: list[tuple[str, tuple[str, ...], int]]
) -> None:
    blocks = split([text])

    assert [(block.text, block.path, block.opens) for block in blocks] == places


def test_code_in_an_item_ends_at_its_fence_only() -> None:
    """Models often forget to indent the lines of code in a list."""
    blocks = split(["1. do\n   ```sh\nls\n     -l\n```\n2. done"])

    assert [(b.kind, b.text, b.path) for b in blocks] == [
        ("paragraph", "do", ("1.",)),
        ("code", "ls", ("1.",)),
        ("code", "  -l", ("1.",)),
        ("paragraph", "done", ("2.",)),
    ]


def test_lines_of_code_hang_together() -> None:
    blocks = split(["a\n\n```py x\n1\n2\n```"])

    code = blocks[1:]
    assert [(b.language, b.joint, b.after_blank) for b in code] == [
        ("py", "none", True),
        ("py", "line", False),
    ]


@pytest.mark.parametrize("position", range(len(DOCUMENT) + 1))
def test_where_a_document_is_cut_makes_no_difference(position: int) -> None:
    pieces = DOCUMENT[:position], DOCUMENT[position:]

    assert split(pieces) == split([DOCUMENT])


@pytest.mark.slow
@settings(max_examples=500)
@given(fragments=st.lists(st.sampled_from(FRAGMENTS), max_size=30))
def test_one_character_at_a_time_gives_the_same_blocks(fragments: list[str]) -> None:
    text = "".join(fragments)

    assert split(text) == split([text])


@settings(max_examples=300)
@example(fragments=["-", LONG_BLANKS, "x"], cuts=[1, 600, 996, 997])
@example(fragments=["a\n- ", LONG_BLANKS, "x\n#", LONG_BLANKS, "y"], cuts=[990, 1999])
@given(
    fragments=st.lists(st.sampled_from((*FRAGMENTS, *LONG)), max_size=12),
    cuts=st.lists(st.integers(0, 3000), max_size=8),
)
def test_lines_beyond_the_limit_are_the_same_in_pieces(
    fragments: list[str], cuts: list[int]
) -> None:
    text = "".join(fragments)
    ends = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(ends)]

    assert split(pieces) == split([text])


def test_the_open_block_shows_what_has_come() -> None:
    splitter = Splitter()
    shown = []
    for character in "#x\n- **a\n\n```p\nif":
        splitter.feed(character)
        shown.append(splitter.open.text if splitter.open else None)

    assert shown == [
        *("#", "#x", "#x", "#x\n-", "#x\n-", "#x\n- *", "#x\n- **", "**a", "**a"),
        *(None, "`", "``", "```", "```p", None, "i", "if"),
    ]


def test_a_line_is_acted_upon_as_soon_as_it_is_decided() -> None:
    splitter = Splitter()

    assert splitter.feed("one\n") == []
    assert splitter.feed("- ") == []
    assert [block.text for block in splitter.feed("t")] == ["one"]


def test_an_item_ends_with_the_next_and_code_with_its_line() -> None:
    splitter = Splitter()

    assert splitter.feed("- a\n- b\n") == split(["- a"])
    assert [block.text for block in splitter.feed("```\nx\ny")] == ["b", "x"]


def test_a_cut_block_goes_on_where_it_was_cut() -> None:
    splitter = Splitter()
    splitter.feed("- one two")

    first = splitter.cut(4)
    rest = splitter.feed(" three\n\n")

    assert (first.text, first.opens, first.is_cut) == ("one ", 1, True)
    assert [(b.text, b.opens, b.joint) for b in rest] == [("two three", 0, "cut")]


def test_a_cut_line_of_code_cannot_close_its_fence() -> None:
    splitter = Splitter()
    splitter.feed("```\nabc")
    splitter.cut(3)

    rest = splitter.feed("```\n```\n")

    assert [(block.text, block.joint) for block in rest] == [("```", "cut")]


def test_a_cut_paragraph_is_no_heading_any_more() -> None:
    splitter = Splitter()
    splitter.feed("one two")
    splitter.cut(4)

    blocks = splitter.feed("\n---\n")

    assert [(b.kind, b.text) for b in blocks] == [("paragraph", "two"), ("rule", "")]


def test_the_last_row_of_a_table_can_become_text() -> None:
    splitter = Splitter()
    splitter.feed("|a|\n|-|\n|1|\n|too hi")
    splitter.end_table()

    blocks = splitter.feed("gh|\n") + splitter.finish()

    assert [(b.kind, b.text) for b in blocks] == [
        ("table", "|a|\n|-|\n|1|"),
        ("paragraph", "|too high|"),
    ]


def test_nothing_open_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match="nothing is open"):
        Splitter().cut(1)
    with pytest.raises(ValueError, match="no table"):
        Splitter().end_table()


def test_nesting_has_an_end() -> None:
    blocks = split([">" * 1000 + " x"])

    assert len(blocks[0].path) == lines.DEPTH_LIMIT
    assert blocks[0].text.startswith(">>>")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1. a\n1. b\n1. c\n", ["1.", "2.", "3."]),
        ("1. a\n\n   more\n\n1. b\n", ["1.", "1.", "2."]),
        ("1. a\n   ```\n   code\n   ```\n1. b\n", ["1.", "1.", "2."]),
        ("7) a\n3) b\n", ["7)", "8)"]),
        ("1. a\n1) b\n", ["1.", "1)"]),
        ("1. a\n\ntext\n\n1. b\n", ["1.", "1."]),
        ("1. a\n- b\n1. c\n", ["1.", "-", "1."]),
        ("> 1. a\n> 1. b\n", ["1.", "2."]),
        ("1. a\n   1. x\n   1. y\n1. b\n", ["1.", "1.", "2.", "2."]),
        ("9. a\n9. b\n", ["9.", "10."]),
    ],
)
def test_a_list_counts_by_itself(text: str, numbers: list[str]) -> None:
    for size in (1, len(text)):
        splitter = Splitter()
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        found = [block for piece in pieces for block in splitter.feed(piece)]
        found += splitter.finish()

        assert [block.path[-1] for block in found if block.path] == numbers


def test_an_open_item_is_counted_too() -> None:
    splitter = Splitter()

    splitter.feed("1. a\n1. b")

    assert splitter.open is not None
    assert splitter.open.path == ("2.",)
