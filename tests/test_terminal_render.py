"""Blocks become rows: no wider than the screen, no text lost, nothing of rich's."""

from __future__ import annotations

import re

import pytest

from llmwrap.terminal.blocks import Splitter
from llmwrap.terminal.inline import InlineParser
from llmwrap.terminal.render import Preceding, Renderer, Row

SGR = re.compile(r"\x1b\[[\d;]*m")
DEEP = "- a\n  1. b\n     > - c\n       > ```\n       > x = 1\n       > ```\n"


def rows(text: str, width: int = 40, *, color: bool = False) -> list[Row]:
    splitter = Splitter()
    renderer = Renderer(color=color)
    context = Preceding()
    found: list[Row] = []
    for block in splitter.feed(text) + splitter.finish():
        rendered = renderer.render(block, context, width)
        context = rendered.context
        found += rendered.rows
    return found


def shown(text: str, width: int = 40) -> list[str]:
    return [row.text for row in rows(text, width)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a **b** *c* ~~d~~ `e`", ["a b c d e"]),
        ("one\ntwo  \nthree\\\nfour", ["one", "two", "three", "four"]),
        ("a\n\n\n\nb", ["a", "", "b"]),
        ("# Title\ntext", ["# Title", "", "text"]),
        ("- a\n- b\n\n- c", ["• a", "• b", "", "• c"]),
        ("* a\n  * b\n    c", ["• a", "  • b", "    c"]),
        ("9. a\n10. b\n\n    c", ["9. a", "10. b", "", "    c"]),
        ("- [ ] todo\n- [x] done", ["• [ ] todo", "• [x] done"]),
        ("> a\n> b\n\nc", ["▌ a", "▌ b", "", "c"]),
        ("> a\n>\n> - b\n>   c", ["▌ a", "▌", "▌ • b", "▌   c"]),
        ("a:\n- b\n\nc", ["a:", "", "• b", "", "c"]),
        ("-", ["•"]),
        ("a\n\n```py\nif x:\n    y\n```\nb", ["a", "", "  if x:", "      y", "", "b"]),
        ("```\na\n\nb\n```", ["  a", "", "  b"]),
        ("```\n```", []),
        ("- a\n  ```\n  b\n  ```", ["• a", "    b"]),
        ("<div>\n  **x**\n</div>", ["<div>", "  **x**", "</div>"]),
        ("a <b>c</b>", ["a <b>c</b>"]),
        ("***", ["─" * 40]),
        ("[bold]x[/bold] %s :smile: {{> a}}", ["[bold]x[/bold] %s :smile: {{> a}}"]),
        ("[text][ref]\n\n[ref]: http://a.b", ["[text][ref]", "", "[ref]: http://a.b"]),
    ],
)  # fmt: skip
def test_a_block_looks_as_it_should(text: str, lines: list[str]) -> None:
    assert shown(text) == lines


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[text](http://a.b/c)", "text (http://a.b/c)"),
        ("[http://a.b](http://a.b)", "http://a.b"),
        ("<http://a.b/%1b%5B>", "http://a.b/%1b%5B"),
        ("<me@a.b>", "me@a.b"),
        ("![alt](a.png) end", "alt (a.png) end"),
        ("![](a.png)", "(a.png)"),
        ("[](http://a.b)", "(http://a.b)"),
        ("[x](javascript:y)", "[x](javascript:y)"),
        ("[a](b\u202ec)", "a (b<U+202E>c)"),
        ("&amp; &#13; &#x202e; &NewLine; &#27;", "& ^M <U+202E> ^J \ufffd"),
        ("a\\*b\\_c", "a*b_c"),
        ("2 * 3 * 4 snake_case_name", "2 * 3 * 4 snake_case_name"),
    ],
)  # fmt: skip
def test_inline_markup_hides_nothing(text: str, line: str) -> None:
    assert InlineParser().text(text).plain == line


def test_a_link_is_no_hyperlink_of_the_terminal() -> None:
    text = "".join(row.text for row in rows("[x](http://a.b)", color=True))

    assert "\x1b]" not in text
    assert SGR.sub("", text) == "x (http://a.b)"


