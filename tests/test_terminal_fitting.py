"""No open block outgrows the screen, and where it is cut depends on the text only."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwrap.terminal.fitting import Fitter
from llmwrap.terminal.leaf import Block
from llmwrap.terminal.render import Preceding, Renderer

PROSE = " ".join(f"w{number}" for number in range(2000))
TALL_ROW = f"|a|b|\n|-|-|\n|1|{PROSE[:4000]}|\n|2|3|\n\nend"
ROWS = "".join(f"| n{number} | some more text in this cell |\n" for number in range(99))
SIZES = [(9, 5), (39, 10), (79, 24)]
FRAGMENTS = (
    *("word ", "word ", "longer words here ", "x" * 30, "世界の言葉", "**", "`", "\n"),
    *(
        "\n\n",
        "- ",
        "1. ",
        "> ",
        "# ",
        "```\n",
        "| a | b |\n|---|---|\n",
        "| 1 | 2 |\n",
    ),
    *("|", "[a](b ", "    ", "<p>\n"),
)


def fit(pieces: Iterable[str], width: int, height: int) -> list[Block]:
    fitter = Fitter()
    blocks = [block for piece in pieces for block in fitter.feed(piece, width, height)]
    return blocks + fitter.finish()


@pytest.mark.untraced
@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "# " + PROSE,
        "- a\n- " + PROSE,
        "> " + PROSE.replace(" ", "\n"),
        "x" * 5000,
        "世界" * 2000,
        "```\n" + "y" * 5000,
        "| a | b |\n|---|---|\n" + ROWS,
        "| a | b |\n|---|---|\n| 1 | " + PROSE,
        TALL_ROW,
        "**" + PROSE,
    ],
    ids=lambda text: text[:12],
)
def test_no_open_block_is_higher_than_the_screen(
    text: str, width: int, height: int
) -> None:
    fitter, renderer, context = Fitter(), Renderer(color=False), Preceding()
    for position in range(0, min(len(text), 2 * width * height), 3):
        for block in fitter.feed(text[position : position + 3], width, height):
            context = renderer.render(block, context, width).context
        if position % 5 == 0 and fitter.open is not None:
            rows = renderer.render(fitter.open, context, width).rows

            assert len(rows) <= height


@pytest.mark.untraced
@pytest.mark.parametrize(("width", "height"), SIZES)
@settings(max_examples=60)
@given(fragments=st.lists(st.sampled_from(FRAGMENTS), max_size=60))
def test_where_blocks_are_cut_does_not_depend_on_pieces(
    width: int, height: int, fragments: list[str]
) -> None:
    text = "".join(fragments)

    assert fit(text, width, height) == fit([text], width, height)


def test_what_fits_is_not_cut() -> None:
    blocks = fit([PROSE[:1000]], 79, 24)

    assert [block.is_cut for block in blocks] == [False]


def test_all_of_a_cut_paragraph_is_there() -> None:
    blocks = fit([PROSE], 79, 24)

    assert len(blocks) > 4
    assert "".join(block.text for block in blocks) == PROSE
    assert [block.joint for block in blocks] == ["none", *["cut"] * (len(blocks) - 1)]


def test_a_pair_of_marks_is_not_cut_through() -> None:
    text = " ".join(f"a{n} **b{n} c{n}** [d e](f{n})" for n in range(300))

    for block in fit([text], 79, 24):
        assert block.text.count("**") % 2 == 0
        assert block.text.count("[") == block.text.count(")")


def test_the_head_of_a_table_is_not_cut_off() -> None:
    text = PROSE[:200].replace(" ", "\n") + "\n| a | b |\n|---|---|\n| 1 | 2 |\n"

    assert [b.kind for b in fit([text], 39, 10)][-1] == "table"


def test_a_high_table_is_cut_between_rows() -> None:
    blocks = fit(["| a | b |\n|---|---|\n" + ROWS], 79, 24)

    assert len(blocks) > 3
    assert {block.kind for block in blocks} == {"table"}
    assert all(block.text.endswith("|\n") for block in blocks[:-1])


def test_a_row_too_high_for_the_screen_becomes_text() -> None:
    kinds = [block.kind for block in fit([TALL_ROW], 79, 24)]

    assert (kinds[0], set(kinds[1:])) == ("table", {"paragraph"})


def test_a_long_line_of_code_is_cut_where_it_is_folded() -> None:
    blocks = fit(["```\n" + "y" * 5000 + "\n```"], 79, 24)

    assert len(blocks) > 3
    assert all(len(block.text) % 77 == 0 for block in blocks[:-1])
    assert sum(len(block.text) for block in blocks) == 5000