def test_brackets_without_end_are_not_looked_through() -> None:
    assert InlineParser().text("[" * 5000).plain == "[" * 5000


@pytest.mark.parametrize("color", [False, True])
def test_colour_changes_no_text(color: bool) -> None:
    text = "**a** [b](c) `d`\n\n- *e*\n\n> f\n\n```py\nif x: pass\n```\n\n|g|\n|-|\n|h|"

    plain = [SGR.sub("", row.text) for row in rows(text, color=color)]

    assert plain == shown(text)
    assert any("\x1b[" in row.text for row in rows(text, color=color)) is color


def test_a_heading_without_colour_keeps_its_sign() -> None:
    coloured = SGR.sub("", rows("## A", color=True)[0].text)

    assert (shown("## A"), coloured) == (["## A"], "A")


def test_each_styled_run_is_closed() -> None:
    for row in rows("# A **b**\n\n- c `d` e", color=True):
        codes = SGR.findall(row.text)

        assert codes[1::2] == ["\x1b[0m"] * (len(codes) // 2)


TABLE = "| name | number |\n|:--|--:|\n| **a** | 1 |\n| b \\| c | 22 | extra |\n| d |\n"


def test_a_table_has_columns() -> None:
    assert shown(TABLE) == [
        "name       number",
        "─────  ──────────",
        "a               1",
        "b | c  22 | extra",
        "d",
    ]


def test_a_centred_column_is_centred() -> None:
    assert shown("|abcde|\n|:-:|\n|x|\n")[2] == "  x"


def test_the_widest_columns_of_a_table_give_way() -> None:
    text = "| a | b |\n|---|---|\n| x | one two three four five |\n"

    assert shown(text, 15) == [
        *("a  b", "─  ────────────", "x  one two", "   three four", "   five"),
    ]


def test_a_table_without_room_is_shown_as_it_was_written() -> None:
    text = "| a | b | c |\n|---|---|---|\n| x | y | z |"

    assert shown(text, 15) == text.split("\n")


@pytest.mark.parametrize("width", [1, 2, 3, 5, 9, 20, 39, 200])
def test_no_row_is_wider_than_the_screen(width: int) -> None:
    text = (
        f"{DEEP}\n{TABLE}\n# {'long ' * 20}\n\n{'x' * 99} 世界世界世界\n\n> > > deep\n"
        f"\n```\n{'y' * 300}\n```\n\n|a|b|c|d|e|f|\n|-|-|-|-|-|-|\n"
        f"|{'long ' * 9}|2|3|4|5|6|"
    )

    found = rows(text, width)

    assert max(row.cells for row in found) <= max(width, 2)  # a wide one needs two
    letters = re.sub(r"[^xy]", "", "".join(row.text for row in found))
    assert len(letters) == len(re.sub(r"[^xy]", "", text))


def test_on_a_narrow_screen_outer_containers_go_first() -> None:
    assert shown(DEEP, 9)[-2:] == ["▌ • c", "▌ x = 1"]


def test_a_cut_paragraph_shows_no_seam() -> None:
    text = "- " + "one **two** three four five six seven eight nine ten"
    whole = rows(text, 12)
    for size in (4, 12, 18, 23, 28, 40):
        splitter = Splitter()
        splitter.feed(text)
        blocks = [splitter.cut(size), *splitter.finish()]
        renderer, context = Renderer(color=False), Preceding()
        found: list[Row] = []
        for block in blocks:
            rendered = renderer.render(block, context, 12)
            context = rendered.context
            found += rendered.rows

        assert found == whole


def test_a_block_can_be_tried_without_consequence() -> None:
    splitter, renderer, context = Splitter(), Renderer(color=True), Preceding()
    for block in splitter.feed("```py\nx = '''\n"):
        context = renderer.render(block, context, 40).context
    splitter.feed("if")
    assert splitter.open is not None

    tried = [renderer.render(splitter.open, context, 40).rows for _ in range(2)]

    assert tried[0] == tried[1]
